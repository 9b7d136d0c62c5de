"""Readiness against a running server: the real reviewer over TLS, and servers that are wrong in one way each."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import structlog

from tidegate.admission import known_bad
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
from tidegate.webhook.self_check import LOADING, UNREAD, SelfCheck, WithoutSelfChecks
from tidegate.webhook.server import AdmissionServer, Responder, ServerLimits, ServerTLS
from tidegate.webhook.server.client_certificate import make_client_certificate

NOW = dt.datetime.now(dt.UTC)
NAME = "tidegate.tidegate.svc"
AUTHORITY = make_authority(NOW)
SERVING = make_serving(AUTHORITY, [NAME], NOW)
USER_POLICY = {
    "metadata": {"name": "users", "uid": "u", "generation": 1, "resourceVersion": "1"},
    "spec": {"match": {"namespaceSelector": {"matchLabels": {"a": "b"}}}, "tags": {"immutable": True}},
}


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


@pytest.mark.parametrize("audit_only", [False, True])
@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([], id="no policy at all"),
        pytest.param([USER_POLICY], id="a policy that selects by labels"),
        pytest.param([USER_POLICY | {"spec": {}}], id="a broken policy"),
    ],
)
async def test_the_real_reviewer_passes(objects, audit_only):
    """Whatever the policies are, and also where nothing is enforced."""
    policies = watched(*objects)
    assert await policies.resync.refresh_once()
    check = await checked(reviewer(policies, audit_only=audit_only), policies, audit_only=audit_only)
    assert check.unmet() == []


@pytest.mark.parametrize("presents", [True, False])
async def test_where_clients_need_a_certificate_the_check_has_its_own(presents):
    """Without one it is turned away like anybody, so that it is seen to be asked for."""
    policies = watched()
    assert await policies.resync.refresh_once()
    tls = ServerTLS(
        SERVING.certificate_pem, SERVING.key_pem, client_authorities_pem=make_client_certificate().certificate_pem
    )
    async with serving(reviewer(policies), tls=tls) as port:
        client = (lambda: tls.own_client) if presents else (lambda: None)
        check = SelfCheck(policies=policies, certificate=Certificate(), port=port, client=client)
        await check.check()
    assert (check.problem == "") is presents


async def test_policies_that_were_not_read_are_not_ready():
    policies = watched()
    check = await checked(reviewer(policies), policies)
    assert UNREAD in check.unmet()
    assert check.problem == "the running server has not read the policies yet"


def answering(**response: Any) -> Responder:
    def respond(body: bytes, _deadline: float | None) -> bytes:
        uid = json.loads(body)["request"]["uid"]
        return json.dumps({"response": {"uid": uid} | response}).encode()

    return respond


def fixed(body: bytes) -> Responder:
    return lambda *_: body


def failing(_body: bytes, _deadline: float | None) -> bytes:
    raise RuntimeError("broken")


REFUSAL = {"code": 403, "message": f"- image: ... [policy {known_bad.NAMESPACE}]"}


@pytest.mark.parametrize(
    ("responder", "problem"),
    [
        pytest.param(answering(allowed=True), "was allowed", id="it allows everything"),
        pytest.param(answering(allowed=True, status=REFUSAL), "was allowed", id="it allows and pretends to refuse"),
        pytest.param(
            answering(allowed=False, status={"code": 403, "message": "no"}),
            "was not judged",
            id="it refuses everything",
        ),
        pytest.param(
            answering(allowed=False, status=REFUSAL | {"code": 500}), "was not judged", id="it fails and calls it no"
        ),
        pytest.param(
            answering(allowed=False, status=REFUSAL, uid="other"), "another request", id="it mixes requests up"
        ),
        pytest.param(fixed(b"{}"), "no AdmissionReview", id="it answers with nothing"),
        pytest.param(fixed(b"nonsense"), "no AdmissionReview", id="it answers with nonsense"),
        pytest.param(failing, "HTTP status 500", id="it fails"),
    ],
)
async def test_a_wrong_server_is_never_ready(responder, problem):
    policies = watched()
    await policies.resync.refresh_once()
    check = await checked(responder, policies)
    (reason,) = check.unmet()
    assert problem in reason


async def test_a_server_that_enforces_where_nothing_should_be_is_not_ready():
    policies = watched()
    await policies.resync.refresh_once()
    check = await checked(reviewer(policies), policies, audit_only=True)
    assert check.unmet() == ["the known-bad request was enforced"]


async def test_an_audit_that_finds_nothing_is_not_ready():
    """Where everything is let in, only the finding tells that it was judged."""
    policies = watched()
    await policies.resync.refresh_once()
    responder = answering(allowed=True, auditAnnotations={"decision": "allowed"})
    check = await checked(responder, policies, audit_only=True)
    assert "was not judged" in check.problem


@pytest.mark.parametrize(
    ("pair", "certificate"),
    [
        pytest.param(SERVING, Certificate(trust=make_authority(NOW)), id="the authority that is trusted is another"),
        pytest.param(make_serving(AUTHORITY, ["x.y.svc"], NOW), Certificate(), id="the name is another"),
        pytest.param(
            make_serving(AUTHORITY, [NAME], NOW - dt.timedelta(days=91)), Certificate(), id="the time is over"
        ),
        pytest.param(
            make_serving(AUTHORITY, [NAME], NOW),
            Certificate(trust=None),
            id="without an authority: it is not the one read",
        ),
    ],
)
async def test_a_certificate_that_clients_would_not_trust_is_not_ready(pair, certificate):
    policies = watched()
    await policies.resync.refresh_once()
    check = await checked(reviewer(policies), policies, pair=pair, certificate=certificate)
    assert "certificate verify failed" in check.problem


async def test_without_an_authority_the_certificate_itself_is_enough():
    """Files from whoever: what is served must be what was read."""
    policies = watched()
    await policies.resync.refresh_once()
    check = await checked(reviewer(policies), policies, certificate=Certificate(trust=None))
    assert check.unmet() == []


async def test_what_the_certificate_lacks_is_told():
    policies = watched()
    await policies.resync.refresh_once()
    certificate = Certificate()
    certificate.reasons = ["the caBundle lacks the authority"]
    check = await checked(reviewer(policies), policies, certificate=certificate)
    assert check.unmet() == ["the caBundle lacks the authority"]
    assert await checked_without_certificate() == "there is no serving certificate yet"


async def checked_without_certificate() -> str:
    check = SelfCheck(policies=watched(), certificate=Certificate(serving=None), port=lambda: 1)
    await check.check()
    return check.problem


async def test_silence_is_not_ready_at_first_and_no_news_later():
    """A server that is busy after it was right is not taken from service; a wrong answer takes it at once."""
    policies = watched()
    await policies.resync.refresh_once()
    wrong = False
    right = reviewer(policies)

    def respond(body: bytes, deadline: float | None) -> bytes | Awaitable[bytes]:
        return answering(allowed=True)(body, deadline) if wrong else right(body, deadline)

    check = SelfCheck(policies=policies, certificate=Certificate(), port=lambda: 1)
    await check.check()
    assert check.problem == "the running server does not answer its own check"
    async with serving(respond) as port:
        check._port = port
        await check.check()
        assert check.unmet() == []
        check._port = lambda: 1
        await check.check()
        assert check.unmet() == []
        check._port, wrong = port, True
        await check.check()
        assert check.unmet() == ["the known-bad request was allowed"]
        wrong = False
        await check.check()
        assert check.unmet() == []


async def test_it_is_checked_until_it_holds_and_then_again():
    policies = watched()
    right = reviewer(policies)
    asked = 0

    def respond(body: bytes, deadline: float | None) -> bytes | Awaitable[bytes]:
        nonlocal asked
        asked += 1
        return right(body, deadline)

    async with serving(respond) as port:
        check = SelfCheck(policies=policies, certificate=Certificate(), port=port, every_seconds=0.01)
        task = asyncio.create_task(check.run())
        async with asyncio.timeout(20):
            while asked < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert check.unmet()
            await policies.resync.refresh_once()
            while check.unmet():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            before = asked
            while asked < before + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nobody_is_told_of_the_checks_own_request():
    """A refusal a minute would look like somebody's."""
    policies, told = watched(), Told()
    await policies.resync.refresh_once()
    responder = reviewer(policies, told=told)
    check = await checked(responder, policies)
    assert check.unmet() == []
    assert told.namespaces == []
    review = json.loads(known_bad.known_bad_review("1"))
    review["request"]["namespace"] = "shop"
    answer = responder(json.dumps(review).encode(), None)
    answer if isinstance(answer, bytes) else await answer
    assert told.namespaces == ["shop"]


