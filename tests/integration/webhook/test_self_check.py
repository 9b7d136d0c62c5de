"""Readiness against a running server: the real reviewer over TLS, and servers that are wrong in one way each."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import structlog

from tests.integration.webhook.checked import (
    AUTHORITY,
    NAME,
    NOW,
    SERVING,
    Certificate,
    answering,
    checked,
    reviewer,
    serving,
    watched,
)
from tidegate.admission import known_bad
from tidegate.webhook.certificate.material import make_authority, make_client, make_serving
from tidegate.webhook.self_check import UNREAD, SelfCheck
from tidegate.webhook.server import AdmissionServer, Responder, ServerLimits, ServerTLS

USER_POLICY = {
    "metadata": {"name": "users", "uid": "u", "generation": 1, "resourceVersion": "1"},
    "spec": {"match": {"namespaceSelector": {"matchLabels": {"a": "b"}}}, "tags": {"immutable": True}},
}


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
    tls = ServerTLS(SERVING.certificate_pem, SERVING.key_pem, client_authorities_pem=make_client(NOW).certificate_pem)
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
        pytest.param(fixed(b"{}"), "not an AdmissionReview", id="it answers with nothing"),
        pytest.param(fixed(b"nonsense"), "not an AdmissionReview", id="it answers with nonsense"),
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
        assert server.table.answers[404] == 4
        await server.drain(0.1)
    assert [line for line in lines if line["log_level"] not in {"debug", "info"}] == []
    assert [line["event"] for line in lines if "ready" in line["event"]] == ["not ready yet"] * 3
