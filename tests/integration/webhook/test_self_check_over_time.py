"""The self-check from the start on: what it waits for, when it is repeated, and what is warned of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

import structlog

from tests.integration.webhook.checked import Certificate, Told, answering, checked, reviewer, serving, watched
from tidegate.admission import known_bad
from tidegate.webhook.self_check import LOADING, SelfCheck


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
