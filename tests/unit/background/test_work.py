"""The leader's work: what is looked up, judged and written, and when."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader
from tests.unit.builders import ecr, globs, policy
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, SCANNED, finding, unavailable
from tidegate.background import looks
from tidegate.background.ended import KEPT, LINGER_SECONDS
from tidegate.cluster.api import ApiError
from tidegate.evidence.change import ChangedRow, ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.evidence.fact import Cause
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import Severity
from tidegate.policy.model import ScanRules, TagRules, VulnerabilityRules

BY_TAG = f"{ECR}/team/app:v1"
BY_DIGEST = f"{ECR}/team/app@{IMAGE}"
CRITICAL = FoundFindings(findings=(finding("CVE-2026-0001"),))
STRICT = policy(
    registries=(ecr("team/**", account="111122223333"),),
    vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
)


def running(name: str = "web-1-a", image: str = BY_TAG, **more):
    return pod(name, image, ran=(BY_DIGEST,), **more)


@pytest.fixture(autouse=True)
def _policy(leader: Leader) -> None:
    leader.set_policies(STRICT)
    leader.api.own("ReplicaSet", "shop", "web-1", ("apps/v1", "Deployment", "web"))


@pytest.fixture
def _days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the work look around less often, so that days of virtual time take no minutes."""
    monkeypatch.setattr(looks, "LOOK_AT_POLICIES_SECONDS", 900.0)
    monkeypatch.setattr(looks, "LOOK_AT_PODS_SECONDS", 900.0)


async def test_a_running_image_is_judged_and_written_once(working: Leader):
    working.run_pods(running(), running("web-1-b"))
    await working.settle(120)
    assert working.status["outcome"] == "Pass"
    assert working.status["runs"]["pods"] == 2
    (where,) = working.status["runs"]["namespaces"]
    assert where["workloads"] == [{"kind": "Deployment", "name": "web"}]
    assert working.counted(working.counts.writes, "created") == 1
    assert working.counted(working.counts.writes, "replaced") == 0
    assert working.aws.count("inspector2:ListFindings") == 1


async def test_a_changed_policy_judges_without_asking_aws(working: Leader):
    working.aws.found[IMAGE] = CRITICAL
    working.set_policies(replace(STRICT, vulnerabilities=VulnerabilityRules(max_counts={}), generation=1))
    working.run_pods(running())
    await working.settle()
    assert working.status["outcome"] == "Pass"
    asked = len(working.aws.asked)
    await working.settle(3_600)
    working.set_policies(replace(STRICT, generation=2))
    await working.settle()
    assert working.status["outcome"] == "Fail"
    assert len(working.aws.asked) == asked


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


async def test_a_container_that_has_not_started_counts_by_what_its_tag_means(working: Leader):
    working.run_pods(pod("web-1-a", BY_TAG, phase="Pending"))
    await working.settle()
    (one,) = working.api.verdicts
    assert one["spec"]["digest"] == IMAGE
    assert one["status"]["runs"]["tags"] == ["v1"]
    working.run_pods(running())
    await working.settle(120)
    assert len(working.api.verdicts) == 1
    assert "since" in working.status["runs"]["namespaces"][0]


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


async def test_where_an_image_runs_is_written_once_a_minute_at_most(working: Leader):
    working.run_pods(running())
    await working.settle()
    for number in range(30):
        working.run_pods(running(f"web-1-{number}"))
        await working.settle(1)
    assert working.counted(working.counts.writes, "replaced") == 0
    await working.settle(60)
    assert working.counted(working.counts.writes, "replaced") == 1
    assert working.status["runs"]["pods"] == 31


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


async def test_a_rollout_of_the_same_image_is_no_change(working: Leader):
    working.run_pods(running())
    await working.settle()
    working.pods.drop("shop/web-1-a")
    await working.settle(30)
    working.run_pods(running("web-1-b"))
    await working.settle(600)
    assert working.counted(working.counts.writes, "replaced") == 0


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


