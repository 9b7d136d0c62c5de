"""A pinner in memory, and what its answers make of a Pod."""

import base64
import copy
import json
from collections.abc import Sequence
from typing import Any

from tests.unit.admission.fakes import (
    UID,
    FakeClock,
    FakeEvidence,
    FakeNamespaces,
    FakeObserver,
    FakePlatforms,
    FakePolicies,
    body,
)
from tests.unit.builders import (
    DIGEST,
    IMAGE,
    full_policy,
    policy,
)
from tidegate.admission.pinning import Pinner
from tidegate.admission.reviewer import Reviewer
from tidegate.policy.model import Action, ScanRules
from tidegate.policy.snapshot import PolicySnapshot

ANY = policy(scan=ScanRules())
WARNING = full_policy(actions=frozenset({Action.WARN}))
PINNED_TAG = f"{IMAGE}@{DIGEST}"


class World:
    """A pinner beside the reviewer whose verdicts it shares, and all that they are given."""

    def __init__(self, policies: Sequence[Any], *, audit_only: bool = False) -> None:
        self.policies = FakePolicies(PolicySnapshot.of(policies))
        self.clock = FakeClock()
        self.namespaces = FakeNamespaces()
        self.evidence = FakeEvidence()
        self.reviewer = Reviewer(
            policies=self.policies,
            namespaces=self.namespaces,
            platforms=FakePlatforms(),
            evidence=self.evidence,
            clock=self.clock,
            observer=FakeObserver(),
            audit_only=audit_only,
        )
        self.pinner = Pinner(
            policies=self.policies, namespaces=self.namespaces, verdicts=self.reviewer.verdicts, clock=self.clock
        )

    async def response(self, request: bytes) -> dict[str, Any]:
        answer = self.pinner.review(request, 10.0)
        review = json.loads(answer if isinstance(answer, bytes) else await answer)
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = review["response"]
        assert (response["uid"], response["allowed"]) == (UID, True)
        return response

    async def reviewed(self, request: bytes) -> bool:
        """Return whether the validating webhook allows the request."""
        answer = self.reviewer.review(request, 10.0)
        allowed: bool = json.loads(answer if isinstance(answer, bytes) else await answer)["response"]["allowed"]
        return allowed

    async def patch(self, request: bytes) -> list[dict[str, str]]:
        return patch_of(await self.response(request))

    async def mutated(self, pod: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the Pod as the API server stores it."""
        return patched(pod, await self.patch(body(object=pod, **changes)))


def world(*policies: Any, audit_only: bool = False) -> World:
    return World(policies or (ANY,), audit_only=audit_only)


def patch_of(response: dict[str, Any]) -> list[dict[str, str]]:
    if "patch" not in response:
        assert "patchType" not in response
        return []
    assert response["patchType"] == "JSONPatch"
    operations: list[dict[str, str]] = json.loads(base64.b64decode(response["patch"], validate=True))
    return operations


def patched(pod: dict[str, Any], operations: list[dict[str, str]]) -> dict[str, Any]:
    """Apply a JSON patch of ``test`` and ``replace`` operations (RFC 6902)."""
    result: dict[str, Any] = copy.deepcopy(pod)
    for operation in operations:
        *parents, last = operation["path"].removeprefix("/").split("/")
        place: Any = result
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if operation["op"] == "test":
            assert place[last] == operation["value"]
        else:
            assert operation["op"] == "replace"
            assert last in place
            place[last] = operation["value"]
    return result
