"""Writes that wait: how much of them is kept."""

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader
from tests.unit.builders import ecr, policy
from tests.unit.gather.fakes import APP, detail, finding
from tidegate.background import writer
from tidegate.evidence.change import RepositoryChange
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import Severity
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.policy.model import VulnerabilityRules

IMAGES = [digest_of(f"image {number}".encode()) for number in range(5)]
CRITICAL = FoundFindings(findings=(finding("CVE-2026-0001"),))


@pytest.mark.parametrize("most", [0, 2, 100])
async def test_few_of_the_objects_that_wait_are_kept_encoded(
    working: Leader, monkeypatch: pytest.MonkeyPatch, most: int
):
    """After all policies or findings have changed, ten thousand may wait."""
    monkeypatch.setattr(writer, "MAX_ENCODED", most)
    working.set_policies(
        policy(
            registries=(ecr("team/**", account="111122223333"),),
            vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
        )
    )
    working.aws.images = {ImageId.of_tag(str(number)): detail(digest) for number, digest in enumerate(IMAGES)}
    working.run_pods(
        *(
            pod(f"web-{number}", f"{ECR}/team/app:{number}", ran=(f"{ECR}/team/app@{digest}",), owner=None)
            for number, digest in enumerate(IMAGES)
        )
    )
    for outcome in ("Pass", "Fail"):
        working.leads = False
        working.work.changed([RepositoryChange(APP)])
        await working.settle(60)
        waiting = list(working.work._writer._pending.values())
        assert [obj is not None for _, obj in waiting] == [number < most for number in range(len(IMAGES))]
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
