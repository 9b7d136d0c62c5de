"""AWS Signer's signatures: the signing profile is the signer, and one question decides about revocation."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.pki import aws_signer
from tests.simulator.pki.aws_signer import JOB, PROFILE, PROFILE_VERSION, sign_as_aws, signer_leaf
from tests.simulator.pki.envelopes import COSE, JWS, SIGNED_AT, X509_SCHEME
from tests.unit.verify.notation.world import NOW, failed_step, refusal, statement, stores, verify
from tidegate.evidence.revocation import SignerQuestion
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.revocation.material import NoAnswer, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer, certificate_hashes
from tidegate.verify.notation.x509.certificate import load_certificate
from tidegate.verify.step import Conclusion, StepOutcome

LEAF = signer_leaf()
STORES = stores(signingAuthority=LEAF.root, ca=LEAF.root)
LATER = NOW + timedelta(days=900)
NOTHING_REVOKED = SignerAnswer(revoked_entities=(), good_until=LATER + timedelta(minutes=30))


def judge(
    envelope: bytes | None = None,
    *,
    identities: Sequence[str] = (PROFILE,),
    answer: SignerAnswer | NoAnswer | None = NOTHING_REVOKED,
    media_type: str = JWS,
    **verification: Any,
) -> NotationOutcome:
    """Verify years later, with the answer to whatever question arises."""
    policy = statement(stores=("signingAuthority:acme",), identities=identities, **verification)
    envelope = envelope or sign_as_aws(LEAF)
    outcome = verify(envelope, media_type, policy=policy, trusted=STORES, now=LATER)
    if answer is None or not outcome.questions:
        return outcome
    material = RevocationMaterial(answers=dict.fromkeys(outcome.questions, answer))
    return verify(envelope, media_type, policy=policy, trusted=STORES, now=LATER, revocation=material)


@pytest.mark.parametrize(
    "identities",
    [
        pytest.param([PROFILE], id="N45-profile"),
        pytest.param([PROFILE_VERSION], id="N45-version"),
        pytest.param(["arn:aws:signer:eu-west-1:123456789012:/signing-profiles/other", PROFILE], id="N45-second"),
        pytest.param(["x509.subject: C=US, ST=WA, O=nobody", PROFILE], id="N45-beside-a-subject"),
    ],
)
def test_a_trusted_profile_is_verified(identities: Sequence[str]):
    """The leaf was valid for days, the signature holds for years: its time is vouched for."""
    outcome = judge(identities=identities)
    assert outcome.conclusion is Conclusion.VERIFIED
    assert outcome.signer is not None
    assert outcome.signer.profile is not None
    assert outcome.signer.profile.version_arn == PROFILE_VERSION
    assert outcome.good_until == NOTHING_REVOKED.good_until


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        pytest.param(["*"], "does not support wildcard identity in the trust policy.", id="N45-wildcard"),
        *(
            pytest.param([identity], "Signature publisher doesn't match any trusted identities.", id=f"N45-{label}")
            for label, identity in {
                "other-name": PROFILE + "2",
                "name-in-other-case": PROFILE.replace("release", "Release"),
                "prefix": PROFILE[:-1],
                "other-version": PROFILE + "/ZZZZZZZZZZ",
                "trailing-slash": PROFILE + "/",
                "other-account": PROFILE.replace("123456789012", "210987654321"),
                "other-region": PROFILE.replace("eu-west-1", "eu-west-2"),
                "other-service": PROFILE.replace(":signer:", ":signers:"),
                "job": JOB,
                "asterisk": PROFILE.replace("release", "*"),
                "subject-only": "x509.subject: C=US, ST=WA, O=AWS",
                "line-break": PROFILE + "\n",
            }.items()
        ),
    ],
)
def test_another_identity_is_refused(identities: Sequence[str], expected: str):
    """Profiles are compared character by character; the plugin's disregard of case is not followed."""
    outcome = judge(identities=identities)
    text = refusal(outcome)
    assert expected in text
    assert text.startswith("trusted identify verification by plugin")
    assert failed_step(outcome) == 7
    assert outcome.questions == ()
    assert outcome.signer is None


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        pytest.param(
            {"com.amazonaws.signer.signingProfileVersion": None},
            {},
            'unable to parse attribute "com.amazonaws.signer.signingProfileVersion".',
            id="N45-no-profile",
        ),
        pytest.param(
            {"com.amazonaws.signer.signingJob": None},
            {},
            'unable to parse attribute "com.amazonaws.signer.signingJob".',
            id="N45-no-job",
        ),
        pytest.param({"com.amazonaws.signer.signingJob": 7}, {}, "unable to parse attribute", id="N45-job-is-a-number"),
        pytest.param({"com.amazonaws.signer.signingJob": "x"}, {}, "unable to parse attribute", id="N45-job-is-no-arn"),
        pytest.param(
            {"com.amazonaws.signer.signingProfileVersion": PROFILE}, {}, "unable to parse", id="N45-no-version"
        ),
        pytest.param(
            {"com.amazonaws.signer.signingProfileVersion": PROFILE_VERSION + "/x"}, {}, "unable to parse", id="N45-more"
        ),
        pytest.param({}, {"scheme": X509_SCHEME}, "verifies signatures of scheme", id="N45-other-scheme"),
        pytest.param(
            {"com.example.new": "x"},
            {},
            'critical attribute "com.example.new" was not processed',
            id="N40-beside-a-plugin",
        ),
    ],
)
def test_an_odd_envelope_is_refused(changes: dict[str, Any], options: dict[str, Any], expected: str):
    """What AWS Signer does not write is not from AWS Signer."""
    outcome = judge(sign_as_aws(LEAF, changes=changes, **options))
    if "scheme" in options:
        policy = statement(stores=("ca:acme",), identities=(PROFILE,))
        outcome = verify(sign_as_aws(LEAF, changes=changes, **options), policy=policy, trusted=STORES)
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 6


