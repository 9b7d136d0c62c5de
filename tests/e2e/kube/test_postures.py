"""RepositoryPostures on a real API server: written for what runs, on change only, and taken away when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.kube.background import Json, LiveRole, live_role
from tests.e2e.kube.edge import Rights, aside
from tests.integration.cli.test_posture import GOOD, RESTRICTED
from tests.objects import ECR
from tests.simulator import Simulator, World
from tests.waiting import LIMIT_SECONDS
from tidegate.background import postures
from tidegate.images.repository import EcrRegistry, EcrRepository

GONE: Json = {"status": {}}
ON = {"repositoryPostures": True}
WEB = EcrRepository(EcrRegistry("aws", "111122223333", "eu-west-1"), "team/web")


@pytest.fixture
def world() -> World:
    made = World()
    made.add_repository("team/good", **GOOD)
    made.add_repository("team/web", mutability="MUTABLE", policy=RESTRICTED, lifecycle=GOOD["lifecycle"])
    for name in ("team/good", "team/web"):
        made.add_image(name, "v1")
    return made


@pytest.fixture
def aws(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture(autouse=True)
def _hasty(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(postures, "ROUND_SECONDS", 0.5)
    yield
    for kind in ("imagepolicies", "imageverdicts", "repositorypostures"):
        rights.cluster.kubectl("delete", kind, "--all")


def image(aws: Simulator, name: str) -> str:
    """Return a reference by digest: no kubelet says here what a tag means."""
    return f"{ECR}/{name}@{aws.world.image(name, 'v1').digest}"


async def stored(role: LiveRole) -> dict[str, Json]:
    """Return the objects by the names of their repositories."""
    found = await aside(role.cluster.get, "repositorypostures")
    return {one["spec"]["repository"].partition("/")[2]: one for one in found["items"]}


async def wait_until(role: LiveRole, what: str, condition: Callable[[dict[str, Json]], bool]) -> dict[str, Json]:
    """Read the objects until the condition holds, and return them."""
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    while not condition(found := await stored(role)):
        assert asyncio.get_running_loop().time() < deadline, f"{what}: {found}"
        await asyncio.sleep(0.2)
    return found


async def test_what_runs_has_an_object_that_kubectl_shows(
    rights: Rights, namespace: str, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_role(rights, aws, monkeypatch, background=ON) as role:
        await role.deploy(namespace, image(aws, "team/web"), name="web")
        await role.deploy(namespace, image(aws, "team/good"), name="good")
        found = await wait_until(role, "two objects", lambda found: len(found) == 2)
        assert found["team/good"]["status"]["outcome"] == "Pass"
        status = found["team/web"]["status"]
        assert (status["outcome"], status["failed"], status["runningImages"]) == ("Fail", 1, 1)
        assert status["results"][0]["reason"] == "TagMutable"
        shown = await aside(role.cluster.kubectl, "get", "rp")
        (row,) = [line.split() for line in shown.stdout.splitlines() if "team/web" in line]
        assert row[1:7] == [f"{ECR}/team/web", "Fail", "MEDIUM", "1", "0", "TagMutable"]


async def test_an_object_is_written_on_change_alone_and_deleted_when_nothing_runs(
    rights: Rights, namespace: str, world: World, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postures, "PERIOD_SECONDS", 0.1)
    async with live_role(rights, aws, monkeypatch, background=ON) as role:
        await role.deploy(namespace, image(aws, "team/web"), name="web")
        before = (await wait_until(role, "an object", lambda found: "team/web" in found))["team/web"]
        version = before["metadata"]["resourceVersion"]
        await asyncio.sleep(2.0)  # It is judged again meanwhile.
        assert (await stored(role))["team/web"]["metadata"]["resourceVersion"] == version
        world.set_mutability("team/web", "IMMUTABLE")
        role.watched.engine.facts.configurations.repositories.drop(WEB)
        after = await wait_until(
            role, "a change", lambda found: found["team/web"]["metadata"]["resourceVersion"] != version
        )
        assert after["team/web"]["status"]["outcome"] == "Pass"
        monkeypatch.setattr(postures, "LINGER_SECONDS", 0.0)
        await aside(role.cluster.kubectl, "delete", "deployment", "web", "-n", namespace)
        await wait_until(role, "no object", lambda found: found == {})


async def test_an_object_that_someone_deletes_is_written_again_by_the_next_leader(
    rights: Rights, namespace: str, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_role(rights, aws, monkeypatch, background=ON) as role:
        await role.deploy(namespace, image(aws, "team/good"), name="good")
        await wait_until(role, "an object", lambda found: "team/good" in found)
        await aside(role.cluster.kubectl, "delete", "rp", "--all")
    async with live_role(rights, aws, monkeypatch, background=ON) as role:
        await wait_until(role, "an object", lambda found: "team/good" in found)


async def test_a_policy_of_the_cluster_says_what_is_demanded(
    rights: Rights, namespace: str, aws: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_role(rights, aws, monkeypatch, background=ON) as role:
        await role.apply_policy("encrypted", {"repository": {"encryption": "KMS"}})
        await role.deploy(namespace, image(aws, "team/good"), name="good")
        found = await wait_until(role, "a result", lambda found: "results" in found.get("team/good", GONE)["status"])
        (result,) = found["team/good"]["status"]["results"]
        assert (result["reason"], result["policy"]) == ("EncryptionNotConfigured", "encrypted")


async def test_the_webhooks_account_may_not_write_one(rights: Rights) -> None:
    for verb in ("create", "delete", "list"):
        said = rights.cluster.kubectl(
            "auth", "can-i", verb, "repositorypostures.tidegate.dev", kubeconfig=rights.kubeconfig, check=False
        )
        assert said.stdout.strip() == "no", verb
