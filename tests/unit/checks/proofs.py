"""Policies that require signatures, images with proofs, and what the checks say of them."""

from dataclasses import replace
from typing import Any

from tests.unit.builders import DIGEST, IMAGE, digest, evidence, known, policy, subject
from tidegate.checks.judge import judge
from tidegate.checks.result import CheckResult
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.signature_artifacts import SigningHint
from tidegate.evidence.verification_result import (
    Attempt,
    VerificationResult,
    VerificationResults,
    VerificationState,
    conclude,
)
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import (
    AttestationRules,
    Children,
    KeyedAuthority,
    NotationAuthority,
    PemKey,
    SignatureRules,
)
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import PolicyRequirements, requirements_of

RELEASE = NotationAuthority(name="release", trust_stores=("ca",), trusted_identities=("*",))
VENDOR = KeyedAuthority(name="vendor", key=PemKey(pem="a key"))


def signing(*authorities: Any, children: Children = Children.INDEX_ONLY, **more: Any) -> ImagePolicy:
    return policy(signatures=SignatureRules(any_of=authorities or (RELEASE, VENDOR), children=children), **more)


def attesting(*names: str, **more: Any) -> ImagePolicy:
    rules = (
        AttestationRules(name=name, predicate_type=f"https://types.test/{name}", any_of=(VENDOR,)) for name in names
    )
    return policy(attestations=tuple(rules), **more)


def attempt(state: VerificationState, **changes: Any) -> Attempt:
    said: dict[str, Any] = {}
    if state in {VerificationState.FAILED, VerificationState.UNKNOWN}:
        said = {"clause": "the signing certificate was revoked", "text": "nobody answered"}
    elif state is VerificationState.LOGGED:
        said = {"signer": "CN=release", "logged": ("expiry: it has expired",)}
    else:
        said = {"signer": "CN=release"}
    return Attempt(manifest_digest=digest("signature"), state=state, **(said | changes))


def proof(state: VerificationState, **changes: Any) -> VerificationResult:
    return conclude([] if state is VerificationState.ABSENT else [attempt(state, **changes)], outage=None)


def proved(
    requirements: tuple[Any, ...], *proofs: VerificationResult | None, hints: tuple[SigningHint, ...] = ()
) -> VerificationResults:
    found = {requirement: one for requirement, one in zip(requirements, proofs, strict=True) if one is not None}
    return VerificationResults(by_requirement=found, hints=hints)


def requirements(wanted: ImagePolicy) -> PolicyRequirements:
    return requirements_of(wanted, NO_TRUST)


def with_proofs(found: Any, *, of: Any = DIGEST, **more: Any) -> ImageEvidence:
    facts = found if isinstance(found, dict) else {of: found}
    facts = {one: value if not isinstance(value, VerificationResults) else known(value) for one, value in facts.items()}
    return replace(evidence(**more), proofs=facts)


def judged(wanted: ImagePolicy, collected: ImageEvidence, image: str = IMAGE) -> CheckResult:
    (result,) = judge(wanted, subject(image, collected))
    return result


def of(wanted: ImagePolicy, *proofs: VerificationResult | None, hints: tuple[SigningHint, ...] = ()) -> CheckResult:
    """The result for an image with these proofs, one for each demand of signatures."""
    return judged(wanted, with_proofs(proved(requirements(wanted).signatures, *proofs, hints=hints)))
