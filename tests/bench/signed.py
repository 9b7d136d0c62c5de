"""What verification is measured with: one signature of each kind, the demand it meets, and how a real program verifies it.

The hermetic authorities of tests/simulator sign; tests/e2e/interop shows that the programs take these for their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.cluster.toolchain import build
from tests.e2e.interop.layout import REPOSITORY, layout_with_image
from tests.e2e.interop.programs import Cosign, Notation, Program
from tests.simulator import artifacts
from tests.simulator.manifests import Manifest, image, sha256
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf, signing_authority
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import COSE, JWS, sign
from tests.simulator.pki.sigstore import ISSUER, SUBJECT, LocalSigstore, public_pem, simple_signing, statement
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, SignatureArtifact
from tidegate.images.digest import Digest
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.verifier import SignedImage

PROGRAMS = ("notation", "cosign")
PROVENANCE = "https://slsa.dev/provenance/v1"
PREDICATE = {"runDetails": {"builder": {"id": "https://builder.test"}}}
CONDITION = "predicate.runDetails.builder.id == 'https://builder.test'"
IMAGE = image("app")
SIGNED = SignedImage(
    repository="registry.test/app",
    manifest=Descriptor(media_type=IMAGE.media_type, digest=Digest(IMAGE.digest), size=len(IMAGE.data)),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of signature. ``command`` has ``program`` verify it; there is none where no program could."""

    name: str
    artifact: SignatureArtifact
    policy: Mapping[str, Any]
    trust: tuple[TrustStore, ...]
    program: Program | None = None
    command: tuple[str | Path, ...] = ()

    def requirement(self) -> Requirement:
        """Return a demand that nobody has met yet: nothing is prepared or remembered for it."""
        whole = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "bench"}}
        policy = parse_policy({**whole, "spec": dict(self.policy)})
        assert isinstance(policy, ImagePolicy), policy
        (requirement,) = requirements_of(policy, TrustSnapshot.of(self.trust)).all
        return requirement


@contextmanager
def signed_images(folder: Path) -> Iterator[tuple[Case, ...]]:
    """Make one case of each kind; a registry on loopback serves cosign while the context is open."""
    paths = build.ready(PROGRAMS)
    with OciRegistry() as registry:
        workshop = _Workshop(folder=folder, paths=paths, registry=registry)
        yield (*workshop.by_notation(), *workshop.by_cosign())


def _store(name: str, kind: StoreType, **content: Any) -> TrustStore:
    return TrustStore(name=name, uid=name, generation=1, type=kind, **content)


