"""The client of the API server against a server that answers as told: pages, refusals, nonsense, silence."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.client import Configuration

from tidegate.cluster import api as module
from tidegate.cluster.api import ApiError, KubernetesApi, ObjectMetadata

PATH = "/api/v1/things"
Answer = tuple[int, bytes]


class Server:
    """Answers requests in turn; remembers them as (method, query, headers, body)."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[], Answer]] = []
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str], Any]] = []
        self.url = ""

    def answer(self, *bodies: Any) -> None:
        self.answers += [(200, json.dumps(body).encode()) for body in bodies]

    def refuse(self, status: int, message: str) -> None:
        self.answers.append((status, json.dumps({"kind": "Status", "message": message}).encode()))


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = parse_qs(urlsplit(self.path).query)
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.command, query, headers, json.loads(body) if body else None))
            answer = state.answers.pop(0)
            status, content = answer() if callable(answer) else answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{listening.server_port}"
        yield state
        listening.shutdown()
        thread.join(10)


@pytest.fixture
async def api(server: Server) -> AsyncIterator[KubernetesApi]:
    configuration = Configuration(host=server.url)
    configuration.api_key["BearerToken"] = "bearer secret"
    client = KubernetesApi(configuration)
    yield client
    client.close()


def page(*names: str, more: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": more}, "items": [{"metadata": {"name": name}} for name in names]}


def names(found: list[ObjectMetadata]) -> list[str]:
    return [one.name for one in found]


async def test_a_list_is_read_to_its_last_page(server, api):
    server.answer(page("a", "b", more="t1"), page("c", more="t2"), page("d"))
    assert names(await api.list_metadata(PATH)) == ["a", "b", "c", "d"]
    assert [query.get("continue") for _, query, _, _ in server.asked] == [None, ["t1"], ["t2"]]
    assert {query["limit"][0] for _, query, _, _ in server.asked} == {str(module.PAGE_OBJECTS)}


async def test_only_metadata_is_asked_for_with_the_token(server, api):
    server.answer({"items": [{"metadata": {"name": "a", "labels": {"x": "1"}, "annotations": {"y": "2"}}}]})
    assert await api.list_metadata(PATH, field_selector="metadata.name=a") == [
        ObjectMetadata(name="a", labels={"x": "1"})
    ]
    ((_, query, headers, _),) = server.asked
    assert "as=PartialObjectMetadataList" in headers["accept"]
    assert headers["authorization"] == "bearer secret"
    assert query["fieldSelector"] == ["metadata.name=a"]


async def test_objects_are_chosen_by_label(server, api):
    found = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7"}
    server.answer({"items": [{"metadata": found}]})
    assert await api.list_metadata(PATH, label_selector="owner=tidegate") == [
        ObjectMetadata(name="a", namespace="n", uid="u", resource_version="7")
    ]
    ((_, query, _, _),) = server.asked
    assert query["labelSelector"] == ["owner=tidegate"]
    assert "fieldSelector" not in query


async def test_a_list_can_be_had_as_it_was_sent(server, api):
    server.answer(page("a", more="t1"), page("b"))
    assert await api.list_raw(PATH) == [b'{"metadata": {"name": "a"}}', b'{"metadata": {"name": "b"}}']


async def test_a_deletion_is_of_the_object_that_was_read(server, api):
    server.answer({"kind": "Status"})
    await api.delete(f"{PATH}/a", uid="u", resource_version="7")
    ((method, _, _, body),) = server.asked
    assert method == "DELETE"
    assert body["preconditions"] == {"uid": "u", "resourceVersion": "7"}


async def test_an_empty_list_may_be_null_and_may_not_be_missing(server, api):
    """Go writes null for no items; a body without items is no list, and never the same as an empty one."""
    server.answer({"items": None}, {"kind": "Status"})
    assert await api.list_objects(PATH) == []
    with pytest.raises(ApiError, match="invalid response"):
        await api.list_objects(PATH)


async def test_an_expired_list_starts_over_once(server, api):
    """The token of the next page is good for minutes only; half a list is no list."""
    server.answer(page("a", more="t1"))
    server.refuse(410, "too old")
    server.answer(page("b", more="t2"), page("c"))
    assert names(await api.list_metadata(PATH)) == ["b", "c"]


async def test_a_list_that_expires_again_fails(server, api):
    for _ in range(2):
        server.answer(page("a", more="t1"))
        server.refuse(410, "too old")
    with pytest.raises(ApiError) as caught:
        await api.list_metadata(PATH)
    assert caught.value.status == 410


async def test_a_list_without_end_is_a_failure(server, api, monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 2 * module.PAGE_OBJECTS)
    server.answer(page("a", more="t1"), page("b", more="t2"))
    with pytest.raises(ApiError, match="more than"):
        await api.list_metadata(PATH)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 500, 503])
