"""The outcome that decides which object is written first is the one that is written."""

from itertools import combinations_with_replacement

import pytest

from tests.unit.builders import broken, evidence, finding, full_policy, missing, report
from tests.unit.verdicts.given import verdict
from tidegate.policy.model import Action, Tolerance
from tidegate.verdicts.judged import judged, outcome_of

EVIDENCE = {"good": evidence(), "bad": evidence(report(finding())), "unknown": evidence(missing())}
POLICIES = {
    "deny": full_policy("deny"),
    "warn": full_policy("warn", actions=frozenset({Action.WARN})),
    "tolerant": full_policy("tolerant", on_undetermined=Tolerance.ALLOW),
    "broken": broken(),
}


@pytest.mark.parametrize("policies", list(combinations_with_replacement(POLICIES, 2)))
@pytest.mark.parametrize("places", list(combinations_with_replacement(EVIDENCE, 2)))
def test_the_outcome_is_that_of_all_judgements(policies, places):
    rules = [POLICIES[name] for name in dict.fromkeys(policies)]
    verdicts = [verdict(EVIDENCE[name], f"namespace-{number}", rules) for number, name in enumerate(places)]
    whole = judged(verdicts)
    assert outcome_of(verdicts) == (whole.outcome, whole.refused)


def test_without_a_verdict_nothing_is_refused():
    whole = judged(())
    assert outcome_of(()) == (whole.outcome, whole.refused)
