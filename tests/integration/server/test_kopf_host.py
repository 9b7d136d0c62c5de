"""The server in kopf: started and ended by kopf's own code, and never asking kopf's review function."""

import asyncio

import kopf
import pytest
from kopf._cogs.aiokits import aiovalues
from kopf._cogs.structs import references
from kopf._core.engines import admission
from kopf._core.intents import registries

from tests.integration.server.conftest import FAST, Script
from tests.integration.server.peer import Peer, get, post
from tests.waiting import until
from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.server import AdmissionServer, ServerLimits, ServerTLS

CLIENT_CONFIG: kopf.WebhookClientConfig = {"url": "https://tidegate/validate"}


class Operator:
    """The part of kopf's operator that runs admission servers."""

    def __init__(self, host: KopfHost) -> None:
        settings = kopf.OperatorSettings()
        settings.admission.server = host
        self.asked_kopf = 0
        self.insights = references.Insights()
        self.container: aiovalues.Container = aiovalues.Container()
        self.task = asyncio.create_task(
            admission.admission_webhook_server(
                settings=settings,
                registry=registries.OperatorRegistry(),
                insights=self.insights,
                webhookfn=self.review,
                container=self.container,
            )
        )

    async def review(self, *_args, **_kwargs):
        """kopf's function allows what it has no handler for."""
        self.asked_kopf += 1
        return {"response": {"allowed": True}}

    async def client_config(self):
        async with asyncio.timeout(5):
            return await anext(aiter(self.container.as_changed()))


@pytest.fixture
async def script():
    return Script()


@pytest.fixture
async def server(pair, script):
    limits = ServerLimits(**FAST)
    return AdmissionServer(responder=script, readiness=lambda: script.unmet, tls=ServerTLS(*pair), limits=limits)


@pytest.fixture
async def operator(server):
    host = KopfHost(server=server, host="127.0.0.1", port=0, client_config=CLIENT_CONFIG, drain_seconds=2)
    operator = Operator(host)
    operator.insights.ready_resources.set()
    yield operator
    operator.task.cancel()
    await asyncio.gather(operator.task, return_exceptions=True)


async def test_kopf_starts_it_and_learns_the_client_config(operator, server):
    assert await operator.client_config() == CLIENT_CONFIG
    peer = await Peer.connect(server.port)
    assert (await peer.ask(get("/healthz"))).status == 200
    peer.close()


async def test_kopfs_function_is_never_asked(operator, server):
    await operator.client_config()
    for target in ("/validate", "/validate/handler-id", "/", "/unknown-id"):
        peer = await Peer.connect(server.port)
        answer = await peer.ask(post(target=target))
        assert answer.status == (200 if target == "/validate" else 404)
        assert b"allowed" not in answer.body
        peer.close()
    assert operator.asked_kopf == 0


async def test_the_end_of_the_operator_drains(operator, server, script):
    release = asyncio.Event()

    async def work(_body, _deadline):
        await release.wait()
        return b'{"done":1}'

    script.reply = work
    await operator.client_config()
    peer = await Peer.connect(server.port)
    await peer.send(post())
    await until(lambda: script.calls)
    operator.task.cancel()
    await until(lambda: server.table.draining)
    assert not operator.task.done()
    release.set()
    answer = await peer.answer()
    assert (answer.body, answer.closes) == (b'{"done":1}', True)
    with pytest.raises(asyncio.CancelledError):
        await operator.task
    peer.close()


async def test_a_server_that_fails_ends_the_operator(operator, server):
    await operator.client_config()
    server._tasks[1].cancel()
    async with asyncio.timeout(10):
        with pytest.raises((asyncio.CancelledError, RuntimeError)):
            await operator.task


async def test_a_port_that_is_taken_ends_the_operator(pair, server, script):
    first = AdmissionServer(responder=script, readiness=list, tls=ServerTLS(*pair), limits=ServerLimits(**FAST))
    await first.start("127.0.0.1", 0)
    host = KopfHost(server=server, host="127.0.0.1", port=first.port, client_config={}, drain_seconds=1)
    operator = Operator(host)
    operator.insights.ready_resources.set()
    with pytest.raises(OSError, match="in use"):
        await operator.task
    await first.drain(0.1)
