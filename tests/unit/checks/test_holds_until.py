"""``holds_until`` is exact: before it, the passing of time alone changes no outcome and no reason."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit import strategies as some
from tests.unit.builders import DAY, HOUR, INSTANT, MINUTE, NOW, moment
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.policy.snapshot import PolicySet

LATER = st.sampled_from(
    [INSTANT, MINUTE, 2 * MINUTE, 30 * MINUTE, 30 * MINUTE + INSTANT, HOUR + INSTANT, DAY, 2 * DAY, 7 * DAY, 400 * DAY]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(some.any_policies, min_size=1, max_size=2),
    some.mostly(some.TEXTS[0], st.sampled_from(some.TEXTS)),
    some.collected(),
    some.NODES,
    LATER | st.timedeltas(min_value=timedelta(0), max_value=400 * DAY),
)
def test_nothing_changes_before_a_verdict_ends(policies, text, collected, nodes, later):
    plan = make_plan(text, PolicySet.of(policies), nodes)

    def judged_at(at):
        verdict = judge_plan(plan, collected, now=at, monotonic=moment(at), audit_only=False)
        results = [(one.check, one.outcome, one.reason) for each in verdict.judgements for one in each.results]
        return verdict, (verdict.denied, verdict.outcome, results)

    verdict, outcome = judged_at(NOW)
    end = verdict.holds_until
    assert end is None or end >= NOW
    moments = [NOW + later] if end is None else [min(NOW + later, end - INSTANT), end - INSTANT]
    for each in moments:
        if each >= NOW:
            assert judged_at(each)[1] == outcome
