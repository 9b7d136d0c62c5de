"""``tidegate admission``: the webhook role, run in the cluster by the chart."""

from pathlib import Path

import click

from tidegate.cli.options import config_option


@click.command
@config_option("The configuration file; docs/reference/configuration.md describes every key.", required=True)
def admission(config: Path) -> None:
    """Run the validating admission webhook.

    It serves HTTPS, watches ImagePolicy and TrustStore objects, reads evidence from AWS and decides. On SIGTERM it
    finishes running requests and exits. It needs a kubeconfig or the Pod's ServiceAccount.
    """
    # Imported here: the other commands need neither kopf nor the Kubernetes client.
    from tidegate.app.admission import serve  # noqa: PLC0415
    from tidegate.app.process import end_soon, run_role  # noqa: PLC0415
    from tidegate.settings import load_settings  # noqa: PLC0415

    run_role(load_settings(config), serve)
    end_soon()
