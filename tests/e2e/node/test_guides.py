"""The commands of docs/guides that install, enforce, upgrade and uninstall, run word for word on a node of their own.

Only AWS differs: helm gets one more file of values, which leads the Pods to the simulated AWS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.chart.render import NAMESPACE, RELEASE, custom_resource_definitions
from tests.cluster import program, wait_for
from tests.cluster.node import NodeCluster
from tests.cluster.node.components import NODE
from tests.e2e.node.conftest import require_node
from tests.guides import GUIDES, Block, Shell, blocks, blocks_of
from tests.installed import push_controller_image, running_world, simulated_aws
from tests.objects import CRITICAL, ECR, GOOD, pod
from tests.simulator import Simulator, scenario

WEBHOOK_SECONDS = 120.0
"""How long a change of policies, webhooks or Pods may take on a busy machine."""
REPOSITORY = "team/app"
IMAGE = f"{ECR}/{REPOSITORY}:v1"
WARNED, REFUSED, FAILED, ADMITTED = (
    "Warning: ",
    "denied the request",
    "failed calling webhook",
    "created (server dry run)",
)
ADD_AWS = 'case "$1" in install|upgrade) set -- "$@" --values "$HOME/simulated-aws.yaml" ;; esac'
AUDITED = "audit.tidegate.dev/findings"
KIND = "validatingwebhookconfiguration"
pytestmark = pytest.mark.timeout(900)
"""Each installs, and some replace all Pods several times."""


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

    def install(self) -> None:
        """Save the files of the install guide, and install in audit mode."""
        guide = [block for block in blocks(GUIDES / "install.md") if block.test.endswith("::test_the_install_guide")]
        for block in guide:
            if block.file or block.text.startswith(("export ", "helm install")):
                self.run(block)

    def save_enforcing(self) -> None:
        """Save the values that enforce every namespace but one."""
        values = {"auditOnly": False, "namespaces": {"enforced": [], "audit": ["sandbox"]}}
        (self.shell.folder / "enforce.yaml").write_text(yaml.safe_dump(values))


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
        bare_node.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=60s")
    yield Terminal(shell=shell, cluster=bare_node)
    shell.command(f"helm uninstall {RELEASE} --namespace {NAMESPACE} --ignore-not-found")
    shell.command(f"kubectl delete {KIND} {RELEASE} --ignore-not-found")
    bare_node.kubectl("uncordon", NODE)
    crds = [one["metadata"]["name"] for one in custom_resource_definitions()]
    bare_node.kubectl("delete", "crd", *crds, "--ignore-not-found")
    bare_node.kubectl("delete", "namespace", NAMESPACE, "team-a", "sandbox", "--ignore-not-found", timeout_seconds=120)


def _warned(terminal: Terminal, block: Block) -> str:
    said = terminal.run(block)
    return said if WARNED in said else ""


def test_the_install_guide(terminal: Terminal, request: pytest.FixtureRequest) -> None:
    """From the first command to the last; after each step the cluster does what the guide says."""
    for block in blocks_of(request):
        first = block.text.split()[:3]
        said = terminal.run(block)
        match first:
            case ["kubectl", "create", "namespace"]:
                # In audit mode the API server continues without an answer, for which a busy machine may need too long.
                said = said if WARNED in said else wait_for(partial(_warned, terminal, block), what="a warning")
                assert "VulnerabilitiesFound" in said
                assert "pod/try created" in said
            case ["helm", "test", "tidegate"]:
                assert "Succeeded" in said
            case ["helm", "upgrade", "tidegate"] if "team-a" in (terminal.shell.folder / "enforce.yaml").read_text():
                terminal.wait_until(IMAGE, "team-a", REFUSED)
                terminal.wait_until(IMAGE, "default", WARNED)
            case ["helm", "upgrade", "tidegate"]:
                terminal.wait_until(IMAGE, "default", REFUSED)
                terminal.wait_until(IMAGE, "sandbox", WARNED)
            case ["kubectl", "delete", "validatingwebhookconfiguration"]:
                terminal.wait_until(IMAGE, "default", REFUSED)
            case ["helm", "uninstall", "tidegate"]:
                assert terminal.try_image(CRITICAL, "default").endswith("created (server dry run)\n")
    assert terminal.cluster.get(KIND)["items"] == []


def test_the_runbooks(terminal: Terminal, aws: Simulator, request: pytest.FixtureRequest) -> None:
    """Roll out, upgrade, survive an outage and uninstall: each step in the state that it is meant for."""
    steps: dict[str, list[Block]] = {}
    for block in blocks_of(request):
        steps.setdefault(block.page, []).append(block)
    terminal.install()
    roll_out(terminal, steps.pop("rollout.md"))
    upgrade(terminal, steps.pop("upgrade.md"))
    *outage, aws_is_down = steps.pop("outage.md")
    survive_an_outage(terminal, outage)
    aws.inject("down")
    try:
        terminal.wait_until(GOOD, "team-a", "CouldNotCheck")
        terminal.run(aws_is_down)
        terminal.wait_until(GOOD, "team-a", ADMITTED)
        assert "CouldNotCheck" in terminal.try_image(GOOD, "team-a")
    finally:
        aws.clear()
    uninstall(terminal, steps.pop("uninstall.md"))
    assert not steps


def roll_out(terminal: Terminal, steps: list[Block]) -> None:
    """What would be refused is in the warning, the log, the metrics and the audit log; then it is refused."""
    said = [terminal.run(block) for block in steps]
    assert "REFUSED" not in said[1]
    (warning,) = [text for text in said if text.startswith(WARNED)]
    assert "VulnerabilitiesFound" in warning
    (log,) = [text for text in said if '"event"' in text]
    assert "CVE-2099-0001" in log
    (metrics,) = [text for text in said if text.startswith("tidegate_check_results_total")]
    assert 'policy="production",reason="VulnerabilitiesFound"' in metrics
    event = terminal.cluster.wait_for_audit_event(
        lambda one: one["objectRef"].get("namespace") == "team-a" and AUDITED in one.get("annotations", {})
    )
    assert "CVE-2099-0001" in event["annotations"][AUDITED]
    assert "audit.tidegate.dev/images" in event["annotations"]
    assert "policy production" in terminal.wait_until(IMAGE, "team-a", REFUSED)
    assert ADMITTED in terminal.try_image(IMAGE, "default")


def upgrade(terminal: Terminal, steps: list[Block]) -> None:
    """Policies stay in force before, during and after."""
    said = "".join(map(terminal.run, steps))
    assert REFUSED in said
    assert "not admitted: read why" in said
    assert "Rollback was a success" in said
    terminal.wait_until(IMAGE, "team-a", REFUSED)


def survive_an_outage(terminal: Terminal, steps: list[Block]) -> None:
    """No replica can start: each step lets more through than the one before, and the last one takes it back."""
    look, one_namespace, every_namespace, delete, go_back = steps
    terminal.save_enforcing()
    terminal.run(go_back)
    terminal.wait_until(IMAGE, "team-a", REFUSED)
    terminal.cluster.kubectl("cordon", NODE)
    terminal.cluster.kubectl("delete", "pods", "--all", f"--namespace={NAMESPACE}", "--wait", timeout_seconds=90)
    assert FAILED in terminal.wait_until(IMAGE, "team-a", FAILED)
    said = terminal.run(look)
    assert "Pending" in said
    assert "enforce.tidegate.dev Fail" in said

    terminal.run(one_namespace)
    terminal.wait_until(IMAGE, "team-a", ADMITTED)
    assert FAILED in terminal.try_image(IMAGE, "default")
    terminal.run(every_namespace)
    terminal.wait_until(IMAGE, "default", ADMITTED)
    terminal.save_enforcing()
    terminal.shell.command(
        "helm upgrade tidegate deploy/helm/tidegate --namespace $NAMESPACE --values values.yaml --values enforce.yaml --no-hooks"
    )
    terminal.wait_until(IMAGE, "default", FAILED)
    terminal.run(delete)
    terminal.wait_until(IMAGE, "default", ADMITTED)

    terminal.cluster.kubectl("uncordon", NODE)
    terminal.run(go_back)
    terminal.wait_until(IMAGE, "team-a", REFUSED)


def uninstall(terminal: Terminal, steps: list[Block]) -> None:
    """Nothing is left that could refuse anything."""
    for block in steps:
        terminal.run(block)
    assert ADMITTED in terminal.try_image(CRITICAL, "team-a")
    assert terminal.cluster.get(KIND)["items"] == []
    assert terminal.cluster.kubectl("get", "imagepolicies", check=False).returncode != 0


def test_a_stuck_uninstall(terminal: Terminal, request: pytest.FixtureRequest) -> None:
    """The record of the release is lost, no replica runs, and the webhook refuses."""
    terminal.install()
    terminal.save_enforcing()
    terminal.shell.command(
        "helm upgrade tidegate deploy/helm/tidegate --namespace $NAMESPACE --values values.yaml --values enforce.yaml --no-hooks"
    )
    terminal.cluster.kubectl("scale", f"deployment/{RELEASE}", "--replicas=0", f"--namespace={NAMESPACE}")
    terminal.wait_until(CRITICAL, "team-a", FAILED)
    terminal.cluster.kubectl("delete", "secrets", "--selector=owner=helm", f"--namespace={NAMESPACE}")

    first, *others = blocks_of(request)
    terminal.run(first)
    terminal.wait_until(CRITICAL, "team-a", ADMITTED)
    for block in others:
        terminal.run(block)
    kinds = f"{KIND}s,clusterroles,clusterrolebindings,imagepolicies"
    assert terminal.cluster.get(kinds, f"--selector=app.kubernetes.io/instance={RELEASE}")["items"] == []
