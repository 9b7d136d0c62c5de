"""Real servers on loopback ports, on both event loops that kopf may bring, and peers to talk to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from tests.integration.server import certificates
from tests.integration.server.peer import Peer
from tests.waiting import until
from tidegate.webhook.server import AdmissionServer, Responder, ServerLimits, ServerTLS

FAST: dict[str, Any] = {"sweep_seconds": 0.02, "notice_seconds": 0.05, "linger_seconds": 0.5, "close_seconds": 0.5}
"""Ends of connections that no test waits for long."""


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def no_silent_failures(caplog):
    """Fail where the event loop or aiohttp had to report an exception that nobody handled."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []


@pytest.fixture(scope="session")
def pair():
    return certificates.pair()


@dataclass
class Script:
    """A responder that tests steer: by default it echoes the size of the body and the deadline."""

    calls: list[tuple[bytes, float | None]] = field(default_factory=list)
    reply: Callable[[bytes, float | None], bytes | Awaitable[bytes]] | None = None
    unmet: list[str] = field(default_factory=list)

    def __call__(self, body, deadline_seconds, /):
        self.calls.append((body, deadline_seconds))
        if self.reply is not None:
            return self.reply(body, deadline_seconds)
        return b'{"size":%d}' % len(body)


class Site:
    """A running server, its script, and peers that end with the test."""

    def __init__(self, server: AdmissionServer, script: Script, stack: AsyncExitStack) -> None:
        self.server = server
        self.script = script
        self._stack = stack

    @property
    def table(self):
        return self.server.table

    async def peer(self, **options: Any) -> Peer:
        peer = await Peer.connect(self.server.port, **options)
        self._stack.callback(peer.close)
        return peer

    async def ask(self, data: bytes):
        """Ask on a connection of its own."""
        peer = await self.peer()
        try:
            return await peer.ask(data)
        finally:
            peer.close()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that happens in the server."""
        await until(condition)


@pytest.fixture
async def start(pair):
    """Start servers with limits of the test's own; each must end with nothing left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        sites = []

        async def start_one(
            *, client_authorities_pem: bytes | None = None, mutating_responder: Responder | None = None, **limits
        ) -> Site:
            script = Script()
            server = AdmissionServer(
                responder=script,
                mutating_responder=mutating_responder,
                readiness=lambda: script.unmet,
                tls=ServerTLS(*pair, client_authorities_pem=client_authorities_pem),
                limits=ServerLimits(**{**FAST, **limits}),
            )
            await server.start("127.0.0.1", 0)
            site = Site(server, script, stack)
            sites.append(site)
            return site

        yield start_one
    for site in sites:
        await site.server.drain(0.2)
        await until(lambda table=site.table: not table.by_handler)  # type: ignore[misc]
        assert site.table.buffered_bytes == 0
        assert not site.table.connections
    await until(lambda: not asyncio.all_tasks() - before - {asyncio.current_task()})


@pytest.fixture
async def site(start):
    return await start()