async def test_a_start_requests_and_checks_log_no_warning():
    """Nor do the checks' own refusals, which are counted all the same."""
    policies = watched()
    certificate, present = Certificate(), Certificate().present
    certificate.present = None
    responder = reviewer(policies)
    with structlog.testing.capture_logs() as lines:
        tls = ServerTLS(SERVING.certificate_pem, SERVING.key_pem)
        limits = ServerLimits(summary_seconds=0.0, sweep_seconds=0.01)
        server = AdmissionServer(responder=responder, readiness=list, tls=tls, limits=limits)
        check = SelfCheck(policies=policies, certificate=certificate, port=lambda: server.port, expect=server.expect)
        await check.check()
        certificate.present = present
        await check.check()
        assert check.problem == "the running server does not answer its own check"
        await server.start("127.0.0.1", 0)
        await check.check()
        assert check.problem == "the running server has not read the policies yet"
        await policies.resync.refresh_once()
        for _ in range(3):
            await check.check()
            assert check.unmet() == []
        await asyncio.sleep(0.05)
        assert server.listener.ledger.answers[404] == 4
        await server.drain(0.1)
    assert [line for line in lines if line["log_level"] not in {"debug", "info"}] == []
    assert [line["event"] for line in lines if "ready" in line["event"]] == ["not ready yet"] * 3


