"""What the real ``cosign`` signs and attests is verified, and what it refuses is refused: every form, every signer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.interop.cosign_world import ISSUER, KINDS, PROVENANCE, SUBJECT, By, Form, Kind, World, cosign_world
from tests.e2e.interop.judging import now
from tests.e2e.interop.programs import Cosign
from tests.e2e.interop.services import Services
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.sigstore_log import b64
from tidegate.verify.sigstore.cel import Condition
from tidegate.verify.sigstore.layer import BUNDLE, CERTIFICATE, SIGNATURE, SignatureLayer
from tidegate.verify.sigstore.procedure import SigstoreStep, Verification
from tidegate.verify.sigstore.proof import KeylessSigner, KeySigner
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE
from tidegate.verify.step import Conclusion

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def refused(verification: Verification) -> tuple[SigstoreStep, str]:
    """Return the step that failed, and why; nothing may have been proved."""
    assert verification.conclusion is Conclusion.FAILED, verification.steps
    assert verification.proof is None
    last = verification.steps[-1]
    return SigstoreStep(last.number), last.text


@every_kind
def test_what_cosign_makes_is_verified(world: World, kind: Kind) -> None:
    pushed = world.signed(kind)
    pushed.verify_by_cosign()
    verification = pushed.verify_by_tidegate()
    assert verification.conclusion is Conclusion.VERIFIED, verification.steps
    proof = verification.require()
    assert proof.digest == pushed.digest
    if kind.by.is_key:
        assert isinstance(proof.signer, KeySigner)
    else:
        assert proof.signer == KeylessSigner(issuer=ISSUER, subject=SUBJECT)
    if kind.by is By.KEY:
        assert proof.signed_at is None
    else:
        assert proof.signed_at is not None
        assert world.started_at <= proof.signed_at <= now()


@every_kind
def test_both_refuse_another_signer(world: World, kind: Kind) -> None:
    pushed = world.signed(kind)
    requirements: list[dict[str, Any]] = (
        [{"key": world.stranger_key}]
        if kind.by.is_key
        else [{"subject": "somebody@acme.test"}, {"issuer": "https://another.test"}]
    )
    for required in requirements:
        asking = pushed.demanding(**required)
        asking.refused_by_cosign()
        step, text = refused(asking.verify_by_tidegate())
        assert step in ({SigstoreStep.SIGNATURE, SigstoreStep.ENTRY} if kind.by.is_key else {SigstoreStep.IDENTITY}), (
            text
        )


@every_kind
def test_both_refuse_what_is_about_another_image(world: World, kind: Kind) -> None:
    """The manifest, its subject and its tag are anybody's words; what was signed counts."""
    pushed = world.signed(kind)
    moved = pushed.move()
    assert moved.digest != pushed.digest
    moved.refused_by_cosign()
    step, text = refused(moved.verify_by_tidegate())
    assert step is SigstoreStep.SUBJECT
    assert moved.digest in text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.by is not By.KEY], ids=str)
def test_both_refuse_what_an_unknown_instance_vouches_for(world: World, kind: Kind) -> None:
    pushed = world.signed(kind)
    asking = pushed.demanding(root="stranger_root.json")
    asking.refused_by_cosign()
    refused(asking.verify_by_tidegate())


def _in_bundle(part: str, *, at: int | None = None) -> Callable[[SignatureLayer], SignatureLayer]:
    """Return a change of one byte, by default the middle one, of the part of a bundle at ``a.b.0.c``, base64 there."""

    def change(layer: SignatureLayer) -> SignatureLayer:
        bundle = json.loads(layer.content)
        inner = bundle
        *parents, last = [int(one) if one.isdigit() else one for one in part.split(".")]
        for one in parents:
            inner = inner[one]
        inner[last] = b64(_flipped(base64.b64decode(inner[last]), at))
        return SignatureLayer(content=json.dumps(bundle).encode(), annotations=layer.annotations)

    return change


def _in_annotation(name: str, part: str = "") -> Callable[[SignatureLayer], SignatureLayer]:
    """Return a change of one byte of a layer's annotation, or of a field of the JSON in it."""

    def change(layer: SignatureLayer) -> SignatureLayer:
        text = layer.annotations[name]
        if not part:
            new = b64(_flipped(base64.b64decode(text)))
        else:
            content = json.loads(text)
            content[part] = b64(_flipped(base64.b64decode(content[part])))
            new = json.dumps(content)
        return SignatureLayer(content=layer.content, annotations={**layer.annotations, name: new})

    return change


def _in_payload(layer: SignatureLayer) -> SignatureLayer:
    """Change what cosign's older signature says, in a field that is not compared with anything."""
    content = json.loads(layer.content)
    content["optional"] = {"approved": "yes"}
    return SignatureLayer(content=json.dumps(content).encode(), annotations=layer.annotations)


