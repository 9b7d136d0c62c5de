"""What a leader takes from the one before, and what it looks up itself."""

import asyncio

import pytest

from tests.unit.background.conftest import Leader
from tests.unit.background.web import CRITICAL, running
from tests.unit.gather.fakes import APP, IMAGE
from tidegate.background.ended import KEPT, LINGER_SECONDS
from tidegate.evidence.change import ImageChange

pytestmark = pytest.mark.usefixtures("strict")


@pytest.mark.usefixtures("_days")
async def test_a_new_leader_goes_on_from_what_is_stored(leader: Leader):
    """It writes nothing that is stored already, and puts away what stopped running meanwhile."""
    leader.run_pods(running())
    task = asyncio.create_task(leader.work.run())
    await leader.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    written = leader.api.version
    leader.api.tell(leader.stored)
    task = asyncio.create_task(leader.work.run())
    await leader.settle()
    assert leader.api.version == written
    leader.pods.drop("shop/web-1-a")
    await leader.settle(LINGER_SECONDS + KEPT.total_seconds() + 120)
    assert not leader.api.verdicts
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_new_leader_reads_owners_and_asks_aws_nothing(leader: Leader):
    """What is stored is judged as it is, however many owners of Pods have to be read first."""
    leader.run_pods(running())
    task = asyncio.create_task(leader.work.run())
    await leader.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    asked, read = len(leader.aws.asked), leader.api.count("GET", "replicasets")
    leader.api.own("ReplicaSet", "shop", "web-2", ("apps/v1", "Deployment", "web-other"))
    leader.run_pods(running("web-2-a", owner=("apps/v1", "ReplicaSet", "web-2")))
    task = asyncio.create_task(leader.work.run())
    await leader.settle(120)
    (where,) = leader.status["runs"]["namespaces"]
    assert {one["name"] for one in where["workloads"]} == {"web", "web-other"}
    assert leader.api.count("GET", "replicasets") == read + 1
    assert leader.counted(leader.counts.collected, "answered") == 1
    assert len(leader.aws.asked) == asked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_leader_that_led_before_goes_on_from_what_the_other_one_wrote(leader: Leader):
    """Meanwhile the other one saw a finding and wrote it; what this one knows is older."""
    leader.run_pods(running())
    task = asyncio.create_task(leader.work.run())
    await leader.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(leader.schedule) == 0
    leader.run_pods(running("web-1-b"))
    assert len(leader.schedule) == 0
    leader.aws.found[IMAGE] = CRITICAL
    other = asyncio.create_task(leader.work.run())
    leader.work.changed([])
    await leader.settle()
    leader.work.changed([ImageChange(APP, IMAGE)])
    await leader.settle()
    assert leader.status["outcome"] == "Fail"
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert len(leader.evidence) == 1
    again = asyncio.create_task(leader.work.run())
    await asyncio.sleep(0)
    await leader.settle()
    assert leader.status["outcome"] == "Fail"
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_a_leader_that_led_before_counts_nothing_that_only_it_looked_up(leader: Leader):
    """Meanwhile the image stopped running under the other leader, which deleted its object and followed no change of it."""
    leader.run_pods(running())
    task = asyncio.create_task(leader.work.run())
    await leader.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    leader.pods.drop("shop/web-1-a")
    leader.api.objects.clear()
    leader.api.tell(leader.stored)
    leader.aws.found[IMAGE] = CRITICAL
    leader.run_pods(running("web-1-b"))
    task = asyncio.create_task(leader.work.run())
    await leader.settle(60)
    assert leader.status["outcome"] == "Fail"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
