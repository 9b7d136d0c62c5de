"""A running server with what it needs, and what its self-check says of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from tidegate.admission.decision import Decision
from tidegate.admission.request import AdmissionRequest
from tidegate.admission.reviewer import Reviewer
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.needs import Needs
from tidegate.gather.clock import SystemClock
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference
from tidegate.webhook.certificate import ServingPair
from tidegate.webhook.certificate.material import KeyPair, make_authority, make_serving
from tidegate.webhook.self_check import SelfCheck, WithoutSelfChecks
from tidegate.webhook.server import AdmissionServer, Responder, ServerTLS

NOW = dt.datetime.now(dt.UTC)
NAME = "tidegate.tidegate.svc"
AUTHORITY = make_authority(NOW)
SERVING = make_serving(AUTHORITY, [NAME], NOW)


class FakeApi:
    """Lists policies, and takes statuses."""

    def __init__(self, *policies: dict[str, Any]) -> None:
        self.policies = list(policies)

    async def list_objects(self, _path: str) -> list[dict[str, Any]]:
        return self.policies

    async def merge_patch(self, _path: str, _patch: Mapping[str, Any]) -> dict[str, Any]:
        return {}


class Sources:
    """No namespace is known, no node, and nothing must ever be looked up for the known-bad image."""

    def labels(self, _name: str) -> Mapping[str, str] | None:
        return None

    async def fetch_labels(self, _name: str, *, deadline: float) -> Mapping[str, str] | None:
        return None

    def platforms(self) -> tuple[Platform, ...]:
        return ()

    def renew(self, _reference: ImageReference, _wanted: Needs, *, share: str) -> None:
        raise AssertionError

    def known(self, _reference: ImageReference, _wanted: Needs) -> ImageEvidence:
        raise AssertionError

    async def collect_all(
        self,
        wanted: Sequence[tuple[ImageReference, Needs]],
        *,
        deadline: float,
        share: str,
        is_patient: bool = True,
    ) -> Sequence[ImageEvidence]:
        assert not wanted
        return []


class Told:
    """Remembers the decisions that it is told of."""

    def __init__(self) -> None:
        self.namespaces: list[str] = []

    def decided(self, request: AdmissionRequest, _decision: Decision, *, seconds: float, waited: bool) -> None:
        self.namespaces.append(request.namespace)


class Certificate:
    """What the checks are told is served."""

    def __init__(self, serving: KeyPair | None = SERVING, trust: KeyPair | None = AUTHORITY) -> None:
        self.reasons: list[str] = []
        self.present: ServingPair | None = None
        if serving is not None:
            self.present = ServingPair(
                certificate_pem=serving.certificate_pem,
                key_pem=serving.key_pem,
                trust_pem=trust.certificate_pem if trust else b"",
                server_name=NAME if trust else None,
                expires_at=NOW,
            )

    def unmet(self) -> Sequence[str]:
        return self.reasons


def watched(*policies: dict[str, Any]) -> WatchedPolicies:
    return WatchedPolicies(cast("KubernetesApi", FakeApi(*policies)))


def reviewer(policies: WatchedPolicies, *, audit_only: bool = False, told: Told | None = None) -> Responder:
    sources = Sources()
    made = Reviewer(
        policies=policies,
        namespaces=sources,
        platforms=sources,
        evidence=sources,
        clock=SystemClock(),
        observer=WithoutSelfChecks(told or Told()),
        audit_only=audit_only,
    )
    return made.review


@asynccontextmanager
async def serving(
    responder: Responder, pair: KeyPair = SERVING, tls: ServerTLS | None = None
) -> AsyncIterator[Callable[[], int]]:
    tls = tls or ServerTLS(pair.certificate_pem, pair.key_pem)
    server = AdmissionServer(responder=responder, readiness=list, tls=tls)
    await server.start("127.0.0.1", 0)
    try:
        yield lambda: server.port
    finally:
        await server.drain(0.1)


async def checked(responder: Responder, policies: WatchedPolicies, **settings: Any) -> SelfCheck:
    certificate = settings.pop("certificate", None) or Certificate()
    async with serving(responder, settings.pop("pair", SERVING)) as port:
        check = SelfCheck(policies=policies, certificate=certificate, port=port, **settings)
        assert check.unmet(), "nothing is ready before it was checked"
        await check.check()
        return check


def answering(**response: Any) -> Responder:
    def respond(body: bytes, _deadline: float | None) -> bytes:
        uid = json.loads(body)["request"]["uid"]
        return json.dumps({"response": {"uid": uid} | response}).encode()

    return respond
