"""Running images on a real API server: judged, written down, judged again when something changes, and reported once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.kube.background import Json, live_role
from tests.e2e.kube.edge import Rights, aside
from tests.objects import ECR, POLICY
from tests.simulator import Simulator, World
from tests.waiting import until
from tidegate.evidence.change import ImageChange
from tidegate.gather import change_feed
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.verdicts.shape import VERDICTS_PATH

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")


@pytest.fixture
def world() -> World:
    made = World()
    made.add_repository("team/web", mutability="IMMUTABLE")
    return made


@pytest.fixture
def aws(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(rights: Rights, namespace: str) -> Iterator[None]:
    yield
    # With their Pods, which would run the next test's image: all name it by the same tag.
    rights.cluster.kubectl("delete", "deployments", "--all", "--cascade=foreground", "-n", namespace)
    for kind in ("imagepolicies", "imageverdicts"):
        rights.cluster.kubectl("delete", kind, "--all")


def change(repository: str, digest: str) -> frozenset[ImageChange]:
    return frozenset({ImageChange(EcrRepository(REGISTRY, repository), Digest(digest))})


async def test_a_finding_that_arrives_turns_a_verdict_bad_and_is_reported_once(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 1.0)
    digest = world.add_image("team/web", "v1")
    async with live_role(rights, aws, monkeypatch) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web:v1")
        first = await role.verdict(digest)
        assert first["status"]["outcome"] == "Pass"
        (where,) = first["status"]["runs"]["namespaces"]
        assert (where["name"], where["pods"]) == (namespace, 1)
        assert where["workloads"] == [{"kind": "Deployment", "name": "app"}]
        calls = aws.calls("inspector2", "ListFindings")

        world.add_finding("team/web", "v1", severity="CRITICAL", id="CVE-2026-0001")
        role.work.changed(change("team/web", digest))
        second = await role.verdict(digest, where=lambda one: one["status"]["outcome"] == "Fail")
        assert second["status"]["refused"] is True
        assert second["status"]["reasons"] == ["VulnerabilitiesFound"]
        assert aws.calls("inspector2", "ListFindings") > calls

        async def posted() -> list[Json]:
            return await role.events(namespace, "ImageNotAllowed")

        await until(lambda: role.parts.counts.events._counts.get(("posted",)), what="the Event")
        (event,) = await posted()
        assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("Deployment", "app")
        assert event["type"] == "Warning"
        assert "CVE-2026-0001" in event["message"]
        await until(lambda: role.parts.feed.confirmed_at(REGISTRY), what="the first poll")
        await until(lambda: not role.work.unread_registries, what="all changes read")
        assert await role.parts.progress.write()
        # Another leader, or this one after a restart, finds the verdict as it is and reports nothing.
    async with live_role(rights, aws, monkeypatch) as role:
        await until(role.work.considered.is_set, what="every image considered")
        await until(lambda: not role.work._reads.collecting, what="all evidence")
        await asyncio.sleep(0.5)
        assert len(await role.events(namespace, "ImageNotAllowed")) == 1
        assert not role.parts.counts.events._counts
        assert not role.parts.counts.writes._counts


async def test_a_leader_that_is_killed_between_its_event_and_its_write_loses_and_repeats_nothing(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next leader writes the verdict; of the Event it finds the one with the same name."""
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 1.0)
    digest = world.add_image("team/web", "v1")
    async with live_role(rights, aws, monkeypatch) as killed:
        await killed.apply_policy("production", POLICY)
        await killed.deploy(namespace, f"{ECR}/team/web:v1")
        first = await killed.verdict(digest)

        async def never(_path: str, _obj: Json) -> Json:
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(killed.watched.api, "replace", never)
        world.add_finding("team/web", "v1", severity="CRITICAL", id="CVE-2026-0001")
        killed.work.changed(change("team/web", digest))
        await until(lambda: killed.parts.counts.events._counts.get(("posted",)), what="the Event")
    (event,) = await killed.events(namespace, "ImageNotAllowed")
    assert await killed.verdicts() == [first]
    async with live_role(rights, aws, monkeypatch) as next_one:
        second = await next_one.verdict(digest, where=lambda one: one["status"]["outcome"] == "Fail")
        assert second["status"]["refused"] is True
        await until(lambda: next_one.parts.counts.events._counts.get(("repeated",)), what="the same Event")
        assert await next_one.events(namespace, "ImageNotAllowed") == [event]
        counts = next_one.parts.counts.events._counts
        assert {result: count for result, count in counts.items() if result != ("failed",)} == {("repeated",): 1}


