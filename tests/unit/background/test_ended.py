"""Images that do not run any more, and those that run again."""

import pytest

from tests.unit.background.conftest import Leader
from tests.unit.background.web import CRITICAL, running
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, unavailable
from tidegate.background.ended import KEPT, LINGER_SECONDS
from tidegate.evidence.change import ImageChange
from tidegate.evidence.fact import Cause

pytestmark = pytest.mark.usefixtures("strict")


@pytest.mark.usefixtures("_days")
async def test_an_image_that_runs_no_more_is_deleted_a_day_later(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(LINGER_SECONDS - 10)
    assert working.status["runs"]["pods"] == 1
    await working.settle(20)
    assert "pods" not in working.status["runs"]
    assert working.status["runs"]["lastSeen"]
    assert working.status["evidence"]["data"]
    await working.settle(KEPT.total_seconds() - 60)
    assert working.api.verdicts
    await working.settle(120)
    assert not working.api.verdicts
    assert working.counted(working.counts.writes, "deleted") == 1


@pytest.mark.usefixtures("_days")
async def test_an_image_that_runs_again_within_the_day_stays(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(LINGER_SECONDS + 3_600)
    assert "pods" not in working.status["runs"]
    working.run_pods(running("web-1-b"))
    await working.settle(10)
    assert working.status["runs"]["pods"] == 1
    assert "lastSeen" not in working.status["runs"]
    await working.settle(2 * 86_400)
    assert working.status["runs"]["pods"] == 1


@pytest.mark.usefixtures("_days")
@pytest.mark.parametrize("away", [0.0, 3_600.0])
async def test_an_image_that_runs_again_is_looked_up_anew(working: Leader, away):
    """No change was reported while it did not run, whether or not its last answer is still fresh."""
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(LINGER_SECONDS - 10)
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(20 + away)
    assert "pods" not in working.status["runs"]
    working.aws.found[IMAGE] = CRITICAL
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(1)
    working.aws.failing["*"] = unavailable(Cause.UNREACHABLE)
    working.run_pods(running("web-1-b"))
    await working.settle(10)
    assert working.work.unread_registries == {REGISTRY}
    assert "pods" not in working.status["runs"]
    del working.aws.failing["*"]
    await working.settle(600)
    assert working.status["runs"]["pods"] == 1
    assert working.status["outcome"] == "Fail"


async def test_a_rollout_of_the_same_image_is_no_change(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(30)
    working.run_pods(running("web-1-b"))
    await working.settle(600)
    assert working.counted(working.counts.writes, "replaced") == 0


@pytest.mark.usefixtures("_days")
async def test_an_image_that_runs_again_after_its_object_was_deleted_is_looked_up_anew(working: Leader):
    """What this process looked up itself is from before a time in which no change was followed."""
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(LINGER_SECONDS + KEPT.total_seconds() + 1_000)
    assert not working.api.verdicts
    working.aws.found[IMAGE] = CRITICAL
    working.run_pods(running("web-1-b"))
    await working.settle(60)
    assert working.status["outcome"] == "Fail"
