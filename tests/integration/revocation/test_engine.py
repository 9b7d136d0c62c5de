"""A certificate's revocation from its service to the answer: the real engine, a simulated AWS, services on loopback."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.egress.peer import Asked, Peer
from tests.integration.gather.gate import Gate, image
from tests.simulator import World
from tests.simulator.http_faults import HttpFault
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.revocation import crl, entry, ocsp_answer
from tests.waiting import until
from tidegate.gather.lifetimes import CRL_SECONDS, OCSP_SECONDS
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.settings import Revocation

OWN_CA = {"signatures": {"anyOf": [{"name": "own", "notation": {"trustStores": ["ca"], "trustedIdentities": ["*"]}}]}}


@dataclass(kw_only=True)
class Pki:
    """An authority whose services are the peer's, and a signer of it. ``revoked`` is what the services say."""

    peer: Peer
    authority: Identity
    signer: Identity
    start: Callable[..., Gate]
    gate: Gate | None = None
    revoked: bool = False

    def open(self, *, listed: bool = True) -> Gate:
        hosts = (f"127.0.0.1:{self.peer.port}",) if listed else ()
        store = TrustStore(
            name="ca", uid="ca", generation=1, type=StoreType.CA, certificates=(self.authority.root.pem,)
        )
        more = {"revocation": Revocation(private_hosts=hosts)}
        self.gate = self.start(OWN_CA, trust=TrustSnapshot.of([store]), more=more)
        return self.gate

    def ocsp(self, _: Asked) -> HttpFault:
        assert self.gate is not None
        now = self.gate.clock.now().replace(microsecond=0)
        body = ocsp_answer(
            self.signer,
            status="revoked" if self.revoked else "good",
            this_update=now - timedelta(hours=1),
            next_update=now + timedelta(hours=1),
            revoked_at=now - timedelta(hours=2),
        )
        return HttpFault(status=200, body=body)

    def crl(self, _: Asked) -> HttpFault:
        assert self.gate is not None
        now = self.gate.clock.now().replace(microsecond=0)
        entries = [entry(self.signer, at=now - timedelta(hours=2))] if self.revoked else []
        body = crl(self.authority, entries, last_update=now - timedelta(hours=1), next_update=now + timedelta(days=1))
        return HttpFault(status=200, body=body)

    def asked(self, path: str) -> int:
        return sum(asked.path == path for asked in self.peer.asked)


@pytest.fixture(params=["OCSP", "CRL", "both"])
def services(request):
    return request.param


@pytest.fixture
def pki(peer, services, world, start) -> Pki:
    """The image team/app:v1, signed by a certificate that names the peer's services."""
    ca = authority("Acme", intermediates=0)
    urls: dict[str, Any] = {}
    if services != "CRL":
        urls["ocsp_urls"] = [peer.url("/ocsp")]
    if services != "OCSP":
        urls["crl_urls"] = [peer.url("/crl")]
    pki = Pki(peer=peer, authority=ca, signer=issue("signer", ca, purposes=[CODE_SIGNING], **urls), start=start)
    peer.answers |= {"/ocsp": pki.ocsp, "/crl": pki.crl}
    world.add_image("team/app", "v1")
    add_signature(world, pki.signer)
    return pki


def add_signature(world: World, signer: Identity) -> None:
    manifest = world.image("team/app", "v1").manifest
    target = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
    world.add_signature("team/app", "v1", sign(signer, target=target))


async def test_a_certificate_that_is_not_revoked(pki, services):
    gate = pki.open()
    answers = [await gate.review(image()) for _ in range(3)]
    assert all(one.allowed for one in answers), answers[0].message
    assert (pki.asked("/ocsp"), pki.asked("/crl")) == {"OCSP": (1, 0), "CRL": (0, 1), "both": (1, 0)}[services]


async def test_a_revoked_certificate(pki):
    pki.revoked = True
    answer = await pki.open().review(image())
    assert not answer.allowed
    assert "SignatureRevoked: authority own: " in answer.message
    assert "is revoked" in answer.causes


@pytest.mark.parametrize("fault", [{"status": 503}, {"hang": True}, {"cut": True}], ids=["error", "silence", "cut"])
async def test_services_that_do_not_answer(pki, peer, fault):
    """Neither revoked nor not revoked, and nobody is told that AWS is at fault."""
    for path in ("/ocsp", "/crl"):
        peer.answers[path] = HttpFault(**fault)
    answer = await pki.open().review(image())
    assert not answer.allowed
    assert "SignatureUndecided: authority own: " in answer.message
    assert f"127.0.0.1:{peer.port}" in answer.causes
    assert "127.0.0.1" not in answer.message
    assert "AWS" not in answer.message


