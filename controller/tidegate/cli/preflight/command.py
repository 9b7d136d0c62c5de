"""``tidegate preflight``: check what tidegate needs, and print the fix for everything that is missing."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Final

import click

from tidegate.checks.messages import harmless
from tidegate.cli.lines import console, print_line
from tidegate.cli.options import config_option, namespace_option, output_option, policy_option, timeout_option
from tidegate.cli.preflight.row import EXIT_FINE, EXIT_UNKNOWN, PreflightCheck, Row, State, exit_code
from tidegate.telemetry.log import configure_logging

MAX_SHOWN: Final = 1_000
"""Characters of what AWS or the API server said."""
_COLUMN: Final = 21
_STYLES: Final = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.FAILED: "bold red",
    State.UNKNOWN: "magenta",
}


@click.command
@policy_option(
    "YAML file with ImagePolicy objects; may be repeated. They decide what is needed of AWS. Default: the policies "
    "of the cluster."
)
@click.option(
    "--only",
    type=click.Choice([each.value for each in PreflightCheck]),
    multiple=True,
    metavar="CHECK",
    help=f"Make only this check; may be repeated. One of {', '.join(PreflightCheck)}. Default: all.",
)
@namespace_option("Namespace of the known-bad Pod, which is created by dry run only. It must not be exempt.")
@click.option("--image", metavar="TEXT", help="Image of the known-bad Pod. Default: one that every policy refuses.")
@config_option()
@timeout_option("Total time to wait for AWS and the API server.")
@click.option(
    "--iam-policy",
    is_flag=True,
    help="Print the IAM policy that the policies need, for the account of the caller, and check nothing.",
)
@click.option(
    "--allow-unknown",
    is_flag=True,
    help="Exit with 0 instead of 2, so that an AWS that does not answer stops nothing.",
)
@output_option()
def preflight(
    policy_files: tuple[Path, ...],
    only: tuple[str, ...],
    namespace: str,
    image: str | None,
    config: Path | None,
    timeout: float,
    iam_policy: bool,
    allow_unknown: bool,
    output: str,
) -> None:
    """Check AWS identity, IAM permissions, endpoints, scanning, clock, policies and webhook, and show how to fix them.

    Nothing is changed: IAM actions are tried with calls that change nothing, and the webhook with a dry run. Run it with the
    identity of the controller, for example by the chart's `preflight.enabled`. It reads the policies and tries the webhook
    with a kubeconfig or the Pod's ServiceAccount.

    Exit code 0: everything is fine. 1: a check failed. 2: no check failed, but at least one could not be made.

    \b
    Examples:
      tidegate preflight --policy policies.yaml --config tidegate.yaml
      tidegate preflight --only webhook --namespace team-a
      tidegate preflight --policy policies.yaml --iam-policy
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    # Imported late: the SDK of AWS and the Kubernetes client take longer to import than all other modules.
    from tidegate.cli.preflight.run import Run  # noqa: PLC0415

    configure_logging(level="error", form="console", stream=sys.stderr)
    run = Run(policy_files, config, monotonic() + timeout)
    if iam_policy:
        click.echo(json.dumps(run.iam_policy(), indent=2))
        return
    chosen = frozenset(map(PreflightCheck, only)) or frozenset(PreflightCheck)
    rows = sorted(
        run.rows(chosen, namespace, image, explicit=bool(only)), key=lambda row: list(PreflightCheck).index(row.check)
    )
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print(rows)
    code = exit_code(rows)
    sys.exit(EXIT_FINE if allow_unknown and code == EXIT_UNKNOWN else code)


def _print(rows: Iterable[Row]) -> None:
    to = console()
    for row in rows:
        text = f"{row.state.value:<8} {row.check.value:<11} {row.subject}: {harmless(row.found, MAX_SHOWN)}"
        print_line(to, text, style=_STYLES[row.state], hanging=_COLUMN)
        if row.fix:
            print_line(to, f"To fix: {row.fix}", indent=_COLUMN)
