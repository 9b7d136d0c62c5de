"""The chart with its defaults on a node: it starts, it is called through its Service, and what it admits runs."""

from __future__ import annotations

from typing import Any

from tests.chart.render import NAMESPACE, RELEASE
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, apply_production
from tests.objects import CRITICAL, ECR, GOOD, workload

USER = 65532
# A busy machine pulls and starts slowly.
RUNNING_SECONDS = 90.0


def creation_of_a_pod(node: Node, namespace: str) -> dict[str, Any]:
    """Return what the audit log has of the first Pod that was created in a namespace, not for a dry run."""

    def wanted(event: dict[str, Any]) -> bool:
        about = event.get("objectRef", {})
        return bool(
            (event["verb"], about.get("resource"), about.get("namespace")) == ("create", "pods", namespace)
            and about.get("subresource") is None
            and "dryRun" not in event["requestURI"]
            and event["responseStatus"]["code"] == 201
        )

    return node.cluster.wait_for_audit_event(wanted)


def test_both_replicas_become_ready_at_the_first_try(node: Node) -> None:
    pods = node.tidegate.pods()
    assert len(pods) == 2
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        assert (status["ready"], status["restartCount"]) == (True, 0)


def test_they_run_as_a_user_without_rights_or_name(node: Node) -> None:
    code = "import os; print(os.getuid(), os.getgid())"
    for pod in node.tidegate.pods():
        command = ("exec", pod["metadata"]["name"], f"--namespace={NAMESPACE}", "--", "/opt/tidegate/bin/python", "-c")
        assert node.cluster.kubectl(*command, code).stdout.split() == [str(USER), str(USER)]


def test_the_api_server_calls_them_through_the_chart_s_service(node: Node) -> None:
    hooks = node.cluster.get("validatingwebhookconfiguration", RELEASE)["webhooks"]
    services = [hook["clientConfig"]["service"] for hook in hooks]
    assert {(each["name"], each["namespace"], each["port"]) for each in services} == {(RELEASE, NAMESPACE, 443)}
    assert not [hook for hook in hooks if "url" in hook["clientConfig"]]
    slices = node.cluster.get("endpointslices", f"--namespace={NAMESPACE}", f"-lkubernetes.io/service-name={RELEASE}")
    called = {address for each in slices["items"] for one in each["endpoints"] for address in one["addresses"]}
    assert called == {pod["status"]["podIP"] for pod in node.tidegate.pods()}


def test_what_is_admitted_runs_by_the_digest_that_was_admitted(node: Node, guarded: str) -> None:
    """The node pulls the name of ECR, and what it gets is what AWS described."""
    node.cluster.apply(workload("Deployment", GOOD, name="good"), f"--namespace={guarded}")
    node.cluster.kubectl(
        *("wait", "--for=condition=Available", "deployment/good", f"--namespace={guarded}"),
        f"--timeout={RUNNING_SECONDS:.0f}s",
        timeout_seconds=RUNNING_SECONDS + 10,
    )
    (pod,) = node.cluster.get("pods", f"--namespace={guarded}")["items"]
    (status,) = pod["status"]["containerStatuses"]
    digest = node.aws.world.image("team/good", "v1").digest
    assert "running" in status["state"]
    assert status["imageID"] == f"{ECR}/team/good@{digest}"
    annotations = creation_of_a_pod(node, guarded)["annotations"]
    assert annotations["enforce.tidegate.dev/decision"] == "allowed"
    assert digest in annotations["enforce.tidegate.dev/images"]


def test_what_is_refused_says_why_to_the_person_who_applies_it(node: Node, guarded: str) -> None:
    done = node.cluster.apply(workload("Deployment", CRITICAL), f"--namespace={guarded}", check=False)
    assert done.returncode != 0
    assert 'admission webhook "enforce.tidegate.dev" denied the request' in done.stderr
    assert "VulnerabilitiesFound: 2 CRITICAL" in done.stderr
    assert node.cluster.get("pods", f"--namespace={guarded}")["items"] == []


def test_a_pod_refused_under_a_replica_set_says_why_in_its_events(node: Node, namespace: str) -> None:
    """A Deployment that was there before the policy: nobody applies anything when its Pods are made anew."""
    node.cluster.apply(workload("Deployment", CRITICAL, replicas=0), f"--namespace={namespace}")
    apply_production(node, namespace)
    node.cluster.kubectl("scale", "deployment/app", "--replicas=1", f"--namespace={namespace}")
    selector = "--field-selector=involvedObject.kind=ReplicaSet,reason=FailedCreate"
    (event, *_) = wait_for(
        lambda: node.cluster.get("events", f"--namespace={namespace}", selector)["items"],
        what="the event of the refusal",
        timeout_seconds=RUNNING_SECONDS,
    )
    assert "VulnerabilitiesFound: 2 CRITICAL" in event["message"]
    assert "[policy production]" in event["message"]
    assert node.cluster.get("pods", f"--namespace={namespace}")["items"] == []
