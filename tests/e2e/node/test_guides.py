"""The commands of docs/guides that install, enforce, upgrade and uninstall, run word for word on a node of their own.

Only AWS differs: helm gets one more file of values, which leads the Pods to the simulated AWS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.chart.render import NAMESPACE, RELEASE
from tests.cluster import program, wait_for
from tests.cluster.node import NodeCluster
from tests.e2e.node.conftest import require_node
from tests.guides import GUIDES, Block, Shell, blocks, blocks_of
from tests.installed import push_controller_image, running_world, simulated_aws
from tests.objects import CRITICAL, GOOD, pod
from tests.simulator import Simulator, scenario

WEBHOOK_SECONDS = 120.0
"""How long a change of policies, webhooks or Pods may take on a busy machine."""
REPOSITORY = "team/app"
ADD_AWS = 'case "$1" in install|upgrade) set -- "$@" --values "$HOME/simulated-aws.yaml" ;; esac'
KIND = "validatingwebhookconfiguration"


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A terminal beside a cluster without tidegate, and what tests do there."""

    shell: Shell
    cluster: NodeCluster

    def run(self, block: Block) -> str:
        return self.shell.run(block)

    def try_image(self, image: str, namespace: str) -> str:
        """Return what kubectl says when a Pod is created as a dry run."""
        arguments = (f"--namespace={namespace}", "--dry-run=server")
        done = self.cluster.apply(pod(image, name="probe"), *arguments, check=False)
        return done.stdout + done.stderr

    def wait_until(self, image: str, namespace: str, words: str) -> str:
        """Wait until the answer about an image contains the words; return it."""

        def answer() -> str:
            said = self.try_image(image, namespace)
            return said if words in said else ""

        return wait_for(answer, what=f"{words!r} about {image} in {namespace}", timeout_seconds=WEBHOOK_SECONDS)

    def install(self, *pages: str) -> None:
        """Save the files of the install guide, and install with them."""
        guide = [block for block in blocks(GUIDES / "install.md") if block.test.endswith("::test_the_install_guide")]
        for block in guide:
            if block.file or block.text.startswith(("export ", "helm install")):
                self.run(block)
        self.shell.command(
            "helm upgrade tidegate deploy/helm/tidegate --namespace $NAMESPACE --values values.yaml --values enforce.yaml"
        )
        self.shell.command("kubectl --namespace $NAMESPACE rollout status deployment/tidegate")


@pytest.fixture(scope="module")
def bare_node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """Give a node of these tests' own: they install the release that the other tests have, too."""
    require_node(pytestconfig)
    with NodeCluster(folder=tmp_path_factory.mktemp("guides")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def aws(bare_node: NodeCluster) -> Iterator[Simulator]:
    """Give the demo's world, with tidegate's image and the image that the guide tries: it has a CRITICAL finding."""
    world = running_world(scenario.DEMO)
    push_controller_image(world)
    world.add_image(REPOSITORY, "v1")
    world.add_finding(REPOSITORY, "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")
    with simulated_aws(bare_node, world) as aws:
        yield aws


@pytest.fixture
def terminal(bare_node: NodeCluster, aws: Simulator, tmp_path: Path) -> Iterator[Terminal]:
    """Give a terminal beside a cluster without tidegate, and leave it so."""
    shell = Shell(tmp_path, bare_node, aws.environment())
    environment = [{"name": name, "value": value} for name, value in aws.environment().items()]
    (tmp_path / "simulated-aws.yaml").write_text(yaml.safe_dump({"extraEnv": environment}))
    shell.put("kubectl", str(program("kubectl")))
    shell.put("helm", str(program("helm")), before=ADD_AWS)
    shell.put("tidegate", sys.executable, "-m", "tidegate")
    for name in ("team-a", "sandbox"):
        bare_node.kubectl("create", "namespace", name)
    yield Terminal(shell=shell, cluster=bare_node)
    shell.command(f"helm uninstall {RELEASE} --namespace {NAMESPACE} --ignore-not-found")
    shell.command(f"kubectl delete {KIND} {RELEASE} --ignore-not-found")
    bare_node.kubectl("delete", "crd", "imagepolicies.tidegate.dev", "truststores.tidegate.dev", "--ignore-not-found")
    bare_node.kubectl("delete", "namespace", NAMESPACE, "team-a", "sandbox", "--ignore-not-found", timeout_seconds=120)


def test_the_install_guide(terminal: Terminal, request: pytest.FixtureRequest) -> None:
    """From the first command to the last; after each step the cluster does what the guide says."""
    image = f"{GOOD.partition('/')[0]}/{REPOSITORY}:v1"
    warned, refused = "Warning: ", "denied the request"
    for block in blocks_of(request):
        first = block.text.split()[:3]
        said = terminal.run(block)
        match first:
            case ["kubectl", "create", "namespace"]:
                assert f"{warned}" in said
                assert "VulnerabilitiesFound" in said
                assert "pod/try created" in said
            case ["helm", "upgrade", "tidegate"] if "team-a" in (terminal.shell.folder / "enforce.yaml").read_text():
                terminal.wait_until(image, "team-a", refused)
                assert warned in terminal.try_image(image, "default")
            case ["helm", "upgrade", "tidegate"]:
                terminal.wait_until(image, "default", refused)
                assert warned in terminal.try_image(image, "sandbox")
            case ["kubectl", "delete", "validatingwebhookconfiguration"]:
                terminal.wait_until(image, "default", refused)
            case ["helm", "uninstall", "tidegate"]:
                assert terminal.try_image(CRITICAL, "default").endswith("created (server dry run)\n")
    assert terminal.cluster.get(KIND)["items"] == []
