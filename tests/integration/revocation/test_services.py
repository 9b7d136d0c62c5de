"""OCSP answers and CRLs over HTTP: from listed hosts alone, whatever a certificate, a redirect or DNS says."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.ports import free_ports
from tests.integration.egress.peer import Peer
from tidegate.egress.exchange import Egress
from tidegate.egress.hosts import HostList
from tidegate.evidence.fact import Cause
from tidegate.images.repository import Registry
from tidegate.revocation.services import MAX_REDIRECTS, HttpRevocationServices
from tidegate.verify.notation.revocation.material import (
    MAX_CRL_BYTES,
    MAX_OCSP_BYTES,
    CrlQuestion,
    NoAnswer,
    OcspQuestion,
)

Make = Callable[..., HttpRevocationServices]
SECONDS = 20.0


class Names:
    """A resolver; a name that it does not know must not be asked for."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return [self.addresses[host.removesuffix(".test")]]


@pytest.fixture
def names() -> Names:
    return Names(pki="127.0.0.1", other="127.0.0.1", metadata="169.254.169.254", public="8.8.8.8")


@pytest.fixture
def make(names) -> Iterator[Make]:
    made: list[HttpRevocationServices] = []

    def make(*private: str, public: tuple[str, ...] = ()) -> HttpRevocationServices:
        made.append(HttpRevocationServices(HostList(public, private), egress=Egress(look_up=names)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ocsp(url: str) -> OcspQuestion:
    return OcspQuestion(url=url, request=b"request")


@pytest.fixture(params=["OCSP", "CRL"])
def ask(request) -> Callable[[str], OcspQuestion | CrlQuestion]:
    return ocsp if request.param == "OCSP" else lambda url: CrlQuestion(url=url)


def reason(answer: bytes | NoAnswer | None) -> str:
    assert isinstance(answer, NoAnswer)
    return answer.reason


def test_an_ocsp_request_is_posted(make, peer):
    peer.answer("/ocsp", b"answer", headers={"Content-Type": "text/html"})
    services = make(f"pki.test:{peer.port}")
    question = ocsp(peer.url("/ocsp", "pki.test"))
    assert services.refusal(question) is None
    assert services.fetch(question, SECONDS) == b"answer"
    asked = peer.asked[0]
    assert (asked.method, asked.body, asked.headers["Content-Type"]) == ("POST", b"request", "application/ocsp-request")


def test_a_crl_is_had_whatever_it_is_called(make, peer):
    peer.answer("/ca.crl", b"crl", headers={"Content-Type": "text/plain"})
    assert make(f"pki.test:{peer.port}").fetch(CrlQuestion(url=peer.url("/ca.crl", "pki.test")), SECONDS) == b"crl"
    assert (peer.asked[0].method, peer.asked[0].body) == ("GET", b"")


def test_what_is_not_listed_is_not_asked_and_not_looked_up(make, peer, names, ask):
    services = make(f"pki.test:{peer.port}")
    for host in ("other.test", "sub.pki.test", "127.0.0.1"):
        question = ask(peer.url("/x", host))
        wanted = f"{host}:{peer.port} is not contacted: it is not in revocation.allowedHosts"
        assert reason(services.refusal(question)) == wanted
        assert reason(services.fetch(question, SECONDS)) == wanted
    assert names.asked == []
    assert peer.asked == []


def test_by_default_nobody_is_asked(make, peer, names, ask):
    assert "is not contacted" in reason(make().fetch(ask("http://pki.test/x"), SECONDS))
    assert names.asked == []


@pytest.mark.parametrize("url", ["ldap://pki.test/cn=x", "file:///etc/passwd", "http://user@pki.test/", "", "pki.test"])
def test_what_is_no_url_of_http_is_not_asked(make, names, ask, url):
    services = make("pki.test")
    assert reason(services.refusal(ask(url)))
    assert reason(services.fetch(ask(url), SECONDS))
    assert names.asked == []


def test_a_listed_host_with_a_private_address_is_not_asked_unless_the_operator_says_so(make, peer, ask):
    question = ask(peer.url("/x", "pki.test"))
    peer.answer("/x", b"answer")
    text = reason(make(public=(f"pki.test:{peer.port}",)).fetch(question, SECONDS))
    assert text == "refused to connect to pki.test: 127.0.0.1 is not a public address"
    assert peer.asked == []
    assert make(f"pki.test:{peer.port}").fetch(question, SECONDS) == b"answer"


def test_metadata_is_never_asked_not_even_where_it_is_listed(make, ask):
    for url in ("http://metadata.test/latest/", "http://169.254.169.254/latest/", "http://[fd00:ec2::254]/latest/"):
        services = make("metadata.test", "169.254.169.254", "[fd00:ec2::254]")
        assert "instance metadata" in reason(services.fetch(ask(url), SECONDS))


class TestRedirects:
    @pytest.fixture
    def services(self, make: Make, peer: Peer) -> HttpRevocationServices:
        return make(f"pki.test:{peer.port}", "metadata.test")

    def crl(self, peer: Peer, location: str) -> CrlQuestion:
        peer.answer("/a", status=302, headers={"Location": location})
        peer.answer("/b", b"crl")
        return CrlQuestion(url=peer.url("/a", "pki.test"))

    @pytest.mark.parametrize("relative", [True, False])
    def test_to_a_listed_host(self, services, peer, relative):
        location = "/b" if relative else peer.url("/b", "pki.test")
        assert services.fetch(self.crl(peer, location), SECONDS) == b"crl"

    def test_to_a_host_that_is_not_listed(self, services, peer, names):
        assert "other.test" in reason(services.fetch(self.crl(peer, peer.url("/b", "other.test")), SECONDS))
        assert names.asked == ["pki.test"]
        assert len(peer.asked) == 1

    @pytest.mark.parametrize("location", ["http://metadata.test/", "http://169.254.169.254/latest/", "file:///x", ""])
    def test_to_where_nobody_may_go(self, services, peer, location):
        assert reason(services.fetch(self.crl(peer, location), SECONDS))
        assert {asked.path for asked in peer.asked} == {"/a"}

    def test_in_circles(self, services, peer):
        assert "redirects more than" in reason(services.fetch(self.crl(peer, "/a"), SECONDS))
        assert len(peer.asked) == MAX_REDIRECTS + 1

    def test_of_an_ocsp_responder_are_not_followed(self, services, peer):
        peer.answer("/a", status=307, headers={"Location": "/b"})
        peer.answer("/b", b"answer")
        assert "HTTP 307" in reason(services.fetch(ocsp(peer.url("/a", "pki.test")), SECONDS))
        assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("question", "limit"),
    [(ocsp, MAX_OCSP_BYTES), (lambda url: CrlQuestion(url=url), MAX_CRL_BYTES)],
    ids=["OCSP", "CRL"],
)
def test_an_answer_has_its_size(make, peer, question, limit):
    services = make(f"pki.test:{peer.port}")
    peer.answer("/x", b"x" * limit)
    assert services.fetch(question(peer.url("/x", "pki.test")), SECONDS) == b"x" * limit
    peer.answer("/x", b"x" * (limit + 1))
    assert "more than" in reason(services.fetch(question(peer.url("/x", "pki.test")), SECONDS))
    peer.answer("/x", raw=[b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000], endless=True)
    assert "more than" in reason(services.fetch(question(peer.url("/x", "pki.test")), SECONDS))


def test_an_answer_has_its_time(make, peer, ask):
    peer.answer("/x", raw=[b"HTTP/1.1 200 OK\r\n\r\n", b"x"], endless=True, pause_seconds=0.05)
    answer = make(f"pki.test:{peer.port}").fetch(ask(peer.url("/x", "pki.test")), 0.4)
    assert "did not answer in time" in reason(answer)


@pytest.mark.parametrize("status", [204, 404, 500])
def test_an_error_is_no_answer(make, peer, ask, status):
    peer.answer("/x", b"answer" if status != 204 else b"", status=status)
    answer = make(f"pki.test:{peer.port}").fetch(ask(peer.url("/x", "pki.test")), SECONDS)
    assert f"answered with HTTP {status}" in reason(answer)


def test_a_host_that_is_down(make, peer, ask):
    services = make("pki.test:1")
    assert "pki.test:1 could not be reached" in reason(services.fetch(ask("http://pki.test:1/x"), SECONDS))


class Calls:
    """A gate that remembers what became of each call."""

    def __init__(self) -> None:
        self.causes: list[Cause | None] = []

    def enter(self, source: str, registry: Registry) -> None:
        pass

    def leave(
        self, source: str, registry: Registry, *, seconds: float, cause: Cause | None, found: bool = True
    ) -> None:
        self.causes.append(cause)


def test_the_gate_learns_what_became_of_each_call(names, peer, ask):
    calls, closed = Calls(), free_ports(1)[0]
    hosts = HostList((), (f"pki.test:{peer.port}", f"pki.test:{closed}"))
    services = HttpRevocationServices(hosts, egress=Egress(look_up=names), gate=calls)
    peer.answer("/good", b"answer")
    assert services.fetch(ask(peer.url("/good", "pki.test")), SECONDS) == b"answer"
    assert isinstance(services.fetch(ask(f"http://pki.test:{closed}/none"), SECONDS), NoAnswer)
    assert calls.causes == [None, Cause.UNREACHABLE]
    services.close()