@pytest.mark.parametrize("media_type", [pytest.param(COSE, id="N45-cose")])
def test_aws_signer_makes_no_cose(media_type: str):
    """Its envelopes are JWS."""
    outcome = judge(sign_as_aws(LEAF, media_type), media_type=media_type)
    assert "verifies envelopes of type application/jose+json only" in refusal(outcome)


@pytest.mark.parametrize("platform", [pytest.param("Notation-OCI-SHA384-ECDSA", id="N45-question")])
def test_the_question_is_what_the_service_wants(platform: str):
    """Profile, job, time and a pair of hashes a certificate; to the region of the profile."""
    outcome = judge(answer=None)
    assert outcome.conclusion is Conclusion.INCONCLUSIVE
    (question,) = outcome.questions
    assert isinstance(question, SignerQuestion)
    hashes = [hashlib.sha384(load_certificate(der).tbs).hexdigest() for der in LEAF.ders]
    assert question == SignerQuestion(
        profile_version_arn=PROFILE_VERSION,
        job_arn=JOB,
        signed_at=SIGNED_AT,
        platform=platform,
        certificate_hashes=(hashes[0] + hashes[1], hashes[1] + hashes[2], hashes[2] + hashes[3], hashes[3] * 2),
    )


@pytest.mark.parametrize("count", [pytest.param(count, id=f"N45-hashes-of-{count}") for count in (1, 2, 4)])
def test_a_root_stands_for_its_own_issuer(count: int):
    """Each entry has 192 hexadecimal digits; the last repeats the root."""
    found = certificate_hashes(bytes([number]) for number in range(count))
    assert [len(entry) for entry in found] == [192] * count
    assert found[-1][:96] == found[-1][96:]


