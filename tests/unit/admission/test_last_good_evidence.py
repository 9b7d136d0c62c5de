"""How long a review waits for evidence, and when the last good evidence is used."""

from datetime import timedelta

import pytest

from tests.unit.admission.fakes import BAD, COUNTS, TICK, World, body
from tests.unit.builders import HOUR, IMAGE, MINUTE, evidence, finding, full_policy, known, missing, policy, report
from tidegate.admission.reviewer import ANSWER_MARGIN_SECONDS, inner_timeout
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.scan import ScanReport, ScanState
from tidegate.policy.model import Action, ScanRules, Tolerance

DEADLINES = [
    pytest.param(10.0, 8.75, id="a second and more is kept to answer in"),
    pytest.param(30.0, 28.75, id="the longest timeout"),
    pytest.param(2.0, 1.0, id="as much as half"),
    pytest.param(1.0, 0.5, id="half where a second is too much"),
    pytest.param(0.0, 0.0, id="no time at all"),
]


@pytest.mark.parametrize(("seconds", "inner"), DEADLINES)
async def test_the_deadline_is_before_the_api_servers(seconds, inner):
    assert inner_timeout(seconds) == inner
    world = World(full_policy())
    await world.review(body(IMAGE), seconds)
    assert world.evidence.asked == [([IMAGE], 1000.0 + inner)]


async def test_without_a_timeout_in_the_request_the_configured_one_counts():
    for world, timeout in ((World(full_policy()), 10.0), (World(full_policy(), timeout_seconds=5.0), 5.0)):
        await world.review(body(IMAGE), None)
        assert world.evidence.asked[0][1] == 1000.0 + timeout - ANSWER_MARGIN_SECONDS


async def test_stale_evidence_is_not_used_an_instant_beyond_max_stale():
    world = World(policy(scan=ScanRules(), max_stale=HOUR))
    world.evidence.otherwise = evidence(
        known(report(), old=HOUR - timedelta(seconds=30), stale=Cause.UNREACHABLE), valid_until=float("inf")
    )
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.clock.seconds += 30.0
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.clock.seconds += TICK
    assert (await world.review(body(IMAGE)))["allowed"] is False


def stale(found: ScanReport, old: timedelta = MINUTE) -> ImageEvidence:
    """What was known of an image before AWS stopped answering."""
    return evidence(known(found, old=old, stale=Cause.DEADLINE))


GOOD_STALE, BAD_STALE = stale(report()), stale(report(finding()))
NOT_WHOLE = evidence(missing(Cause.DEADLINE))


class TestLastGoodEvidence:
    """AWS is waited for as long as it usually takes; then what is known decides, where that allows."""

    def world(self, early: ImageEvidence, **options):
        world = World(policy(**{"scan": ScanRules(), **COUNTS, **options}))
        world.evidence.remembered = {IMAGE: GOOD_STALE}
        world.evidence.impatient = {IMAGE: early}
        return world

    async def test_an_image_that_is_known_to_be_good_is_allowed_by_it_with_a_warning(self):
        world = self.world(GOOD_STALE)
        response = await world.review(body(IMAGE, namespace="shop"))
        assert response["allowed"] is True
        assert "judged by evidence" in response["warnings"][0]
        assert (world.evidence.patience, world.evidence.shares) == ([False], ["shop"])

    async def test_it_is_not_remembered_as_an_answer(self):
        world = self.world(GOOD_STALE)
        for _ in range(2):
            await world.review(body(IMAGE))
        assert world.evidence.patience == [False, False]

    async def test_an_answer_that_came_meanwhile_counts_whatever_it_says(self):
        world = self.world(BAD)
        assert (await world.review(body(IMAGE)))["allowed"] is False
        assert world.evidence.patience == [False]

    async def test_a_refusal_waits_for_aws(self):
        world = self.world(BAD_STALE)
        assert (await world.review(body(IMAGE)))["allowed"] is True
        assert world.evidence.patience == [False, True]

    async def test_evidence_beyond_max_stale_waits_for_aws(self):
        world = self.world(stale(report(), old=2 * HOUR), max_stale=HOUR)
        assert (await world.review(body(IMAGE)))["allowed"] is True
        assert world.evidence.patience == [False, True]

    async def test_what_is_not_known_is_waited_for_even_where_it_would_be_tolerated(self):
        world = self.world(NOT_WHOLE, on_undetermined=Tolerance.ALLOW)
        world.evidence.answers = {IMAGE: BAD}
        assert (await world.review(body(IMAGE)))["allowed"] is False
        assert world.evidence.patience == [False, True]

    async def test_evidence_beyond_max_stale_waits_for_aws_even_where_that_would_be_tolerated(self):
        world = self.world(stale(report(), old=2 * HOUR), max_stale=HOUR, on_undetermined=Tolerance.ALLOW)
        world.evidence.answers = {IMAGE: BAD}
        assert (await world.review(body(IMAGE)))["allowed"] is False
        assert world.evidence.patience == [False, True]

    async def test_a_scan_that_was_tolerated_while_pending_waits_for_aws(self):
        world = self.world(stale(report(state=ScanState.PENDING)), scan=ScanRules(when_pending=Tolerance.ALLOW))
        world.evidence.answers = {IMAGE: BAD}
        assert (await world.review(body(IMAGE)))["allowed"] is False
        assert world.evidence.patience == [False, True]

    async def test_a_policy_that_only_warns_waits_for_nothing(self):
        world = self.world(BAD_STALE, actions=frozenset({Action.WARN}))
        response = await world.review(body(IMAGE))
        assert (response["allowed"], len(response["warnings"])) == (True, 1)
        assert world.evidence.patience == [False]

    async def test_an_image_that_is_not_known_is_waited_for(self):
        world = self.world(GOOD_STALE)
        world.evidence.remembered = {}
        await world.review(body(IMAGE))
        assert world.evidence.patience == [True]
