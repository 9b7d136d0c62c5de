"""An image of another registry from its reference to the answer: the real engine, a registry over TLS, one policy.

No AWS takes part; the simulated one is there to show that it is not asked.
"""

import base64
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.egress.peer import Peer
from tests.integration.gather.gate import Gate
from tests.integration.registry.conftest import Names, enlarged, large_image
from tests.simulator.artifacts import (
    COSIGN_SIGNATURE,
    LAYER_TYPES,
    NOTATION,
    LayerPart,
    cosign_manifest,
    descriptor,
    fallback_tag,
    signature,
)
from tests.simulator.http_faults import HttpFault
from tests.simulator.manifests import image as make_image
from tests.simulator.manifests import index
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.revocation import crl, entry, ocsp_answer
from tests.simulator.pki.sigstore import public_pem, simple_signing
from tidegate.evidence.shared_semaphore import SharedSemaphore
from tidegate.images.manifest import MAX_NESTED_INDEXES
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.registry.large_manifests import LARGE_MANIFESTS_OF_A_SHARE
from tidegate.settings import OtherRegistrySettings, Revocation

APP = make_image("app")


def signed_by(host: str, authorities: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"registries": [{"host": host}], "signatures": {"anyOf": authorities}, **more}


@pytest.fixture
def registry(serve) -> OciRegistry:
    registry: OciRegistry = serve(auth="token", users={"ann": "secret"})
    registry.add("team/app", APP, "v1")
    return registry


@pytest.fixture
def host(registry: OciRegistry) -> str:
    return f"registry.test:{registry.port}"


@pytest.fixture
def gate(host, start: Callable[..., Gate], ca_file, pull_secret, monkeypatch, peer_http) -> Callable[..., Gate]:
    """Start a controller that may ask the registry, and the revocation services of the peer."""
    names = Names()
    monkeypatch.setattr("socket.getaddrinfo", resolving(names))

    def make(spec: dict[str, Any], *stores: TrustStore, secret: bool = True, **more: Any) -> Gate:
        access = OtherRegistrySettings(
            host=host,
            ca_file=ca_file,
            private_addresses=True,
            pull_secret_file=pull_secret(host) if secret else None,
        )
        sections = {
            "registries": (access,),
            "revocation": Revocation(private_hosts=(f"127.0.0.1:{peer_http.port}",)),
        }
        return start(spec, trust=TrustSnapshot.of(list(stores)), more=sections | more)

    return make


@pytest.fixture
def peer_http() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def resolving(names: Names) -> Callable[..., Any]:
    """Return a getaddrinfo that knows the names of these tests, complete as they are asked for, and passes on the rest."""
    usual = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **more: Any) -> Any:
        if isinstance(host, str) and host.endswith("."):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in names(host.removesuffix("."))]
        return usual(host, *arguments, **more)

    return look_up


def ca_store(identity: Identity) -> TrustStore:
    return TrustStore(name="ca", uid="ca", generation=1, type=StoreType.CA, certificates=(identity.root.pem,))


NOTATION_CA: dict[str, Any] = {"name": "own", "notation": {"trustStores": ["ca"], "trustedIdentities": ["*"]}}


def add_notation(registry: OciRegistry, signer: Identity) -> None:
    registry.add("team/app", signature(NOTATION, sign(signer, target=descriptor(APP)), subject=APP))


def cosign_key() -> tuple[ec.EllipticCurvePrivateKey, dict[str, Any]]:
    key = ec.generate_private_key(ec.SECP256R1())
    rules = {"key": {"pem": public_pem(key).decode()}, "transparencyLog": "NotRequired"}
    return key, {"name": "vendor", "sigstore": rules}


