"""TLS: what is offered, and a certificate that is changed while connections live."""

import asyncio
import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.integration.server import certificates
from tests.integration.server.peer import client_context, get, post
from tidegate.errors import ConfigurationError
from tidegate.webhook.server import ServerTLS


async def test_new_connections_get_the_new_certificate_and_old_ones_live_on(site):
    old = await site.peer()
    assert old.certificate_name == "first"
    assert (await old.ask(post())).status == 200
    site.server.tls.reload(*certificates.pair("second"))
    new = await site.peer()
    assert new.certificate_name == "second"
    assert [(await peer.ask(post())).status for peer in (old, new)] == [200, 200]


async def test_a_reload_under_load_loses_nothing(site):
    async def ask_often():
        return [(await site.ask(post())).status for _ in range(10)]

    asking = [asyncio.create_task(ask_often()) for _ in range(4)]
    for number in range(5):
        site.server.tls.reload(*certificates.pair(f"number {number}"))
        await asyncio.sleep(0.01)
    assert await asyncio.gather(*asking) == [[200] * 10] * 4


def broken_pairs():
    first, second = certificates.pair("first"), certificates.pair("second")
    rsa, edwards = certificates.rsa_key(), ed25519.Ed25519PrivateKey.generate()
    return [
        pytest.param((first[0], second[1]), "do not belong together", id="key of another certificate"),
        pytest.param((b"", first[1]), "cannot parse", id="no certificate"),
        pytest.param((first[0], b"-----BEGIN"), "cannot parse", id="no key"),
        pytest.param((certificates.self_signed(rsa), certificates.key_pem(rsa)), "expected ECDSA", id="RSA for ECDSA"),
        pytest.param(
            (certificates.self_signed(edwards), certificates.key_pem(edwards)), "expected ECDSA or RSA", id="Ed25519"
        ),
    ]


@pytest.mark.parametrize(("renewed", "reason"), broken_pairs())
async def test_a_pair_that_cannot_be_served_is_refused_and_changes_nothing(site, renewed, reason):
    with pytest.raises(ConfigurationError, match=reason):
        site.server.tls.reload(*renewed)
    peer = await site.peer()
    assert peer.certificate_name == "first"
    assert (await peer.ask(get("/healthz"))).status == 200


def test_the_type_of_key_cannot_change_in_the_other_direction_either():
    """OpenSSL keeps a slot per type: the old certificate could go on being served."""
    rsa = certificates.rsa_key()
    tls = ServerTLS(certificates.self_signed(rsa), certificates.key_pem(rsa))
    with pytest.raises(ConfigurationError, match="restart to change the key type"):
        tls.reload(*certificates.pair())


def test_another_curve_is_the_same_type():
    key = ec.generate_private_key(ec.SECP384R1())
    tls = ServerTLS(*certificates.pair())
    tls.reload(certificates.self_signed(key), certificates.key_pem(key))


async def test_no_http_2_is_agreed(site):
    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
    writer.write(get("/healthz", "Connection: close"))
    assert b" 200 " in await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("version", "taken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
    ids=["1.1", "1.2", "1.3"],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_1_2_is_the_oldest_version(site, version, taken):
    context = client_context()
    # OpenSSL 3 offers TLS 1.1 only at security level 0.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", site.server.port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        assert not taken
    else:
        assert taken
        assert writer.get_extra_info("ssl_object").session_reused is False
        writer.close()


def test_no_session_tickets_are_sent():
    tls = ServerTLS(*certificates.pair())
    assert tls.context.num_tickets == 0
    assert tls.context.options & ssl.OP_NO_TICKET


def test_the_key_is_not_left_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ServerTLS(*certificates.pair())
    monkeypatch.delattr("os.memfd_create", raising=False)
    ServerTLS(*certificates.pair())
    assert list(tmp_path.iterdir()) == []