async def test_a_finding_is_found_by_polling_alone(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute, two calls a registry; here more often. At two calls a second that leaves minutes for the look-up."""
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.5)
    digest = world.add_image("team/web", "v1")
    async with live_role(rights, aws, monkeypatch, calls_per_second=5) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web:v1")
        await role.verdict(digest)
        await until(lambda: role.parts.feed.confirmed_at(REGISTRY), what="the first poll")
        world.add_finding("team/web", "v1", severity="CRITICAL", id="CVE-2026-0002")
        found = await role.verdict(digest, where=lambda one: one["status"]["outcome"] == "Fail")
        assert "CVE-2026-0002" in found["status"]["message"]
        stored = await role.watched.api.get(f"{VERDICTS_PATH}/{found['metadata']['name']}")
        assert "managedFields" not in stored["metadata"]
        await until(lambda: not role.work.unread_registries, what="all changes read")
        assert await role.parts.progress.write()
        kept = await aside(rights.cluster.get, "configmap", f"{rights.name}-change-feed", "-n", rights.namespace)
        assert REGISTRY.host in kept["data"]["state"]


async def test_an_event_of_aws_is_enough(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = world.add_image("team/web", "v1")
    queue = world.add_queue("tidegate-events")
    async with live_role(rights, aws, monkeypatch, aws_settings={"eventQueueUrl": queue}) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web:v1")
        await role.verdict(digest)
        world.add_finding("team/web", "v1", severity="CRITICAL", id="CVE-2026-0003")
        await role.verdict(digest, where=lambda one: one["status"]["outcome"] == "Fail")


async def test_a_changed_policy_judges_again_without_a_call_to_aws(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = world.add_image("team/web", "v1")
    world.add_finding("team/web", "v1", severity="HIGH")
    async with live_role(rights, aws, monkeypatch) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web:v1")
        await role.verdict(digest)
        await until(lambda: not role.work._reads.collecting, what="all evidence")
        aws.reset_counters()
        await role.apply_policy("production", {**POLICY, "vulnerabilities": {"maxCounts": {"CRITICAL": 0, "HIGH": 0}}})
        found = await role.verdict(digest, where=lambda one: one["status"]["outcome"] == "Fail")
        assert found["status"]["policies"][0]["name"] == "production"
        assert aws.calls("inspector2") == 0
        assert aws.calls("ecr") == 0


async def test_a_container_that_runs_another_digest_is_reported(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = world.add_image("team/web", "v1", content="one")
    other = world.add_image("team/web", "v2", content="two")
    async with live_role(rights, aws, monkeypatch) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web@{named}")
        await role.verdict(named)
        await role.set_running(namespace, f"{ECR}/team/web@{other}")
        await role.verdict(other)
        await until(lambda: role.parts.pods.differences == 1, what="the difference")
        await until(lambda: role.parts.counts.events._counts.get(("posted",)), what="the Event")
        (event,) = await role.events(namespace, "ImageDiffers")
        assert named in event["message"]
        assert other in event["message"]


async def test_an_object_that_a_user_changed_or_deleted_is_written_again(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = world.add_image("team/web", "v1")
    async with live_role(rights, aws, monkeypatch) as role:
        await role.apply_policy("production", POLICY)
        await role.deploy(namespace, f"{ECR}/team/web:v1")
        name = (await role.verdict(digest))["metadata"]["name"]
        patch = '{"status":{"outcome":"Fail","message":"by hand"}}'
        await aside(rights.cluster.kubectl, "patch", "imageverdict", name, "--type=merge", f"--patch={patch}")
        await role.verdict(digest, where=lambda one: one["status"]["outcome"] == "Pass")
        uid = (await role.verdict(digest))["metadata"]["uid"]
        await aside(rights.cluster.kubectl, "delete", "imageverdict", name)
        await role.verdict(digest, where=lambda one: one["metadata"]["uid"] != uid)