def add_cosign(registry: OciRegistry, name: str, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Sign as cosign does with a key, into the layer of a tag."""
    payload = simple_signing(digest, reference=f"registry.test:{registry.port}/{name}")
    value = base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
    annotations = {"dev.cosignproject.cosign/signature": value}
    layer = LayerPart(data=payload, media_type=LAYER_TYPES[COSIGN_SIGNATURE], annotations=annotations)
    registry.add(name, cosign_manifest([layer]), fallback_tag(digest, ".sig"))


async def test_signed_with_notation(registry, host, gate, sim):
    signer = issue("signer", authority("Acme"), purposes=[CODE_SIGNING])
    add_notation(registry, signer)
    started = gate(signed_by(host, [NOTATION_CA]), ca_store(signer))
    for reference in (f"{host}/team/app:v1", f"{host}/team/app@{APP.digest}"):
        answer = await started.review(reference)
        assert answer.allowed, answer.message
        assert started.warm(reference).allowed
    assert sim.calls() == 0
    stranger = gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Stranger")))
    refused = await stranger.review(f"{host}/team/app:v1")
    assert "SignatureInvalid" in refused.message


async def test_signed_with_cosign(registry, host, gate, sim):
    key, vendor = cosign_key()
    add_cosign(registry, "team/app", APP.digest, key)
    answer = await gate(signed_by(host, [vendor])).review(f"{host}/team/app:v1")
    assert answer.allowed, answer.message
    _, other = cosign_key()
    assert "SignatureInvalid" in (await gate(signed_by(host, [other])).review(f"{host}/team/app:v1")).message
    assert sim.calls() == 0


@pytest.fixture
def permits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give how many permits were held after each was acquired; 0 where it was refused."""
    held, acquire = list[int](), SharedSemaphore.acquire

    def count(semaphore: SharedSemaphore, holder: object, *shares: str, seconds: float) -> bool:
        has_permit = acquire(semaphore, holder, *shares, seconds=seconds)
        held.append(len(semaphore) if has_permit else 0)
        return has_permit

    monkeypatch.setattr(SharedSemaphore, "acquire", count)
    return held


async def test_large_manifests_of_many_images_are_read_in_turn(registry, host, gate, permits):
    """A Pod of a hundred such images would fill the memory; each image is still judged."""
    digests = [registry.add("team/app", large_image(number)) for number in range(20)]
    started = gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme")))
    answer = await started.review(*(f"{host}/team/app@{digest}" for digest in digests), seconds=25.0)
    assert answer.message.count("SignatureMissing") == 20
    assert len(permits) >= 20
    assert 0 < min(permits) <= max(permits) <= LARGE_MANIFESTS_OF_A_SHARE


async def test_an_image_of_many_large_indexes_does_not_wait_for_permits_that_it_holds_itself(
    registry, host, gate, permits
):
    inner = []
    for number in range(MAX_NESTED_INDEXES):
        child = make_image(f"child {number}")
        registry.add("team/app", child)
        inner.append(enlarged(index([(child, "linux/amd64")])))
        registry.add("team/app", inner[-1])
    digest = registry.add("team/app", enlarged(index([(one, "linux/amd64") for one in inner])))
    rules = {"registries": [{"host": host}], "signatures": {"anyOf": [NOTATION_CA], "children": "All"}}
    answer = await gate(rules, ca_store(authority("Acme"))).review(f"{host}/team/app@{digest}", seconds=25.0)
    assert "SignatureMissing" in answer.message
    assert len(permits) > MAX_NESTED_INDEXES
    assert all(permits)


async def test_not_signed(registry, host, gate):
    answer = await gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme"))).review(f"{host}/team/app:v1")
    assert f"SignatureMissing: no signature of {APP.digest[:19]}" in answer.message


@pytest.mark.parametrize("service", ["OCSP", "CRL"])
async def test_a_revoked_certificate_and_a_service_that_is_down(registry, host, gate, peer_http, service):
    ca = authority("Acme", intermediates=0)
    where: dict[str, Any] = (
        {"ocsp_urls": [peer_http.url("/x")]} if service == "OCSP" else {"crl_urls": [peer_http.url("/x")]}
    )
    signer = issue("signer", ca, purposes=[CODE_SIGNING], **where)
    add_notation(registry, signer)
    reference = f"{host}/team/app@{APP.digest}"

    def say(revoked: bool) -> None:
        now, hour = datetime.now(UTC).replace(microsecond=0), timedelta(hours=1)
        if service == "OCSP":
            status = "revoked" if revoked else "good"
            body = ocsp_answer(
                signer, status=status, this_update=now - hour, next_update=now + hour, revoked_at=now - hour
            )
        else:
            entries = [entry(signer, at=now - hour)] if revoked else []
            body = crl(ca, entries, last_update=now - hour, next_update=now + hour)
        peer_http.answers["/x"] = HttpFault(status=200, body=body)

    async def review() -> Any:
        return await gate(signed_by(host, [NOTATION_CA]), ca_store(signer)).review(reference)

    say(revoked=False)
    assert (await review()).allowed
    say(revoked=True)
    answer = await review()
    assert not answer.allowed
    assert "is revoked" in answer.causes
    peer_http.answer("/x", status=503)
    answer = await review()
    assert not answer.allowed
    assert "SignatureUndecided" in answer.message


async def test_a_registry_that_is_down_leaves_an_image_undetermined(registry, host, gate, capsys):
    registry.inject(status=503)
    answer = await gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme"))).review(f"{host}/team/app:v1")
    assert not answer.allowed
    assert "CouldNotCheck" in answer.message
    assert "the registry answered with a server error" in answer.message
    assert "registry call failed" in capsys.readouterr().out


async def test_a_registry_that_does_not_answer_is_not_called_aws(registry, host, gate):
    registry.inject(hang=True)
    started = gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme")))
    answer = await started.review(f"{host}/team/app:v1", seconds=1.3)
    assert not answer.allowed
    assert "the registry did not answer in time" in answer.message
    assert "AWS" not in answer.message


async def test_without_the_pull_secret_an_image_is_undetermined(registry, host, gate):
    spec = signed_by(host, [NOTATION_CA])
    answer = await gate(spec, ca_store(authority("Acme")), secret=False).review(f"{host}/team/app:v1")
    assert not answer.allowed
    assert "the registry denied tidegate access" in answer.message


async def test_a_pull_secret_for_another_host_is_said_to_be_none(registry, host, gate, pull_secret, ca_file):
    started = gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme")))
    pull_secret("other.test")
    answer = await started.review(f"{host}/team/app:v1")
    assert not answer.allowed
    assert "tidegate's credentials for the registry are missing, expired or not valid" in answer.message


async def test_an_image_that_is_not_there(registry, host, gate):
    answer = await gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme"))).review(f"{host}/team/app:v9")
    assert not answer.allowed
    assert "ImageNotFound" in answer.message


async def test_a_manifest_with_another_digest(registry, host, gate):
    registry.inject(about="/manifests/", status=200, body=b'{"schemaVersion":2}')
    answer = await gate(signed_by(host, [NOTATION_CA]), ca_store(authority("Acme"))).review(
        f"{host}/team/app@{APP.digest}"
    )
    assert not answer.allowed


async def test_a_registry_that_is_not_listed_is_not_contacted(registry, host, gate, sim):
    for registries in ([{"host": "ghcr.io"}], None):
        spec = {**signed_by(host, [NOTATION_CA]), "registries": registries}
        if registries is None:
            del spec["registries"]
        answer = await gate(spec, ca_store(authority("Acme"))).review(f"{host}/team/app:v1")
        assert not answer.allowed
    assert registry.requests == []
    assert sim.calls() == 0


async def test_the_children_of_an_index_where_each_must_be_signed(registry, host, gate):
    key, vendor = cosign_key()
    children = [make_image("amd"), make_image("arm", platform="linux/arm64")]
    both = index([(children[0], "linux/amd64"), (children[1], "linux/arm64")])
    for each in children:
        registry.add("team/multi", each)
    registry.add("team/multi", both, "v1")
    spec = signed_by(host, [vendor])
    spec["signatures"]["children"] = "All"

    for digest in (both.digest, children[0].digest):
        add_cosign(registry, "team/multi", digest, key)
    answer = await gate(spec).review(f"{host}/team/multi:v1")
    assert not answer.allowed
    assert "linux/arm64" in answer.message
    add_cosign(registry, "team/multi", children[1].digest, key)
    assert (await gate(spec).review(f"{host}/team/multi:v1")).allowed


async def test_a_thousand_pods_of_one_image_make_one_search(registry, host, gate):
    signer = issue("signer", authority("Acme"), purposes=[CODE_SIGNING])
    add_notation(registry, signer)
    started = gate(signed_by(host, [NOTATION_CA]), ca_store(signer))
    answers = await started.review_all([f"{host}/team/app@{APP.digest}"] * 1000)
    assert all(one.allowed for one in answers)
    assert len(registry.paths("/token")) == 1
    assert len(registry.paths("/referrers/")) <= 2, "the first one has no token yet"
    assert len(registry.paths("/blobs/")) == 1
    assert started.metric("tidegate_source_calls_total", api="oci:referrers", registry=host, cause="ok") >= 1
