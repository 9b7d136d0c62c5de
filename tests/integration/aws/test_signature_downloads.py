"""Blobs fetched from where ECR points: only from there, without credentials, and never more than was announced."""

import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.aws.storage import Storage, whole
from tests.simulator.pki.certificates import issue
from tidegate.aws import layers
from tidegate.aws.accounts import AwsSettings
from tidegate.aws.layers import CHUNK_BYTES, LayerDownloads
from tidegate.egress.hosts import MAX_URL_CHARACTERS
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import MAX_ENVELOPE_BYTES, Descriptor, SkipReason, UnusableArtifactError
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of

BLOB = b"an envelope of some bytes"
SIZE = len(BLOB)
SECRET = "X-Amz-Signature=5ec4e7"
PATH = f"/layers/one?X-Amz-Expires=3600&{SECRET}"
SETTINGS = AwsSettings(read_timeout_seconds=10.0, attempts=2)
PLENTY = lambda: 10.0  # noqa: E731


@pytest.fixture(autouse=True)
def _clean(environment):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.setenv(name, "AKIAVERYSECRET")
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        environment.delenv(name, raising=False)


def blob(content, size=None):
    return Descriptor(media_type="x", digest=digest_of(content), size=len(content) if size is None else size)


def fetch(storage, *, content=BLOB, size=None, downloads=None, seconds_left=PLENTY, url=None):
    downloads = downloads or LayerDownloads(SETTINGS)
    return downloads.fetch(
        url or storage.url + PATH, endpoint=storage.url, blob=blob(content, size), seconds_left=seconds_left
    )


def trouble(storage, **options):
    """Return the error, which names no part of the address that would let others fetch the blob."""
    with pytest.raises((SourceUnavailableError, UnusableArtifactError)) as raised:
        fetch(storage, **options)
    assert SECRET not in f"{raised.value!r} {raised.value} {raised.value.__cause__!r}"
    return raised.value


def test_a_blob_comes_without_a_credential_being_sent():
    with Storage(whole(BLOB)) as storage:
        assert fetch(storage) == BLOB
    ((path, headers),) = storage.seen
    assert path == PATH
    assert not {name for name in headers if name.startswith("x-amz") or name in {"authorization", "cookie"}}
    assert "AKIAVERYSECRET" not in str(headers)


def test_an_empty_blob_is_a_blob():
    with Storage(whole(b"")) as storage:
        assert fetch(storage, content=b"") == b""


def test_a_large_blob_comes_in_pieces():
    large = bytes(range(256)) * (CHUNK_BYTES // 64)
    with Storage(whole(large)) as storage:
        assert fetch(storage, content=large) == large


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    with Storage(whole(BLOB)) as other:
        with Storage(lambda handler: handler.give(status, location=other.url + "/", content_length="0")) as storage:
            error = trouble(storage)
        assert (error.cause, other.seen) == (Cause.UNEXPECTED_ANSWER, [])
    assert len(storage.seen) == 1


def test_an_endless_body_is_left_after_what_any_envelope_may_have():
    def endless(handler):
        handler.give(200)
        while True:
            handler.wfile.write(b"x" * CHUNK_BYTES)

    with Storage(endless) as storage:
        error = trouble(storage)
        assert storage.left.wait(10)
    assert (error.reason, str(error)) == (SkipReason.TOO_LARGE, f"the blob has more than {MAX_ENVELOPE_BYTES} bytes")


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1, MAX_ENVELOPE_BYTES])
def test_a_blob_of_another_size_than_its_manifest_tells_is_for_who_pushed_it_to_answer_for(size):
    with Storage(whole(BLOB)) as storage:
        error = trouble(storage, size=size)
    assert (error.reason, len(storage.seen)) == (SkipReason.BAD_CONTENT, 1)


