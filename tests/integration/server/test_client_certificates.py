"""Where the API server presents a certificate, another client gets nothing: no path, no status, not even a handshake."""

import ssl
from datetime import UTC, datetime

import pytest

from tests.integration.server import certificates
from tests.integration.server.peer import client_context, get, post
from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.material import make_client
from tidegate.webhook.server import ServerTLS
from tidegate.webhook.server.tls import load_pair

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def api_server():
    """Give the API server's client certificate, which is its own authority here."""
    return make_client(NOW)


@pytest.fixture
async def closed(start, api_server):
    """Give a server that demands client certificates of one authority."""
    return await start(client_authorities_pem=api_server.certificate_pem)


def presenting(certificate_pem, key_pem):
    context = client_context()
    load_pair(context, certificate_pem, key_pem)
    return context


async def test_the_api_server_is_answered(closed, api_server):
    peer = await closed.peer(context=presenting(api_server.certificate_pem, api_server.key_pem))
    assert (await peer.ask(post())).status == 200


async def test_the_process_itself_is_answered(closed):
    """Its own check would else never find it ready."""
    own = closed.server.tls.own_client
    peer = await closed.peer(context=presenting(own.certificate_pem, own.key_pem))
    assert (await peer.ask(post())).status == 200


@pytest.mark.parametrize("data", [post(), get("/healthz"), get("/readyz")], ids=["review", "health", "readiness"])
@pytest.mark.parametrize("who", ["anonymous", "certificate of another authority"])
async def test_another_peer_gets_nothing(closed, data, who):
    other = make_client(NOW)
    context = client_context() if who == "anonymous" else presenting(other.certificate_pem, other.key_pem)
    received = b""
    with pytest.raises((ConnectionError, ssl.SSLError)):  # noqa: PT012 - where it ends depends on who is faster
        peer = await closed.peer(context=context)
        await peer.send(data)
        received = await peer.reader.read()
        if not received:
            raise ConnectionResetError
    assert received == b""
    assert closed.script.calls == []
    await closed.until(lambda: not closed.table.connections)
    assert closed.table.ended == {"handshake-failed": 1}


async def test_without_authorities_any_client_is_served(site):
    assert site.server.tls.own_client is None
    assert (await site.ask(post())).status == 200


@pytest.mark.parametrize("text", [b"", b"nonsense", "\u00e9".encode()], ids=["nothing", "no PEM", "no ASCII"])
def test_authorities_that_cannot_be_read_end_the_start(text):
    with pytest.raises(ConfigurationError, match="authorities of client certificates"):
        ServerTLS(*certificates.pair(), client_authorities_pem=text)