@pytest.mark.parametrize("services", ["both"], indirect=True)
async def test_a_crl_stands_in_for_an_ocsp_responder_that_does_not_answer(pki, peer):
    peer.answer("/ocsp", status=503)
    assert (await pki.open().review(image())).allowed
    pki.revoked = True
    assert "is revoked" in (await pki.open().review(image())).causes


async def test_services_that_are_not_listed_are_not_asked(pki, peer):
    answer = await pki.open(listed=False).review(image())
    assert not answer.allowed
    assert "SignatureUndecided: authority own: " in answer.message
    assert f"127.0.0.1:{peer.port} is not contacted: it is not in revocation.allowedHosts" in answer.causes
    assert peer.asked == []


async def test_that_a_service_is_not_listed_is_no_failure_of_the_service(pki):
    gate = pki.open(listed=False)
    for _ in range(3):
        assert "is not contacted" in (await gate.review(image())).causes
        gate.clock.advance(11)
    assert [gate.metric("tidegate_source_calls_total", api=api) for api in ("ocsp", "crl")] == [0, 0]


async def test_calls_to_services_are_counted(pki, services):
    gate = pki.open()
    await gate.review(image())
    api = "crl" if services == "CRL" else "ocsp"
    assert gate.metric("tidegate_source_calls_total", api=api, registry="127.0.0.1", cause="ok") == 1


async def test_services_of_a_chain_that_nobody_trusts_are_not_asked(pki, peer, world, start):
    """The URLs in it are an attacker's, who may push to a repository."""
    other = authority("Stranger", intermediates=0)
    store = TrustStore(name="ca", uid="ca", generation=1, type=StoreType.CA, certificates=(other.pem,))
    for level in ("strict", "permissive", "audit"):
        rules = {"trustStores": ["ca"], "trustedIdentities": ["*"], "level": level}
        spec = {"signatures": {"anyOf": [{"name": "own", "notation": rules}]}}
        more = {"revocation": Revocation(private_hosts=(f"127.0.0.1:{peer.port}",))}
        await start(spec, trust=TrustSnapshot.of([store]), more=more).review(image())
    assert peer.asked == []


@pytest.mark.parametrize("services", ["OCSP", "CRL"], indirect=True)
async def test_a_revocation_is_noticed_when_the_answer_is_old(pki, services):
    gate = pki.open()
    assert (await gate.review(image())).allowed
    pki.revoked = True
    assert (await gate.review(image())).allowed
    gate.clock.advance((OCSP_SECONDS if services == "OCSP" else CRL_SECONDS) + 1)
    assert "is revoked" in (await gate.review(image())).causes


@pytest.mark.parametrize(("services", "hours"), [("OCSP", 1), ("CRL", 24)], indirect=["services"])
async def test_the_last_good_answer_counts_until_it_says_itself(pki, peer, hours):
    gate = pki.open()
    assert (await gate.review(image())).allowed
    for path in ("/ocsp", "/crl"):
        peer.answer(path, status=503)
    gate.clock.advance(hours * 1800)
    assert (await gate.review(image())).allowed
    gate.clock.advance(hours * 1800 + 1)
    assert "SignatureUndecided" in (await gate.review(image())).message


@pytest.mark.parametrize("services", ["OCSP"], indirect=True)
async def test_a_thousand_pods_ask_once(pki):
    answers = await pki.open().review_all([image()] * 1000)
    assert all(one.allowed for one in answers)
    assert pki.asked("/ocsp") == 1


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("services", ["OCSP"], indirect=True)
async def test_an_answer_of_an_image_in_use_is_asked_for_before_it_is_old(pki, world, by):
    """So that no admission waits for a service, but the first one of an image."""
    reference = image("team/app", "v1" if by == "tag" else world.image("team/app", "v1").digest)
    gate = pki.open()
    began = gate.clock.monotonic()
    assert (await gate.review(reference)).allowed
    revocations = gate.engine.facts.revocations
    while gate.clock.monotonic() < began + OCSP_SECONDS - 90:
        gate.clock.advance(20)
        assert (await gate.review(reference)).allowed
        await until(lambda: gate.is_quiet() and not revocations.answers._flights)
    assert pki.asked("/ocsp") == 2
    gate.clock.advance(90)
    assert (await gate.review(reference)).allowed
    assert pki.asked("/ocsp") == 2, "the admission itself asked nobody"
