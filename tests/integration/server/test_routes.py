"""What each route answers, and what is refused before a handler sees it."""

import asyncio
import gzip
import json

import pytest

from tests.integration.server.peer import get, post
from tidegate.webhook.server import BadRequest


async def test_a_ready_answer_is_the_responders_bytes(site):
    site.script.reply = lambda _body, _deadline: b'{"response":{"allowed":false}}'
    answer = await site.ask(post(b'{"request":1}'))
    assert (answer.status, answer.body) == (200, b'{"response":{"allowed":false}}')
    assert answer.headers["content-type"] == "application/json"
    assert site.script.calls == [(b'{"request":1}', None)]


async def test_a_later_answer_is_awaited(site):
    async def later(_body, _deadline):
        await asyncio.sleep(0)
        return b'{"later":1}'

    site.script.reply = later
    answer = await site.ask(post())
    assert (answer.status, answer.body) == (200, b'{"later":1}')


async def test_a_shared_future_may_be_the_answer_and_survives_one_waiter(site):
    shared = asyncio.get_running_loop().create_future()

    async def wait_shared(_body, _deadline):
        return await asyncio.shield(shared)

    site.script.reply = wait_shared
    first, second = await site.peer(), await site.peer()
    await first.send(post())
    await second.send(post())
    await site.until(lambda: len(site.script.calls) == 2)
    first.abort()
    await site.until(lambda: len(site.table.by_handler) == 1)
    shared.set_result(b'{"shared":1}')
    assert (await second.answer()).body == b'{"shared":1}'


async def test_cancelled_shared_work_is_a_failure_and_not_a_lost_connection(site):
    async def cancelled(_body, _deadline):
        raise asyncio.CancelledError

    site.script.reply = cancelled
    assert (await site.ask(post())).status == 500


async def test_bad_request_is_400_with_its_text(site):
    def refuse(_body, _deadline):
        raise BadRequest("got no uid")

    site.script.reply = refuse
    answer = await site.ask(post())
    assert answer.status == 400
    assert json.loads(answer.body) == {"code": 400, "error": "Bad Request", "reason": "got no uid"}
    assert not answer.closes


async def test_bad_request_may_come_later(site):
    async def refuse(_body, _deadline):
        raise BadRequest("got no uid")

    site.script.reply = refuse
    assert (await site.ask(post())).status == 400


def explode(_body, _deadline):
    raise RuntimeError("password=hunter2")


async def explode_later(_body, _deadline):
    raise RuntimeError("password=hunter2")


async def time_out(_body, _deadline):
    raise TimeoutError("password=hunter2")


async def answer_nonsense(_body, _deadline):
    return {"response": {"allowed": True}}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(explode, id="raises at once"),
        pytest.param(explode_later, id="raises later"),
        pytest.param(time_out, id="raises its own TimeoutError"),
        pytest.param(answer_nonsense, id="returns no bytes later"),
        pytest.param(lambda _body, _deadline: None, id="returns None"),
    ],
)
async def test_a_failing_handler_is_500_that_tells_nothing(site, reply):
    site.script.reply = reply
    peer = await site.peer()
    answer = await peer.ask(post())
    assert answer.status == 500
    assert b"hunter2" not in answer.body
    assert b"allowed" not in answer.body
    site.script.reply = None
    assert (await peer.ask(post())).status == 200, "the connection and the server live on"


async def test_healthz_is_ok_even_when_not_ready(site):
    site.script.unmet = ["policies are not synced"]
    answer = await site.ask(get("/healthz"))
    assert (answer.status, answer.body) == (200, b"ok\n")


async def test_readyz_lists_what_is_unmet(site):
    site.script.unmet = ["policies are not synced", "the self-test has not passed"]
    answer = await site.ask(get("/readyz"))
    assert (answer.status, answer.body) == (503, b"policies are not synced\nthe self-test has not passed\n")
    site.script.unmet = []
    answer = await site.ask(get("/readyz"))
    assert (answer.status, answer.body) == (200, b"ok\n")


async def test_a_failing_readiness_is_not_ready(site):
    del site.script.unmet
    assert (await site.ask(get("/readyz"))).status == 500


@pytest.mark.parametrize(
    "target",
    ["/", "/validate/", "/validate/pods", "/%76alidate", "//validate", "/VALIDATE", "/readyz/x", "/mutate", "*"],
)
async def test_unknown_paths_are_404_and_reach_no_handler(site, target):
    answer = await site.ask(post(target=target))
    assert answer.status in {400, 404}
    assert b"allowed" not in answer.body
    assert site.script.calls == []


@pytest.mark.parametrize(
    ("request_line", "allow"),
    [
        pytest.param("GET /validate", "POST", id="GET of the webhook"),
        pytest.param("PUT /validate", "POST", id="PUT of the webhook"),
        pytest.param("POST /healthz", "GET", id="POST of health"),
        pytest.param("DELETE /readyz", "GET", id="DELETE of readiness"),
    ],
)
async def test_wrong_methods_are_405_with_the_right_one(site, request_line, allow):
    answer = await site.ask(f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert (answer.status, answer.headers["allow"]) == (405, allow)


async def test_head_is_refused_without_a_body(site):
    peer = await site.peer()
    await peer.send(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await peer.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        pytest.param("application/json", 200, id="json"),
        pytest.param("application/json; charset=utf-8", 200, id="json with a parameter"),
        pytest.param("Application/JSON", 200, id="json in another case"),
        pytest.param("", 415, id="none"),
        pytest.param("text/plain", 415, id="text"),
        pytest.param("application/jsonp", 415, id="a longer word"),
        pytest.param("application/vnd.kubernetes.protobuf", 415, id="protobuf"),
    ],
)
async def test_only_json_is_taken(site, media_type, status):
    assert (await site.ask(post(media_type=media_type))).status == status
    assert len(site.script.calls) == (status == 200)


async def test_a_compressed_body_is_refused_unread(site, monkeypatch):
    """Nothing is unpacked on the way: a few bytes could become very many."""
    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer", None)
    assert (await site.ask(post(gzip.compress(b"{}"), "Content-Encoding: gzip"))).status == 415


@pytest.mark.parametrize(
    ("query", "least", "most"),
    [
        pytest.param("timeout=10s", 9, 10, id="seconds"),
        pytest.param("a=b&timeout=1m", 29, 30, id="bounded by Kubernetes' largest"),
        pytest.param("timeout=1500ms", 0.5, 1.5, id="milliseconds"),
    ],
)
async def test_the_deadline_is_what_is_left_of_the_callers_timeout(site, query, least, most):
    assert (await site.ask(post(target=f"/validate?{query}"))).status == 200
    assert least < site.script.calls[0][1] <= most


@pytest.mark.parametrize("query", ["timeout=", "timeout=10", "timeout=-1s", "timeout=0s", "timeout=1s&timeout=2s"])
async def test_a_deadline_is_never_guessed(site, query):
    assert (await site.ask(post(target=f"/validate?{query}"))).status == 400
    assert site.script.calls == []


async def test_no_answer_names_the_software_below(site):
    for data in (post(), get("/nope"), get("/healthz")):
        assert "python" not in (await site.ask(data)).headers.get("server", "").lower()


@pytest.mark.parametrize(("is_on", "status"), [(False, 404), (True, 200)])
async def test_the_path_of_digest_pinning_is_served_only_where_it_is_on(start, is_on, status):
    """Its answer always allows, so a validating webhook that is sent there by mistake must fail."""
    site = await start(mutating_responder=(lambda _body, _deadline: b"{}") if is_on else None)
    assert (await site.ask(post(target="/mutate"))).status == status
