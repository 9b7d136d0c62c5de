"""A certificate in files: read, followed, and never exchanged for what cannot be served."""

import datetime as dt
from pathlib import Path

import pytest

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate import CertificateFiles
from tidegate.webhook.certificate.files import MAX_FILE_BYTES
from tidegate.webhook.certificate.material import KeyPair, make_authority, make_serving
from tidegate.webhook.server import ServerTLS

NOW = dt.datetime.now(dt.UTC)
AUTHORITY = make_authority(NOW)


def pair(name: str = "a.b.svc") -> KeyPair:
    return make_serving(AUTHORITY, [name], NOW)


def write(folder: Path, one: KeyPair) -> CertificateFiles:
    (folder / "tls.crt").write_bytes(one.certificate_pem)
    (folder / "tls.key").write_bytes(one.key_pem)
    return CertificateFiles(folder / "tls.crt", folder / "tls.key")


async def test_the_files_are_served_and_the_authority_beside_them_trusted(tmp_path):
    one = pair()
    files = write(tmp_path, one)
    assert files.unmet()
    assert (await files.obtain()).trust_pem == b""
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.certificate_pem)
    found = await files.obtain()
    assert (found.certificate_pem, found.key_pem) == (one.certificate_pem, one.key_pem)
    assert found.trust_pem == AUTHORITY.certificate_pem
    assert found.expires_at == one.certificate.not_valid_after_utc
    assert files.present == found
    assert files.unmet() == []


async def test_an_empty_authority_file_is_none(tmp_path):
    """cert-manager leaves it empty where an issuer has no authority to show."""
    files = write(tmp_path, pair())
    (tmp_path / "ca.crt").write_bytes(b"")
    assert (await files.obtain()).trust_pem == b""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("tls.crt", None, id="no certificate"),
        pytest.param("tls.key", None, id="no key"),
        pytest.param("tls.crt", b"nonsense", id="no PEM"),
        pytest.param("tls.crt", b" " * (MAX_FILE_BYTES + 1), id="too large"),
    ],
)
async def test_what_is_no_certificate_ends_the_start(tmp_path, name, content):
    files = write(tmp_path, pair())
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError):
        await files.obtain()


async def test_a_change_is_served_once(tmp_path):
    files = write(tmp_path, pair())
    first = await files.obtain()
    tls = ServerTLS(first.certificate_pem, first.key_pem)
    served: list[bytes] = []

    def reload(certificate: bytes, key: bytes) -> None:
        tls.reload(certificate, key)
        served.append(certificate)

    await files._follow(reload)
    assert served == []
    second = pair()
    write(tmp_path, second)
    await files._follow(reload)
    await files._follow(reload)
    assert served == [second.certificate_pem]
    assert files.present is not None
    assert files.present.certificate_pem == second.certificate_pem


async def test_half_of_a_change_is_not_served_and_the_whole_is(tmp_path):
    """A certificate was read before the swap and its key after it: what is served stays until they fit."""
    files = write(tmp_path, pair())
    first = await files.obtain()
    tls = ServerTLS(first.certificate_pem, first.key_pem)
    second = pair()
    (tmp_path / "tls.crt").write_bytes(second.certificate_pem)
    await files._follow(tls.reload)
    assert "do not belong together" in files.problem
    assert files.present == first
    (tmp_path / "tls.key").write_bytes(second.key_pem)
    await files._follow(tls.reload)
    assert files.problem == ""
    assert files.present is not None
    assert files.present.certificate_pem == second.certificate_pem


async def test_files_that_vanish_change_nothing(tmp_path):
    files = write(tmp_path, pair())
    first = await files.obtain()
    (tmp_path / "tls.key").unlink()
    await files._follow(lambda _certificate, _key: pytest.fail("nothing to serve"))
    assert files.present == first
    assert files.problem
