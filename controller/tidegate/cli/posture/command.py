"""``tidegate posture``: the configuration of registries and repositories of Amazon ECR, and a fix for each failure."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import click

from tidegate.checks.result import Outcome
from tidegate.cli.check.outcome import EXIT_ALLOWED, EXIT_REFUSED, EXIT_UNKNOWN
from tidegate.cli.options import config_option, file_option, output_option, policy_option, settings_of, timeout_option
from tidegate.cli.report.reading import read_files
from tidegate.telemetry.log import configure_logging

_CODES = {Outcome.PASS: EXIT_ALLOWED, Outcome.FAIL: EXIT_REFUSED, Outcome.UNDETERMINED: EXIT_UNKNOWN}


@click.command
@click.argument("scope", nargs=-1, metavar="[REGISTRY|REPOSITORY]...")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every repository of the caller's account and of each account of the configuration file, in each --region.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="A region for --all; may be repeated. Default: the region of the configuration file or the environment.",
)
@policy_option(
    "YAML file with ImagePolicy objects that have a section repository: each repository must meet the policies that "
    "match it; may be repeated. Default: a policy restricts who can push, no other account can pull, tags are immutable, scans "
    "are continuous, and a lifecycle policy keeps the images of --running."
)
@click.option(
    "--severity",
    type=click.Choice(["HIGH", "MEDIUM", "LOW"], case_sensitive=False),
    default="MEDIUM",
    show_default=True,
    help="The lowest severity of the default checks: LOW adds encryption with AWS KMS and ECR's managed signing. Requirements "
    "of --policy are always checked.",
)
@file_option(
    "--running",
    "running_files",
    dash=True,
    multiple=True,
    help="Output of kubectl get imageverdicts with -o yaml or -o json (- for standard input): lifecycle policies are evaluated "
    "for the running digests. Without other arguments, the repositories of these digests are checked.",
)
@config_option("The controller's configuration file: AWS roles, endpoints, and the rate of calls.")
@timeout_option(
    "Total time. Checks of a configuration that was not read by then are undetermined.", most=86_400, default=3_600.0
)
@output_option(
    ["table", "json", "sarif", "html", "prometheus"],
    "Output format: a table for people, JSON for programs, SARIF 2.1.0 for code scanning, one HTML page that needs no "
    "other file, or Prometheus' text format.",
)
def posture(
    scope: tuple[str, ...],
    everything: bool,
    regions: tuple[str, ...],
    policy_files: tuple[Path, ...],
    severity: str,
    running_files: tuple[Path, ...],
    config: Path | None,
    timeout: float,
    output: str,
) -> None:
    """Check how repositories of Amazon ECR are configured: who can push and pull, tags, scans, encryption, lifecycle.

    REGISTRY is an account and a region, such as 111122223333/eu-west-1, for all its repositories. REPOSITORY is a repository
    with the host of its registry. The command changes nothing in AWS. Most failures come with an AWS CLI command and
    a Terraform attribute that correct them.

    It makes two calls for each repository, and a few for each registry. At the default rate of 20 calls a second for each
    API, 10,000 repositories take about nine minutes.

    Exit code 0: every check passes. 1: at least one fails. 2: none fails, but at least one could not be determined.

    \b
    Examples:
      tidegate posture 111122223333/eu-west-1
      tidegate posture --all --region eu-west-1 -o html > posture.html
      kubectl get imageverdicts -o yaml | tidegate posture --running -
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    if not scope and not everything and not running_files:
        raise click.UsageError("name at least one REGISTRY or REPOSITORY, or use --all or --running")
    if everything and scope:
        raise click.UsageError("use --all without further arguments")
    if regions and not everything:
        raise click.UsageError("--region is only for --all; name a registry as 111122223333/eu-west-1")
    configure_logging(level="error", form="console", stream=sys.stderr)
    inventory = read_files(running_files) if running_files else None
    # Imported late: the SDK of AWS takes longer to import than all other modules.
    from tidegate.cli.posture.run import PostureRun  # noqa: PLC0415
    from tidegate.posture.result import PostureSeverity  # noqa: PLC0415

    run = PostureRun(
        settings_of(config),
        policy_files,
        inventory,
        least=PostureSeverity(severity.upper()),
        deadline=monotonic() + timeout,
    )
    now = datetime.now(UTC)
    report = run.report(run.everything(regions) if everything else run.scope(scope), now=now)
    # The other outputs are imported where they are used: none needs the modules of another.
    if output == "json":
        from tidegate.reports.posture_json import posture_as_json  # noqa: PLC0415

        click.echo(json.dumps(posture_as_json(report, now=now), indent=2))
    elif output == "sarif":
        from tidegate.reports.posture_sarif import posture_as_sarif  # noqa: PLC0415

        click.echo(json.dumps(posture_as_sarif(report), indent=2))
    elif output == "html":
        from tidegate.reports.posture_page import render_posture  # noqa: PLC0415

        click.echo(render_posture(report, now=now), nl=False)
    elif output == "prometheus":
        from tidegate.telemetry.posture import posture_as_metrics  # noqa: PLC0415

        click.echo(posture_as_metrics(report), nl=False)
    else:
        from tidegate.cli.posture.text import print_posture  # noqa: PLC0415

        print_posture(report)
    sys.exit(_CODES[report.outcome])
