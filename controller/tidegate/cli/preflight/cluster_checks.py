"""The checks of the cluster: the policies and their status, and a known-bad Pod that the webhook must refuse."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from tidegate.cli.preflight.row import PreflightCheck, Row, State
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.policies import POLICIES_PATH
from tidegate.cluster.status import READY, stored_status
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import Policy

MAX_SECONDS: Final = 15.0
"""Longest wait for one answer of the API server."""
MIN_SECONDS: Final = 1.0
"""What is left for an answer after AWS took all of the time."""
IMAGE: Final = "self-check.invalid/KNOWN-BAD@sha256:" + "0" * 64
"""No image: a repository name has no upper-case letters, so every policy refuses it and no registry is contacted."""
DENIED: Final = '.tidegate.dev" denied the request'
NOT_CALLED: Final = re.compile(r'failed calling webhook "[a-z]+\.tidegate\.dev"')
FINDING: Final = "[policy "
"""What each warning of tidegate about an image contains."""


class Cluster:
    """The API server of the kubeconfig or the Pod's ServiceAccount. Raises ConfigurationError if there is none.

    ``deadline`` is in monotonic seconds.
    """

    def __init__(self, deadline: float) -> None:
        self._api = KubernetesApi(load_configuration(), threads=1)
        self._deadline = deadline

    def policies(self) -> Sequence[Mapping[str, Any]]:
        """Return all ImagePolicy objects; raise ApiError."""
        return asyncio.run(self._in_time(self._api.list_objects(POLICIES_PATH)))

    def try_pod(self, namespace: str, image: str) -> Sequence[str]:
        """Create a Pod by dry run; return the warnings, raise ApiError if it is refused."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        return asyncio.run(self._in_time(self._api.dry_run(path, known_bad_pod(namespace, image))))

    def close(self) -> None:
        """Release the threads."""
        self._api.close()

    async def _in_time(self, call: Any) -> Any:
        seconds = min(MAX_SECONDS, max(MIN_SECONDS, self._deadline - monotonic()))
        try:
            async with asyncio.timeout(seconds):
                return await call
        except TimeoutError as exc:
            raise ApiError(f"no answer within {seconds:.0f} s") from exc


def known_bad_pod(namespace: str, image: str) -> dict[str, Any]:
    """Return a Pod that meets the restricted Pod Security Standard, but has a known-bad image."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tidegate-preflight", "namespace": namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "known-bad",
                    "image": image,
                    "resources": {
                        "requests": {"cpu": "1m", "memory": "1Mi"},
                        "limits": {"cpu": "1m", "memory": "1Mi"},
                    },
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def policies_of(objects: Sequence[Mapping[str, Any]]) -> list[Policy]:
    """Return the policies of ImagePolicy objects, invalid ones too."""
    return [compile_policy(one) for one in objects if one.get("kind", "ImagePolicy") == "ImagePolicy"]


def policy_rows(objects: Sequence[Mapping[str, Any]], *, in_cluster: bool) -> Iterator[Row]:
    """Tell for each policy whether it is valid and, in the cluster, whether it is in force."""
    found = [(one, policy) for one in objects for policy in policies_of([one])]
    if not found:
        yield Row(
            check=PreflightCheck.POLICIES,
            subject="ImagePolicy",
            state=State.WARNING,
            found="there is none, so every image is allowed",
            fix="create an ImagePolicy, or set baselinePolicy.enabled",
        )
    for one, policy in found:
        state, text = State.OK, "valid"
        if isinstance(policy, BrokenPolicy):
            state, text = State.FAILED, "; ".join(policy.problems)
        elif in_cluster:
            state, text = _status(one, policy.generation)
        fix = {State.FAILED: "correct the policy", State.UNKNOWN: "check whether the controller is ready"}.get(
            state, ""
        )
        yield Row(check=PreflightCheck.POLICIES, subject=policy.name, state=state, found=text, fix=fix)


def _status(one: Mapping[str, Any], generation: int) -> tuple[State, str]:
    conditions = stored_status(one).get("conditions")
    ready = [each for each in conditions or () if isinstance(each, Mapping) and each.get("type") == READY]
    if not ready or ready[0].get("observedGeneration") != generation:
        return State.UNKNOWN, "the controller has not written a status for this generation"
    text = str(ready[0].get("message"))
    return (State.OK, text) if ready[0].get("status") == "True" else (State.FAILED, text)


def webhook_row(cluster: Cluster, namespace: str, image: str) -> Row:
    """Tell whether the API server asks tidegate about a Pod, and tidegate refuses a known-bad one or warns about it."""
    try:
        warnings = cluster.try_pod(namespace, image)
    except ApiError as problem:
        return _refused(str(problem), namespace)
    if shown := [each for each in warnings if FINDING in each]:
        return _row(State.OK, namespace, f"warns about a known-bad Pod: {shown[0]}")
    return _row(
        State.FAILED,
        namespace,
        "a known-bad Pod was admitted without a warning",
        f"check whether namespace {namespace} is exempt, whether a policy with Deny or Warn matches it, and whether the "
        "API server reaches the Pods on port 9443",
    )


def _refused(problem: str, namespace: str) -> Row:
    if DENIED in problem:
        return _row(State.OK, namespace, "refuses a known-bad Pod")
    if NOT_CALLED.search(problem):
        fix = "open port 9443 from the control plane to the Pods, and look at docs/guides/install.md for this message"
        return _row(State.FAILED, namespace, problem, fix)
    return _row(
        State.UNKNOWN,
        namespace,
        problem,
        f"allow the caller to create Pods in namespace {namespace}, which must exist; if another admission rule refused "
        "the Pod, choose another --namespace or --image",
    )


def _row(state: State, namespace: str, found: str, fix: str = "") -> Row:
    return Row(check=PreflightCheck.WEBHOOK, subject=f"namespace {namespace}", state=state, found=found, fix=fix)
