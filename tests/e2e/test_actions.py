"""Deny, Warn and Audit through the real API server: warnings, audit annotations, selectors, the controller's absence."""

import pytest

from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.gate import Gate
from tests.objects import CRITICAL, GOOD, POLICY, apply, pod, workload


def _audit_annotations(installation: Installation, namespace: str, name: str) -> dict[str, str]:
    event = installation.cluster.wait_for_audit_event(
        lambda one: (
            one.get("objectRef", {}).get("namespace") == namespace
            and one["objectRef"].get("name") == name
            and any("tidegate" in key for key in one.get("annotations", {}))
        )
    )
    return {key.rsplit("/", 1)[1]: value for key, value in event["annotations"].items() if "tidegate" in key}


def test_warn_admits_and_warns(installation, gated_namespace):
    match = {"namespaces": [gated_namespace]}
    installation.gate.apply_policy("gentle", POLICY, actions=("Warn", "Audit"), match=match)

    admitted, text = apply(installation.cluster, gated_namespace, workload("Deployment", CRITICAL))

    assert admitted
    assert "Warning: tidegate: spec.template.spec.containers[0].image" in text
    assert "VulnerabilitiesFound" in text


def test_audit_admits_in_silence_and_leaves_a_record(installation, gated_namespace):
    match = {"namespaces": [gated_namespace]}
    installation.gate.apply_policy("silent", POLICY, actions=("Audit",), match=match)

    admitted, text = apply(installation.cluster, gated_namespace, pod(CRITICAL, name="recorded"))

    assert admitted
    assert "Warning" not in text
    annotations = _audit_annotations(installation, gated_namespace, "recorded")
    assert "VulnerabilitiesFound" in annotations["findings"]


def test_an_allowed_request_is_recorded_with_digest_and_policy(installation, gated_namespace):
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})

    assert apply(installation.cluster, gated_namespace, pod(GOOD, name="fine"))[0]

    annotations = _audit_annotations(installation, gated_namespace, "fine")
    assert annotations["decision"] == "allowed"
    assert f"{GOOD} sha256:" in annotations["images"]
    assert annotations["policies"].startswith("production/")


def test_a_policy_is_only_about_the_namespaces_it_selects(installation):
    selector = {"namespaceSelector": {"matchLabels": {"tier": "prod"}}}
    installation.gate.apply_policy("selected", POLICY, match=selector)
    cluster = installation.cluster
    selected = cluster.create_namespace(labels={"tier": "prod"})
    other = cluster.create_namespace(labels={"tier": "test"})

    # At once: the controller may not have heard of the namespaces yet, and asks.
    assert not apply(cluster, selected, pod(CRITICAL))[0]
    assert apply(cluster, other, pod(CRITICAL))[0]


def test_a_policy_edit_is_in_force_without_a_call_to_aws(installation, gated_namespace):
    match = {"namespaces": [gated_namespace]}
    installation.gate.apply_policy("production", POLICY, match=match)
    assert apply(installation.cluster, gated_namespace, pod(GOOD, name="first"))[0]
    installation.aws.inject("down")

    stricter = POLICY | {"vulnerabilities": {"maxCounts": {"MEDIUM": 0}}}
    installation.gate.apply_policy("production", stricter, match=match)

    admitted, text = apply(installation.cluster, gated_namespace, pod(GOOD, name="second"))
    assert not admitted
    assert "1 MEDIUM (allowed 0)" in text


def test_without_the_controller_enforced_namespaces_are_closed_and_deletion_works(installation, gated_namespace):
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    apply(installation.cluster, gated_namespace, pod(GOOD, name="present"))
    installation.gate.stop()
    try:
        admitted, text = apply(installation.cluster, gated_namespace, pod(GOOD, name="next"))
        assert not admitted
        assert "failed calling webhook" in text
        deleted = installation.cluster.kubectl(
            "delete", "pod", "present", "--namespace", gated_namespace, "--grace-period=0", check=False
        )
        assert deleted.returncode == 0, deleted.stderr
    finally:
        installation.gate.start()


def test_the_controller_ends_with_0_on_sigterm(installation):
    assert installation.gate.process is not None
    process = installation.gate.process
    try:
        assert process.stop(grace_seconds=20) == 0, process.log_tail()
    finally:
        installation.gate.stop()
        installation.gate.start()


def test_metrics_count_decisions_calls_and_refusals(installation, gated_namespace):
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    apply(installation.cluster, gated_namespace, pod(CRITICAL))

    page = installation.gate.metrics()

    assert 'tidegate_admission_decisions_total{decision="denied",operation="CREATE"}' in page
    assert 'reason="VulnerabilitiesFound"' in page
    assert 'api="inspector2:ListFindings"' in page
    assert GOOD not in page
    assert CRITICAL not in page


@pytest.fixture
def audit_only(installation):
    """Replace the run's controller by one that enforces nothing."""
    gate = installation.gate
    gate.stop()
    gate.values["auditOnly"] = True
    gate.install()
    gate.start()
    gate.arm_configuration()
    yield installation
    gate.stop()
    gate.values["auditOnly"] = False
    gate.install()
    gate.start()
    gate.arm()


def test_the_audit_switch_turns_every_deny_into_a_warning(audit_only: Installation, gated_namespace):
    gate: Gate = audit_only.gate
    gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})

    def warned() -> str:
        text = apply(audit_only.cluster, gated_namespace, pod(CRITICAL), "--dry-run=server")[1]
        return text if "Warning" in text else ""

    wait_for(warned, what="the audit webhook to be called")
    admitted, text = apply(audit_only.cluster, gated_namespace, pod(CRITICAL))

    assert admitted
    assert "VulnerabilitiesFound" in text


@pytest.fixture
def watched_namespace(installation):
    """Give a namespace that the chart's values put among those that are only watched."""
    gate = installation.gate
    name = installation.cluster.create_namespace()
    gate.values["namespaces"] = {"audit": [name]}
    gate.install()
    gate.arm_configuration()
    yield name
    del gate.values["namespaces"]
    gate.install()
    gate.arm()
    installation.cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_an_audit_namespace_is_warned_where_others_are_refused(installation, gated_namespace, watched_namespace):
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace, watched_namespace]})

    def warned() -> bool:
        return "Warning" in apply(installation.cluster, watched_namespace, pod(CRITICAL), "--dry-run=server")[1]

    wait_for(warned, what="the audit webhook to be called")
    assert apply(installation.cluster, watched_namespace, pod(CRITICAL))[0]
    assert not apply(installation.cluster, gated_namespace, pod(CRITICAL))[0]
