"""What is logged: nothing for an answered request, little for much that is wrong, and never a body."""

import structlog

from tests.integration.server.peer import get, post


async def test_an_answered_request_is_not_logged(start):
    with structlog.testing.capture_logs() as lines:
        site = await start(summary_seconds=0.0)
        for _ in range(3):
            assert (await site.ask(post())).status == 200
        await site.until(lambda: not site.table.by_handler)
    assert [line["event"] for line in lines] == ["listening"]


async def test_refusals_are_summed_up_in_one_line_once(start):
    site = await start(summary_seconds=0.0)
    with structlog.testing.capture_logs() as lines:
        peers = [await site.peer() for _ in range(3)]
        await peers[0].send(get("/nope"))
        await site.until(lambda: lines)
    assert lines == [
        {"event": "requests refused", "log_level": "warning", "listener": "admission", "by_status": {404: 1}}
    ]


async def test_connections_that_were_ended_are_summed_up_by_reason(start):
    site = await start(summary_seconds=3_600.0, head_seconds=0.05)
    site.table._summarized_at = site.table.loop.time()
    for _ in range(2):
        peer = await site.peer()
        await peer.send(b"GET /healthz HTTP/1.1\r\n")
        assert (await peer.answer()).status == 408
        await peer.rest()
    await site.until(lambda: not site.table.by_handler)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            site.table._summarized_at -= 3_600
            site.table.summarize()
    assert lines == [
        {"event": "requests refused", "log_level": "warning", "listener": "admission", "by_status": {408: 2}},
        {
            "event": "connections ended",
            "log_level": "warning",
            "listener": "admission",
            "by_reason": {"timed-out": 2},
            "open": 0,
        },
    ]


async def test_a_failed_handshake_is_no_warning(start):
    """Port scans and probes that only connect are nothing to worry about."""
    site = await start(summary_seconds=3_600.0)
    site.table._summarized_at = site.table.loop.time()
    plain = await site.peer(tls=False)
    await plain.send(get("/healthz"))
    await plain.rest()
    await site.until(lambda: site.table.ended)
    site.table._summarized_at -= 3_600
    with structlog.testing.capture_logs() as lines:
        site.table.summarize()
    assert [(line["log_level"], line["by_reason"]) for line in lines] == [("info", {"handshake-failed": 1})]


async def test_a_refusal_that_the_process_itself_provokes_is_counted_and_not_told(start):
    """Announced before it comes; one more than announced is told, and so is what else was refused meanwhile."""
    site = await start(summary_seconds=3_600.0)

    def summarized():
        site.table._summarized_at -= 3_600
        with structlog.testing.capture_logs() as lines:
            site.table.summarize()
        return [line["by_status"] for line in lines]

    site.table.expected[404] += 1
    assert summarized() == []
    await site.ask(get("/validate"))
    assert summarized() == [{405: 1}]
    await site.ask(get("/nope"))
    assert summarized() == []
    assert site.table.answers[404] == 1
    await site.ask(get("/nope"))
    assert summarized() == [{404: 1}]


async def test_a_probe_that_comes_before_it_is_ready_is_no_refusal(start):
    """The kubelet asks from the first second on."""
    site = await start(summary_seconds=0.0)
    site.script.unmet = ["the policies have not been read yet"]
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert (await site.ask(get("/readyz"))).status == 503
        await site.until(lambda: not site.table.by_handler)
        site.table.summarize()
    assert lines == []


async def test_many_refusals_are_not_many_lines(start):
    site = await start(summary_seconds=3_600.0)
    with structlog.testing.capture_logs() as lines:
        site.table._summarized_at = site.table.loop.time()
        for _ in range(5):
            await site.ask(get("/nope"))
        site.table.summarize()
        assert lines == []
        site.table._summarized_at -= 3_600
        site.table.summarize()
        site.table._summarized_at -= 3_600
        site.table.summarize()
    assert [line["by_status"] for line in lines] == [{404: 5}]


async def test_a_failing_handler_is_logged_once_in_a_while_with_its_traceback(start):
    site = await start(summary_seconds=3_600.0)
    failure = RuntimeError("broken")

    def fail(_body, _deadline):
        raise failure

    site.script.reply = fail
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            assert (await site.ask(post(b'{"secret":1}'))).status == 500
        site.table._failure_logged_at -= 3_600
        assert (await site.ask(post(b'{"secret":1}'))).status == 500
    failures = [line for line in lines if line["event"] == "request handler failed"]
    assert (
        failures
        == [
            {
                "event": "request handler failed",
                "log_level": "error",
                "listener": "admission",
                "path": "/validate",
                "exc_info": failure,
            }
        ]
        * 2
    )
    assert "secret" not in str(lines)
