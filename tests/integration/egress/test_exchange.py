"""One HTTP exchange against servers that lie about sizes, take their time, or stand where nobody may go."""

from collections.abc import Iterator
from time import monotonic

import pytest

from tests.integration.egress.peer import Peer
from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.tls import server_context, trusting
from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.exchange import IDLE_SECONDS, MAX_ERROR_BYTES, MAX_IDLE, Egress, HttpRequest, HttpResponse
from tidegate.egress.hosts import Reach, parse_url

BOTH = frozenset({"http", "https"})


class Names:
    """A resolver that gives its answers one after the other, the last one again and again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers) or [["127.0.0.1"]]
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def authority() -> Identity:
    return issue("TLS CA", ca=True)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture
def egress() -> Iterator[Egress]:
    egress = Egress(look_up=Names())
    yield egress
    egress.close()


def send(egress: Egress, url: str, *, reach: Reach = Reach.PRIVATE, seconds: float = 20.0, **more) -> HttpResponse:
    ends = monotonic() + seconds
    request = HttpRequest(target=parse_url(url, schemes=BOTH), reach=reach, **({"max_bytes": 1000} | more))
    return egress.send(request, seconds_left=lambda: ends - monotonic())


def problem(egress: Egress, url: str, **more) -> tuple[Problem, str]:
    with pytest.raises(EgressError) as caught:
        send(egress, url, **more)
    return caught.value.problem, str(caught.value)


def test_an_answer_has_status_headers_and_body(egress, peer):
    peer.answer("/a", b"body", headers={"X-One": "1"})
    reply = send(egress, peer.url("/a?b=c", "host.test"), headers={"X-Sent": "2"})
    assert (reply.status, reply.body, reply.header("x-one"), reply.header("x-two")) == (200, b"body", "1", "")
    asked = peer.asked[0]
    assert (asked.method, asked.path, asked.headers["X-Sent"]) == ("GET", "/a?b=c", "2")
    assert asked.headers["Host"] == f"host.test:{peer.port}"
    assert "Authorization" not in asked.headers


def test_sizes_are_checked_while_a_body_is_read(egress, peer):
    peer.answer("/a", b"body")
    sizes: list[int] = []
    send(egress, peer.url("/a"), check_size=sizes.append)
    assert sizes == [4]
    peer.answer("/long", b"x" * 70_000, status=404)
    assert send(egress, peer.url("/long"), check_size=sizes.append).status == 404
    assert max(sizes) == MAX_ERROR_BYTES

    def refuse(size: int) -> None:
        raise KeyError(size)

    with pytest.raises(KeyError):
        send(egress, peer.url("/a"), check_size=refuse)
    assert send(egress, peer.url("/a")).body == b"body"


def test_an_address_that_was_refused_is_not_connected_to(egress, peer):
    peer.answer("/a")
    assert problem(egress, peer.url("/a"), reach=Reach.PUBLIC)[0] is Problem.FORBIDDEN_ADDRESS
    assert problem(egress, peer.url("/a", "host.test"), reach=Reach.PUBLIC)[0] is Problem.FORBIDDEN_ADDRESS
    assert peer.asked == []


def test_what_is_connected_to_is_the_address_that_was_checked(peer, monkeypatch):
    """A name whose second answer is another one: there must not be a second question, not even by the system."""
    peer.answer("/a", b"body")
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("the name was looked up again"))
    egress = Egress(look_up=names)
    assert send(egress, peer.url("/a", "rebinding.test")).body == b"body"
    assert names.asked == ["rebinding.test"]
    assert problem(egress, peer.url("/a", "rebinding.test"))[0] is Problem.FORBIDDEN_ADDRESS
    egress.close()


def test_a_kept_connection_is_used_again_for_the_same_address_only(peer):
    peer.answer("/a", b"body")
    egress = Egress(look_up=Names(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]))
    for _ in range(2):
        send(egress, peer.url("/a", "host.test"))
    assert len({asked.peer for asked in peer.asked}) == 1
    assert problem(egress, peer.url("/a", "host.test"))[0] is Problem.UNREACHABLE
    egress.close()


def test_a_kept_connection_belongs_to_its_host(egress, peer):
    peer.answer("/a", b"body")
    for host in ("one.test", "two.test"):
        send(egress, peer.url("/a", host))
    assert len({asked.peer for asked in peer.asked}) == 2


def test_a_kept_connection_that_ended_meanwhile_is_made_anew(egress, peer):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    peer.answer("/a", raw=[head])  # and then the server closes it
    assert [send(egress, peer.url("/a")).body for _ in range(3)] == [b"ok"] * 3


def test_old_connections_are_closed(egress, peer, monkeypatch):
    peer.answer("/a", b"body")
    send(egress, peer.url("/a"))
    monkeypatch.setattr("tidegate.egress.exchange.monotonic", lambda: monotonic() + IDLE_SECONDS + 1)
    send(egress, peer.url("/a"))
    assert len({asked.peer for asked in peer.asked}) == 2


def test_few_connections_are_kept(egress, peer):
    peer.answer("/a", b"body")
    for number in range(MAX_IDLE + 3):
        send(egress, peer.url("/a", f"host{number}.test"))
    assert len(egress._idle) == MAX_IDLE


def test_a_second_address_is_tried_where_the_first_does_not_answer(peer):
    peer.answer("/a", b"body")
    egress = Egress(look_up=Names(["127.0.0.2", "127.0.0.1"]))
    assert send(egress, peer.url("/a", "host.test")).body == b"body"
    egress.close()


def test_no_proxy_of_the_environment_is_asked(egress, peer, monkeypatch):
    peer.answer("/a", b"body")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(egress, peer.url("/a")).body == b"body"


def test_no_redirect_is_followed(egress, peer):
    peer.answer("/a", status=302, headers={"Location": peer.url("/b")})
    assert send(egress, peer.url("/a")).header("location") == peer.url("/b")
    assert len(peer.asked) == 1


class TestSizes:
    def test_as_many_bytes_as_allowed(self, egress, peer):
        peer.answer("/a", b"x" * 1000)
        assert len(send(egress, peer.url("/a")).body) == 1000

    def test_an_answer_that_says_it_is_too_large_is_not_read(self, egress, peer):
        peer.answer("/a", raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", b""], endless=True)
        assert problem(egress, peer.url("/a")) == (
            Problem.TOO_LARGE,
            "127.0.0.1 announced 1001 bytes, more than 1000",
        )

    @pytest.mark.parametrize("head", [b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"], ids=["chunked", "until closed"])
    def test_an_answer_without_end(self, egress, peer, head):
        piece = b"64\r\n" + b"x" * 100 + b"\r\n" if b"chunked" in head else b"x" * 100
        peer.answer("/a", raw=[b"HTTP/1.1 200 OK\r\n" + head, piece], endless=True)
        assert problem(egress, peer.url("/a"))[0] is Problem.TOO_LARGE

    def test_an_answer_shorter_than_it_said_is_none(self, egress, peer):
        peer.answer("/a", raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
        assert problem(egress, peer.url("/a")) == (
            Problem.UNREACHABLE,
            "127.0.0.1 ended the connection 5 bytes early",
        )

    def test_chunks_that_end_early_are_no_answer(self, egress, peer):
        peer.answer("/a", raw=[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
        assert problem(egress, peer.url("/a"))[0] is Problem.UNREACHABLE

    def test_an_error_without_end_is_cut(self, egress, peer):
        peer.answer("/a", raw=[b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 10_000], endless=True)
        assert send(egress, peer.url("/a")).status == 500

    def test_an_encoding_that_was_not_asked_for_is_refused(self, egress, peer):
        """Else a few bytes could unpack to gigabytes, or what is hashed be other than what was stored."""
        peer.answer("/a", b"x", headers={"Content-Encoding": "gzip"})
        assert problem(egress, peer.url("/a"))[0] is Problem.BAD_ANSWER
        assert peer.asked[0].headers["Accept-Encoding"] == "identity"


class TestTime:
    """No test here says how long something took: without the limit it would never end."""

    @pytest.mark.parametrize(
        "raw",
        [
            [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"],
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"],
            [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"],
            [b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n"],
            [b"HTTP/1.1 100 Continue\r\n\r\n"],
            [b"H"],
        ],
        ids=["body", "chunks", "one header", "headers", "100 Continue", "status line"],
    )
    def test_a_byte_now_and_then_is_not_enough(self, egress, peer, raw):
        peer.answer("/a", raw=raw, endless=True, pause_seconds=0.05)
        found, text = problem(egress, peer.url("/a"), seconds=0.4, max_bytes=10**9)
        assert found in (Problem.DEADLINE, Problem.BAD_ANSWER)
        assert found is Problem.BAD_ANSWER or text == f"127.0.0.1:{peer.port} did not answer in time"

    def test_silence(self, egress, peer):
        peer.answer("/a", hang=True)
        assert problem(egress, peer.url("/a"), seconds=0.3)[0] is Problem.DEADLINE

    def test_nothing_is_sent_when_no_time_is_left(self, egress, peer):
        assert problem(egress, peer.url("/a"), seconds=0.0)[0] is Problem.DEADLINE
        assert peer.asked == []


@pytest.mark.parametrize(
    "raw", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 what\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500]
)
def test_what_is_no_http(egress, peer, raw):
    peer.answer("/a", raw=[raw])
    assert problem(egress, peer.url("/a"))[0] is Problem.BAD_ANSWER


def test_a_connection_that_ends_without_an_answer(egress, peer):
    peer.answer("/a", cut=True)
    assert problem(egress, peer.url("/a"))[0] is Problem.UNREACHABLE


class TestTls:
    @pytest.fixture
    def peer(self, authority, tmp_path) -> Iterator[Peer]:
        with Peer(tls=server_context(authority, "host.test", "127.0.0.1", folder=tmp_path)) as peer:
            peer.answer("/a", b"body")
            yield peer

    @pytest.fixture
    def egress(self, authority) -> Iterator[Egress]:
        egress = Egress(tls=trusting(authority), look_up=Names())
        yield egress
        egress.close()

    @pytest.mark.parametrize("host", ["host.test", "127.0.0.1"])
    def test_a_certificate_for_the_host(self, egress, peer, host):
        assert send(egress, peer.url("/a", host)).body == b"body"

    def test_a_certificate_for_another_host(self, egress, peer):
        found, text = problem(egress, peer.url("/a", "other.test"))
        assert found is Problem.CERTIFICATE
        assert "the certificate of other.test" in text
        assert peer.asked == []

    def test_a_certificate_of_an_unknown_authority(self, peer):
        for tls in (trusting(issue("Other CA", ca=True)), None):
            egress = Egress(tls=tls, look_up=Names())
            assert problem(egress, peer.url("/a", "host.test"))[0] is Problem.CERTIFICATE
            egress.close()

    def test_plain_http_where_https_is_spoken(self, egress, peer):
        assert problem(egress, peer.url("/a").replace("https", "http"))[0] in (Problem.UNREACHABLE, Problem.BAD_ANSWER)

    def test_a_handshake_that_never_ends(self, egress):
        with Peer() as plain:
            url = plain.url("/a", "host.test").replace("http:", "https:")
            assert problem(egress, url)[0] in (Problem.UNREACHABLE, Problem.BAD_ANSWER)


def test_without_a_context_of_its_own_it_trusts_what_the_environment_names(authority, tmp_path, monkeypatch):
    """The chart sets SSL_CERT_FILE for caBundle, which is for proxies that inspect TLS."""
    with Peer(tls=server_context(authority, "host.test", folder=tmp_path)) as peer:
        peer.answer("/a", b"body")
        url = peer.url("/a", "host.test")
        assert problem(Egress(look_up=Names()), url)[0] is Problem.CERTIFICATE
        bundle = tmp_path / "ca.pem"
        bundle.write_bytes(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

        trusted = Egress(look_up=Names())
        assert send(trusted, url).body == b"body"
        trusted.close()