@pytest.mark.parametrize(
    ("answer", "expected", "conclusion"),
    [
        pytest.param(
            SignerAnswer(revoked_entities=(PROFILE_VERSION, JOB), good_until=LATER),
            f"Resource(s) {PROFILE_VERSION}, {JOB} have been revoked.",
            Conclusion.FAILED,
            id="N45-revoked-resources",
        ),
        pytest.param(
            SignerAnswer(revoked_entities=("ab" * 96,), good_until=LATER),
            "Certificate(s) have been revoked.",
            Conclusion.FAILED,
            id="N45-revoked-certificate",
        ),
        pytest.param(
            NoAnswer(reason="AccessDeniedException"),
            "GetRevocationStatus call failed with error: AccessDeniedException",
            Conclusion.INCONCLUSIVE,
            id="N45-no-answer",
        ),
        pytest.param(
            SignerAnswer(revoked_entities=(), good_until=LATER - timedelta(seconds=1)),
            "AWS Signer's revocation status is not available",
            Conclusion.INCONCLUSIVE,
            id="N45-stale-answer",
        ),
    ],
)
def test_only_a_good_answer_passes(answer: SignerAnswer | NoAnswer, expected: str, conclusion: Conclusion):
    """Revoked is a failure; no answer, or an old one, is no answer."""
    outcome = judge(answer=answer)
    assert expected in refusal(outcome)
    assert outcome.conclusion is conclusion
    assert failed_step(outcome) == 10


def test_an_answer_that_names_no_question_counts_for_the_signature_that_is_verified():
    """It was asked for by hand, as of one file; an answer to the very question comes before it."""
    policy = statement(stores=("signingAuthority:acme",), identities=(PROFILE,))
    envelope = sign_as_aws(LEAF)

    def conclusion(material: RevocationMaterial) -> Conclusion:
        return verify(envelope, policy=policy, trusted=STORES, now=LATER, revocation=material).conclusion

    assert conclusion(RevocationMaterial(signer=NOTHING_REVOKED)) is Conclusion.VERIFIED
    revoked = SignerAnswer(revoked_entities=(JOB,), good_until=LATER)
    assert conclusion(RevocationMaterial(signer=revoked)) is Conclusion.FAILED
    (question,) = judge(answer=None).questions
    material = RevocationMaterial(answers={question: revoked}, signer=NOTHING_REVOKED)
    assert conclusion(material) is Conclusion.FAILED


@pytest.mark.parametrize("override", [pytest.param({"revocation": "skip"}, id="N45-revocation-skipped")])
def test_revocation_may_be_skipped(override: dict[str, str]):
    """Then nothing is asked, neither AWS Signer nor the CRL that the leaf names."""
    outcome = judge(answer=None, override=override)
    assert outcome.conclusion is Conclusion.VERIFIED
    assert outcome.questions == ()
    assert outcome.steps[-1].outcome is StepOutcome.SKIPPED


@pytest.mark.parametrize("kind", [pytest.param("ca", id="N45-store-of-another-kind")])
def test_the_trust_store_stays_ours(kind: str):
    """The plugin's logic replaces identity and revocation, not the anchor."""
    policy = statement(stores=(f"{kind}:acme",), identities=(PROFILE,))
    outcome = verify(sign_as_aws(LEAF), policy=policy, trusted=STORES, now=LATER)
    assert "no trusted certificates are found to verify authenticity" in refusal(outcome)
    assert failed_step(outcome) == 2


@pytest.mark.parametrize("days", [pytest.param(135 * 30, id="N45-expiry-stays-ours")])
def test_expiry_stays_ours(days: int):
    """An expired signature is refused without a question."""
    policy = statement(stores=("signingAuthority:acme",), identities=(PROFILE,))
    outcome = verify(sign_as_aws(LEAF), policy=policy, trusted=STORES, now=SIGNED_AT + timedelta(days=days))
    assert "digital signature has expired" in refusal(outcome)
    assert outcome.questions == ()


def test_the_simulated_authority_is_like_the_real_one():
    """Four certificates with P-384 keys, days of validity."""
    assert len(LEAF.chain) == 4
    assert {identity.key.key_size for identity in LEAF.chain if hasattr(identity.key, "key_size")} == {384}
    assert aws_signer.attributes()["io.cncf.notary.verificationPlugin"] == "com.amazonaws.signer.notation.plugin"
