"""``tidegate apply-crds``: run by the chart before an upgrade, because helm never changes the CRDs of its crds folder."""

import asyncio
from pathlib import Path

import click


@click.command("apply-crds")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def apply_crds(folder: Path) -> None:
    """Create or replace the CRDs in the YAML files of FOLDER.

    The chart runs this before `helm upgrade`, because helm itself never upgrades a CRD. Labels, annotations and stored
    objects stay as they are. Only CRDs of the group tidegate.dev are accepted. It needs a kubeconfig or the Pod's
    ServiceAccount.
    """
    # Imported late: the other commands start without the Kubernetes client.
    from tidegate.cluster.api import KubernetesApi  # noqa: PLC0415
    from tidegate.cluster.connection import load_configuration  # noqa: PLC0415
    from tidegate.cluster.crds import apply_crd, read_crds  # noqa: PLC0415

    crds = read_crds(folder)
    api = KubernetesApi(load_configuration())
    try:
        for crd in crds:
            change = asyncio.run(apply_crd(api, crd))
            click.echo(f"customresourcedefinition {crd['metadata']['name']} {change}")
    finally:
        api.close()
