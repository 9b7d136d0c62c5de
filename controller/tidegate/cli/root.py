"""The command ``tidegate``. A subcommand is imported when it is called, so that ``tidegate --help`` imports none."""

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click
from click.shell_completion import CompletionItem

from tidegate import __version__
from tidegate.errors import ConfigurationError, Error

EXIT_UNKNOWN = 2
"""The result is unknown: invalid input, evidence that is not available, or an error inside tidegate."""
EXIT_INTERRUPTED = 130
"""The user interrupted the command: 128 and the number of SIGINT, as in a shell."""
EXIT_NO_READER = 141
"""What reads standard output has closed it: 128 and the number of SIGPIPE, as in a shell."""

SUBCOMMANDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "admission": (
            "tidegate.cli.admission.command",
            "admission",
            "Answer the Kubernetes API server (run by the chart).",
        ),
        "apply-crds": (
            "tidegate.cli.crds.command",
            "apply_crds",
            "Create or replace tidegate's CRDs (run by the chart).",
        ),
        "background": (
            "tidegate.cli.background.command",
            "background",
            "Judge running images again and again (run by the chart).",
        ),
        "check": ("tidegate.cli.check.command", "check", "Judge images or manifests as the cluster would."),
        "completion": (
            "tidegate.cli.completion.command",
            "completion",
            "Print the script that completes commands in a shell.",
        ),
        "exception": (
            "tidegate.cli.exception.command",
            "exception_group",
            "Write exceptions from policies, and list them.",
        ),
        "explain": (
            "tidegate.cli.explain.command",
            "explain",
            "Show the evidence for one image and the result of each check.",
        ),
        "import": (
            "tidegate.cli.imports.command",
            "import_group",
            "Convert trust policies of other tools to objects.",
        ),
        "lint": (
            "tidegate.cli.lint.command",
            "lint",
            "Find mistakes in policies, exceptions and trust stores.",
        ),
        "man": ("tidegate.cli.man.command", "man", "Write the manual pages of all commands."),
        "posture": (
            "tidegate.cli.posture.command",
            "posture",
            "Check how repositories of Amazon ECR are configured.",
        ),
        "preflight": (
            "tidegate.cli.preflight.command",
            "preflight",
            "Check AWS, permissions, policies and the webhook, with fixes.",
        ),
        "record": (
            "tidegate.cli.record.command",
            "record",
            "Write the evidence of images as test cases of policies.",
        ),
        "report": (
            "tidegate.cli.report.command",
            "report",
            "Show what would be refused, and what turned bad, from verdicts.",
        ),
        "test": (
            "tidegate.cli.test.command",
            "run_tests",
            "Run the test cases of policies, without a network.",
        ),
        "verify": (
            "tidegate.cli.verify.command",
            "verify",
            "Verify signatures step by step: of images, files or an OCI layout.",
        ),
    }
)
"""The module and name of each subcommand, and its line in the help."""


class Subcommands(click.Group):
    """Imports a subcommand when it is called, and turns tidegate's own errors into one line and exit code 2."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand; for an unknown name, suggest a similar one."""
        if args and args[0] not in SUBCOMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only for this error

            for name in get_close_matches(args[0], SUBCOMMANDS, n=1):
                ctx.fail(f"No such command {args[0]!r}. Did you mean {name!r}?")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the subcommands."""
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a subcommand; None for an unknown name."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module, name, _ = SUBCOMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the subcommands for a shell that completes, without importing them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        found = [(name, line) for name, (_, _, line) in sorted(SUBCOMMANDS.items()) if name.startswith(incomplete)]
        return [CompletionItem(name, help=line) for name, line in found]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the help line of each subcommand without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in sorted(SUBCOMMANDS.items())])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as problem:
            self._end(f"configuration: {problem}")
        except Error as problem:
            self._end(str(problem))
        except KeyboardInterrupt:
            self._end("interrupted", EXIT_INTERRUPTED)

    @staticmethod
    def _end(text: str, code: int = EXIT_UNKNOWN) -> None:
        from tidegate.strict.quotation import log_line  # noqa: PLC0415 - only for this error

        click.echo("\n".join(map(log_line, f"tidegate: {text}".split("\n"))), err=True)
        sys.exit(code)


@click.group(cls=Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidegate")
def main() -> None:
    """Decide which container images may run on Amazon EKS.

    In a cluster, `tidegate admission` answers the Kubernetes API server, and `tidegate background` judges the images that
    run there. On a laptop or in CI, `tidegate check` judges images and manifests by the same policies, `tidegate explain`
    shows the evidence for one image, and `tidegate verify` shows each step of signature verification. `tidegate import`
    converts the trust policies of other tools to objects. `tidegate exception` writes exceptions from policies.
    `tidegate preflight` checks what tidegate needs of AWS and of the cluster. `tidegate posture` checks how repositories of
    Amazon ECR are configured. `tidegate report` shows what would be refused
    if every policy were enforced, from the verdicts of a cluster.

    tidegate finds AWS credentials as the AWS CLI does: environment, profile, or the role of the machine or Pod.
    """
