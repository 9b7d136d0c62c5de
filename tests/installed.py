"""tidegate as its users have it: the image on a node, the chart by helm, called by the API server through the Service.

    with NodeCluster() as cluster, simulated_aws(cluster, world) as aws, Installed(cluster, aws) as tidegate:
        tidegate.apply_policy("production", {"tags": {"immutable": True}})
        cluster.apply(deployment, check=False)

Only where the image is and where AWS is differ from the chart's defaults, and that it refuses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from tests.chart.render import CHART, NAMESPACE, RELEASE, run_helm
from tests.cluster import program, wait_for
from tests.cluster.node import NodeCluster, controller_image, missing
from tests.cluster.node.components import PAUSE_ACCOUNT, PAUSE_REPOSITORY, PAUSE_TAG, REGISTRY_PORT
from tests.cluster.toolchain.build import ready
from tests.namespaces import cgroups
from tests.prerequisites import make_ready
from tests.release import Release
from tests.simulator import Simulator, World, manifests, scenario

REPOSITORY = "tidegate"
PAUSE = "tidegate-pause"
ROLLOUT_SECONDS = 180
SELECTOR = "--selector=app.kubernetes.io/component=admission"


def prepare_node() -> str:
    """Find or build programs and image; return what keeps a node from running here, in words, or an empty text."""
    if lacking := missing():
        return lacking
    return make_ready(lambda: ready([*NodeCluster.programs, PAUSE])) or make_ready(controller_image)


def running_world(path: Path) -> World:
    """Return a scenario's world in which each image is one that a node can run; what a node needs itself is there too."""
    pause = program(PAUSE).read_bytes()
    world = scenario.load(path, program=pause)
    world.add_account(PAUSE_ACCOUNT)
    world.push(PAUSE_REPOSITORY, manifests.image("pause", program=pause), PAUSE_TAG, account=PAUSE_ACCOUNT)
    return world


def push_controller_image(world: World) -> None:
    """Push tidegate's own image to where the chart's default tag is looked for."""
    world.push(REPOSITORY, manifests.from_layout(controller_image()), chart_version())


def chart_version() -> str:
    """Return the tag of the image that the chart installs by default."""
    lines = (CHART / "Chart.yaml").read_text().splitlines()
    (version,) = [line.split(":")[1].strip(' "') for line in lines if line.startswith("appVersion:")]
    return version


@contextlib.contextmanager
def simulated_aws(cluster: NodeCluster, world: World) -> Iterator[Simulator]:
    """Serve a world where the node pulls images from, and where Pods find AWS."""
    with contextlib.ExitStack() as stack:
        with cluster.network():
            aws = stack.enter_context(Simulator(world, address=cluster.address, port=REGISTRY_PORT))
        yield aws


class Installed(Release):
    """A release of the chart with its defaults; ``values`` change them."""

    def __init__(self, cluster: NodeCluster, aws: Simulator, *, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(cluster)
        self._node = cluster
        self._world = aws.world
        registry = f"{aws.world.account}.dkr.ecr.{aws.world.region}.amazonaws.com"
        self.values: dict[str, Any] = {
            "image": {"repository": f"{registry}/{REPOSITORY}"},
            "auditOnly": False,
            "aws": {"region": aws.world.region},
            "extraEnv": [{"name": name, "value": value} for name, value in aws.environment().items()],
            **(values or {}),
        }

    def __enter__(self) -> Self:
        push_controller_image(self._world)
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the end of the cluster is its end."""

    def install(self, values: Mapping[str, Any] | None = None) -> None:
        """Install the chart with its values, some of them changed, and wait until the API server calls tidegate."""
        self.helm("install", str(CHART), "--create-namespace", values=self.values | dict(values or {}))
        self.wait_for_rollout()
        self.wait_until_called()

    def upgrade(self, values: Mapping[str, Any] | None = None) -> None:
        """Upgrade the release to its values with some changed, and wait for its Pods."""
        self.helm("upgrade", str(CHART), values=self.values | dict(values or {}))
        self.wait_for_rollout()

    def uninstall(self) -> None:
        """Uninstall the release and wait for the end of its Pods; the namespace and the CRDs stay."""
        self.helm("uninstall")
        wait_for(lambda: not self.pods(), what="the end of the Pods", timeout_seconds=ROLLOUT_SECONDS)

    def helm(
        self,
        verb: str,
        *arguments: str,
        values: Mapping[str, Any] | None = None,
        timeout_seconds: float = ROLLOUT_SECONDS,
    ) -> str:
        """Run helm on the release and return what it printed."""
        done = run_helm(
            verb,
            RELEASE,
            *arguments,
            f"--namespace={NAMESPACE}",
            values=values,
            cluster=self.cluster,
            timeout_seconds=timeout_seconds,
        )
        return done.stdout

    def wait_for_rollout(self) -> None:
        """Wait until every Pod of the Deployment is ready, and each that it replaces has ended."""
        what = ("rollout", "status", f"deployment/{RELEASE}", f"--namespace={NAMESPACE}")
        self.cluster.kubectl(*what, f"--timeout={ROLLOUT_SECONDS}s", timeout_seconds=ROLLOUT_SECONDS + 10)
        wait_for(
            lambda: not [pod for pod in self.pods() if "deletionTimestamp" in pod["metadata"]],
            what="the replaced Pods to end",
            timeout_seconds=ROLLOUT_SECONDS,
        )

    def pods(self) -> list[dict[str, Any]]:
        """Return the Pods of the controller."""
        found: list[dict[str, Any]] = self.cluster.get("pods", f"--namespace={NAMESPACE}", SELECTOR)["items"]
        return found

    def processes(self, role: str = "admission") -> list[int]:
        """Return the PIDs of a role's processes, as this machine has them: one a replica that runs."""
        folders = cgroups.folders(self._node.inside.cgroup)
        pids = {int(pid) for folder in folders for file in folder.rglob("cgroup.procs") for pid in _lines(file)}
        return sorted(pid for pid in pids if f"\0{role}\0".encode() in _bytes(Path(f"/proc/{pid}/cmdline")))


def pod_of(pid: int) -> str:
    """Return the name of the Pod that a process of tidegate runs in, or an empty text where it has ended."""
    found = [one for one in _bytes(Path(f"/proc/{pid}/environ")).split(b"\0") if one.startswith(b"POD_NAME=")]
    return found[0].partition(b"=")[2].decode() if found else ""


def _bytes(path: Path) -> bytes:
    """Return a file's content, or nothing where it is gone meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _lines(path: Path) -> list[bytes]:
    return _bytes(path).split()
