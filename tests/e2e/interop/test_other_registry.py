"""What real programs signed in a registry that is not Amazon ECR, pulled from it over TLS and judged by the real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.interop.cosign_world import KINDS, Kind
from tests.e2e.interop.cosign_world import World as CosignWorld
from tests.e2e.interop.programs import Notation
from tests.e2e.interop.services import Services, ocsp_responder, revocation_list
from tests.e2e.interop.test_controller import by_cosign, by_notation, instance, requirement, signed_by, store
from tests.integration.gather.gate import Gate
from tests.simulator import Simulator, World
from tests.simulator.oci_content import OciContent
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.tls import server_context
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.settings import OtherRegistrySettings, Revocation

REPOSITORY = "team/app"
Review = Callable[..., Any]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[OciContent], tuple[OciRegistry, str]]]:
    """Serve what was pushed elsewhere, over TLS and with tokens; give the registry and its authority's file."""
    tls = issue("Registry CA", ca=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(tls.pem)
    running: list[OciRegistry] = []

    def make(content: OciContent, **options: Any) -> tuple[OciRegistry, str]:
        registry = OciRegistry(auth="token", tls=server_context(tls, "127.0.0.1", folder=tmp_path), **options)
        registry.__enter__()
        running.append(registry)
        registry.repositories[REPOSITORY] = content
        return registry, str(file)

    yield make
    for each in running:
        each.__exit__(None, None, None)


@pytest.fixture
def review(serve: Callable[..., tuple[OciRegistry, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Review]:
    """Judge an image of what was pushed, by a policy that lists the registry; AWS must not be asked."""
    gates: list[Gate] = []
    with Simulator(World()) as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)

        async def judge(
            content: OciContent,
            digest: str,
            spec: Mapping[str, Any],
            *stores: TrustStore,
            listed: int = 1,
            **options: Any,
        ) -> Any:
            registry, ca_file = serve(content, **options)
            access = OtherRegistrySettings(host=registry.host, ca_file=ca_file, private_addresses=True)
            more = {"registries": (access,), "revocation": Revocation(private_hosts=(f"127.0.0.1:{listed}",))}
            whole = {"registries": [{"host": registry.host}], **spec}
            gates.append(Gate(aws, whole, trust=TrustSnapshot.of(list(stores)), more=more))
            return await gates[-1].review(f"{registry.host}/{REPOSITORY}@{digest}")

        yield judge
        for gate in gates:
            gate.engine.close()
        assert aws.calls() == 0


def sign(notation: Notation, registry: OciRegistry, identity: Identity, *options: str) -> str:
    notation.add_key("ours", identity)
    digest = registry.push_image(REPOSITORY)
    notation.run("sign", "--insecure-registry", *options, f"{registry.host}/{REPOSITORY}@{digest}")
    return digest


def ca_of(identity: Identity) -> TrustStore:
    return store("ca", StoreType.CA, certificates=(identity.root.pem,))


@pytest.mark.parametrize("referrers_api", [True, False], ids=["referrers API", "referrers tag"])
async def test_notation(notation: Notation, review: Review, *, referrers_api: bool) -> None:
    identity = issue("signer", authority("Acme"), purposes=[CODE_SIGNING])
    with OciRegistry(referrers_api=referrers_api) as pushed:
        digest = sign(notation, pushed, identity)
    content, options = pushed.repositories[REPOSITORY], {"referrers_api": referrers_api}
    rules = signed_by(by_notation(["*"]))

    good = await review(content, digest, rules, ca_of(identity), **options)
    assert good.allowed, good.message
    refused = await review(content, digest, rules, ca_of(authority("Stranger")), **options)
    assert "SignatureInvalid" in refused.message


@pytest.mark.parametrize("by", ["OCSP", "CRL"])
async def test_a_revoked_signer_of_notation(
    notation: Notation, registry: OciRegistry, services: Services, review: Review, by: str
) -> None:
    ca = authority("Acme", intermediates=0)
    where: dict[str, Any] = (
        {"ocsp_urls": [services.url("ocsp")]} if by == "OCSP" else {"crl_urls": [services.url("crl")]}
    )
    signer = issue("signer", ca, purposes=[CODE_SIGNING], **where)
    digest = sign(notation, registry, signer)
    content, rules = registry.repositories[REPOSITORY], signed_by(by_notation(["*"]))
    listed = int(services.url("").rsplit(":", 1)[1].strip("/"))

    down = await review(content, digest, rules, ca_of(signer), listed=listed)
    assert "SignatureUndecided" in down.message
    services.serve("ocsp", ocsp_responder(signer, "good"))
    services.serve("crl", revocation_list(ca))
    good = await review(content, digest, rules, ca_of(signer), listed=listed)
    assert good.allowed, good.message
    services.serve("ocsp", ocsp_responder(signer, "revoked"))
    services.serve("crl", revocation_list(ca, signer))
    revoked = await review(content, digest, rules, ca_of(signer), listed=listed)
    assert not revoked.allowed
    assert "revoked" in revoked.message


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_cosign(world: CosignWorld, review: Review, kind: Kind) -> None:
    pushed = world.signed(kind)
    good = await review(pushed.content, pushed.digest, requirement(pushed, by_cosign(pushed)), instance(pushed))
    assert good.allowed, good.message
    other = by_cosign(pushed, subject="somebody@acme.test", key=world.stranger_key)
    refused = await review(pushed.content, pushed.digest, requirement(pushed, other), instance(pushed))
    assert not refused.allowed
