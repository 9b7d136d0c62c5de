"""A fact that is missing or too stale is undetermined; a stale one bounds and notes a result."""

from dataclasses import replace

import pytest

from tests.unit.builders import (
    HOUR,
    INSTANT,
    MINUTE,
    NOW,
    known,
    missing,
    policy,
    short,
    subject,
)
from tidegate.checks.messages import cause_words
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, Shortfall
from tidegate.checks.staleness import earliest, resting_on, usable
from tidegate.evidence.fact import Cause, Known

RULES = policy()


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_of_a_missing_fact_is_undetermined_in_its_own_words(cause):
    lacking = short(usable(missing(cause), policy=RULES, subject=subject()))
    assert (lacking.outcome, lacking.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert lacking.found == f"could not check: {cause_words(cause, 'ecr:DescribeImages')}"
    assert "vulnerab" not in lacking.found + lacking.remedy


def test_each_cause_has_words_that_differ():
    assert len({cause_words(cause) for cause in Cause}) == len(Cause)


@pytest.mark.parametrize("old", [MINUTE, 1000 * HOUR], ids=["young", "old"])
def test_a_fresh_fact_is_usable_whatever_its_age(old):
    assert usable(known("x", old=old), policy=RULES, subject=subject()) == "x"


STALENESS = [
    pytest.param(HOUR - INSTANT, True, id="just younger than maxStale"),
    pytest.param(HOUR, True, id="exactly as old as maxStale"),
    pytest.param(HOUR + INSTANT, False, id="just older than maxStale"),
    pytest.param(-MINUTE, True, id="observed in the future: the clocks differ"),
]


@pytest.mark.parametrize(("old", "is_usable"), STALENESS)
@pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.DEADLINE], ids=str)
def test_a_stale_fact_is_usable_up_to_max_stale(old, is_usable, cause):
    used = usable(known("x", old=old, stale=cause), policy=RULES, subject=subject())
    if is_usable:
        assert used == "x"
    else:
        assert (short(used).outcome, short(used).reason) == (Outcome.UNDETERMINED, Reason.STALE)
        assert cause_words(cause) in short(used).found
        assert "the last result is 60 min old (maxStale: 60 min)" in short(used).found


def test_max_stale_is_the_policys_own_and_zero_allows_nothing_stale():
    fact = known("x", old=INSTANT, stale=Cause.THROTTLED)
    assert isinstance(usable(fact, policy=policy(max_stale=0 * HOUR), subject=subject()), Shortfall)
    assert usable(fact, policy=policy(max_stale=INSTANT), subject=subject()) == "x"


def _result(outcome=Outcome.PASS, **changes):
    return CheckResult(check=Check.SCAN, outcome=outcome, reason=Reason.OK, **changes)


def test_fresh_missing_and_unusable_facts_leave_a_result_as_it_is():
    facts = known(1), missing(), known(2, old=HOUR + INSTANT, stale=Cause.THROTTLED)
    result = _result(notes=("note",), holds_until=NOW + HOUR)
    assert resting_on(result, *facts, policy=RULES, subject=subject()) is result


@pytest.mark.parametrize(
    ("own", "holds_until"),
    [(None, NOW + 50 * MINUTE), (NOW + MINUTE, NOW + MINUTE), (NOW + HOUR, NOW + 50 * MINUTE)],
    ids=["no limit of its own", "an earlier one", "a later one"],
)
def test_a_stale_fact_bounds_a_result_by_the_earlier_limit(own, holds_until):
    fact = known(1, old=10 * MINUTE, stale=Cause.THROTTLED)
    assert resting_on(_result(holds_until=own), fact, policy=RULES, subject=subject()).holds_until == holds_until


def test_a_stale_fact_says_who_could_not_be_asked_again():
    fact = known(1, old=10 * MINUTE, stale=Cause.UNREACHABLE, source="oci:manifests")
    noted = resting_on(_result(), fact, policy=RULES, subject=subject())
    assert noted.notes == ("judged by evidence 10 min old: the registry could not be reached",)
    beyond = short(
        usable(known(1, old=2 * HOUR, stale=Cause.UNREACHABLE, source="oci:manifests"), policy=RULES, subject=subject())
    )
    assert beyond.found.startswith("could not check again: the registry could not be reached;")
    assert beyond.remedy == "retry, and tell the platform team if it persists"


def test_a_missing_fact_says_who_could_not_be_asked_and_accuses_no_image():
    lacking = short(usable(missing(Cause.UNREACHABLE, "oci:manifests"), policy=RULES, subject=subject()))
    assert lacking.found == "could not check: the registry could not be reached"
    assert (
        lacking.remedy == "retry, and tell the platform team if it persists; this says nothing about the image itself"
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_lets_through_is_noted(outcome):
    fact = known(1, old=10 * MINUTE, stale=Cause.THROTTLED)
    noted = resting_on(_result(outcome, notes=("own",)), fact, policy=RULES, subject=subject())
    lets_through = outcome in (Outcome.PASS, Outcome.EXEMPT)
    assert noted.lets_through is lets_through
    assert noted.notes == (
        ("judged by evidence 10 min old: AWS is throttling requests", "own") if lets_through else ("own",)
    )


def test_the_earliest_of_no_times_is_none():
    assert earliest() is earliest(None, None) is None
    assert earliest(None, NOW, NOW - INSTANT) == NOW - INSTANT


@pytest.mark.parametrize("jump", [2 * HOUR, -48 * HOUR])
def test_ages_are_those_of_the_clock_that_never_jumps(jump):
    """Wall time says nothing of how old evidence is."""
    jumped = replace(subject(), now=NOW + jump)
    young, old = known("x", old=HOUR, stale=Cause.UNREACHABLE), known("x", old=HOUR + INSTANT, stale=Cause.UNREACHABLE)
    assert usable(young, policy=RULES, subject=jumped) == "x"
    assert short(usable(old, policy=RULES, subject=jumped)).reason is Reason.STALE
    assert resting_on(_result(), young, policy=RULES, subject=jumped).holds_until == NOW + jump


def test_a_fact_without_a_moment_is_too_old():
    fact = Known("x", NOW, Cause.UNREACHABLE)
    assert short(usable(fact, policy=RULES, subject=subject())).reason is Reason.STALE
