"""What is remembered of verified signatures, for how long, and what an error in verifying one does to the others."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.gather.fakes import APP, IMAGE, build_limiters
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.fact import Missing
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, FoundArtifacts, SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.gather import signature_verifications as proving
from tidegate.gather.lifetimes import FAILED_SECONDS, UNDECIDED_SECONDS, VERIFIED_SECONDS
from tidegate.gather.revocations import Revocations
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.images.digest import digest_of
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import Requirement
from tidegate.signing.verifier import Examination, SignedImage
from tidegate.verify.notation.revocation.material import CrlQuestion

SIGNED = SignedImage(
    repository=f"{APP.registry.host}/{APP.name}", manifest=Descriptor(media_type=OCI_MANIFEST, digest=IMAGE, size=7)
)
GOOD, BAD, CURSED = b"good", b"bad", b"cursed"


class PanicException(BaseException):
    """What a library's panic is raised as."""


class Verifier:
    """Finds signatures good that say so; ``verified`` notes each that it was given."""

    thumbprints: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.verified: list[bytes] = []
        self.lives: timedelta | None = None
        self.curse: type[BaseException] = RuntimeError

    def verify(self, artifact: SignatureArtifact, image: SignedImage, *, now: Any, revocation: Any) -> Examination:
        self.verified.append(artifact.envelope)
        if artifact.envelope == CURSED:
            raise self.curse("hostile bytes")
        state = VerificationState.VERIFIED if artifact.envelope == GOOD else VerificationState.FAILED
        until = None if self.lives is None else now + self.lives
        return Examination(
            attempt=Attempt(
                manifest_digest=artifact.manifest_digest, state=state, signer="CN=release", good_until=until
            )
        )


class Counted(Mapping[str, str]):
    """Annotations that count how often they are read."""

    def __init__(self, **values: str) -> None:
        self.values_by_name = values
        self.reads = 0

    def __getitem__(self, name: str) -> str:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        self.reads += 1
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@pytest.fixture
def verifier(monkeypatch) -> Verifier:
    one = Verifier()
    monkeypatch.setattr(proving, "prepare", lambda _: one)
    return one


@pytest.fixture
async def verifications(aws, clock, executor, seen) -> SignatureVerifications:
    revocations = Revocations(sources=aws.sources(), limiters=build_limiters(clock, executor, seen), clock=clock)
    return SignatureVerifications(revocations=revocations, clock=clock, limit=100, executor=executor)


def requirement(name: str = "release") -> Requirement:
    return Requirement(
        authority=NotationAuthority(name=name, trust_stores=("ca",), trusted_identities=("*",)), trust=NO_TRUST
    )


def artifact(envelope: bytes, annotations: Mapping[str, str] | None = None) -> SignatureArtifact:
    return SignatureArtifact(
        kind=ArtifactKind.NOTATION,
        envelope=envelope,
        envelope_media_type="application/jose+json",
        envelope_digest=digest_of(envelope),
        manifest_digest=digest_of(b"manifest of " + envelope),
        subject=None,
        layer_annotations=annotations or {},
    )


def found(*artifacts: bytes | SignatureArtifact) -> FoundArtifacts:
    made = (one if isinstance(one, SignatureArtifact) else artifact(one) for one in artifacts)
    return FoundArtifacts(artifacts=tuple(made), skipped=(), complete=True)


@pytest.mark.parametrize("curse", [RuntimeError, MemoryError, PanicException])
async def test_an_error_in_verifying_one_signature_hides_no_other(verifications, verifier, curse):
    wanted, verifier.curse = requirement(), curse
    proofs, _ = await verifications.get((SIGNED, found(CURSED, GOOD), [wanted]))
    assert proofs[wanted].state is VerificationState.VERIFIED


async def test_who_makes_verification_fail_has_signed_nothing(verifications, verifier):
    """Nor is it "not known", which some policies tolerate."""
    wanted = requirement()
    proofs, _ = await verifications.get((SIGNED, found(CURSED), [wanted]))
    decisive = proofs[wanted].decisive
    assert decisive is not None
    assert (proofs[wanted].state, decisive.clause, decisive.text) == (
        VerificationState.FAILED,
        "tidegate could not verify the signature because of an internal error",
        "an error inside tidegate (RuntimeError)",
    )
    assert "hostile" not in decisive.text


