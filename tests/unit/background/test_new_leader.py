"""What a leader takes from the one before, and what it looks up itself."""

import pytest

from tests.unit.background.conftest import Leader, at_work
from tests.unit.background.web import CRITICAL, running
from tests.unit.gather.fakes import APP, IMAGE
from tidegate.background.ended import KEPT, LINGER_SECONDS
from tidegate.evidence.change import ImageChange

pytestmark = pytest.mark.usefixtures("strict")


@pytest.mark.usefixtures("_days")
async def test_a_new_leader_goes_on_from_what_is_stored(leader: Leader):
    """It writes nothing that is stored already, and puts away what stopped running meanwhile."""
    leader.run_pods(running())
    async with at_work(leader):
        await leader.settle()
    written = leader.api.version
    leader.api.tell(leader.stored)
    async with at_work(leader):
        await leader.settle()
        assert leader.api.version == written
        leader.pods.drop("shop/web-1-a")
        await leader.settle(LINGER_SECONDS + KEPT.total_seconds() + 120)
        assert not leader.api.verdicts


async def test_a_new_leader_reads_owners_and_asks_aws_nothing(leader: Leader):
    """What is stored is judged as it is, however many owners of Pods have to be read first."""
    leader.run_pods(running())
    async with at_work(leader):
        await leader.settle()
    asked, read = len(leader.aws.asked), leader.api.count("GET", "replicasets")
    leader.api.own("ReplicaSet", "shop", "web-2", ("apps/v1", "Deployment", "web-other"))
    leader.run_pods(running("web-2-a", owner=("apps/v1", "ReplicaSet", "web-2")))
    async with at_work(leader):
        await leader.settle(120)
        (where,) = leader.status["runs"]["namespaces"]
        assert {one["name"] for one in where["workloads"]} == {"web", "web-other"}
        assert leader.api.count("GET", "replicasets") == read + 1
        assert leader.counted(leader.counts.collected, "answered") == 1
        assert len(leader.aws.asked) == asked


async def test_a_leader_that_led_before_goes_on_from_what_the_other_one_wrote(leader: Leader):
    """Meanwhile the other one saw a finding and wrote it; what this one knows is older."""
    leader.run_pods(running())
    async with at_work(leader):
        await leader.settle()
    assert len(leader.schedule) == 0
    leader.run_pods(running("web-1-b"))
    assert len(leader.schedule) == 0
    leader.aws.found[IMAGE] = CRITICAL
    async with at_work(leader):
        leader.work.changed([])
        await leader.settle()
        leader.work.changed([ImageChange(APP, IMAGE)])
        await leader.settle()
        assert leader.status["outcome"] == "Fail"
    assert len(leader.evidence) == 1
    async with at_work(leader):
        await leader.settle()
        assert leader.status["outcome"] == "Fail"


async def test_a_leader_that_led_before_counts_nothing_that_only_it_looked_up(leader: Leader):
    """Meanwhile the image stopped running under the other leader, which deleted its object and followed no change of it."""
    leader.run_pods(running())
    async with at_work(leader):
        await leader.settle()
    leader.pods.drop("shop/web-1-a")
    leader.api.objects.clear()
    leader.api.tell(leader.stored)
    leader.aws.found[IMAGE] = CRITICAL
    leader.run_pods(running("web-1-b"))
    async with at_work(leader):
        await leader.settle(60)
        assert leader.status["outcome"] == "Fail"