def _in_envelope(layer: SignatureLayer) -> SignatureLayer:
    """Change what cosign's older attestation says, so that it still is a statement about the image."""
    envelope = json.loads(layer.content)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["runDetails"]["builder"]["id"] = "https://evil.test"
    envelope["payload"] = b64(json.dumps(statement).encode())
    return SignatureLayer(content=json.dumps(envelope).encode(), annotations=layer.annotations)


def _flipped(content: bytes, at: int | None = None) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 2 if at is None else at] ^= 1
    return bytes(changed)


MATERIAL = "verificationMaterial"
ALTERED = [
    *(
        pytest.param(
            Kind(by=by, form=Form.BUNDLE, attestation=attestation), _in_bundle(part), id=f"{what}, {by}, {part}"
        )
        for attestation, what in ((False, "signature"), (True, "attestation"))
        for by, part in (
            *((by, "dsseEnvelope.payload") for by in By),
            *((by, "dsseEnvelope.signatures.0.sig") for by in By),
            (By.LOGGED_KEY, f"{MATERIAL}.tlogEntries.0.canonicalizedBody"),
            (By.IDENTITY, f"{MATERIAL}.certificate.rawBytes"),
            (By.IDENTITY, f"{MATERIAL}.tlogEntries.0.canonicalizedBody"),
            (By.IDENTITY, f"{MATERIAL}.tlogEntries.0.inclusionProof.hashes.0"),
            (By.IDENTITY, f"{MATERIAL}.tlogEntries.0.inclusionPromise.signedEntryTimestamp"),
        )
    ),
    *(
        pytest.param(Kind(by=by, form=Form.LEGACY), change, id=f"legacy signature, {by}, {what}")
        for by in By
        for change, what in ((_in_payload, "payload"), (_in_annotation(SIGNATURE), "signature"))
    ),
    *(
        pytest.param(
            Kind(by=by, form=Form.LEGACY), _in_annotation(BUNDLE, "SignedEntryTimestamp"), id=f"legacy, {by}, SET"
        )
        for by in (By.LOGGED_KEY, By.IDENTITY)
    ),
    *(
        pytest.param(
            Kind(by=by, form=Form.LEGACY, attestation=True), _in_envelope, id=f"legacy attestation, {by}, payload"
        )
        for by in By
        if by is not By.STAMPED_IDENTITY
    ),
]


@pytest.mark.parametrize(("kind", "change"), ALTERED)
def test_both_refuse_what_was_altered(
    world: World, kind: Kind, change: Callable[[SignatureLayer], SignatureLayer]
) -> None:
    pushed = world.signed(kind)
    assert pushed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    pushed.replace(change(pushed.material()))
    pushed.refused_by_cosign()
    refused(pushed.verify_by_tidegate())


@pytest.mark.parametrize("attestation", [False, True], ids=["signature", "attestation"])
def test_an_altered_timestamp_counts_for_nothing(world: World, attestation: bool) -> None:
    """It is unsigned material that anybody can leave out, too: the log's time remains, and cosign refuses when asked to."""
    pushed = world.signed(Kind(by=By.STAMPED_IDENTITY, form=Form.BUNDLE, attestation=attestation))
    assert "a timestamp authority" in _clocks(pushed.verify_by_tidegate())
    alter = _in_bundle(f"{MATERIAL}.timestampVerificationData.rfc3161Timestamps.0.signedTimestamp", at=-1)
    pushed.replace(alter(pushed.material()))
    pushed.refused_by_cosign()
    verification = pushed.verify_by_tidegate()
    assert verification.conclusion is Conclusion.VERIFIED
    assert "a timestamp authority" not in _clocks(verification)
    assert "the transparency log" in _clocks(verification)


def _clocks(verification: Verification) -> str:
    (text,) = (one.text for one in verification.steps if one.number == SigstoreStep.TIME)
    return text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.by.is_key], ids=str)
def test_both_refuse_the_certificate_of_another_signature(world: World, kind: Kind) -> None:
    """Both certificates are the identity's own; each signs with its own key."""
    pushed, other = world.signed(kind), world.sign(kind, content="other", repository=world.fresh_repository())
    layer, donor = pushed.material(), other.material()
    if kind.form is Form.LEGACY:
        mixed = SignatureLayer(
            content=layer.content,
            annotations={**layer.annotations, CERTIFICATE: donor.annotations[CERTIFICATE]},
        )
    else:
        bundle, giver = json.loads(layer.content), json.loads(donor.content)
        bundle[MATERIAL]["certificate"] = giver[MATERIAL]["certificate"]
        mixed = SignatureLayer(content=json.dumps(bundle).encode(), annotations=layer.annotations)
    pushed.replace(mixed)
    pushed.refused_by_cosign()
    refused(pushed.verify_by_tidegate())


