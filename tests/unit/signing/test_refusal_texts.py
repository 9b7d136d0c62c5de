"""What users read of each failure of a signature: what is wrong with it, who signed, who may sign, and how to fix it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.pki.aws_signer import JOB, PROFILE, PROFILE_VERSION
from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, SIGNED_AT, sign
from tests.simulator.pki.sigstore import ISSUER, SUBJECT, statement
from tests.unit.builders import DIGEST as IMAGE_DIGEST
from tests.unit.builders import evidence, known, policy, subject
from tests.unit.verify.notation import test_aws_signer as by_aws
from tests.unit.verify.notation.world import TARGET, signer, stores, verify
from tests.unit.verify.notation.world import statement as trust_statement
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    OTHER,
    PROVENANCE,
    altered,
    check,
    flipped,
    key,
    keyed,
    ours,
    root,
    strangers,
)
from tests.unit.verify.sigstore.cases import signer as workload
from tidegate.admission.verdict import Judgement, explain
from tidegate.checks.judge import judge
from tidegate.evidence.verification_result import Attempt, VerificationResults, VerificationState, conclude
from tidegate.policy.signatures import NotationAuthority, SignatureRules
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import requirements_of
from tidegate.strict.pattern import Exact, Pattern
from tidegate.verify.notation.envelope.plugin import VERIFICATION_PLUGIN
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.sigstore.claims import Claims
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.procedure import Verification
from tidegate.verify.sigstore.signer_trust import KeylessTrust
from tidegate.verify.step import StepOutcome, StepResult

MALLORY = "https://github.com/mallory/x/.github/workflows/build.yaml@refs/heads/main"
LATER = SIGNED_AT + timedelta(days=2)
EXPIRED = SIGNED_AT + timedelta(days=1)
OTHER_ACCOUNT = PROFILE.replace("123456789012", "210987654321")
FINGERPRINT = keyed().key.signer.fingerprint  # type: ignore[union-attr]


def decisive(outcome: NotationOutcome | Verification) -> StepResult:
    found = outcome.decisive if isinstance(outcome, NotationOutcome) else outcome.steps[-1]
    assert found is not None
    assert found.outcome in {StepOutcome.FAILED, StepOutcome.UNDECIDED}
    return found


def by_subject(*identities: str) -> NotationOutcome:
    return verify(sign(signer()), policy=trust_statement(identities=identities))


def bundle(by: Any = None, digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    return ours().sign_statement(statement(digest, **more), by or workload())


def mallorys() -> dict[str, Any]:
    return bundle(ours().signer(subject=MALLORY))


def accepting(*subjects: Exact | Pattern) -> Any:
    identities = tuple(SigstoreIdentity(issuer=Exact(text=ISSUER), subject=one) for one in subjects)
    return KeylessTrust(identities=identities, root=root())


def revoked(*entities: str) -> NotationOutcome:
    return by_aws.judge(answer=SignerAnswer(revoked_entities=entities, good_until=by_aws.LATER))


def stolen() -> dict[str, Any]:
    """Mallory's certificate beside a signature that is not Mallory's."""
    return altered(mallorys(), "dsseEnvelope.signatures.0.sig", flipped)


CASES: dict[str, tuple[Callable[[], NotationOutcome | Verification], str, str]] = {
    "an envelope that cannot be read": (lambda: verify(b"{}"), "the signature envelope is malformed", ""),
    "a stranger's certificate": (
        lambda: verify(sign(issue("Mallory", authority("Stranger"), purposes=[CODE_SIGNING]))),
        "the signing certificate is not trusted by trust store acme",
        "",
    ),
    "a scheme without a trust store": (
        lambda: verify(sign(signer(), scheme=AUTHORITY_SCHEME)),
        "the policy names no trust store for signatures of the scheme notary.x509.signingAuthority",
        "",
    ),
    "a signature of another image": (
        lambda: verify(sign(signer()), target=replace(TARGET, digest="sha256:" + "b" * 64)),
        "the signature is for another image",
        "",
    ),
    "required metadata": (
        lambda: verify(sign(signer()), metadata={"env": "prod"}),
        'the signature lacks the required metadata "env"',
        "",
    ),
    "a plugin that is not known": (
        lambda: verify(sign(signer(), extended={VERIFICATION_PLUGIN: "com.example"}, critical=(VERIFICATION_PLUGIN,))),
        "the signature needs a verification plugin that tidegate does not support",
        "",
    ),
    "another subject": (
        lambda: by_subject("x509.subject: C=US, ST=WA, O=Acme, CN=release"),
        f'signed by "{signer().certificate.subject.rfc4514_string()}"',
        '"C=US,CN=release,O=Acme,ST=WA"',
    ),
    "a certificate where a profile has to sign": (
        lambda: by_subject(PROFILE),
        f'signed by "{signer().certificate.subject.rfc4514_string()}"',
        'AWS Signer profile "release" (eu-west-1)',
    ),
    "a signature that expired": (
        lambda: verify(sign(signer(), expiry=EXPIRED), now=LATER),
        f"the signature expired on {EXPIRED.date()}",
        "",
    ),
    "a certificate that expired": (
        lambda: verify(
            sign(issue("short", signer().root, purposes=[CODE_SIGNING], not_after=EXPIRED)),
            trusted=stores(ca=signer().root),
            now=LATER,
        ),
        f"the signing certificate expired on {EXPIRED.date()}",
        "",
    ),
    "no timestamp": (
        lambda: verify(
            sign(signer()),
            policy=trust_statement(stores=("ca:acme", "tsa:acme")),
            trusted=stores(ca=signer().root, tsa=signer().root),
        ),
        "the signature has no timestamp",
        "",
    ),
    "another profile of AWS Signer": (
        lambda: by_aws.judge(identities=[PROFILE + "2", PROFILE + "3"]),
        'signed by AWS Signer profile "release" (eu-west-1)',
        'AWS Signer profile "release2" (eu-west-1) or AWS Signer profile "release3" (eu-west-1)',
    ),
    "a profile of that name of another account": (
        lambda: by_aws.judge(identities=[OTHER_ACCOUNT]),
        'signed by AWS Signer profile "release" (eu-west-1) of another AWS account',
        'AWS Signer profile "release" (eu-west-1)',
    ),
    "another version of the profile": (
        lambda: by_aws.judge(identities=[PROFILE + "/ZZZZZZZZZZ"]),
        f'signed by AWS Signer profile "release" version "{PROFILE_VERSION.rpartition("/")[2]}" (eu-west-1)',
        'AWS Signer profile "release" version "ZZZZZZZZZZ" (eu-west-1)',
    ),
    "a wildcard that AWS Signer does not know": (
        lambda: by_aws.judge(identities=["*"]),
        'signed by AWS Signer profile "release" (eu-west-1)',
        'no AWS Signer profile, because trustedIdentities is "*"',
    ),
    "a revoked profile": (lambda: revoked(PROFILE_VERSION), "the signing profile was revoked", ""),
    "a revoked signature": (lambda: revoked(JOB), "the signature was revoked", ""),
    "a revoked certificate of AWS Signer": (lambda: revoked("ab" * 96), "the signing certificate was revoked", ""),
    "an unknown revocation status": (
        lambda: by_aws.judge(answer=None),
        "the revocation status of the signature is unknown",
        "",
    ),
    "a bundle that cannot be read": (lambda: check(b"{}"), "the signature is malformed", ""),
    "another workload": (
        lambda: check(mallorys()),
        f'signed by "{MALLORY}" (issuer "{ISSUER}")',
        f'"{SUBJECT}" (issuer "{ISSUER}")',
    ),
    "another workload than an expression accepts": (
        lambda: check(mallorys(), accepting(Pattern(text="https://github[.]com/acme/.+"))),
        f'signed by "{MALLORY}" (issuer "{ISSUER}")',
        f'subjectRegExp "https://github[.]com/acme/.+" (issuer "{ISSUER}")',
    ),
    "another workload than any of many": (
        lambda: check(mallorys(), accepting(*(Exact(text=name) for name in "abcde"))),
        f'signed by "{MALLORY}" (issuer "{ISSUER}")',
        " or ".join([*(f'"{name}" (issuer "{ISSUER}")' for name in "abc"), "2 more"]),
    ),
    "somebody else's certificate": (
        lambda: check(stolen()),
        "the signature does not match its signing certificate",
        "",
    ),
    "a certificate of another root": (
        lambda: check(strangers().sign_statement(statement(DIGEST), strangers().signer())),
        "the signing certificate was not issued by a CA of the trusted root",
        "",
    ),
    "a bundle of another image": (
        lambda: check(bundle(digest=OTHER)),
        "the signature is for another image",
        "",
    ),
    "an attestation": (
        lambda: check(bundle(predicate_type=PROVENANCE), claims=Claims()),
        f'it is an attestation of type "{PROVENANCE}", not a signature',
        "",
    ),
    "a key where an identity has to sign": (
        lambda: check(ours().sign_statement_keyed(statement(DIGEST), key())),
        "signed with a key, not with the certificate of an identity",
        f'"{SUBJECT}" (issuer "{ISSUER}")',
    ),
    "an identity where a key has to sign": (
        lambda: check(bundle(), keyed()),
        f"signed with a certificate, not with the key with SHA-256 fingerprint {FINGERPRINT}",
        "",
    ),
    "no log entry": (
        lambda: check(ours().sign_statement_keyed(statement(DIGEST), key(), logged=False), keyed()),
        "the transparency log entry is missing",
        "",
    ),
}


@pytest.mark.parametrize("how", CASES)
def test_a_refusal_says_what_is_wrong_with_the_signature(how: str):
    verified, clause, accepted = CASES[how]
    step = decisive(verified())
    assert (step.clause, step.accepted) == (clause, accepted)
    lines = refusal(step)
    expected = [f"authority release: {clause}", *([f"authority release accepts {accepted}"] if accepted else [])]
    assert lines[0].startswith(f"  signatures SignatureInvalid: {expected[0][:500]} [policy ")
    assert [line.strip()[:199] for line in lines[1:-1]] == [line[:199] for line in expected[1:]]
    assert lines[-1].startswith("    To fix: have one of the authorities sign ")
    assert "arn:" not in "".join(lines)
    assert step.title not in "".join(lines)


def refusal(*steps: StepResult) -> tuple[str, ...]:
    """The lines that a user reads of a signature that ended at such a step, one for each authority."""
    names = ("release", "vendor", "ci")[: len(steps)]
    authorities = tuple(NotationAuthority(name=one, trust_stores=("ca",), trusted_identities=("*",)) for one in names)
    wanted = policy(signatures=SignatureRules(any_of=authorities))
    attempts = [
        Attempt(
            manifest_digest=IMAGE_DIGEST,
            state=VerificationState.FAILED,
            clause=step.clause,
            accepted=step.accepted,
            text=step.text,
        )
        for step in steps
    ]
    required = requirements_of(wanted, NO_TRUST).signatures
    proofs = {one: conclude([attempt], outage=None) for one, attempt in zip(required, attempts, strict=True)}
    facts = replace(evidence(), proofs={IMAGE_DIGEST: known(VerificationResults(by_requirement=proofs))})
    return explain([Judgement(policy=wanted, results=judge(wanted, subject(collected=facts)))])


def test_several_authorities_have_a_line_each():
    lines = refusal(decisive(check(mallorys())), decisive(verify(sign(signer(), expiry=EXPIRED), now=LATER)))
    assert lines[0].startswith("  signatures SignatureInvalid: no valid signature by any of: release, vendor [policy ")
    assert lines[1] == f'    authority release: signed by "{MALLORY}" (issuer "{ISSUER}")'
    assert lines[2] == f"    authority vendor: the signature expired on {EXPIRED.date()}"
    assert lines[3] == f'    authority release accepts "{SUBJECT}" (issuer "{ISSUER}")'
    assert lines[4].startswith("    To fix: ")


HOSTILE = 'https://evil.test/"\n\x1b[31m (issuer "https://accounts.example.com")' + "x" * 3000


def test_the_name_of_a_hostile_signer_stays_within_its_quotes_and_bounds():
    by = ours().signer(subject=HOSTILE, issuer="https://\u202e" + "\u00e9" * 3000)
    text = "\n".join(refusal(decisive(check(bundle(by)))))
    assert '\\"\\n\\u001b[31m' in text
    assert all(line.isascii() and line.isprintable() for line in text.replace("…", "").splitlines())
    assert len(text) < 1500
