"""The command ``tidegate`` and what its subcommands share."""

import sys
from typing import Any

import click

from tidegate import __version__
from tidegate.cli.admission import admission
from tidegate.cli.check import check
from tidegate.cli.explain import explain
from tidegate.cli.import_notation import import_group
from tidegate.cli.verify import verify
from tidegate.errors import ConfigurationError, Error

EXIT_UNKNOWN = 2
"""The result is unknown: invalid input, or evidence that is not available."""


class Commands(click.Group):
    """Turns tidegate's own errors into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as problem:
            self._end(f"configuration: {problem}")
        except Error as problem:
            self._end(str(problem))

    @staticmethod
    def _end(text: str) -> None:
        click.echo(f"tidegate: {text}", err=True)
        sys.exit(EXIT_UNKNOWN)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidegate")
def main() -> None:
    """Decide which container images may run on Amazon EKS.

    In a cluster, `tidegate admission` answers the Kubernetes API server. On a laptop or in CI, `tidegate check` judges
    images and manifests by the same policies, `tidegate explain` shows the evidence for one image, and `tidegate verify`
    shows each step of signature verification. `tidegate import` converts the trust policies of other tools to objects.

    AWS credentials are found as by the AWS CLI: environment, profile, or the role of the machine or Pod.
    """


main.add_command(admission)
main.add_command(check)
main.add_command(explain)
main.add_command(import_group)
main.add_command(verify)