async def test_what_another_client_writes_is_written_anew(working: Leader):
    working.run_pods(running())
    await working.settle()
    (one,) = working.api.verdicts
    name = one["metadata"]["name"]
    working.api.edit(name, outcome="Fail")
    working.api.tell(working.stored)
    await working.settle()
    assert working.status["outcome"] == "Pass"
    working.api.edit(name, outcome="Whatever")
    working.api.tell(working.stored)
    assert working.stored.invalid == 1
    await working.settle()
    assert working.status["outcome"] == "Pass"
    assert working.stored.invalid == 0
    working.api.objects.clear()
    working.api.tell(working.stored)
    await working.settle()
    assert working.status["outcome"] == "Pass"


async def test_an_invalid_object_of_no_running_image_is_removed(working: Leader):
    working.run_pods(running())
    await working.settle()
    (one,) = working.api.verdicts
    other = {**one, "metadata": {"name": "other"}}
    await working.api.create("/apis/tidegate.dev/v1alpha1/imageverdicts", other)
    working.api.tell(working.stored)
    await working.settle()
    assert [each["metadata"]["name"] for each in working.api.verdicts] == [one["metadata"]["name"]]


@pytest.mark.parametrize("status", [409, 500, 404, 403, None])
async def test_a_refused_write_is_repeated(working: Leader, status: int | None):
    working.api.refused = [ApiError("refused", status=status)] * 3
    working.run_pods(running())
    await working.settle(300)
    assert working.status["outcome"] == "Pass"


async def test_nothing_is_written_by_a_process_that_does_not_lead(working: Leader):
    working.leads = False
    working.run_pods(running())
    await working.settle(60)
    assert not working.api.verdicts


async def test_labels_of_a_namespace_that_change_judge_its_images(working: Leader):
    selecting = replace(
        STRICT,
        name="tags",
        uid="2",
        match=replace(STRICT.match, namespaces=globs("shop")),
        tags=TagRules(immutable=True),
    )
    working.set_policies(STRICT)
    working.run_pods(running(), running("x", namespace="other", owner=None))
    await working.settle()
    assert working.status["outcome"] == "Pass"
    working.set_policies(STRICT, selecting)
    await working.settle()
    assert working.status["outcome"] == "Fail"
    (failing,) = (one for one in working.status["policies"] if one["outcome"] == "Fail")
    assert failing["namespaces"] == ["shop"]


@pytest.mark.usefixtures("_days")
async def test_a_verdict_that_time_changes_is_judged_then(working: Leader):
    """A scan that may be a day old at most is too old after a day, without any event."""
    working.set_policies(replace(STRICT, scan=ScanRules(max_age=timedelta(days=3))))
    working.run_pods(running())
    await working.settle()
    assert working.status["outcome"] == "Pass"
    await working.settle(3 * 86_400)
    assert working.status["reasons"] == ["ScanTooOld"]


async def test_an_error_in_one_image_does_not_stop_the_others(working: Leader, monkeypatch):
    uses = working.pods.uses

    def broken(image, owner):
        if image[0].name == "team/bad":
            raise RuntimeError("broken")
        return uses(image, owner)

    monkeypatch.setattr(working.pods, "uses", broken)
    working.run_pods(pod("bad", f"{ECR}/team/bad:v1", ran=(f"{ECR}/team/bad@{IMAGE}",)), running())
    await working.settle()
    assert working.status["outcome"] == "Pass"


async def test_a_container_that_runs_another_digest_is_reported_once(working: Leader):
    other = "sha256:" + "1" * 64
    working.run_pods(pod("web-1-a", f"{ECR}/team/app@{other}", ran=(BY_DIGEST,)))
    await working.settle(60)
    assert working.pods.differences == 1
    (event,) = working.api.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("ImageDiffers", "web")
    assert other in event["message"]
    assert IMAGE in event["message"]


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