def test_so_is_one_with_more_bytes_than_any_envelope():
    with Storage(whole(bytes(MAX_ENVELOPE_BYTES + 1))) as storage:
        assert trouble(storage).reason is SkipReason.TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(BLOB[: SIZE // 2], id="half"),
        pytest.param(BLOB + b" ", id="more"),
        pytest.param(bytes(SIZE), id="as many other bytes"),
        pytest.param(b"<html><body>sign in</body></html>", id="a page"),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_other_bytes_than_those_of_the_digest_are_no_answer(body, stated):
    length = {"content_length": str(len(body))} if stated else {}
    with Storage(lambda handler: handler.give(200, body, **length)) as storage:
        error = trouble(storage)
    assert (error.cause, len(storage.seen)) == (Cause.UNEXPECTED_ANSWER, 1)


@pytest.mark.parametrize("announced", ["24", "26", "-1", "many"])
def test_a_length_that_does_not_fit_is_no_answer(announced):
    def lies(handler):
        handler.give(200, BLOB, content_length=announced)

    with Storage(lies) as storage:
        assert trouble(storage).cause in {Cause.UNREACHABLE, Cause.UNEXPECTED_ANSWER}


@pytest.mark.parametrize("sent", [0, 10])
def test_a_body_that_ends_early_is_no_answer_and_is_asked_for_again(sent):
    def cut(handler):
        handler.give(200, BLOB[:sent], content_length=str(len(BLOB)))

    with Storage(cut) as storage:
        assert trouble(storage).cause is Cause.UNREACHABLE
    assert len(storage.seen) == SETTINGS.attempts


def test_a_trouble_that_passes_is_survived():
    def once(handler):
        handler.give(*((503,) if len(storage.seen) == 1 else (200, BLOB)))

    with Storage(once) as storage:
        assert fetch(storage) == BLOB


def test_storage_that_says_nothing_is_left():
    held = threading.Event()

    def silent(_handler):
        held.wait(30)

    downloads = LayerDownloads(replace(SETTINGS, read_timeout_seconds=0.3))
    with Storage(silent) as storage:
        assert trouble(storage, downloads=downloads).cause is Cause.UNREACHABLE
        held.set()


def test_storage_that_drips_is_left_when_the_time_is_up():
    """Each piece comes soon enough for the connection; together they would not."""

    def drips(handler):
        handler.give(200, content_length=str(len(BLOB)))
        for at in range(len(BLOB)):
            handler.wfile.write(BLOB[at : at + 1])
            arrived.acquire(timeout=10)

    arrived, left = threading.Semaphore(0), iter([5.0, 1.0, -0.1])

    def seconds_left():
        arrived.release()
        return next(left, -1.0)

    with Storage(drips) as storage:
        error = trouble(storage, seconds_left=seconds_left)
    assert (error.cause, error.detail) == (Cause.DEADLINE, "3 bytes arrived in time")
    assert len(storage.seen) == 1


@pytest.mark.parametrize(
    ("status", "cause", "tries"),
    [
        (403, Cause.ACCESS_DENIED, 1),
        (429, Cause.THROTTLED, 1),
        (500, Cause.SERVER_ERROR, 2),
        (503, Cause.SERVER_ERROR, 2),
        (404, Cause.UNEXPECTED_ANSWER, 1),
        (204, Cause.UNEXPECTED_ANSWER, 1),
        (206, Cause.UNEXPECTED_ANSWER, 1),
        (400, Cause.UNEXPECTED_ANSWER, 1),
        (401, Cause.UNEXPECTED_ANSWER, 1),
    ],
)
def test_every_status_has_its_cause(status, cause, tries):
    with Storage(lambda handler: handler.give(status, b"<Error/>")) as storage:
        error = trouble(storage)
    assert (error.cause, error.source, len(storage.seen)) == (cause, "s3:GetObject", tries)
    assert str(status) in error.detail
    assert ("VPC endpoint" in error.detail) is (status == 403)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://layers.example/x", id="another host in clear text"),
        pytest.param("http://127.0.0.1:1/x", id="another port"),
        pytest.param("https://layers.example:8443/x", id="a port that is not HTTPS's"),
        pytest.param("https://layers.example:0/x", id="port 0"),
        pytest.param("https://layers.example:port/x", id="a port that is none"),
        pytest.param("https://169.254.169.254/latest/meta-data", id="the metadata service"),
        pytest.param("https://[fd00:ec2::254]/latest", id="the metadata service by IPv6"),
        pytest.param("https://2852039166/latest", id="an address as one number"),
        pytest.param("https://user:word@layers.example/x", id="a user"),
        pytest.param("https:///x", id="no host"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("ftp://layers.example/x", id="another scheme"),
        pytest.param("//layers.example/x", id="no scheme"),
        pytest.param("https://layers.example/a b", id="a space"),
        pytest.param("https://layers.example/\r\nHost: other", id="a line break"),
        pytest.param("https://layers.ex\u00e4mple/x", id="not ASCII"),
        pytest.param("https://[layers.example/x", id="a bracket"),
        pytest.param("https://layers.example/" + "x" * MAX_URL_CHARACTERS, id="too long"),
    ],
)
def test_no_other_address_is_contacted(url):
    """The address comes from ECR; what is not plain HTTPS to a named host is refused before any contact."""
    with Storage(whole(BLOB)) as storage:
        error = trouble(storage, url=f"{url}?{SECRET}")
        assert storage.seen == []
    assert error.cause is Cause.UNEXPECTED_ANSWER


def test_the_endpoint_in_place_of_ecrs_own_lets_no_user_in():
    with Storage(whole(BLOB)) as storage:
        url = storage.url.replace("//", "//user:word@") + PATH
        assert trouble(storage, url=url).cause is Cause.UNEXPECTED_ANSWER
        assert storage.seen == []


@pytest.fixture
def certified(tmp_path):
    """A storage with TLS, and the file of the authority that vouches for it."""
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    begins = datetime.now(UTC) - timedelta(hours=1)
    root = issue("Storage CA", ca=True, not_before=begins)
    leaf = issue("storage", root, extensions=[(address, False)], not_before=begins)
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "leaf.pem").write_bytes(leaf.pem + key)
    (tmp_path / "root.pem").write_bytes(root.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    with Storage(whole(BLOB)) as storage:
        storage.scheme = "https"
        storage.socket = context.wrap_socket(storage.socket, server_side=True)
        yield storage, str(tmp_path / "root.pem")


def test_the_certificate_bundle_of_the_sdk_is_used(certified):
    storage, bundle = certified
    assert fetch(storage, downloads=LayerDownloads(SETTINGS, ca_bundle=bundle)) == BLOB


def test_a_certificate_that_nobody_vouches_for_ends_the_download(certified):
    storage, _ = certified
    assert trouble(storage).cause is Cause.UNREACHABLE
    assert storage.seen == []


def test_the_proxy_of_the_environment_stands_between(environment):
    with Storage(whole(BLOB)) as proxy:
        environment.setenv("http_proxy", proxy.url)
        downloads = LayerDownloads(SETTINGS)
        endpoint = "http://ecr.example:8080"
        assert downloads.fetch(endpoint + PATH, endpoint=endpoint, blob=blob(BLOB), seconds_left=PLENTY) == BLOB
    ((path, _),) = proxy.seen
    assert path == endpoint + PATH


def test_connections_to_few_hosts_are_kept(monkeypatch):
    monkeypatch.setattr(layers, "MAX_HOSTS", 2)
    downloads = LayerDownloads(SETTINGS)
    with Storage(whole(BLOB), "0.0.0.0") as storage:
        for number in (1, 2, 3, 1, 3):
            url = f"http://127.0.0.{number}:{storage.server_port}"
            assert downloads.fetch(url + PATH, endpoint=url, blob=blob(BLOB), seconds_left=PLENTY) == BLOB
    assert len(storage.seen) == 5
    assert len(downloads._sessions) == 2
