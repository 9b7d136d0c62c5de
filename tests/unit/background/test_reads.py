"""Look-ups of what is missing or has changed at AWS, and what follows where they fail."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader
from tests.unit.background.web import CRITICAL, STRICT, running
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, SCANNED, detail, unavailable
from tidegate.cluster.api import ApiError
from tidegate.evidence.change import ChangedRow, ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.evidence.fact import Cause
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId

pytestmark = pytest.mark.usefixtures("strict")


async def test_a_change_at_aws_is_looked_up_and_turns_the_verdict(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.aws.found[IMAGE] = CRITICAL
    await working.settle(600)
    assert working.status["outcome"] == "Pass"
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle()
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()
    (event,) = working.api.events
    assert event["involvedObject"]["kind"] == "Deployment"
    assert working.counted(working.counts.turned, "VulnerabilitiesFound") == 1


@pytest.mark.parametrize("change", [RepositoryChange(APP), RegistryChange(REGISTRY)])
async def test_a_change_of_more_than_an_image_looks_up_all_of_it(working: Leader, change):
    working.run_pods(running())
    await working.settle()
    asked = working.aws.count("inspector2:ListFindings")
    working.work.changed([change])
    await working.settle()
    assert working.aws.count("inspector2:ListFindings") == asked + 1


async def test_a_change_of_what_does_not_run_asks_nothing(working: Leader):
    working.run_pods(running())
    await working.settle()
    asked = len(working.aws.asked)
    other = ImageChange(APP, type(IMAGE)("sha256:" + "0" * 64))
    working.work.changed([other, TagChange(APP, "v2")])
    await working.settle()
    assert len(working.aws.asked) == asked


async def test_a_failed_look_up_replaces_nothing_and_is_repeated(working: Leader):
    working.run_pods(running())
    await working.settle()
    before = json.dumps(working.status)
    working.aws.found[IMAGE] = CRITICAL
    working.aws.failing["*"] = unavailable(Cause.UNREACHABLE)
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(60)
    assert json.dumps(working.status) == before
    assert working.work.unanswered == 1
    assert working.work.unread_registries == {REGISTRY}
    del working.aws.failing["*"]
    await working.settle(600)
    assert working.status["outcome"] == "Fail"
    assert working.work.unanswered == 0


async def test_an_image_that_could_never_be_looked_up_is_undetermined(working: Leader):
    working.aws.failing["*"] = unavailable(Cause.ACCESS_DENIED)
    working.run_pods(running())
    await working.settle(600)
    assert working.status["outcome"] == "Undetermined"
    assert working.status["reasons"] == ["CouldNotCheck"]
    del working.aws.failing["*"]
    await working.settle(600)
    assert working.status["outcome"] == "Pass"


async def test_a_change_while_it_is_looked_up_is_looked_up_again(working: Leader):
    """The answer that is under way may be from before the change."""
    working.run_pods(running())
    await working.settle()
    working.aws.during["inspector2:ListFindings"] = lambda: working.aws.found.update({IMAGE: CRITICAL})
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(0.02)
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(10)
    assert working.status["outcome"] == "Fail"


async def test_registries_that_no_policy_lists_are_not_asked(working: Leader):
    working.run_pods(
        pod("other", "ghcr.io/other/app:v1", ran=(f"ghcr.io/other/app@{IMAGE}",)),
        pod("waits", "444455556666.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"),
    )
    await working.settle(60)
    assert working.aws.asked == []
    assert working.status["reasons"] == ["RegistryNotAllowed"]


async def test_facts_from_before_a_break_of_the_change_feed_are_written_once_more(working: Leader):
    """By the stored time replicas know whether the change feed says that the facts still hold."""
    working.run_pods(running())
    await working.settle(60)
    before = working.status["evidence"]["observedAt"]
    working.unbroken_since = working.clock.now()
    working.work.judge_all()
    await working.settle(60)
    assert working.status["evidence"]["observedAt"] == before
    for _ in range(2):
        working.work.changed([ImageChange(APP, IMAGE)])
        await working.settle(60)
    assert working.status["evidence"]["observedAt"] > before
    assert working.counted(working.counts.writes, "replaced") == 1


async def test_a_change_that_cannot_be_written_is_not_confirmed(working: Leader):
    """Replicas would take the stored facts, from before the change, as true until now."""
    working.run_pods(running())
    await working.settle()
    working.aws.found[IMAGE] = CRITICAL
    working.api.refused = [ApiError("no space left", status=500)] * 3
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(20)
    assert working.status["outcome"] == "Pass"
    assert working.work.unread_registries == {REGISTRY}
    await working.settle(300)
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()
    working.api.refused = [ApiError("no space left", status=500)] * 3
    working.run_pods(running("web-1-b"))
    await working.settle(70)
    assert working.status["runs"]["pods"] == 1
    assert working.work.unread_registries == set()  # Only where it runs is not written.


async def test_an_image_that_changes_while_owners_are_read_is_looked_up(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.aws.found[IMAGE] = CRITICAL
    working.api.own("ReplicaSet", "shop", "web-2", ("apps/v1", "Deployment", "web-other"))
    working.run_pods(running("web-2-a", owner=("apps/v1", "ReplicaSet", "web-2")))
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(120)
    assert working.status["outcome"] == "Fail"


async def test_the_scanned_images_are_those_that_are_held_now(working: Leader):
    """Each registry asks for them each minute, so that they are not gathered each time."""
    assert working.evidence.scanned() == {}
    working.run_pods(running())
    await working.settle()
    found = working.evidence.scanned()
    assert found == {REGISTRY: [(APP.name, IMAGE)]}
    assert working.evidence.scanned() is found
    working.evidence.forget((APP, IMAGE))
    assert working.evidence.scanned() == {}


async def test_an_owner_that_cannot_be_read_is_named_later(working: Leader):
    """The verdict names the ReplicaSet meanwhile, and the API server is not asked again and again."""
    working.api.failing_reads = ApiError("denied", status=403)
    working.run_pods(running())
    await working.settle(30)
    assert working.status["runs"]["namespaces"][0]["workloads"] == [{"kind": "ReplicaSet", "name": "web-1"}]
    assert working.api.count("GET", "replicasets") == 1
    working.api.failing_reads = None
    await working.settle(120)
    working.work.judge_all()
    await working.settle(120)
    assert working.status["runs"]["namespaces"][0]["workloads"] == [{"kind": "Deployment", "name": "web"}]


async def test_a_change_of_what_no_policy_wants_any_more_keeps_no_registry_unread(working: Leader):
    """The object keeps no facts then. When a policy wants the image again, it is looked up anew."""
    working.run_pods(running())
    await working.settle()
    asked = working.aws.count("inspector2:ListFindings")
    working.set_policies()
    await working.settle()
    working.aws.found[IMAGE] = CRITICAL
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(120)
    assert working.work.unread_registries == set()
    assert "evidence" not in working.status
    assert working.aws.count("inspector2:ListFindings") == asked
    working.set_policies(replace(STRICT, generation=2))
    await working.settle(120)
    assert working.status["outcome"] == "Fail"


def listed(arn: str, updated_at: datetime) -> ScanChange:
    return ScanChange(APP, IMAGE, (ChangedRow(arn, (APP.name, IMAGE), updated_at),))


async def test_a_changed_scan_costs_no_look_up_of_the_image_or_its_repository(working: Leader):
    working.run_pods(running())
    await working.settle(600)
    working.aws.asked.clear()
    working.aws.found = {IMAGE: CRITICAL}
    working.work.changed([ScanChange(APP, IMAGE)])
    await working.settle(60)
    assert working.status["outcome"] == "Fail"
    assert {name for name, _ in working.aws.asked} == {"inspector2:ListCoverage", "inspector2:ListFindings"}
    assert working.work.unread_registries == set()


async def test_an_image_that_changed_otherwise_too_is_looked_up_whole(working: Leader):
    working.run_pods(running())
    await working.settle(600)
    for changes in (
        [ImageChange(APP, IMAGE), ScanChange(APP, IMAGE)],
        [ScanChange(APP, IMAGE), ImageChange(APP, IMAGE)],
    ):
        working.aws.asked.clear()
        for each in changes:
            working.work.changed([each])
        await working.settle(60)
        assert working.aws.count("ecr:DescribeImages")
    working.aws.asked.clear()
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(0)
    working.work.changed([ScanChange(APP, IMAGE)])
    await working.settle(60)
    assert working.aws.count("ecr:DescribeImages")


async def test_a_changed_scan_without_an_answer_is_asked_for_again(working: Leader):
    working.run_pods(running())
    await working.settle(600)
    working.aws.found = {IMAGE: CRITICAL}
    working.aws.failing["inspector2:ListFindings"] = unavailable(Cause.THROTTLED)
    working.work.changed([ScanChange(APP, IMAGE)])
    await working.settle(60)
    assert working.status["outcome"] == "Pass"
    assert working.work.unread_registries == {REGISTRY}
    working.aws.failing.clear()
    await working.settle(300)
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()


async def test_changes_soon_after_another_look_up_are_looked_up_once(working: Leader):
    """Facts that were looked up in one tenth of a second share their moment: none may count as older than its change."""
    other = digest_of(b"another image")
    working.aws.images[ImageId.of_tag("v2")] = detail(other)
    working.run_pods(running(), pod("api-1-a", f"{ECR}/team/app:v2", ran=(f"{ECR}/team/app@{other}",)))
    await working.settle(600)
    for change in (ScanChange, ImageChange):
        working.aws.asked.clear()
        for digest in (IMAGE, other):
            working.aws.found[digest] = CRITICAL
            working.work.changed([change(APP, digest)])
            await working.settle(0.05)
        await working.settle(1)
        assert [one["status"]["outcome"] for one in working.api.verdicts] == ["Fail", "Fail"]
        assert working.work.unread_registries == set()
        assert sum(working.aws.ids("inspector2:ListFindings")) == 2
    assert working.counted(working.counts.collected, "failed") == 0


async def test_a_scan_that_is_read_while_policies_drop_it_and_want_it_again_is_not_lost(working: Leader):
    """What is held then is what is stored, from before the change."""
    working.run_pods(running())
    await working.settle(600)
    (wanted,) = working.evidence._held[APP, IMAGE]

    def change_policies() -> None:
        del working.aws.during["inspector2:ListFindings"]
        working.evidence.forget((APP, IMAGE))
        assert working.evidence.known((APP, IMAGE), wanted)

    working.aws.found = {IMAGE: CRITICAL}
    working.aws.during["inspector2:ListFindings"] = change_policies
    working.work.changed([ScanChange(APP, IMAGE)])
    await working.settle(60)
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()


async def test_a_finding_known_from_an_event_is_not_read_again_when_it_is_listed(working: Leader):
    """The same finding changed later, one that was not in the answer, and a scan since then are news."""
    working.run_pods(running())
    await working.settle(600)
    now = working.clock.now()
    working.aws.found = {IMAGE: replace(CRITICAL, rows=(("arn:one", now),))}
    working.work.changed([ScanChange(APP, IMAGE)])
    await working.settle(60)
    assert working.status["outcome"] == "Fail"
    image_arn = f"{APP.arn}/{IMAGE}"
    scanned_at = SCANNED.last_scanned_at
    assert scanned_at is not None
    for arn, moment, is_news in (
        ("arn:one", now, False),
        (image_arn, scanned_at, False),
        ("arn:one", now + timedelta(milliseconds=1), True),
        ("arn:two", now, True),
        (image_arn, now, True),
    ):
        working.aws.asked.clear()
        working.work.changed([listed(arn, moment)])
        await working.settle(60)
        assert bool(working.aws.count("inspector2:ListFindings")) is is_news
        assert working.work.unread_registries == set()
