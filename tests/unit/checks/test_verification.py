"""What the checks ``signatures`` and ``attestations`` make of proofs: one authority is enough, and nothing less is."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOUR,
    IMAGE,
    INSTANT,
    MINUTE,
    NOW,
    broken,
    detail,
    digest,
    known,
    missing,
    policy,
)
from tests.unit.checks.proofs import (
    RELEASE,
    attempt,
    attesting,
    judged,
    of,
    proof,
    proved,
    requirements,
    signing,
    with_proofs,
)
from tidegate.checks.judge import required_checks
from tidegate.checks.result import Check, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import SigningHint, SigningState
from tidegate.evidence.verification_result import MAX_ATTEMPTS, Attempt, VerificationResult, VerificationState, conclude
from tidegate.policy.signatures import SignatureRules

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"


@pytest.mark.parametrize(("first", "second"), list(product(VerificationState, repeat=2)))
def test_one_authority_is_enough_and_nothing_less_is(first, second):
    result = of(signing(), proof(first), proof(second))
    states = {first, second}
    if VerificationState.VERIFIED in states:
        expected = (Outcome.PASS, Reason.OK)
    elif VerificationState.LOGGED in states:
        expected = (Outcome.EXEMPT, Reason.NOT_ENFORCED)
    elif VerificationState.UNKNOWN in states:
        expected = (Outcome.UNDETERMINED, Reason.SIGNATURE_UNDECIDED)
    elif VerificationState.FAILED in states:
        expected = (Outcome.FAIL, Reason.SIGNATURE_INVALID)
    else:
        expected = (Outcome.FAIL, Reason.SIGNATURE_MISSING)
    assert (result.outcome, result.reason) == expected


def test_what_verified_although_something_was_logged_is_no_pass():
    """No verification says so; if one ever did, it must not look like a valid signature."""
    result = of(signing(RELEASE), proof(VerificationState.VERIFIED, logged=("expiry: it has expired",)))
    assert (result.outcome, result.reason) == (Outcome.EXEMPT, Reason.NOT_ENFORCED)


def test_a_verified_proof_without_the_attempt_that_proves_it_is_none():
    assert not of(signing(RELEASE), VerificationResult(state=VerificationState.VERIFIED)).lets_through


def test_an_authority_that_was_not_asked_is_undetermined():
    result = of(signing(), proof(VerificationState.ABSENT), None)
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.EVIDENCE_LACKING)


def test_proofs_of_another_policy_object_count_for_nothing():
    """A demand is compared by identity: the same words in a new object are a new demand."""
    old, new = signing(RELEASE), signing(RELEASE)
    collected = with_proofs(proved(requirements(old).signatures, proof(VerificationState.VERIFIED)))
    assert judged(old, collected).outcome is Outcome.PASS
    assert judged(new, collected).outcome is Outcome.UNDETERMINED


def test_proofs_of_another_digest_count_for_nothing():
    wanted = signing(RELEASE)
    collected = with_proofs(
        proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED)), of=digest("other")
    )
    assert judged(wanted, collected).outcome is Outcome.UNDETERMINED


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        pytest.param({"detail": Absence.IMAGE}, Outcome.FAIL, Reason.IMAGE_NOT_FOUND, id="an image that is not there"),
        pytest.param(
            {"detail": missing()}, Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK, id="an image that is not known"
        ),
    ],
)
def test_an_image_that_is_not_there_has_no_signature(changes, outcome, reason):
    wanted = signing(RELEASE)
    found = proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED))
    result = judged(wanted, with_proofs(found, **changes))
    assert (result.outcome, result.reason) == (outcome, reason)


def test_signatures_that_could_not_be_looked_for_are_undetermined():
    result = judged(signing(), with_proofs(missing(Cause.THROTTLED)))
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert "AWS is throttling requests" in result.found


def test_signatures_of_which_some_could_not_be_looked_at_are_undetermined():
    result = of(signing(RELEASE), conclude([attempt(VerificationState.FAILED)], outage=Cause.UNREACHABLE))
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert "tidegate could not read every signature" in result.found


def test_a_valid_signature_counts_although_others_could_not_be_looked_at():
    assert of(signing(RELEASE), conclude([attempt(VerificationState.VERIFIED)], outage=Cause.UNREACHABLE)).lets_through


@pytest.mark.parametrize(
    ("old", "outcome"), [(HOUR, Outcome.PASS), (HOUR + timedelta(seconds=1), Outcome.UNDETERMINED)]
)
def test_old_proofs_count_within_max_stale(old, outcome):
    wanted = signing(RELEASE)
    fact = known(
        proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED)), old=old, stale=Cause.UNREACHABLE
    )
    result = judged(wanted, with_proofs(fact))
    assert result.outcome is outcome
    if outcome is Outcome.PASS:
        assert result.holds_until == NOW
        assert "judged by evidence 60 min old" in result.notes[0]


@pytest.mark.parametrize("section", ["signatures", "attestations"])
@pytest.mark.parametrize(("old", "passes"), [(HOUR - MINUTE, True), (HOUR + INSTANT, False)])
def test_an_old_description_of_the_image_counts_within_max_stale(section, old, passes):
    wanted = signing(RELEASE) if section == "signatures" else attesting("kind")
    all_of_them = requirements(wanted)
    needed = all_of_them.signatures or all_of_them.attestations[0][1]
    found = proved(needed, proof(VerificationState.VERIFIED))
    result = judged(wanted, with_proofs(found, detail=known(detail(), old=old, stale=Cause.THROTTLED)))
    if passes:
        assert (result.outcome, result.holds_until) == (Outcome.PASS, NOW + MINUTE)
        assert result.notes == ("judged by evidence 59 min old: AWS is throttling requests",)
    else:
        assert (result.check.value, result.outcome, result.reason) == (section, Outcome.UNDETERMINED, Reason.STALE)


def test_a_proof_holds_as_long_as_it_says():
    result = of(signing(RELEASE), proof(VerificationState.VERIFIED, good_until=NOW + DAY))
    assert result.holds_until == NOW + DAY


@pytest.mark.parametrize("state", [VerificationState.VERIFIED, VerificationState.LOGGED])
@pytest.mark.parametrize(
    ("left", "outcome"),
    [(timedelta(microseconds=1), None), (timedelta(0), Outcome.UNDETERMINED), (-DAY, Outcome.UNDETERMINED)],
    ids=["a moment before", "at the moment", "a day later"],
)
def test_a_proof_counts_no_longer_than_it_may_be_believed(state, left, outcome):
    result = of(signing(RELEASE), proof(state, good_until=NOW + left))
    assert result.lets_through is (outcome is None)
    if outcome is not None:
        assert (result.outcome, result.reason) == (outcome, Reason.EVIDENCE_LACKING)


def test_time_makes_no_doubt_of_a_failure():
    result = of(signing(RELEASE), proof(VerificationState.FAILED, good_until=NOW - DAY))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SIGNATURE_INVALID)


def test_what_is_only_logged_is_told_with_authority_signer_and_failure():
    result = of(signing(RELEASE), proof(VerificationState.LOGGED))
    assert result.notes == ("signatures NotEnforced: authority release only logs what failed: expiry",)
    assert result.cause == "signature by CN=release; expiry: it has expired"


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (SigningState.IN_PROGRESS, Reason.SIGNATURE_PENDING, "Amazon ECR is still signing the image"),
        (SigningState.FAILED, Reason.SIGNATURE_MISSING, "; Amazon ECR could not sign it"),
        (SigningState.COMPLETE, Reason.SIGNATURE_MISSING, "no signature of"),
        (SigningState.UNKNOWN, Reason.SIGNATURE_MISSING, "no signature of"),
    ],
)
def test_what_ecr_says_of_its_own_signing_explains_and_never_decides(state, reason, words):
    hint = SigningHint(profile_arn=PROFILE, state=state, failure_reason="no such profile")
    result = of(signing(RELEASE), proof(VerificationState.ABSENT), hints=(hint,))
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert words in result.found
    assert PROFILE not in result.found
    assert "no such profile" not in result.found
    if state in {SigningState.IN_PROGRESS, SigningState.FAILED}:
        assert PROFILE in result.cause


REVOKED = Attempt(
    manifest_digest=DIGEST,
    state=VerificationState.FAILED,
    clause="the signing certificate was revoked",
    text="the certificate is revoked",
    signer="CN=release",
    revoked=True,
)


@pytest.mark.parametrize("first", [VerificationState.FAILED, VerificationState.ABSENT])
def test_a_revoked_signature_has_its_own_reason_and_nobody_is_told_to_sign_again(first):
    withdrawn = VerificationResult(state=VerificationState.FAILED, decisive=REVOKED, attempts=(REVOKED,))
    result = of(signing(), proof(first), withdrawn)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SIGNATURE_REVOKED)
    assert result.found == "authority vendor: the signing certificate was revoked"
    assert result.cause == "authority vendor: signed by CN=release: the certificate is revoked"
    assert result.remedy.startswith("ask the signer why it was revoked")
    assert "have one of the authorities sign" not in result.remedy


@pytest.mark.parametrize("first", [True, False])
def test_what_was_revoked_is_told_before_what_failed_otherwise(first):
    others = [attempt(VerificationState.FAILED, signer=""), attempt(VerificationState.FAILED, signer="CN=release")]
    among = [REVOKED, *others] if first else [*others, REVOKED]
    assert conclude(among, outage=None).decisive is REVOKED
    assert conclude(others, outage=None).decisive is others[1]


def test_a_valid_signature_passes_beside_a_revoked_one_of_another_authority():
    withdrawn = VerificationResult(state=VerificationState.FAILED, decisive=REVOKED, attempts=(REVOKED,))
    assert of(signing(), withdrawn, proof(VerificationState.VERIFIED)).outcome is Outcome.PASS


def test_bytes_that_are_not_the_images_fail_every_authority():
    lie = VerificationResult(state=VerificationState.FAILED, problem="the bytes stored have another digest")
    result = of(signing(RELEASE), lie)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SIGNATURE_INVALID)
    assert result.found == "authority release: the manifest of the image in the registry is not valid"
    assert result.cause == "authority release: the bytes stored have another digest"


def test_trust_that_cannot_be_used_names_authority_and_problem():
    unusable = VerificationResult(state=VerificationState.UNKNOWN, problem="there is no TrustStore ca")
    result = of(signing(RELEASE), unusable)
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.TRUST_UNUSABLE)
    assert result.found == "authority release cannot be verified: a trust store or a key is unusable"
    assert result.cause == "there is no TrustStore ca"


def test_a_refusal_says_what_is_wrong_and_how_to_sign():
    result = of(signing(), proof(VerificationState.FAILED), proof(VerificationState.ABSENT))
    assert result.found == "authority release: the signing certificate was revoked"
    assert result.cause.endswith("nobody answered")
    assert result.remedy == f"have one of the authorities sign {IMAGE.rpartition(':')[0]}@{DIGEST}"


def test_an_image_whose_signatures_were_not_looked_up_is_undetermined():
    result = judged(signing(RELEASE), with_proofs({}))
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert result.found == "could not check: it was not looked up"


def test_a_refusal_tells_of_each_authority_and_only_causes_that_are_known():
    anonymous, named = (proof(VerificationState.FAILED, signer=signer) for signer in ("", "CN=release"))
    result = of(signing(), proof(VerificationState.FAILED, clause=""), named)
    assert result.found == "no valid signature by any of: release, vendor"
    assert result.details == (
        "authority release: the signature is not valid",
        "authority vendor: the signing certificate was revoked",
    )
    signed = "authority vendor: signed by CN=release: nobody answered"
    assert of(signing(), anonymous, named).cause == f"authority release: nobody answered; {signed}"
    assert of(signing(), proof(VerificationState.FAILED, text=""), named).cause == signed


def test_a_missing_signature_names_the_authorities():
    absent = proof(VerificationState.ABSENT)
    assert of(signing(), absent, absent).found.endswith(" by any of: release, vendor")


RETRY = "retry, and tell the platform team if it persists"


@pytest.mark.parametrize(
    ("found", "words", "remedy"),
    [
        (None, "authority release was not verified", RETRY),
        (proof(VerificationState.UNKNOWN), "authority release: the signing certificate was revoked", RETRY),
        (
            VerificationResult(state=VerificationState.UNKNOWN, problem="there is no TrustStore ca"),
            "authority release cannot be verified: a trust store or a key is unusable",
            "ask the platform team to correct the policy or its trust stores, whose status says what is wrong",
        ),
    ],
    ids=["not asked", "not decided", "no trust"],
)
def test_what_is_undecided_says_why_and_what_to_do(found, words, remedy):
    result = of(signing(RELEASE), found)
    assert (result.found, result.remedy) == (words, remedy)
    assert (result.cause == "") == (found is None)


def test_a_signature_that_is_still_to_come_is_worth_a_retry():
    hint = SigningHint(profile_arn=PROFILE, state=SigningState.IN_PROGRESS)
    result = of(signing(RELEASE), proof(VerificationState.ABSENT), hints=(hint,))
    assert (result.found, result.remedy) == ("Amazon ECR is still signing the image", "retry in a minute")


def test_what_is_only_logged_holds_no_longer_than_it_may_be_believed_and_repeats_no_words_of_others():
    logged = ("expiry: at https://host.internal: late", "revocation: a: b")
    result = of(signing(RELEASE), proof(VerificationState.LOGGED, good_until=NOW + DAY, logged=logged))
    assert result.outcome is Outcome.EXEMPT
    assert result.holds_until == NOW + DAY
    assert result.found == "authority release only logs what failed: expiry, revocation"
    assert result.remedy == "set its level to strict"


@pytest.mark.parametrize(("count", "more"), [(1, ""), (2, " (and 1 more tried)"), (3, " (and 2 more tried)")])
def test_a_refusal_says_how_many_signatures_were_tried(count, more):
    tried = conclude([attempt(VerificationState.FAILED)] * count, outage=None)
    assert of(signing(RELEASE), tried).found == f"authority release: the signing certificate was revoked{more}"


def test_hostile_words_of_a_signature_are_made_harmless():
    result = of(signing(RELEASE), proof(VerificationState.FAILED, text="\x1b[31m" + "x" * 1000))
    assert "\x1b" not in result.found + result.cause
    assert len(result.cause) < 400


def test_both_sections_are_demanded_by_name():
    both = policy(signatures=SignatureRules(any_of=(RELEASE,)), attestations=attesting("x").attestations)
    assert required_checks(both) == (Check.SIGNATURES, Check.ATTESTATIONS)
    assert required_checks(broken()) == (Check.POLICY,)


@given(
    st.lists(
        st.sampled_from([state for state in VerificationState if state is not VerificationState.ABSENT]), max_size=12
    )
)
def test_a_proof_is_good_only_by_a_good_attempt(states):
    found = conclude([attempt(state) for state in states], outage=None)
    assert (found.state is VerificationState.VERIFIED) == (VerificationState.VERIFIED in states)
    assert (found.state is VerificationState.ABSENT) == (not states)
    assert len(found.attempts) <= MAX_ATTEMPTS
    if found.decisive is not None:
        assert found.decisive.state is found.state