@dataclass(kw_only=True)
class _Workshop:
    folder: Path
    paths: Mapping[str, Path]
    registry: OciRegistry
    moment: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def target(self) -> dict[str, Any]:
        return artifacts.descriptor(IMAGE)

    def by_notation(self) -> Iterator[Case]:
        leaf = issue("leaf", authority(), purposes=[CODE_SIGNING])
        tsa = timestamp_authority()
        options: dict[str, Any] = {"target": self.target, "signing_time": self.moment}
        for form, media_type in (("JWS", JWS), ("COSE", COSE)):
            yield self._notation(f"Notation, {form}", sign(leaf, media_type, **options), media_type, ca=leaf)
        stamped = sign(leaf, token=lambda signature: issue_token(tsa, signature, moment=self.moment), **options)
        yield self._notation("Notation, JWS with a timestamp", stamped, JWS, ca=leaf, tsa=tsa)
        signer = signer_leaf(signing_authority(), at=self.moment)
        expiry = self.moment + timedelta(days=4000)
        envelope = sign_as_aws(signer, expiry=expiry, **options)
        yield Case(
            name="Notation, as AWS Signer signs",
            artifact=_artifact(ArtifactKind.NOTATION, envelope, JWS),
            policy=_signatures({"notation": {"trustStores": ["aws"], "trustedIdentities": [PROFILE]}}),
            trust=(_store("aws", StoreType.SIGNING_AUTHORITY, certificates=(signer.root.pem,)),),
        )

    def _notation(self, name: str, envelope: bytes, media_type: str, **anchors: Identity) -> Case:
        notation = Notation(self.paths["notation"], self.folder / name)
        for kind, identity in anchors.items():
            notation.trust(f"{kind}:{kind}", identity.root)
        notation.requirement(REPOSITORY, stores=[f"{kind}:{kind}" for kind in anchors])
        layout, digest = layout_with_image(self.folder / name / "layout")
        # notation finds its signatures by the type of their config, at this version, too.
        held = artifacts.signature(
            artifacts.NOTATION, envelope, subject=IMAGE, media_type=media_type, old_notation=True
        )
        layout.put(held)
        trust = (_store(kind, StoreType(kind), certificates=(identity.root.pem,)) for kind, identity in anchors.items())
        return Case(
            name=name,
            artifact=_artifact(ArtifactKind.NOTATION, envelope, media_type),
            policy=_signatures({"notation": {"trustStores": list(anchors), "trustedIdentities": ["*"]}}),
            trust=tuple(trust),
            program=notation,
            command=("verify", "--oci-layout", "--scope", REPOSITORY, layout.reference(digest)),
        )

    def by_cosign(self) -> Iterator[Case]:
        at = self.moment
        instance = LocalSigstore(begin=at - timedelta(days=1), end=at + timedelta(days=365))
        signer, key = instance.signer(at=at), ec.generate_private_key(ec.SECP256R1())
        root = _store("instance", StoreType.SIGSTORE, trusted_root=instance.trusted_root_bytes())
        cosign = Cosign(self.paths["cosign"], self.folder / "cosign")
        (cosign.home / "root.json").write_bytes(instance.trusted_root_bytes())
        (cosign.home / "key.pub").write_bytes(public_pem(key))
        keyless = {"trustedRoot": "instance", "identities": [{"issuer": ISSUER, "subject": SUBJECT}]}
        keyed = {"trustedRoot": "instance", "key": {"pem": public_pem(key).decode()}}
        identity = ("--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER)
        plain = statement(IMAGE.digest)
        attested = statement(IMAGE.digest, predicate_type=PROVENANCE, predicate=PREDICATE)
        rows: tuple[tuple[str, bytes, dict[str, Any], tuple[str, ...], bool], ...] = (
            (
                "Sigstore, bundle by an identity",
                _bundle(instance.sign_statement(plain, signer, at=at)),
                keyless,
                identity,
                False,
            ),
            (
                "Sigstore, bundle by a key",
                _bundle(instance.sign_statement_keyed(plain, key, at=at)),
                keyed,
                ("--key", "key.pub"),
                False,
            ),
            (
                "Sigstore, attestation as a bundle",
                _bundle(instance.sign_statement(attested, signer, at=at)),
                keyless,
                identity,
                True,
            ),
        )
        for name, content, rules, options, attestation in rows:
            held = artifacts.signature(artifacts.BUNDLE, content, subject=IMAGE)
            yield Case(
                name=name,
                artifact=_artifact(ArtifactKind.SIGSTORE_BUNDLE, content, artifacts.BUNDLE_TYPE),
                policy=_attestations({"sigstore": rules}) if attestation else _signatures({"sigstore": rules}),
                trust=(root,),
                program=cosign,
                command=self._cosign(held, options, attestation=attestation),
            )
        layer = simple_signing(IMAGE.digest)
        notes = instance.sign_layer(layer, signer, at=at)
        part = artifacts.LayerPart(
            data=layer, media_type=artifacts.LAYER_TYPES[artifacts.COSIGN_SIGNATURE], annotations=notes
        )
        tag = artifacts.fallback_tag(IMAGE.digest, artifacts.TAG_SUFFIXES[artifacts.COSIGN_SIGNATURE])
        yield Case(
            name="Sigstore, cosign's older layer",
            artifact=_artifact(ArtifactKind.COSIGN_SIGNATURE, layer, part.media_type, notes),
            policy=_signatures({"sigstore": keyless}),
            trust=(root,),
            program=cosign,
            command=self._cosign(artifacts.cosign_manifest([part]), identity, tag=tag),
        )

    def _cosign(
        self, held: Manifest, options: tuple[str, ...], *, attestation: bool = False, tag: str | None = None
    ) -> tuple[str, ...]:
        """Push what cosign is to verify into a repository of its own, and return the command."""
        repository = f"bench/{len(self.registry.repositories)}"
        self.registry.add(repository, IMAGE)
        self.registry.add(repository, held, tag)
        verb = ("verify-attestation", "--type", "slsaprovenance1") if attestation else ("verify",)
        return (*verb, "--trusted-root", "root.json", *options, f"{self.registry.host}/{repository}@{IMAGE.digest}")


def _artifact(
    kind: ArtifactKind, envelope: bytes, media_type: str, annotations: Mapping[str, str] | None = None
) -> SignatureArtifact:
    digest = Digest(sha256(envelope))
    return SignatureArtifact(
        kind=kind,
        envelope=envelope,
        envelope_media_type=media_type,
        envelope_digest=digest,
        manifest_digest=digest,
        subject=None,
        layer_annotations=annotations or {},
    )


def _bundle(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode()


def _signatures(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {"signatures": {"anyOf": [{"name": "release", **rules}]}}


def _attestations(rules: Mapping[str, Any]) -> dict[str, Any]:
    one = {"name": "build", "predicateType": PROVENANCE, "conditions": [CONDITION]}
    return {"attestations": [{**one, "anyOf": [{"name": "release", **rules}]}]}
