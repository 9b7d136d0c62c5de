"""What whoever may push can leave beside an image, from the lists of a registry to the proof: never more than no signature.

Who pushed it is not trusted, so neither "verified" may come of it, nor "logged", nor "not known", which some policies
tolerate; and nothing is out of reach, since the registry answers every question.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_cbor, changed_json, changed_value
from tests.objects import image_policy
from tests.simulator import artifacts
from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, image
from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, SIGNED_AT, sign
from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, LocalSigstore, public_pem, simple_signing, statement
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    ArtifactRef,
    Descriptor,
    FoundArtifacts,
    SkipReason,
    UnusableArtifactError,
    WantedArtifacts,
)
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.referrers.search import Listing, StoredArtifact, find_signatures
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation.revocation.material import NOTHING_KNOWN

IMAGE = image("app")
DIGEST = Digest(IMAGE.digest)
SIGNED = SignedImage(
    repository="registry.test/app",
    manifest=Descriptor(media_type=IMAGE.media_type, digest=DIGEST, size=len(IMAGE.data)),
)
PROVENANCE = "https://slsa.dev/provenance/v1"
CA, TSA, KEY = authority(), timestamp_authority(), ec.generate_private_key(ec.SECP256R1())
WORLD, ELSEWHERE = LocalSigstore(), LocalSigstore()


def trust_store(name: str, kind: StoreType, **content: Any) -> TrustStore:
    return TrustStore(name=name, uid=name, generation=1, type=kind, **content)


def all_requirements() -> list[Requirement]:
    """Return a demand of each kind, all under one policy."""
    named: dict[str, Any] = {"trustStores": ["ca"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Release"]}
    keyless = {"trustedRoot": "root", "identities": [{"issuer": ISSUER, "subject": SUBJECT}]}
    pem = public_pem(KEY).decode()
    rows: list[dict[str, Any]] = [
        {"notation": named},
        {"notation": {**named, "trustStores": ["ca", "tsa"], "level": "permissive"}},
        {"sigstore": keyless},
        {"sigstore": {"trustedRoot": "root", "key": {"pem": pem}}},
        {"sigstore": {"transparencyLog": "NotRequired", "key": {"pem": pem}}},
    ]
    any_of = [{"name": f"a{number}", **row} for number, row in enumerate(rows)]
    attestation = {"name": "build", "predicateType": PROVENANCE, "authorities": ["a2"]}
    spec = {"signatures": {"anyOf": any_of}, "attestations": [attestation]}
    policy = parse_policy(image_policy("p", spec, uid="1", generation=1))
    assert isinstance(policy, ImagePolicy), policy
    trust = TrustSnapshot.of(
        [
            trust_store("ca", StoreType.CA, certificates=(CA.root.pem,)),
            trust_store("tsa", StoreType.TSA, certificates=(TSA.root.pem,)),
            trust_store("root", StoreType.SIGSTORE, trusted_root=WORLD.trusted_root_bytes()),
        ]
    )
    return list(requirements_of(policy, trust).all)


DEMANDS = all_requirements()


@dataclass(frozen=True)
class Seed:
    """Something sound by somebody who is not trusted."""

    kind: str
    media_type: str
    envelope: bytes
    notes: Mapping[str, str] = field(default_factory=dict)


def seeds() -> list[Seed]:
    target = artifacts.descriptor(IMAGE)
    mallory, stranger = issue("Mallory", CA), issue("Stranger", authority("Else"))
    found = [
        Seed(artifacts.NOTATION, form, sign(who, form, target=target))
        for form in (JWS, COSE)
        for who in (mallory, stranger)
    ]
    found += [
        Seed(artifacts.NOTATION, JWS, sign(mallory, target=target, scheme=AUTHORITY_SCHEME)),
        Seed(artifacts.NOTATION, JWS, sign(mallory, target=target, token=lambda raw: issue_token(TSA, raw))),
    ]
    plain, attested = statement(DIGEST), statement(DIGEST, predicate_type=PROVENANCE, predicate={"a": [1]})
    layer, key = simple_signing(DIGEST), ec.generate_private_key(ec.SECP256R1())
    for world, subject in ((WORLD, "https://mallory.test"), (ELSEWHERE, SUBJECT)):
        signer = world.signer(subject=subject)
        bundles = [
            world.sign_statement(plain, signer),
            world.sign_statement(attested, signer, timestamped=True),
            world.sign_artifact(IMAGE.data, signer),
            world.sign_statement_keyed(plain, key),
            world.sign_artifact_keyed(IMAGE.data, key),
        ]
        found += [Seed(artifacts.BUNDLE, artifacts.BUNDLE_TYPE, json.dumps(one).encode()) for one in bundles]
        for notes in (world.sign_layer(layer, signer), world.sign_layer_keyed(layer, key)):
            found.append(
                Seed(artifacts.COSIGN_SIGNATURE, artifacts.LAYER_TYPES[artifacts.COSIGN_SIGNATURE], layer, notes)
            )
        content, notes = world.attest_layer(attested, signer)
        found.append(
            Seed(artifacts.COSIGN_ATTESTATION, artifacts.LAYER_TYPES[artifacts.COSIGN_ATTESTATION], content, notes)
        )
    return found


SEEDS = seeds()


@dataclass
class Registry:
    """A registry in good order, with what was pushed to it."""

    listed: list[ArtifactRef] = field(default_factory=list)
    stored: dict[ImageId, StoredManifest] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def referrers(self, _subject: Digest, _types: frozenset[str]) -> Listing:
        return Listing(refs=tuple(self.listed))

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        return {one: self.stored.get(one, Absence.IMAGE) for one in ids}

    def blob(self, blob: Descriptor) -> bytes:
        if blob.digest not in self.blobs:
            raise UnusableArtifactError(SkipReason.GONE, "no such blob")
        return self.blobs[blob.digest]

    def push(self, content: bytes, tag: str | None = None) -> Digest:
        digest = digest_of(content)
        for name in (ImageId.of_digest(digest), *([ImageId.of_tag(tag)] if tag else [])):
            self.stored[name] = StoredManifest(content=content, media_type=OCI_MANIFEST)
        return digest


def spoilt(rng: Random, content: bytes, media_type: str = "") -> bytes:
    """Return it changed in a way that fits it, or blindly, or as it was."""
    change = rng.choice((blind, changed_cbor if media_type == COSE else changed_json, lambda _, same: same))
    return change(rng, content)


def push(rng: Random, registry: Registry, seed: Seed) -> None:
    envelope = spoilt(rng, seed.envelope, seed.media_type)
    notes = {name: text if rng.random() < 0.5 else str(changed_value(rng, text)) for name, text in seed.notes.items()}
    notes = {name: text.encode(errors="replace").decode() for name, text in notes.items()}
    registry.blobs[digest_of(envelope)] = envelope
    if seed.kind in artifacts.TAG_SUFFIXES:
        part = artifacts.LayerPart(data=envelope, media_type=seed.media_type, annotations=notes)
        manifest = artifacts.cosign_manifest([part])
        registry.push(spoilt(rng, manifest.data), artifacts.fallback_tag(DIGEST, artifacts.TAG_SUFFIXES[seed.kind]))
        return
    manifest = artifacts.signature(seed.kind, envelope, subject=IMAGE, media_type=seed.media_type)
    digest = registry.push(spoilt(rng, manifest.data))
    if rng.random() < 0.5:
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest.data)}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        registry.push(spoilt(rng, json.dumps(index).encode()), artifacts.fallback_tag(DIGEST))
    else:
        registry.listed.append(
            ArtifactRef(digest=digest, media_type=OCI_MANIFEST, artifact_type=manifest.artifact_type or "", size=None)
        )


def check_refused(found: FoundArtifacts) -> int:
    """Check that no artifact meets a demand; return how often one was verified."""
    times = 0
    for requirement in DEMANDS:
        verifier = prepare(requirement)
        assert not isinstance(verifier, Exception), verifier
        for artifact in (one for one in found.artifacts if one.kind in requirement.kinds):
            with shown(artifact.envelope):
                moment = SIGNED_AT if artifact.kind == artifacts.NOTATION else NOW
                examined = verifier.verify(artifact, SIGNED, now=moment, revocation=NOTHING_KNOWN)
                assert not examined.questions
                assert examined.attempt.state is VerificationState.FAILED, examined
                times += 1
    return times


def test_the_seeds_are_found_and_refused():
    """Else the target below would prove nothing."""
    for seed in SEEDS:
        registry = Registry()
        push(_Unchanged(), registry, seed)
        found = find_signatures(registry, DIGEST, WantedArtifacts(), seconds_left=lambda: 9.0)
        assert [one.envelope for one in found.artifacts] == [seed.envelope]
        assert check_refused(found) > 0


class _Unchanged(Random):
    """Draws what changes nothing."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq: Any) -> Any:
        return seq[-1]


@fuzzed(examples=60)
def test_what_strangers_push_is_no_signature(rng: Random) -> None:
    registry = Registry()
    for seed in rng.choices(SEEDS, k=rng.choice((1, 2, 4))):
        push(rng, registry, seed)
    found = find_signatures(registry, DIGEST, WantedArtifacts(), seconds_left=lambda: 9.0)
    assert found.outage is None, found.skipped
    check_refused(found)
