"""Listeners: routes, interfaces, and a listener without TLS."""

import asyncio

import pytest

from tests.integration.server.peer import Peer, get
from tidegate.webhook.server import Listener, Route, ServerResponse


async def test_a_listener_of_its_own_serves_other_routes_without_tls():
    """The metrics port: routes are data, and there is no TLS."""
    table = [
        Route(
            method="GET",
            path="/metrics",
            handler=lambda _body, _deadline: ServerResponse(body=b"up 1\n", content_type="text/plain"),
        )
    ]
    listener = Listener(name="metrics", routes=table, tls=None)
    await listener.start("127.0.0.1", 0)
    peer = await Peer.connect(listener.port, tls=False)
    answer = await peer.ask(get("/metrics"))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"up 1\n", "text/plain")
    assert (await peer.ask(get("/healthz"))).status == 404
    peer.close()
    await listener.drain(0.1)


async def test_two_routes_for_one_path_and_method_are_a_mistake():
    route = Route(method="GET", path="/metrics", handler=lambda _body, _deadline: b"")
    with pytest.raises(ValueError, match="two routes"):
        Listener(name="metrics", routes=[route, route], tls=None)


async def test_a_listener_on_every_interface_is_reached_by_ipv4_and_ipv6():
    listener = Listener(
        name="all", routes=[Route(method="GET", path="/", handler=lambda _body, _deadline: b"{}")], tls=None
    )
    await listener.start(None, 0)
    for host in ("127.0.0.1", "::1"):
        try:
            reader, writer = await asyncio.open_connection(host, listener.port)
        except OSError:
            assert host == "::1", "a machine without IPv6"
            continue
        writer.write(get("/", "Connection: close"))
        assert b" 200 " in await reader.read()
        writer.close()
    await listener.drain(0.1)
