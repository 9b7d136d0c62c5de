"""Writes that wait: what of them is kept, and which are first."""

import json
from dataclasses import replace

import pytest

from tests.unit.background.cluster import ECR, Json, pod
from tests.unit.background.conftest import Leader
from tests.unit.builders import ecr, policy
from tests.unit.gather.fakes import APP, detail, finding
from tidegate.background import work
from tidegate.background.writer import HOLD_SECONDS, SENT_SECONDS
from tidegate.evidence.change import RepositoryChange
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import Severity
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.policy.model import ScanRules, TagRules, VulnerabilityRules
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.usage import Usage
from tidegate.verdicts.verdict_input import VerdictInput

IMAGES = [digest_of(f"image {number}".encode()) for number in range(5)]
CRITICAL = FoundFindings(findings=(finding("CVE-2026-0001"),))


RULES = policy(
    registries=(ecr("team/**", account="111122223333"),),
    vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
)


@pytest.fixture(autouse=True)
def _images(leader: Leader) -> None:
    leader.set_policies(RULES)
    leader.aws.images = {ImageId.of_tag(str(number)): detail(digest) for number, digest in enumerate(IMAGES)}
    leader.run_pods(
        *(
            pod(f"web-{number}", f"{ECR}/team/app:{number}", ran=(f"{ECR}/team/app@{digest}",), owner=None)
            for number, digest in enumerate(IMAGES)
        )
    )


def written(leader: Leader) -> list[str]:
    """Return the names of the written objects in order."""
    return [path.rpartition("/")[2] for method, path in leader.api.asked if method == "PUT" and "verdicts" in path]


async def test_what_waits_is_not_encoded_and_nothing_of_it_is_lost(working: Leader):
    """After all policies or findings have changed, ten thousand may wait."""
    for outcome in ("Pass", "Fail"):
        working.leads = False
        working.work.changed([RepositoryChange(APP)])
        await working.settle(60)
        writer = working.work._writer
        assert writer.waiting == len(IMAGES)
        assert all(isinstance(one, VerdictInput) for one in (*writer._turned.values(), *writer._pending.values()))
        working.leads = True
        working.work.judge_all()
        await working.settle(60)
        assert {one["spec"]["digest"] for one in working.api.verdicts} == set(IMAGES)
        assert {one["status"]["outcome"] for one in working.api.verdicts} == {outcome}
        assert all(one["status"]["evidence"]["data"] for one in working.api.verdicts)
        working.aws.found = dict.fromkeys(IMAGES, CRITICAL)
    assert working.counted(working.counts.writes, "created") == len(IMAGES)
    assert working.counted(working.counts.writes, "replaced") == len(IMAGES)
    assert working.counted(working.counts.turned, "VulnerabilitiesFound") == len(IMAGES)
    assert working.api.count("GET", "imageverdicts") == 0


async def test_verdicts_that_turned_bad_are_written_first(working: Leader):
    await working.settle(60)
    working.aws.found = {IMAGES[-1]: CRITICAL}
    working.leads = False
    working.work.changed([RepositoryChange(APP)])
    await working.settle(60)
    working.set_policies(RULES, policy("more", scan=ScanRules()))
    await working.settle(60)
    working.leads = True
    working.work.judge_all()
    await working.settle(60)
    assert len(written(working)) == len(IMAGES)
    assert written(working)[0] == object_name(APP, IMAGES[-1])


async def test_writes_wait_for_the_images_that_are_judged_but_not_for_long(working: Leader):
    await working.settle(120)
    writer = working.work._writer
    given = VerdictInput(repository=APP, digest=IMAGES[0], evidence=nothing_asked(), judged=(), usage=Usage())
    writer.hold()
    await working.settle(1)
    writer.hold()
    writer.offer(given)
    await working.settle(HOLD_SECONDS - 1.5)
    assert written(working) == []
    await working.settle(1)
    assert written(working) == [object_name(APP, IMAGES[0])]
    writer.release()
    writer.hold()
    writer.offer(replace(given, digest=IMAGES[1]))
    await working.settle(1)
    writer.release()
    await working.settle(1)
    assert written(working)[1:] == [object_name(APP, IMAGES[1])]


async def test_what_was_written_here_is_not_decoded_again(working: Leader):
    await working.settle(60)
    found = working.api.verdicts[0]
    head = working.stored.head(found["metadata"]["name"])
    assert working.stored.decode(json.dumps(found).encode()) == (head, None)
    working.api.edit(found["metadata"]["name"], refused=True)
    newer, whole = working.stored.decode(json.dumps(working.api.verdicts[0]).encode())
    assert newer != head
    assert whole is not None


@pytest.fixture
def _older_crd(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune the policies, as an API server does with a CRD that does not have it: a chart can be upgraded without CRDs."""
    store = leader.api._store

    def pruning(path: str, obj: Json) -> Json:
        if "status" in obj:
            obj = {**obj, "status": {name: value for name, value in obj["status"].items() if name != "policies"}}
        return store(path, obj)

    monkeypatch.setattr(leader.api, "_store", pruning)


@pytest.mark.usefixtures("_older_crd")
async def test_a_field_that_an_older_crd_prunes_does_not_have_an_object_written_with_each_change_of_pods(
    working: Leader,
):
    await working.settle(60)
    assert all("policies" not in one["status"] for one in working.api.verdicts)
    before = len(written(working))
    for count in range(1, 61):
        working.run_pods(
            *(
                pod(f"more-{number}", f"{ECR}/team/app:0", ran=(f"{ECR}/team/app@{IMAGES[0]}",), owner=None)
                for number in range(count)
            )
        )
        await working.settle(1)
    assert len(written(working)) - before <= 2
    writer = working.work._writer
    for head in working.stored.heads():
        writer.remove(head)
    assert not writer._sent


@pytest.mark.usefixtures("_older_crd")
async def test_a_field_that_an_older_crd_pruned_is_written_after_the_crd_was_upgraded(
    working: Leader, monkeypatch: pytest.MonkeyPatch
):
    await working.settle(60)
    before = len(written(working))
    monkeypatch.undo()
    for _ in range(2):
        working.work.judge_all()
        await working.settle(60)
    assert len(written(working)) == before
    await working.settle(SENT_SECONDS)
    working.work.judge_all()
    await working.settle(60)
    assert all("policies" in one["status"] for one in working.api.verdicts)


async def test_all_images_are_judged_before_the_first_is_written(working: Leader, monkeypatch: pytest.MonkeyPatch):
    await working.settle(120)
    waiting: list[int] = []
    replace_object = working.api.replace

    async def noted(path: str, obj: Json) -> Json:
        waiting.append(len(working.schedule))
        return await replace_object(path, obj)

    monkeypatch.setattr(working.api, "replace", noted)
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    working.set_policies(RULES, policy("more", tags=TagRules(immutable=True)))
    await working.settle(60)
    assert waiting == [0] * len(IMAGES)


async def test_a_replaced_object_asks_for_no_owners_of_fields(working: Leader):
    await working.settle(60)
    working.aws.found = {IMAGES[0]: CRITICAL}
    working.work.changed([RepositoryChange(APP)])
    await working.settle(60)
    (replaced,) = [one for one in working.api.verdicts if one["status"]["outcome"] == "Fail"]
    assert replaced["metadata"]["managedFields"] == [{}]