async def test_an_error_is_not_remembered(verifications, verifier):
    wanted = requirement()
    _, until = await verifications.get((SIGNED, found(CURSED), [wanted]))
    assert until <= verifications._clock.monotonic() + UNDECIDED_SECONDS
    assert isinstance(verifications.peek((SIGNED, found(CURSED), [wanted]))[0], Missing)


@pytest.mark.parametrize(
    ("envelope", "seconds"), [(GOOD, VERIFIED_SECONDS), (BAD, FAILED_SECONDS)], ids=["good", "bad"]
)
async def test_what_was_decided_is_remembered_for_its_time(verifications, verifier, clock, envelope, seconds):
    wanted = requirement()
    before = clock.monotonic()
    await verifications.get((SIGNED, found(envelope), [wanted]))
    clock.seconds = before + seconds - 1
    assert not isinstance(verifications.peek((SIGNED, found(envelope), [wanted]))[0], Missing)
    clock.advance(2)
    assert isinstance(verifications.peek((SIGNED, found(envelope), [wanted]))[0], Missing)


@pytest.mark.parametrize(
    "changed",
    [
        {"image": SignedImage(repository="elsewhere/app", manifest=SIGNED.manifest)},
        {
            "image": SignedImage(
                repository=SIGNED.repository, manifest=Descriptor(media_type=OCI_MANIFEST, digest=IMAGE, size=8)
            )
        },
        {"demand": requirement()},
        {"artifact": artifact(GOOD, {"dev.cosignproject.cosign/signature": "another"})},
    ],
    ids=["another repository", "another size", "the same demand of another policy or trust", "another annotation"],
)
async def test_what_was_proved_of_one_counts_for_no_other(verifications, verifier, changed):
    wanted = requirement()
    await verifications.get((SIGNED, found(GOOD), [wanted]))
    assert not isinstance(verifications.peek((SIGNED, found(GOOD), [wanted]))[0], Missing)
    asked = found(changed.get("artifact", GOOD))
    key = changed.get("image", SIGNED), asked, [changed.get("demand", wanted)]
    assert isinstance(verifications.peek(key)[0], Missing)


async def test_a_certificate_expires_though_the_monotonic_clock_stood_still(
    verifications, verifier, clock, monkeypatch
):
    """As on a machine that slept: only wall time tells."""
    wanted, verifier.lives = requirement(), timedelta(minutes=10)
    await verifications.get((SIGNED, found(GOOD), [wanted]))
    assert not isinstance(verifications.peek((SIGNED, found(GOOD), [wanted]))[0], Missing)
    monkeypatch.setattr(clock, "now", lambda: EPOCH + timedelta(minutes=11))
    assert isinstance(verifications.peek((SIGNED, found(GOOD), [wanted]))[0], Missing)


async def test_long_annotations_are_read_once_and_not_at_every_request(verifications, verifier):
    wanted, annotations = requirement(), Counted(note="x" * 1000)
    signature = artifact(GOOD, annotations)
    reads = annotations.reads
    await verifications.get((SIGNED, found(signature), [wanted]))
    assert not isinstance(verifications.peek((SIGNED, found(signature), [wanted]))[0], Missing)
    assert annotations.reads == reads


async def test_nothing_is_remembered_while_a_service_has_yet_to_answer(verifications, verifier, monkeypatch):
    """Else an authority that only logs revocation would never look at the answer that it asked for."""
    wanted, question = requirement(), CrlQuestion(url="http://crl.test/a.crl")
    seen: list[bool] = []

    def verify(artifact: SignatureArtifact, _image: SignedImage, *, now: Any, revocation: Any) -> Examination:
        seen.append(question in revocation.answers)
        state = VerificationState.VERIFIED if seen[-1] else VerificationState.LOGGED
        attempt = Attempt(manifest_digest=artifact.manifest_digest, state=state, signer="CN=release")
        return Examination(attempt=attempt, questions=() if seen[-1] else (question,))

    monkeypatch.setattr(verifier, "verify", verify)
    proofs, _ = await verifications.get((SIGNED, found(GOOD), [wanted]))
    assert seen == [False, True]
    assert proofs[wanted].state is VerificationState.VERIFIED