@every_kind
def test_a_copy_in_another_repository(world: World, kind: Kind) -> None:
    """cosign accepts a copy; where a policy binds signatures to the repository, only the older form can say which."""
    pushed = world.sign(kind, repository=world.fresh_repository())
    copy = pushed.copy(world.fresh_repository())
    copy.verify_by_cosign()
    assert copy.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    step, text = refused(copy.verify_by_tidegate(repository=copy.name))
    assert step is SigstoreStep.CLAIMS
    assert copy.name in text
    names_its_own = kind.form is Form.LEGACY and not kind.attestation
    at_home = pushed.verify_by_tidegate(repository=pushed.name)
    assert at_home.conclusion is (Conclusion.VERIFIED if names_its_own else Conclusion.FAILED)


@every_kind
def test_a_signature_is_no_attestation_nor_the_other_way_round(world: World, kind: Kind) -> None:
    pushed = world.signed(kind)
    other = COSIGN_SIGNATURE if kind.attestation else PROVENANCE
    step, _ = refused(pushed.verify_by_tidegate(predicate_type=other))
    assert step is SigstoreStep.CLAIMS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.attestation], ids=str)
def test_conditions_on_the_provenance_that_cosign_attested(world: World, kind: Kind) -> None:
    pushed = world.signed(kind)

    def with_builder(name: str) -> Verification:
        condition = Condition(text=f"predicate.runDetails.builder.id == '{name}'")
        return pushed.verify_by_tidegate(conditions=(condition,))

    assert with_builder("https://builder.test").conclusion is Conclusion.VERIFIED
    step, _ = refused(with_builder("https://another-builder.test"))
    assert step is SigstoreStep.CONDITIONS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.attestation], ids=str)
def test_annotations_that_cosign_signed(world: World, kind: Kind) -> None:
    pushed = world.sign(kind, "--annotations", "team=payments", repository=world.fresh_repository())
    assert pushed.verify_by_tidegate().require().annotations == {"team": "payments"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.by is not By.KEY], ids=str)
def test_a_signature_outlives_its_certificate(world: World, kind: Kind) -> None:
    """A year later the certificate is long over, and the signature still is one."""
    next_year = now() + timedelta(days=364)
    assert world.signed(kind).verify_by_tidegate(at=next_year).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize(("kind", "digest"), [("p384", "sha384"), ("p521", "sha512"), ("rsa2048", "sha256")])
@pytest.mark.parametrize("form", Form)
def test_keys_of_other_kinds(world: World, form: Form, kind: str, digest: str) -> None:
    """cosign 3.1 hashes by the curve, which is tidegate's default, too; its own verification has to be told."""
    key = world.import_key(f"{form}-{kind}", kind)
    pushed = world.sign(Kind(by=By.KEY, form=form), key=key, repository=world.fresh_repository()).demanding(key=key)
    pushed.verify_by_cosign("--signature-digest-algorithm", digest)
    assert pushed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    refused(pushed.demanding(key=world.stranger_key).verify_by_tidegate())


def test_the_older_signature_as_a_referrer(cosign_path: Path, tmp_path: Path) -> None:
    """cosign's experimental mode: the layer of a ``.sig`` image, found by its subject instead of a tag."""
    experimental = Cosign(cosign_path, tmp_path / "experimental", COSIGN_EXPERIMENTAL="1")
    with OciRegistry() as registry, Services() as services:
        world = cosign_world(experimental, registry, services)
        pushed = world.sign(Kind(by=By.KEY, form=Form.LEGACY), "--registry-referrers-mode", "oci-1-1")
        assert not [tag for tag in pushed.content.tags if tag.endswith(".sig")]
        (referrer,) = pushed.content.referrers(pushed.digest, "application/vnd.dev.cosign.artifact.sig.v1+json")
        (layer,) = json.loads(pushed.content.manifests[referrer["digest"]].content)["layers"]
        pushed.verify_by_cosign("--experimental-oci11")
        material = SignatureLayer(content=pushed.content.blobs[layer["digest"]], annotations=layer["annotations"])
        assert pushed.verify_layer(material).conclusion is Conclusion.VERIFIED
        refused(pushed.demanding(key=world.stranger_key).verify_layer(material))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_registry_without_the_referrers_api(cosign: Cosign, services: Services, kind: Kind) -> None:
    """Bundles then stand in an index under a tag; the older forms do not care."""
    with OciRegistry(referrers_api=False) as registry:
        pushed = cosign_world(cosign, registry, services).sign(kind)
        assert (pushed.digest.replace(":", "-") in pushed.content.tags) == (kind.form is Form.BUNDLE)
        pushed.verify_by_cosign()
        assert pushed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
