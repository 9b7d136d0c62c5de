"""``tidegate background``: the background role, run in the cluster by the chart."""

from pathlib import Path

import click

from tidegate.cli.options import config_option


@click.command
@config_option("The configuration file; docs/reference/configuration.md describes every key.", required=True)
def background(config: Path) -> None:
    """Judge the images that run in the cluster, again and again.

    It watches Pods, asks AWS what has changed, and writes ImageVerdict objects, Events and reports. Only one
    replica works: the leader that the replicas elect by a Lease. It answers no admission request. It needs a kubeconfig or the Pod's ServiceAccount.
    """
    # Imported here: the other commands need neither kopf nor the Kubernetes client.
    from tidegate.app.background import serve  # noqa: PLC0415
    from tidegate.app.process import end_soon, run_role  # noqa: PLC0415
    from tidegate.settings import load_settings  # noqa: PLC0415

    run_role(load_settings(config), serve)
    end_soon()
