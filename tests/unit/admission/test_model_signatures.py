"""Never allowed without a proof of everything that is demanded: random signatures, attestations, proofs and faults.

The same model as ``test_model`` has for the other checks, which are mixed in.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import strategies as some
from tests.unit.admission.test_model import EXAMPLES, FAULTS, decided, expected, faulty
from tests.unit.builders import DIGEST, HOUR, IMAGE, INSTANT, NOW, child, digest, ecr, evidence, host, known, policy
from tidegate.checks.result import Check
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.signature_artifacts import SigningHint, SigningState
from tidegate.evidence.verification_result import (
    Attempt,
    VerificationResult,
    VerificationResults,
    VerificationState,
    conclude,
)
from tidegate.policy.model import Action, ImagePolicy, ScanRules, Tolerance
from tidegate.policy.signatures import (
    AttestationRules,
    Children,
    KeyedAuthority,
    NotationAuthority,
    PemKey,
    SignatureRules,
)
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import requirements_of

RELEASE = NotationAuthority(name="release", trust_stores=("ca",), trusted_identities=("*",))
VENDOR = KeyedAuthority(name="vendor", key=PemKey(pem="a key"))
TEAM = KeyedAuthority(name="team", key=PemKey(pem="another key"))
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
SIGNED = (Check.SIGNATURES, Check.ATTESTATIONS)


def some_authorities(*of: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(of), min_size=1, max_size=2, unique_by=lambda one: one.name).map(tuple)


_attestations = st.lists(
    st.builds(
        AttestationRules,
        name=st.sampled_from(["built", "reviewed"]),
        predicate_type=st.just("https://types.test/one"),
        any_of=some_authorities(VENDOR, TEAM),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda one: one.name,
).map(tuple)

policies: st.SearchStrategy[ImagePolicy] = st.builds(
    policy,
    st.sampled_from(["a", "b"]),
    actions=some.mostly(frozenset({Action.DENY}), st.frozensets(st.sampled_from(Action)), weight=6),
    registries=some.mostly(None, (ecr(),), (host("ghcr.io", "team/*"),)),
    signatures=some.mostly(
        st.builds(SignatureRules, any_of=some_authorities(RELEASE, VENDOR), children=st.sampled_from(Children)),
        None,
        weight=3,
    ),
    attestations=some.mostly(None, _attestations, weight=1),
    scan=some.mostly(None, ScanRules()),
    on_undetermined=some.mostly(Tolerance.DENY, Tolerance.ALLOW, weight=1),
    max_stale=some.mostly(HOUR, some.ZERO, weight=4),
)

_until = some.mostly(None, NOW - INSTANT, NOW, NOW + INSTANT, weight=8)


@st.composite
def proofs_of_one(draw: st.DrawFn) -> VerificationResult:
    """What came of one demand: any number of attempts in any state, or that it could not be tried, or not all be seen."""
    if draw(some.mostly(False, True, weight=15)):
        return VerificationResult(state=VerificationState.UNKNOWN, problem="its trust store cannot be read")
    states = draw(
        some.mostly(st.just([VerificationState.VERIFIED]), st.lists(st.sampled_from(_TRIED), max_size=3), weight=3)
    )
    attempts = [
        Attempt(
            manifest_digest=digest("signature"), state=state, clause="it failed", text="why", good_until=draw(_until)
        )
        for state in states
    ]
    return conclude(attempts, outage=draw(some.mostly(None, Cause.THROTTLED, weight=8)))


_TRIED = (VerificationState.VERIFIED, VerificationState.LOGGED, VerificationState.FAILED, VerificationState.UNKNOWN)
_hints = some.mostly(
    (), st.sampled_from(SigningState).map(lambda state: (SigningHint(profile_arn=PROFILE, state=state),))
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[ImagePolicy], dict[str, ImageEvidence]]:
    """Policies, and evidence that holds proofs for most of what they demand."""
    wanted = draw(st.lists(policies, min_size=1, max_size=2))
    requirements = [requirement for one in wanted for requirement in requirements_of(one, NO_TRUST).all]
    texts = st.lists(some.mostly(IMAGE, st.sampled_from(some.TEXTS)), min_size=1, max_size=2, unique=True)
    return wanted, {text: draw(evidence_for(requirements)) for text in draw(texts)}


@st.composite
def evidence_for(draw: st.DrawFn, requirements: list[Any]) -> ImageEvidence:
    collected = draw(some.collected())
    found = getattr(collected.runnable, "value", ())
    children = [one.digest for one in found] if isinstance(found, tuple) else []
    facts = {}
    for one in dict.fromkeys([DIGEST, *children]):
        by_requirement = {
            requirement: draw(proofs_of_one())
            for requirement in requirements
            if draw(some.mostly(True, False, weight=15))
        }
        if draw(some.mostly(True, False, weight=15)):
            facts[one] = draw(
                some.facts(st.builds(VerificationResults, by_requirement=st.just(by_requirement), hints=_hints))
            )
    return replace(collected, proofs=facts)


@EXAMPLES
@given(cases(), some.NODES)
def test_the_decision_is_the_models(case, nodes):
    wanted, images = case
    assert decided(wanted, images, nodes) is expected(wanted, images, nodes)


@EXAMPLES
@given(cases(), st.dictionaries(st.sampled_from(SIGNED), st.sampled_from([*FAULTS, "drop"]), min_size=1))
def test_no_fault_of_a_check_ever_allows(case, faults):
    wanted, images = case
    with faulty(faults):
        allowed = decided(wanted, images)
    if allowed:
        assert expected(wanted, images, (), faults)


@EXAMPLES
@given(cases(), st.data())
def test_taking_any_one_proof_away_never_allows_more(case, data):
    wanted, images = case
    if decided(wanted, images):
        return
    text = data.draw(st.sampled_from(sorted(images)))
    held = images[text].proofs
    if held:
        gone = data.draw(st.sampled_from(sorted(held)))
        fewer = replace(images[text], proofs={one: fact for one, fact in held.items() if one != gone})
        # What is not known may be tolerated where what is known was not, and only there.
        tolerant = [one for one in wanted if one.on_undetermined is Tolerance.ALLOW]
        assert not decided(wanted, images | {text: fewer}) or tolerant


def signed_by(*authorities: Any, attested: bool = True) -> ImagePolicy:
    rules = AttestationRules(name="built", predicate_type="https://types.test/one", any_of=(VENDOR,))
    return policy(signatures=SignatureRules(any_of=authorities), attestations=(rules,) if attested else None)


def test_the_model_allows_what_is_good_so_that_it_says_something():
    wanted = signed_by(RELEASE)
    good = conclude([Attempt(manifest_digest=digest("signature"), state=VerificationState.VERIFIED)], outage=None)
    by_requirement = dict.fromkeys(requirements_of(wanted, NO_TRUST).all, good)
    images = {IMAGE: replace(evidence(), proofs={DIGEST: known(VerificationResults(by_requirement=by_requirement))})}
    assert decided([wanted], images)
    assert expected([wanted], images)
    for check in SIGNED:
        for fault in [*FAULTS, "drop"]:
            with faulty({check: fault}):
                assert not decided([wanted], images)
    for requirement in by_requirement:
        fewer = {one: proof for one, proof in by_requirement.items() if one is not requirement}
        lacking = {IMAGE: replace(evidence(), proofs={DIGEST: known(VerificationResults(by_requirement=fewer))})}
        assert not decided([wanted], lacking)


@pytest.mark.parametrize("state", [state for state in VerificationState if state is not VerificationState.VERIFIED])
def test_no_other_state_of_a_proof_is_a_pass_without_an_attempt_behind_it(state):
    wanted = signed_by(RELEASE, attested=False)
    (requirement,) = requirements_of(wanted, NO_TRUST).all
    images = {
        IMAGE: replace(
            evidence(),
            proofs={DIGEST: known(VerificationResults(by_requirement={requirement: VerificationResult(state=state)}))},
        )
    }
    assert not decided([wanted], images)


def proofs(**states: VerificationState) -> dict[str, VerificationResult]:
    """A proof in the state for each name."""
    return {
        name: conclude([Attempt(manifest_digest=digest("signature"), state=state, clause="it failed")], outage=None)
        for name, state in states.items()
    }


@pytest.mark.parametrize("order", [("unknown", "failed"), ("failed", "unknown")])
def test_what_may_be_tolerated_of_one_child_never_hides_what_failed_of_another(order):
    rules = SignatureRules(any_of=(RELEASE,), children=Children.ALL)
    wanted = policy(signatures=rules, on_undetermined=Tolerance.ALLOW)
    (requirement,) = requirements_of(wanted, NO_TRUST).all
    of = proofs(itself=VerificationState.VERIFIED, unknown=VerificationState.UNKNOWN, failed=VerificationState.FAILED)
    collected = evidence(runnable=[child(name) for name in order])
    held = {digest(name): of[name] for name in order} | {DIGEST: of["itself"]}
    facts = {one: known(VerificationResults(by_requirement={requirement: proof})) for one, proof in held.items()}
    images = {IMAGE: replace(collected, proofs=facts)}
    assert not expected([wanted], images)
    assert not decided([wanted], images)


@pytest.mark.parametrize("order", [("unknown", "failed"), ("failed", "unknown")])
def test_what_may_be_tolerated_of_one_attestation_never_hides_what_failed_of_another(order):
    rules = tuple(
        AttestationRules(name=name, predicate_type="https://types.test/one", any_of=(VENDOR,)) for name in order
    )
    wanted = policy(attestations=rules, on_undetermined=Tolerance.ALLOW)
    of = proofs(unknown=VerificationState.UNKNOWN, failed=VerificationState.FAILED)
    by_requirement = {
        requirements[0]: of[one.name] for one, requirements in requirements_of(wanted, NO_TRUST).attestations
    }
    images = {IMAGE: replace(evidence(), proofs={DIGEST: known(VerificationResults(by_requirement=by_requirement))})}
    assert not expected([wanted], images)
    assert not decided([wanted], images)
