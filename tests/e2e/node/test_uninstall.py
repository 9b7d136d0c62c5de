"""The end of an installation: nothing is left that refuses Pods, also where the namespace was deleted first."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.render import CHART, NAMESPACE, RELEASE
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, load
from tests.objects import CRITICAL, pod

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "install.md"
CLUSTER_KINDS = (
    "validatingwebhookconfiguration,mutatingwebhookconfiguration,validatingadmissionpolicy,"
    "validatingadmissionpolicybinding,clusterrole,clusterrolebinding"
)
OF_THE_RELEASE = f"--selector=app.kubernetes.io/instance={RELEASE}"
END_SECONDS = 120
EVERYTHING = {
    "apiServerPolicy": {"allowedPrefixes": ["111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/"]},
    "digestPinning": {"enabled": True},
}


@pytest.fixture
def with_everything(node: Node, guarded: str) -> Iterator[Node]:
    """Give tidegate with a ValidatingAdmissionPolicy and digest pinning too, and a policy; afterwards it is installed as before."""
    node.tidegate.helm("upgrade", str(CHART), values=node.tidegate.values | EVERYTHING)
    wait_for(
        lambda: (
            "An image is not from an allowed registry" in node.tidegate.try_image("x.example/x:1", namespace=guarded)
        ),
        what="a refusal by the API server itself",
    )
    yield node
    if "ValidatingWebhookConfiguration/tidegate" not in left(node):
        node.tidegate.install()


def left(node: Node) -> set[str]:
    """Return what of the release is left outside of its namespace."""
    items = node.cluster.get(CLUSTER_KINDS, OF_THE_RELEASE)["items"]
    return {f"{each['kind']}/{each['metadata']['name']}" for each in items}


def create(node: Node, namespace: str) -> str:
    """Create a Pod that tidegate refuses; return why it was refused, or an empty text."""
    manifest = pod(CRITICAL, name="unguarded")
    done = node.cluster.apply(manifest, f"--namespace={namespace}", check=False)
    return "" if done.returncode == 0 else done.stderr


def recovery_line() -> list[str]:
    """Return the command that the guide gives for a stuck uninstall."""
    (line,) = re.findall(r"^    (kubectl delete validatingwebhook.*--selector.*)$", PAGE.read_text(), re.MULTILINE)
    return shlex.split(line)[1:]


def test_an_uninstall_leaves_nothing_armed(with_everything: Node, guarded: str) -> None:
    """No request fails meanwhile: the API server stops asking before the last Pod ends."""
    node = with_everything
    assert "ValidatingAdmissionPolicy/tidegate.tidegate.dev" in left(node)
    assert "denied" in create(node, guarded)
    with load(node, guarded) as running:
        node.tidegate.uninstall()
    assert running.failed == []
    assert {one.text for one in running.wrong} <= {"admitted"}
    assert left(node) == set()
    assert create(node, guarded) == ""
    # The policies stay, for another installation.
    assert node.cluster.get("imagepolicy", "production")


def test_a_namespace_deleted_first_takes_one_line_to_recover_from(with_everything: Node, guarded: str) -> None:
    """The release goes with the namespace, so that helm cannot uninstall what lies outside of it."""
    node = with_everything
    node.cluster.kubectl("delete", "namespace", NAMESPACE, timeout_seconds=END_SECONDS)
    wait_for(lambda: "failed calling webhook" in create(node, guarded), what="refusals by the armed webhook")
    assert left(node)
    node.cluster.kubectl(*recovery_line())
    assert left(node) == set()
    wait_for(lambda: create(node, guarded) == "", what="a Pod to be created")
