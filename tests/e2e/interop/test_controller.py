"""What real programs made, found in a simulated Amazon ECR and judged by the real engine, as an admission would be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.interop.cosign_world import ISSUER, KINDS, PROVENANCE, SUBJECT, By, Form, Kind, Pushed
from tests.e2e.interop.cosign_world import World as CosignWorld
from tests.e2e.interop.programs import Notation
from tests.integration.gather.gate import OWN, REGION, Gate, image
from tests.simulator import Simulator, World
from tests.simulator.manifests import Manifest
from tests.simulator.oci_content import OciContent, subject_of
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore

REPOSITORY = "team/app"
ECR = f"{OWN}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}"
Start = Callable[..., Gate]


@pytest.fixture
def aws() -> World:
    return World()


@pytest.fixture
def start(aws: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a controller with the spec of its one policy and some trust stores, at the simulated AWS."""
    gates: list[Gate] = []
    with Simulator(aws) as simulator:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "HTTP_PROXY", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in simulator.environment().items():
            if name != "AWS_ENDPOINT_URL":
                monkeypatch.setenv(name, value)

        def make(spec: Mapping[str, Any], *stores: TrustStore) -> Gate:
            gates.append(Gate(simulator, spec, trust=TrustSnapshot.of(list(stores))))
            return gates[-1]

        yield make
        for gate in gates:
            gate.engine.close()


def store(name: str, kind: StoreType, **content: Any) -> TrustStore:
    return TrustStore(name=name, uid=name, generation=1, type=kind, **content)


def copy_to_ecr(aws: World, content: OciContent, repository: str = REPOSITORY, *, image_digest: str) -> None:
    """Push everything that a registry's repository holds, the image itself as ``v1``."""
    tags = {digest: tag for tag, digest in content.tags.items()} | {image_digest: "v1"}
    for digest, kept in content.manifests.items():
        parsed = json.loads(kept.content)
        config = parsed.get("config", {})
        named = [each["digest"] for each in (config, *parsed.get("layers", [])) if each]
        manifest = Manifest(
            data=kept.content,
            digest=digest,
            media_type=kept.media_type,
            size=len(kept.content),
            artifact_type=parsed.get("artifactType") or config.get("mediaType"),
            subject=subject_of(kept.content),
            annotations=parsed.get("annotations", {}),
            blobs={each: content.blobs[each] for each in named},
        )
        aws.push(repository, manifest, tags.get(digest))


def signed_by(rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"signatures": {"anyOf": [{"name": "release", **rules}], **more}}


def by_notation(identities: list[str]) -> dict[str, Any]:
    return {"notation": {"trustStores": ["ca"], "trustedIdentities": identities}}


@pytest.mark.parametrize("referrers_tag", ["true", "false"], ids=["referrers tag", "referrers API"])
@pytest.mark.parametrize("form", ["jws", "cose"])
async def test_what_notation_pushed(
    notation: Notation, registry: OciRegistry, aws: World, start: Start, form: str, referrers_tag: str
) -> None:
    """In ECR the index under a tag is there only where somebody copied it; both ways lead to the signature."""
    identity = issue("signer", authority("Acme"), purposes=[CODE_SIGNING])
    notation.add_key("ours", identity)
    digest = registry.push_image(REPOSITORY)
    options = ("--signature-format", form, f"--force-referrers-tag={referrers_tag}", "--insecure-registry")
    notation.run("sign", *options, f"{registry.host}/{REPOSITORY}@{digest}")
    copy_to_ecr(aws, registry.repositories[REPOSITORY], image_digest=digest)
    ca = store("ca", StoreType.CA, certificates=(identity.root.pem,))

    good = await start(signed_by(by_notation(["x509.subject: C=US, ST=WA, O=Example, CN=signer"])), ca).review(image())
    assert good.allowed, good.message
    other = await start(signed_by(by_notation(["x509.subject: C=US, ST=WA, O=Example, CN=x"])), ca).review(image())
    assert not other.allowed
    assert "SignatureInvalid" in other.message
    stranger = store("ca", StoreType.CA, certificates=(authority("Stranger").root.pem,))
    assert not (await start(signed_by(by_notation(["*"])), stranger).review(image())).allowed


def by_cosign(pushed: Pushed, *, subject: str = SUBJECT, key: Path | None = None) -> dict[str, Any]:
    if not pushed.kind.by.is_key:
        return {"sigstore": {"trustedRoot": "instance", "identities": [{"issuer": ISSUER, "subject": subject}]}}
    pem = (key or pushed.world.key).with_suffix(".pub").read_text()
    log = {"transparencyLog": "NotRequired"} if pushed.kind.by is By.KEY else {"trustedRoot": "instance"}
    return {"sigstore": {"key": {"pem": pem}, **log}}


def instance(pushed: Pushed, root: str = "trusted_root.json") -> TrustStore:
    content = (pushed.world.cosign.home / root).read_bytes()
    return store("instance", StoreType.SIGSTORE, trusted_root=content)


def requirement(pushed: Pushed, rules: Mapping[str, Any]) -> dict[str, Any]:
    if not pushed.kind.attestation:
        return signed_by(rules)
    condition = "predicate.runDetails.builder.id == 'https://builder.test'"
    one = {"name": "build", "predicateType": PROVENANCE, "conditions": [condition]}
    return {"attestations": [{**one, "anyOf": [{"name": "release", **rules}]}]}


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_what_cosign_pushed(world: CosignWorld, aws: World, start: Start, kind: Kind) -> None:
    pushed = world.signed(kind)
    copy_to_ecr(aws, pushed.content, image_digest=pushed.digest)
    trust = instance(pushed)

    good = await start(requirement(pushed, by_cosign(pushed)), trust).review(image())
    assert good.allowed, good.message
    other = by_cosign(pushed, subject="somebody@acme.test", key=world.stranger_key)
    refused = await start(requirement(pushed, other), trust).review(image())
    assert not refused.allowed
    assert "release" in refused.message


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_what_cosign_pushed_about_another_image(world: CosignWorld, aws: World, start: Start, kind: Kind) -> None:
    moved = world.signed(kind).move()
    copy_to_ecr(aws, moved.content, image_digest=moved.digest)
    answer = await start(requirement(moved, by_cosign(moved)), instance(moved)).review(image())
    assert not answer.allowed
    assert "Invalid: " in answer.message


async def test_a_copy_where_the_policy_binds_signatures_to_the_repository(
    world: CosignWorld, aws: World, start: Start
) -> None:
    """What cosign signed under the name in ECR passes there, and nowhere else; anywhere where nothing is demanded."""
    kind = Kind(by=By.KEY, form=Form.LEGACY)
    pushed = world.sign(kind, "--sign-container-identity", ECR, repository=world.fresh_repository())
    copy_to_ecr(aws, pushed.content, image_digest=pushed.digest)
    copy_to_ecr(aws, pushed.content, "copied/app", image_digest=pushed.digest)
    bound = signed_by(by_cosign(pushed), sameRepository=True)

    assert (await start(bound).review(image())).allowed
    refused = await start(bound).review(image("copied/app"))
    assert not refused.allowed
    assert "signed for repository" in refused.causes
    assert (await start(signed_by(by_cosign(pushed))).review(image("copied/app"))).allowed