async def test_what_keeps_a_process_from_getting_ready_is_warned_of_after_a_while(monkeypatch):
    check = SelfCheck(policies=watched(), certificate=Certificate(serving=None), port=lambda: 1)
    with structlog.testing.capture_logs() as lines:
        await check.check()
        await check.check()
        monkeypatch.setattr("tidegate.webhook.self_check.START_SECONDS", -1.0)
        await check.check()
        await check.check()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("not ready yet", "info"),
        ("not ready", "warning"),
    ]


async def test_a_process_that_was_ready_is_warned_of_at_once():
    policies = watched()
    await policies.resync.refresh_once()
    async with serving(reviewer(policies)) as port:
        check = SelfCheck(policies=policies, certificate=Certificate(), port=port)
        await check.check()
    async with serving(answering(allowed=True)) as port:
        check._port = port
        with structlog.testing.capture_logs() as lines:
            await check.check()
    assert ("not ready", "warning") in [(line["event"], line["log_level"]) for line in lines]


async def test_what_is_still_being_loaded_is_not_ready():
    policies, loading = watched(), True
    await policies.resync.refresh_once()
    async with serving(reviewer(policies)) as port:
        check = SelfCheck(policies=policies, certificate=Certificate(), port=port, is_loading=lambda: loading)
        await check.check()
        assert check.unmet() == [LOADING]
        loading = False
        assert check.unmet() == []


async def test_a_server_that_answers_on_every_path_is_not_ready(monkeypatch):
    """Such as kopf's own, which allows what it does not know."""
    monkeypatch.setattr("tidegate.webhook.self_check.UNKNOWN_PATH", "/validate")
    policies = watched()
    await policies.resync.refresh_once()
    check = await checked(reviewer(policies), policies)
    assert "an unknown path was answered with 200" in check.problem
