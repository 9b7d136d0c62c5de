"""Policies that go or break during an upgrade, with 200 requests a second: the others stay in force, nothing is let through."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import CHART, RELEASE
from tests.cluster import wait_for
from tests.e2e.node.conftest import IN_FORCE_SECONDS, Node, load, wait_until_refused
from tests.e2e.node.test_certificate import AFTER_SECONDS, BEFORE_SECONDS, starts
from tests.load import Load, Outcome
from tests.objects import CRITICAL, ECR, GOOD, POLICY, image_policy

BASELINE = f"{RELEASE}-baseline"
SIGNED = f"{ECR}/team/signed:v1"
STORE = "aws-signer"
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
SIGNERS = {"trustStores": [STORE], "trustedIdentities": [PROFILE]}
SIGNATURES = {"signatures": {"anyOf": [{"name": "release", "notation": SIGNERS}]}}
WITHOUT_CLOSING = {"issuer": "https://issuer.example", "subjectRegExp": "(release"}
BROKEN = {
    "signatures": {"anyOf": [{"name": "ci", "sigstore": {"trustedRoot": "sigstore", "identities": [WITHOUT_CLOSING]}}]}
}
SLOW = 40
"""Requests a second to the namespace whose policy breaks."""
pytestmark = pytest.mark.timeout(3 * IN_FORCE_SECONDS + 240)


@pytest.fixture
def other(node: Node, guarded: str) -> Iterator[str]:
    """Give a second namespace, with a policy of its own."""
    with node.cluster.namespace() as name:
        node.tidegate.apply_policy("team", POLICY, match={"namespaces": [name]})
        wait_until_refused(node, name, "[policy team]")
        yield name


@pytest.fixture
def baseline(node: Node) -> Iterator[None]:
    """Have the chart's own policy again afterwards."""
    yield
    node.tidegate.upgrade()


@contextlib.contextmanager
def during_an_upgrade(node: Node) -> Iterator[None]:
    """Have helm replace all Pods meanwhile."""
    changed = {"podAnnotations": {"changed": uuid.uuid4().hex}}
    upgrading = threading.Thread(target=node.tidegate.upgrade, args=(changed,))
    upgrading.start()
    yield
    upgrading.join()
    node.tidegate.wait_for_rollout()


def ready(node: Node, name: str, *, status: str = "") -> tuple[str, str, str]:
    """Return status, reason and message of a policy's condition, once it is about the stored policy.

    A condition about a trust store is written a moment after the store is in force: with ``status``, wait for that one.
    """

    def condition() -> dict[str, Any]:
        stored = node.cluster.get("imagepolicy", name)
        (found,) = stored["status"]["conditions"]
        is_present = found["observedGeneration"] == stored["metadata"]["generation"]
        return found if is_present and status in ("", found["status"]) else {}

    found = wait_for(condition, what=f"the status of {name}", timeout_seconds=IN_FORCE_SECONDS)
    return found["status"], found["reason"], found["message"]


def wait_until_admitted(node: Node, namespace: str, image: str) -> None:
    wait_for(
        lambda: all("created" in node.tidegate.try_image(image, namespace=namespace) for _ in range(10)),
        what=f"{image} to be admitted by every replica",
        timeout_seconds=IN_FORCE_SECONDS,
    )


def refused_only(running: Load, reason: str) -> list[Outcome]:
    """No request failed, none was let through; what was refused against the first policy has the reason."""
    assert running.failed == []
    assert [one for one in running.wrong if one.text == "admitted" or reason not in one.text] == []
    return running.wrong


def test_a_removed_policy_leaves_the_others_in_force(node: Node, guarded: str, other: str, baseline: None) -> None:
    """By the upgrade: the chart's own. By hand: another one."""
    pods = starts(node)
    assert f"[policy {BASELINE}]" in node.tidegate.try_image(CRITICAL)
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        without = node.tidegate.values | {"baselinePolicy": {"enabled": False}}
        notes = node.tidegate.helm("upgrade", str(CHART), values=without)
        wait_until_admitted(node, "default", CRITICAL)
        node.tidegate.delete_policy("team")
        wait_until_admitted(node, other, CRITICAL)
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert "NO POLICY: the chart creates none" in notes
    assert "Warning" not in node.tidegate.try_image(CRITICAL)
    assert [each["metadata"]["name"] for each in node.cluster.get("imagepolicies")["items"]] == ["production"]
    assert ready(node, "production")[0] == "True"
    # A change of policies replaces no Pod.
    assert starts(node) == pods
    assert len(node.tidegate.processes()) == 2


def test_a_broken_policy_refuses_and_is_named_and_the_others_stay_in_force(
    node: Node, guarded: str, other: str
) -> None:
    """The API server cannot know that an expression is none; the same policy was good a moment before."""
    broken = {"match": {"namespaces": [other]}, "validationActions": ["Deny"], **BROKEN}
    with (
        load(node, guarded) as running,
        Load(node.cluster, other, admitted=GOOD, refused=CRITICAL, per_second=SLOW) as of_the_broken,
    ):
        time.sleep(BEFORE_SECONDS)
        with during_an_upgrade(node):
            node.cluster.apply(image_policy("team", broken))
            status, reason, message = ready(node, "team")
        wait_until_refused(node, other, "PolicyInvalid", image=GOOD)
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert refused_only(of_the_broken, "PolicyInvalid")
    assert (status, reason) == ("False", "Broken")
    assert "subjectRegExp" in message
    (stored,) = node.cluster.get("imagepolicy", "team")["spec"]["signatures"]["anyOf"]
    assert stored["sigstore"]["identities"] == [WITHOUT_CLOSING]
    assert ready(node, "production")[0] == "True"
    node.tidegate.apply_policy("team", POLICY, match={"namespaces": [other]})
    wait_until_admitted(node, other, GOOD)


def test_a_policy_whose_trust_store_goes_refuses_and_names_it(node: Node, guarded: str, other: str) -> None:
    (store,) = [each for each in node.aws.world.authorities.trust_stores() if each["metadata"]["name"] == STORE]
    node.cluster.apply(store)
    node.tidegate.apply_policy("team", SIGNATURES, match={"namespaces": [other]})
    wait_until_refused(node, other, "SignatureMissing", image=GOOD)
    wait_until_admitted(node, other, SIGNED)
    with (
        load(node, guarded) as running,
        Load(node.cluster, other, admitted=SIGNED, refused=GOOD, per_second=SLOW) as of_the_store,
    ):
        time.sleep(BEFORE_SECONDS)
        with during_an_upgrade(node):
            node.cluster.kubectl("delete", "truststore", STORE)
            wait_until_refused(node, other, "TrustUnusable", image=SIGNED)
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert refused_only(of_the_store, "TrustUnusable")
    status, reason, message = ready(node, "team", status="False")
    assert (status, reason) == ("False", "TrustIncomplete")
    assert STORE in message
    node.cluster.apply(store)
    wait_until_admitted(node, other, SIGNED)
    assert ready(node, "team", status="True")[0] == "True"
    node.cluster.kubectl("delete", "truststore", STORE)
