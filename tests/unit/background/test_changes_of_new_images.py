"""Changes of images whose evidence is looked up for the first time: what is under way may be from before the change."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader, at_work
from tests.unit.builders import ecr, policy
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, detail, finding, unavailable
from tidegate.background.ended import LINGER_SECONDS
from tidegate.evidence.change import Change, ImageChange, RegistryChange, RepositoryChange
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import Severity
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX
from tidegate.images.repository import EcrRepository
from tidegate.policy.model import TagRules, VulnerabilityRules

CRITICAL = FoundFindings(findings=(finding("CVE-2026-0001"),))
STRICT = policy(
    registries=(ecr("team/**", account="111122223333"),),
    vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
)
OTHER_IMAGE = digest_of(b"another image")


def running(digest=IMAGE):
    return pod("web-1-a", f"{ECR}/team/app:v1", ran=(f"{ECR}/team/app@{digest}",))


@pytest.fixture(autouse=True)
def _policy(leader: Leader) -> None:
    leader.set_policies(STRICT)
    leader.api.own("ReplicaSet", "shop", "web-1", ("apps/v1", "Deployment", "web"))


def report_during(leader: Leader, change: Change, *, then: Callable[[], None]) -> None:
    """Have something change at AWS just after the first answer about findings was made up, and be reported at once."""

    def happen() -> None:
        del leader.aws.during["inspector2:ListFindings"]
        then()
        leader.work.changed([change])

    leader.aws.during["inspector2:ListFindings"] = happen


@pytest.mark.parametrize("change", [ImageChange(APP, IMAGE), RepositoryChange(APP), RegistryChange(REGISTRY)])
async def test_a_change_during_the_first_look_up_is_looked_up(working: Leader, change: Change):
    report_during(working, change, then=lambda: working.aws.found.update({IMAGE: CRITICAL}))
    working.run_pods(running())
    await working.settle(30)
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()


async def test_a_change_of_a_child_during_the_first_look_up_of_its_index_is_looked_up(working: Leader):
    """Amazon Inspector names the child, and nothing says yet which index lists it."""
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": IMAGE, "size": 3}
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [{**child, "platform": {"os": "linux", "architecture": "amd64"}}],
        }
    ).encode()
    index = digest_of(content)
    working.aws.images = {ImageId.of_tag("v1"): detail(index, media_type=OCI_INDEX)}
    working.aws.manifests[index] = StoredManifest(media_type=OCI_INDEX, content=content)
    report_during(working, ImageChange(APP, IMAGE), then=lambda: working.aws.found.update({IMAGE: CRITICAL}))
    working.run_pods(running(index))
    await working.settle(30)
    assert working.status["outcome"] == "Fail"


async def test_a_change_while_a_first_look_up_waits_to_be_repeated_is_looked_up(working: Leader):
    """Of the first one that failed, some facts are kept. The wait after the failure stays as it is."""
    working.aws.failing["ecr:DescribeImages"] = unavailable(Cause.UNREACHABLE)
    working.run_pods(running())
    await working.settle(2)
    asked = len(working.aws.asked)
    working.aws.found[IMAGE] = CRITICAL
    working.work.changed([ImageChange(APP, IMAGE)])
    await working.settle(0.1)
    assert working.work.unread_registries == {REGISTRY}
    assert len(working.aws.asked) == asked
    del working.aws.failing["ecr:DescribeImages"]
    await working.settle(30)
    assert working.status["outcome"] == "Fail"
    assert working.work.unread_registries == set()


async def test_a_change_of_another_repository_repeats_no_first_look_up(working: Leader):
    other = EcrRepository(REGISTRY, "team/other")
    report_during(working, ImageChange(other, IMAGE), then=lambda: None)
    working.run_pods(running())
    await working.settle(30)
    assert working.aws.count("inspector2:ListFindings") == 1


async def test_a_change_of_another_digest_repeats_a_first_look_up_once_and_no_later_one(working: Leader):
    """A tenant who pushes again and again does not keep an image from being judged."""
    report_during(working, ImageChange(APP, OTHER_IMAGE), then=lambda: None)
    working.run_pods(running())
    await working.settle(30)
    assert working.aws.count("inspector2:ListFindings") == 2
    working.work.changed([ImageChange(APP, IMAGE)])
    report_during(working, ImageChange(APP, OTHER_IMAGE), then=lambda: None)
    await working.settle(30)
    assert working.aws.count("inspector2:ListFindings") == 3


async def test_events_about_a_registry_count_from_the_first_look_up_on(working: Leader):
    seen = []
    working.aws.during["ecr:DescribeImages"] = lambda: seen.append(working.work.registries)
    working.run_pods(running())
    await working.settle()
    assert seen
    assert all(one == {REGISTRY} for one in seen)
    working.pods.drop("shop/web-1-a")
    await working.settle(LINGER_SECONDS + 1)
    assert working.work.registries == set()


async def test_images_without_a_wanted_scan_are_followed_too(working: Leader):
    """A deleted image or signature counts for policies that ask for no scan."""
    working.set_policies(replace(STRICT, vulnerabilities=None, tags=TagRules(immutable=True)))
    working.run_pods(pod("web-1-a", f"{ECR}/team/app:v1", ran=(f"{ECR}/team/app@{IMAGE}",)))
    await working.settle()
    assert working.evidence.in_ecr() == {REGISTRY: [(APP.name, IMAGE)]}
    assert working.evidence.scanned() == {}
    assert working.work.registries == {REGISTRY}


async def test_a_change_of_what_ran_when_this_process_led_before_does_not_stay_unread(leader: Leader):
    leader.run_pods(running())
    async with at_work(leader):
        await leader.settle()
        leader.aws.failing["*"] = unavailable(Cause.UNREACHABLE)
        leader.work.changed([ImageChange(APP, IMAGE)])
        await leader.settle()
    assert leader.work.unread_registries == {REGISTRY}
    leader.pods.drop("shop/web-1-a")
    leader.api.objects.clear()
    leader.api.tell(leader.stored)
    async with at_work(leader):
        await leader.settle(LINGER_SECONDS + 1)
        assert leader.work.unread_registries == set()
