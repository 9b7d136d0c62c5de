"""What the check ``attestations`` makes of proofs, and both checks of the children of an index and of other registries."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOUR,
    IMAGE,
    NOW,
    child,
    digest,
    ecr,
    host,
    known,
    missing,
    platforms,
    policy,
    subject,
)
from tests.unit.checks.proofs import (
    RELEASE,
    VENDOR,
    attesting,
    judged,
    proof,
    proved,
    requirements,
    signing,
    with_proofs,
)
from tidegate.checks.judge import judge
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.verification_result import VerificationResult, VerificationResults, VerificationState
from tidegate.policy.signatures import AttestationRules, Children, SignatureRules


class TestChildren:
    TWO = (child("amd", "linux/amd64"), child("arm", "linux/arm64"))

    def judged(
        self, amd: VerificationResult, arm: VerificationResult, top: VerificationResult, **more: Any
    ) -> CheckResult:
        wanted = signing(RELEASE, children=Children.ALL, **more)
        signatures = requirements(wanted).signatures
        proofs = {DIGEST: top, digest("amd"): amd, digest("arm"): arm}
        found = {one: proved(signatures, value) for one, value in proofs.items()}
        return judged(wanted, with_proofs(found, runnable=self.TWO))

    @given(st.tuples(*[st.sampled_from(VerificationState)] * 3))
    def test_each_child_and_the_index_need_a_signature_of_their_own(self, states):
        result = self.judged(*map(proof, states))
        good = {VerificationState.VERIFIED, VerificationState.LOGGED}
        assert result.lets_through == (set(states) <= good)
        assert (result.outcome is Outcome.PASS) == (set(states) == {VerificationState.VERIFIED})

    def test_the_child_is_named(self):
        result = self.judged(
            proof(VerificationState.VERIFIED), proof(VerificationState.ABSENT), proof(VerificationState.VERIFIED)
        )
        assert result.found.startswith("linux/arm64: no signature of ")

    def test_a_child_without_a_platform_is_not_named(self):
        wanted = signing(RELEASE, children=Children.ALL)
        signatures = requirements(wanted).signatures
        states = {DIGEST: VerificationState.VERIFIED, digest("plain"): VerificationState.FAILED}
        found = {one: proved(signatures, proof(state)) for one, state in states.items()}
        result = judged(wanted, with_proofs(found, runnable=(child("plain"),)))
        assert result.found.startswith("authority release: ")

    def test_a_child_that_passes_is_told_like_the_index(self):
        verified = proof(VerificationState.VERIFIED)
        result = self.judged(verified, verified, verified)
        assert result.found == "signature by CN=release (authority release)"

    def test_children_count_only_where_the_policy_says_so(self):
        wanted = signing(RELEASE)
        found = {DIGEST: proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED))}
        assert judged(wanted, with_proofs(found, runnable=self.TWO)).outcome is Outcome.PASS

    def test_an_index_without_a_signature_is_refused_for_itself(self):
        unknown, absent = proof(VerificationState.UNKNOWN), proof(VerificationState.ABSENT)
        result = self.judged(unknown, unknown, absent)
        assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SIGNATURE_MISSING)

    def test_old_proofs_of_a_child_count_within_max_stale(self):
        wanted = signing(RELEASE, children=Children.ALL)
        signatures = requirements(wanted).signatures
        found = {
            one: known(proved(signatures, proof(VerificationState.VERIFIED)), old=HOUR, stale=Cause.UNREACHABLE)
            for one in (DIGEST, digest("amd"), digest("arm"))
        }
        assert judged(wanted, with_proofs(found, runnable=self.TWO)).outcome is Outcome.PASS

    def test_only_children_that_may_run_count(self):
        result = self.judged(
            proof(VerificationState.VERIFIED),
            proof(VerificationState.ABSENT),
            proof(VerificationState.VERIFIED),
            platforms=platforms("linux/amd64"),
        )
        assert result.outcome is Outcome.PASS

    def test_the_soonest_limit_of_all_holds(self):
        result = self.judged(
            proof(VerificationState.VERIFIED, good_until=NOW + HOUR),
            proof(VerificationState.VERIFIED),
            proof(VerificationState.VERIFIED, good_until=NOW + DAY),
        )
        assert result.holds_until == NOW + HOUR

    def test_children_that_are_not_known_are_undetermined(self):
        wanted = signing(RELEASE, children=Children.ALL)
        found = {DIGEST: proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED))}
        result = judged(wanted, with_proofs(found, runnable=missing()))
        assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
        assert judged(wanted, with_proofs(found, runnable=self.TWO)).outcome is Outcome.UNDETERMINED


class TestOtherRegistries:
    IMAGE = f"ghcr.io/acme/app@{DIGEST}"

    def test_a_registry_that_the_policy_does_not_list_is_not_asked(self):
        result = judged(signing(RELEASE), with_proofs({}), self.IMAGE)
        assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.REGISTRY_NOT_SUPPORTED)

    def test_a_registry_that_the_policy_lists_is_judged_like_amazon_ecr(self):
        wanted = signing(RELEASE, registries=(host("ghcr.io", "acme/*"), ecr()))
        found = proved(requirements(wanted).signatures, proof(VerificationState.VERIFIED))
        results = judge(wanted, subject(self.IMAGE, with_proofs(found)))
        assert [(one.check, one.outcome) for one in results] == [
            (Check.REGISTRY, Outcome.PASS),
            (Check.SIGNATURES, Outcome.PASS),
        ]


class TestAttestations:
    def judged(self, *states: VerificationState) -> CheckResult:
        wanted = attesting(*(f"kind-{number}" for number in range(len(states))))
        found = {
            requirement: proof(state)
            for (_, (requirement,)), state in zip(requirements(wanted).attestations, states, strict=True)
        }
        return judged(wanted, with_proofs(VerificationResults(by_requirement=found)))

    @given(st.lists(st.sampled_from(VerificationState), min_size=1, max_size=4))
    def test_every_attestation_is_demanded(self, states):
        result = self.judged(*states)
        assert result.lets_through == (set(states) <= {VerificationState.VERIFIED, VerificationState.LOGGED})

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (VerificationState.ABSENT, Reason.ATTESTATION_MISSING),
            (VerificationState.FAILED, Reason.ATTESTATION_INVALID),
            (VerificationState.UNKNOWN, Reason.ATTESTATION_UNDECIDED),
        ],
    )
    def test_the_one_that_lacks_is_named_with_its_type(self, state, reason):
        result = self.judged(VerificationState.VERIFIED, state)
        assert result.reason is reason
        if state is VerificationState.ABSENT:
            assert "attestation kind-1 (https://types.test/kind-1)" in result.found

    def test_a_registry_that_the_policy_does_not_list_is_not_asked(self):
        wanted = attesting("kind")
        (result,) = judge(wanted, subject(f"ghcr.io/acme/app@{DIGEST}", with_proofs({})))
        assert (result.check, result.reason) == (Check.ATTESTATIONS, Reason.REGISTRY_NOT_SUPPORTED)

    def test_an_image_that_is_not_there_has_no_attestation(self):
        result = judged(attesting("kind"), with_proofs({}, detail=Absence.IMAGE))
        assert (result.check, result.reason) == (Check.ATTESTATIONS, Reason.IMAGE_NOT_FOUND)

    def test_a_list_of_none_is_nothing_that_could_pass(self):
        result = judged(policy(attestations=()), with_proofs({}))
        assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.POLICY_INVALID)

    def test_what_each_attestation_says_is_told(self):
        wanted = attesting("one", "two", max_stale=2 * HOUR)
        (first,), (second,) = (needed for _, needed in requirements(wanted).attestations)
        found = {
            first: proof(VerificationState.VERIFIED, good_until=NOW + DAY),
            second: proof(VerificationState.LOGGED, good_until=NOW + HOUR),
        }
        fact = known(VerificationResults(by_requirement=found), old=HOUR, stale=Cause.THROTTLED)
        result = judged(wanted, with_proofs(fact))
        logged = "authority vendor only logs what failed: expiry"
        assert result.found == f"attestation one (https://types.test/one) by CN=release (authority vendor); {logged}"
        stale = "judged by evidence 60 min old: AWS is throttling requests"
        assert result.notes == (stale, f"attestations NotEnforced: {logged}")
        assert result.holds_until == NOW + HOUR

    def test_attestations_that_are_all_proved_pass(self):
        result = self.judged(VerificationState.VERIFIED, VerificationState.VERIFIED)
        assert (result.outcome, result.reason) == (Outcome.PASS, Reason.OK)

    def test_a_refusal_says_how_to_attest(self):
        image = f"{IMAGE.rpartition(':')[0]}@{DIGEST}"
        assert self.judged(VerificationState.ABSENT).remedy == f"have one of the authorities attest {image}"

    def test_a_signature_is_no_attestation(self):
        """The same authority and the same image: what is demanded differs."""
        wanted = policy(
            signatures=SignatureRules(any_of=(VENDOR,)),
            attestations=(AttestationRules(name="sbom", predicate_type="https://t.test", any_of=(VENDOR,)),),
        )
        found = {requirements(wanted).signatures[0]: proof(VerificationState.VERIFIED)}
        results = judge(wanted, subject(collected=with_proofs(VerificationResults(by_requirement=found))))
        assert [(one.check, one.lets_through) for one in results] == [
            (Check.SIGNATURES, True),
            (Check.ATTESTATIONS, False),
        ]
