"""The leader's work: what is looked up, judged and written, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader
from tests.unit.background.web import BY_DIGEST, BY_TAG, CRITICAL, STRICT, running
from tests.unit.builders import globs
from tests.unit.gather.fakes import IMAGE
from tidegate.cluster.api import ApiError
from tidegate.policy.model import ScanRules, TagRules, VulnerabilityRules

pytestmark = pytest.mark.usefixtures("strict")


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


async def test_that_an_image_started_in_a_namespace_is_written_within_seconds(working: Leader):
    """The grace for running images depends on it: usually the object is made a moment before the container starts."""
    working.run_pods(pod("web-1-a", BY_TAG, phase="Pending"))
    while not working.api.verdicts:
        await working.settle(0.1)
    working.run_pods(running())
    await working.settle(1)
    assert "since" not in working.status["runs"]["namespaces"][0]
    await working.settle(4)
    assert "since" in working.status["runs"]["namespaces"][0]
    for number in range(20):
        working.run_pods(running(f"web-1-{number}"))
        await working.settle(1)
    assert working.counted(working.counts.writes, "replaced") == 1


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
