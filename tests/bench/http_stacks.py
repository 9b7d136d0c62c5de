"""The servers that tests/bench/http_layer.py compares, one process each: `python http_stacks.py STACK LOGIC PORT CERT KEY`.

LOGIC is `constant` (read the body, answer a constant) or `decode` (decode uid and images with msgspec, look each image
up, answer with the uid). All stacks answer the same bytes over TLS with keep-alive; loops are uvloop where the stack
lets us choose. kopf's stock path takes only its own logic: an async handler that reads the images.
"""

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

MAX_BODY_BYTES = 8 * 1024 * 1024


class Container(msgspec.Struct, gc=False):
    image: str


class PodSpec(msgspec.Struct, gc=False):
    containers: list[Container]
    initContainers: list[Container] = []  # noqa: N815 - the wire's name


class Pod(msgspec.Struct, gc=False):
    spec: PodSpec


class Question(msgspec.Struct, gc=False):
    uid: str
    object: Pod


class Review(msgspec.Struct, gc=False):
    request: Question


CONSTANT = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":'
    b'{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":false}}'
)
ANSWER = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"%b","allowed":%b}}'
KNOWN: frozenset[str] = frozenset()


def constant(_body: bytes) -> bytes:
    return CONSTANT


_decoder = msgspec.json.Decoder(Review)


def decode(body: bytes) -> bytes:
    request = _decoder.decode(body).request
    spec = request.object.spec
    allowed = all(container.image in KNOWN for container in (*spec.containers, *spec.initContainers))
    return ANSWER % (request.uid.encode(), b"true" if allowed else b"false")


LOGIC: dict[str, Callable[[bytes], bytes]] = {"constant": constant, "decode": decode}


def run_tidegate(answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    import uvloop

    from tidegate.webhook.server import AdmissionServer, ServerTLS

    tls = ServerTLS(cert.read_bytes(), key.read_bytes())

    async def main() -> None:
        server = AdmissionServer(responder=lambda body, _deadline: answer(body), readiness=lambda: (), tls=tls)
        await server.start("127.0.0.1", port)
        await server.serve()

    uvloop.run(main())


class Bare(asyncio.Protocol):
    """The floor: httptools and nothing else. No limit, no route, no order; it measures TLS, kernel and event loop."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        import httptools

        self.answer = answer
        self.parser = httptools.HttpRequestParser(self)
        self.parts: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        content = self.answer(b"".join(self.parts))
        self.parts.clear()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(content) + content)


def run_bare(answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    import uvloop

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Bare(answer), "127.0.0.1", port, ssl=_context(cert, key))
        await asyncio.Event().wait()

    uvloop.run(main())


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.num_tickets = 0
    return context


def run_aiohttp(answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    """aiohttp's low-level server, without routes and without limits of our own: what `tidegate` is built on."""
    import uvloop
    from aiohttp import web

    async def validate(request: web.BaseRequest) -> web.Response:
        return web.Response(body=answer(await request.content.read()), content_type="application/json")

    async def main() -> None:
        server = web.Server(validate, access_log=None, keepalive_timeout=120, auto_decompress=False)
        await asyncio.get_running_loop().create_server(server, "127.0.0.1", port, ssl=_context(cert, key))
        await asyncio.Event().wait()

    uvloop.run(main())


def run_aiohttp_app(answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    """aiohttp as its documentation begins: an application with a router."""
    import uvloop
    from aiohttp import web

    async def validate(request: web.Request) -> web.Response:
        return web.Response(body=answer(await request.read()), content_type="application/json")

    async def main() -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/validate", validate)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=120)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=_context(cert, key)).start()
        await asyncio.Event().wait()

    uvloop.run(main())


def run_uvicorn(answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    import uvicorn  # type: ignore[import-not-found] # no dependency of ours

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            event = await receive()
            body += event["body"]
            if not event.get("more_body"):
                break
        content = answer(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=120,
        ssl_certfile=cert,
        ssl_keyfile=str(key),
    )


async def granian_app(_scope: Any, proto: Any) -> None:
    answer = LOGIC[sys.argv[2]]
    content = answer(await proto())
    proto.response_bytes(status=200, headers=[("content-type", "application/json")], body=content)


def run_granian(_answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    import granian  # type: ignore[import-not-found] # no dependency of ours
    from granian.constants import Interfaces, Loops  # type: ignore[import-not-found]

    granian.Granian(
        "tests.bench.http_stacks:granian_app",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        ssl_cert=cert,
        ssl_key=key,
        log_enabled=False,
    ).serve()


def run_kopf(_answer: Callable[[bytes], bytes], port: int, cert: Path, key: Path) -> None:
    """kopf's WebhookServer and its real review function, with a registry of one handler and no operator around."""
    import functools

    import kopf
    import uvloop
    from kopf._cogs.structs import ephemera, references
    from kopf._core.engines import admission
    from kopf._core.intents import registries
    from kopf._core.reactor import inventory

    # `kopf run` logs at INFO; the reference measured 802 us without and 909 us with it, so this flatters kopf.
    logging.disable(logging.CRITICAL)
    registry = registries.OperatorRegistry()

    @kopf.on.validate("", "v1", "pods", id="validate", registry=registry)
    async def validate(spec: Any, **_: Any) -> None:
        images = [container["image"] for container in spec.get("containers", []) + spec.get("initContainers", [])]
        if not all(image in KNOWN for image in images):
            raise kopf.AdmissionError("no", code=403)

    pods = references.Resource(group="", version="v1", plural="pods", kind="Pod", singular="pod", namespaced=True)
    fn = functools.partial(
        admission.serve_admission_request,
        settings=kopf.OperatorSettings(),
        registry=registry,
        insights=references.Insights(webhook_resources={pods}),
        memories=inventory.ResourceMemories(),
        memobase=ephemera.AnyMemo(ephemera.Memo()),
        indices={},
    )

    async def main() -> None:
        server = kopf.WebhookServer(addr="127.0.0.1", port=port, certfile=cert, pkeyfile=key)
        async for _config in server(fn):
            pass

    uvloop.run(main())


STACKS: dict[str, Callable[[Callable[[bytes], bytes], int, Path, Path], None]] = {
    "bare": run_bare,
    "tidegate": run_tidegate,
    "uvicorn": run_uvicorn,
    "aiohttp": run_aiohttp,
    "aiohttp-app": run_aiohttp_app,
    "granian": run_granian,
    "kopf": run_kopf,
}

if __name__ == "__main__":
    _, name, logic, tcp_port, cert_path, key_path = sys.argv
    STACKS[name](LOGIC[logic], int(tcp_port), Path(cert_path), Path(key_path))