async def test_a_refusal_carries_its_status_and_the_servers_words(server, api, status):
    """It is asked once: who asked decides what follows."""
    server.refuse(status, "things are forbidden")
    with pytest.raises(ApiError, match="things are forbidden") as caught:
        await api.get(f"{PATH}/a")
    assert caught.value.status == status
    assert len(server.asked) == 1


async def test_a_redirect_is_not_followed(server, api):
    """The token is for the API server and nobody else."""
    server.answers += [(302, b"elsewhere"), (200, b"{}")]
    with pytest.raises(ApiError, match="too many redirects"):
        await api.get(f"{PATH}/a")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half a body"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
async def test_what_is_no_object_is_a_failure(server, api, content):
    server.answers.append((200, content))
    with pytest.raises(ApiError, match="invalid response"):
        await api.get(f"{PATH}/a")


async def test_a_refusal_that_is_no_status_shows_its_beginning(server, api):
    server.answers.append((502, b"<html>" + b"x" * 10_000))
    with pytest.raises(ApiError) as caught:
        await api.get(f"{PATH}/a")
    assert "<html>" in str(caught.value)
    assert len(str(caught.value)) < 700


async def test_an_answer_is_bounded_in_bytes(server, api, monkeypatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 20)
    server.answers += [(200, b'{"a": "123456789012"}'), (200, b'{"a": "12345678901"}')]
    with pytest.raises(ApiError, match="larger than"):
        await api.get(f"{PATH}/a")
    assert await api.get(f"{PATH}/a") == {"a": "12345678901"}


async def test_each_write_is_sent_as_what_it_is(server, api):
    server.answer({}, {}, {}, {})
    await api.create(PATH, {"n": 1})
    await api.replace(f"{PATH}/a", {"n": 2})
    await api.merge_patch(f"{PATH}/a", {"n": None})
    await api.json_patch(f"{PATH}/a", [{"op": "test", "path": "/n", "value": 3}])
    assert [(method, headers["content-type"], body) for method, _, headers, body in server.asked] == [
        ("POST", "application/json", {"n": 1}),
        ("PUT", "application/json", {"n": 2}),
        ("PATCH", "application/merge-patch+json", {"n": None}),
        ("PATCH", "application/json-patch+json", [{"op": "test", "path": "/n", "value": 3}]),
    ]


async def test_silence_ends_at_the_callers_time(server, api):
    hold = threading.Event()

    def silent() -> Answer:
        hold.wait(20)
        return 200, b"{}"

    server.answers += [silent] * 3
    try:
        with pytest.raises(ApiError, match=r"no answer within|list not complete within"):
            await api.list_metadata(PATH, seconds=0.3)
    finally:
        hold.set()


async def test_a_call_whose_caller_gave_up_is_not_begun(server, monkeypatch):
    """One thread, and it is busy: what waited too long must not reach the API server later."""
    hold, begun = threading.Event(), threading.Event()

    def silent() -> Answer:
        begun.set()
        hold.wait(20)
        return 200, b'{"items": []}'

    server.answers.append(silent)
    api = KubernetesApi(Configuration(host=server.url), threads=1)
    first = asyncio.create_task(api.list_objects(PATH))
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(ApiError):
        await api.list_metadata(PATH, seconds=0.05)
    hold.set()
    assert await first == []
    server.answer({"items": []})
    assert await api.list_objects(PATH) == []
    assert len(server.asked) == 2
    api.close()


async def test_nobody_there_is_a_failure_without_a_status():
    api = KubernetesApi(Configuration(host="http://127.0.0.1:1"))
    started = time.monotonic()
    with pytest.raises(ApiError) as caught:
        await api.get(f"{PATH}/a")
    assert caught.value.status is None
    assert time.monotonic() - started < module.CALL_SECONDS
    api.close()
