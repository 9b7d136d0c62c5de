"""Exceptions on the real API server: made, used, ended by the clock alone, refused, and denied to users without the right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.e2e.test_actions import _audit_annotations as audit_annotations
from tests.objects import CRITICAL, POLICY, apply, pod, policy_exception

REPOSITORY = CRITICAL.rpartition(":")[0]
KINDS = "imagepolicyexceptions,namespacedimagepolicyexceptions"
PERMITTED = {"checks": ["vulnerabilities"], "vulnerabilities": True, "maxDuration": "4h"}


@pytest.fixture(autouse=True)
def _clean(installation: Installation) -> Iterator[None]:
    """Take back every exception."""
    yield
    installation.cluster.kubectl("delete", KINDS, "--all", "--all-namespaces", "--wait=false", check=False)


@pytest.fixture
def strict_namespace(installation: Installation, gated_namespace: str) -> str:
    """Give a namespace with a policy that the image does not meet, and that permits some exceptions."""
    match = {"namespaces": [gated_namespace]}
    spec = POLICY | {"namespacedExceptions": PERMITTED}
    installation.gate.apply_policy("production", spec, match=match)
    assert not apply(installation.cluster, gated_namespace, pod(CRITICAL))[0]
    return gated_namespace


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def state(installation: Installation, kind: str, name: str, *where: str) -> str:
    conditions = installation.cluster.get(kind, name, *where).get("status", {}).get("conditions", [])
    return next((one["reason"] for one in conditions if one["type"] == "Ready"), "")


def wait_for_state(installation: Installation, wanted: str, kind: str, name: str, *where: str) -> None:
    wait_for(
        lambda: state(installation, kind, name, *where) == wanted, what=f"{name} to be {wanted}", timeout_seconds=90
    )


def admits(installation: Installation, namespace: str) -> bool:
    return apply(installation.cluster, namespace, pod(CRITICAL), "--dry-run=server")[0]


def test_an_exception_is_made_used_and_ended(installation, strict_namespace):
    """Ended by its time alone: no event comes, and the answer that was remembered is not given again."""
    end = 30.0
    made = policy_exception("outage", namespaces=[strict_namespace], expiresAt=in_seconds(end))
    began = time.monotonic()
    installation.cluster.apply(made)
    wait_for_state(installation, "Active", "ipolx", "outage")

    admitted, text = apply(installation.cluster, strict_namespace, pod(CRITICAL, name="used"))
    assert admitted, text
    assert "excepted by exception outage until" in text
    annotations = audit_annotations(installation, strict_namespace, "used")
    assert annotations["decision"] == "allowed-with-warnings"
    assert "excepted by exception outage" in annotations["exceptions"]
    assert 'tidegate_policy_exceptions{state="Active"} 1.0' in installation.gate.metrics()
    assert installation.gate.metric("tidegate_policy_exception_ends_seconds") <= end

    time.sleep(max(0.0, began + end + 1.0 - time.monotonic()))
    admitted, text = apply(installation.cluster, strict_namespace, pod(CRITICAL, name="too-late"))
    assert not admitted
    assert "VulnerabilitiesFound" in text
    wait_for_state(installation, "Expired", "ipolx", "outage")


def test_a_deleted_exception_ends_within_a_moment(installation, strict_namespace):
    installation.cluster.apply(policy_exception("outage", namespaces=[strict_namespace], expiresAt=in_seconds(3600)))
    wait_for(lambda: admits(installation, strict_namespace), what="the exception in force")
    installation.cluster.kubectl("delete", "ipolx", "outage")
    wait_for(lambda: not admits(installation, strict_namespace), what="the exception to end", timeout_seconds=10)


def test_an_exception_is_for_its_namespace_image_and_vulnerability_alone(installation, strict_namespace):
    other = installation.cluster.create_namespace()
    spec = POLICY | {"match": {"namespaces": [strict_namespace, other]}}
    installation.gate.apply_policy("production", spec, match=spec["match"])
    far = in_seconds(3600)
    ids: dict[str, Any] = {"vulnerabilities": ["CVE-2023-38545", "CVE-2023-45853"], "checks": None}
    only_one: dict[str, Any] = {"vulnerabilities": ["CVE-2023-38545"], "checks": None}
    elsewhere = [{"account": "111122223333", "repositories": ["team/other"]}]
    misses: dict[str, dict[str, Any]] = {
        "other-image": {"images": elsewhere},
        "other-policy": {"policies": ["development"]},
        "other-check": {"checks": ["tags"]},
        "one-of-two": only_one,
    }
    for name, changes in misses.items():
        installation.cluster.apply(policy_exception(name, namespaces=[strict_namespace], expiresAt=far, **changes))
    wait_for_state(installation, "NotPermitted", "ipolx", "other-policy")
    for name in ("other-image", "other-check", "one-of-two"):
        wait_for_state(installation, "Active", "ipolx", name)
    assert not admits(installation, strict_namespace)

    installation.cluster.apply(policy_exception("both", namespaces=[strict_namespace], expiresAt=far, **ids))
    wait_for(lambda: admits(installation, strict_namespace), what="the exception in force")
    assert not admits(installation, other)


def test_an_exception_of_a_namespace_stays_in_it_and_within_what_the_policy_permits(installation, strict_namespace):
    cluster = installation.cluster
    other = cluster.create_namespace()
    spec = POLICY | {"namespacedExceptions": PERMITTED}
    installation.gate.apply_policy("production", spec, match={"namespaces": [strict_namespace, other]})
    own = policy_exception("own", namespace=strict_namespace, expiresAt=in_seconds(3600))
    longer = policy_exception("longer", namespace=other, expiresAt=in_seconds(5 * 3600))
    tags = policy_exception("tags", namespace=other, expiresAt=in_seconds(3600), checks=["vulnerabilities", "tags"])
    cluster.apply([own, longer, tags])
    wait_for(lambda: admits(installation, strict_namespace), what="the exception in force")
    for name in ("longer", "tags"):
        wait_for_state(installation, "NotPermitted", "nipolx", name, "-n", other)
    assert not admits(installation, other)


def test_an_invalid_exception_says_so_and_has_no_effect(installation, strict_namespace):
    """What the schema cannot see: the time is bounded by the creation, the size by its bytes."""
    too_long = policy_exception("too-long", namespaces=[strict_namespace], expiresAt=in_seconds(400 * 86_400))
    large = policy_exception(
        "large",
        namespaces=[strict_namespace],
        expiresAt=in_seconds(3600),
        images=[{"account": "111122223333", "repositories": ["team/**", *(["a" * 256] * 9)]} for _ in range(10)],
    )
    installation.cluster.apply([too_long, large])
    for name in ("too-long", "large"):
        wait_for_state(installation, "Invalid", "ipolx", name)
    assert not admits(installation, strict_namespace)
    assert 'tidegate_policy_exceptions{state="Invalid"} 2.0' in installation.gate.metrics()


def test_the_end_of_an_exception_is_announced_by_an_event(installation, strict_namespace):
    """Within the last tenth of its life, or its last day."""
    installation.cluster.apply(
        [
            policy_exception("ends", namespaces=[strict_namespace], expiresAt=in_seconds(30)),
            policy_exception("own", namespace=strict_namespace, expiresAt=in_seconds(30)),
        ]
    )

    def told(namespace: str, name: str) -> bool:
        selector = f"reason=ExceptionEndsSoon,involvedObject.name={name}"
        return bool(installation.cluster.get("events", "-n", namespace, "--field-selector", selector)["items"])

    wait_for(lambda: told("default", "ends"), what="the Event of the cluster's exception", timeout_seconds=120)
    wait_for(lambda: told(strict_namespace, "own"), what="the Event of the namespace's exception", timeout_seconds=120)


def can(
    installation: Installation, user: str, *arguments: str, document: Any = None
) -> subprocess.CompletedProcess[str]:
    kubeconfig = installation.cluster.kubeconfig(user, groups=[user])
    stdin = "" if document is None else json.dumps(document)
    return installation.cluster.kubectl(*arguments, stdin=stdin, kubeconfig=kubeconfig, check=False)


def test_a_user_without_the_right_is_refused_by_the_api_server(installation, strict_namespace):
    """One who may do everything in a namespace as its admin, and one who may write the namespaced kind there."""
    cluster, user = installation.cluster, "team-payments"
    where = ("-n", strict_namespace)
    cluster.kubectl("create", "rolebinding", "admins", "--clusterrole=admin", f"--group={user}", *where)
    wait_for(lambda: can(installation, user, "get", "pods", *where).returncode == 0, what="the team's rights")
    of_cluster = policy_exception("outage", namespaces=[strict_namespace], expiresAt=in_seconds(3600))
    own = policy_exception("own", namespace=strict_namespace, expiresAt=in_seconds(3600))
    for document in (of_cluster, own):
        refused = can(installation, user, "create", "-f", "-", document=document)
        assert "Forbidden" in refused.stderr, refused.stderr

    cluster.kubectl(
        "create", "role", "excepts", "--verb=create,get", "--resource=namespacedimagepolicyexceptions", *where
    )
    cluster.kubectl("create", "rolebinding", "excepts", "--role=excepts", f"--group={user}", *where)
    question = ("auth", "can-i", "create", "namespacedimagepolicyexceptions.tidegate.dev", *where)
    wait_for(lambda: can(installation, user, *question).returncode == 0, what="the team's right")
    assert can(installation, user, "create", "-f", "-", document=own).returncode == 0
    assert "Forbidden" in can(installation, user, "create", "-f", "-", document=of_cluster).stderr
    elsewhere = own | {"metadata": {"name": "own", "namespace": "default"}}
    assert "Forbidden" in can(installation, user, "create", "-f", "-", document=elsewhere).stderr


def test_the_command_applies_and_lists_exceptions(installation, strict_namespace):
    environment = {"KUBECONFIG": str(installation.cluster.admin_kubeconfig), "PATH": "/usr/bin:/bin", "USER": "ann"}

    def tidegate(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tidegate", "exception", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    arguments = ("--policy", "production", "--check", "vulnerabilities", "--image", CRITICAL, "--for", "4h")
    rest = ("--namespace", strict_namespace, "--reason", "INC-4711", "--apply")
    done = tidegate("create", "outage", *arguments, *rest)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("imagepolicyexception.tidegate.dev/outage applied, ends at ")
    assert f"applies to every tag and digest of {REPOSITORY}" in done.stderr
    wait_for(lambda: admits(installation, strict_namespace), what="the exception in force")
    assert tidegate("create", "own", *arguments, *rest, "--namespaced").returncode == 0
    listed = json.loads(tidegate("list", "-o", "json").stdout)
    assert {(one["name"], one["namespace"]) for one in listed} == {("outage", None), ("own", strict_namespace)}
    assert "INC-4711" in tidegate("list", "-n", strict_namespace).stdout
