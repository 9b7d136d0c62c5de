"""The posture of repositories in use: when each is judged, which result counts, and which objects that leaves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.background.cluster import FakeApi
from tests.unit.gather.virtual_time import VirtualClock
from tidegate.background import postures as postures_module
from tidegate.background.counts import Counts
from tidegate.background.posture_objects import POSTURES_PATH, RESYNC_SECONDS, SENT_SECONDS, PostureObjects
from tidegate.background.postures import (
    KEPT_SECONDS,
    LINGER_SECONDS,
    PERIOD_SECONDS,
    RETRY_SECONDS,
    PostureFacts,
    RepositoryPostures,
)
from tidegate.checks.result import Outcome
from tidegate.cluster.api import CONFLICT, ApiError
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    RegistryConfiguration,
    RegistryPolicyScope,
    RegistryScanning,
    RepositoryConfiguration,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRegistry, EcrRepository, OciRegistry, OciRepository
from tidegate.policy.snapshot import PolicySnapshot

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
APP, OTHER = EcrRepository(REGISTRY, "team/app"), EcrRepository(REGISTRY, "team/other")
ONE, TWO = digest_of(b"one"), digest_of(b"two")
DENIED = Missing(Cause.ACCESS_DENIED, "ecr:GetRepositoryPolicy")


def registry() -> RegistryConfiguration:
    return RegistryConfiguration(
        registry=REGISTRY,
        policy=None,
        policy_scope=RegistryPolicyScope.V2,
        scanning=RegistryScanning(type=ScanType.ENHANCED),
        pull_through=(),
        replication=(),
        signing=(),
    )


def configured(repository: EcrRepository, mutability: TagMutability = TagMutability.IMMUTABLE) -> Any:
    return RepositoryConfiguration(
        repository=repository,
        settings=RepositorySettings(mutability=mutability),
        encryption=Encryption(type=EncryptionType.AES256),
        policy=None,
        lifecycle=None,
        scanning=RepositoryScanning(frequency=ScanFrequency.CONTINUOUS_SCAN),
    )


class ListingApi(FakeApi):
    async def list_objects(self, path: str) -> list[Any]:
        self._ask("LIST", path)
        return [one for own, one in self.objects.items() if own.startswith(f"{path}/")]


class Facts:
    """Both caches; ``asked`` counts the look-ups of repositories."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.registry: Any = registry()
        self.repositories: dict[EcrRepository, Any] = {}
        self.asked: list[EcrRepository] = []
        self.stale: Cause | None = None
        self.age = timedelta(0)

    async def get(self, key: Any) -> Any:
        if isinstance(key, EcrRegistry):
            value = self.registry
        else:
            self.asked.append(key)
            value = self.repositories.get(key, configured(key))
        if isinstance(value, Missing):
            return value, 0.0
        return Known(value, self.clock.now() - self.age, self.stale, "ecr:X"), 0.0

    def peek(self, key: Any, *, stored: bool = False) -> Any:
        raise NotImplementedError

    def renew(self, key: Any) -> None:
        raise NotImplementedError


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api = ListingApi()
        self.facts = Facts(self.clock)
        self.in_use: list[Any] = [(APP, ONE)]
        self.snapshot = PolicySnapshot.of([])
        self.listed: list[EcrRepository] = []
        self.counts = Counts()
        self.postures = RepositoryPostures(
            facts=PostureFacts(registries=self.facts, repositories=self.facts, images=self.images),
            in_use=lambda: self.in_use,
            policies=lambda: self.snapshot,
            store=PostureObjects(self.api, self.clock, self.counts),  # type: ignore[arg-type]  # a fake of the API
            clock=self.clock,
        )

    async def images(self, repository: EcrRepository, configuration: RepositoryConfiguration) -> Any:
        self.listed.append(repository)
        return ()

    async def round(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        await self.postures.round()

    @property
    def objects(self) -> Mapping[str, Any]:
        return {
            one["spec"]["repository"].partition("/")[2]: one
            for path, one in self.api.objects.items()
            if path.startswith(POSTURES_PATH)
        }

    def outcome(self, name: str = "team/app") -> str:
        return str(self.objects[name]["status"]["outcome"])

    @property
    def writes(self) -> int:
        return self.api.count("POST") + self.api.count("PUT") + self.api.count("DELETE")


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_each_repository_in_use_has_one_object(bench: Bench) -> None:
    oci = OciRepository(OciRegistry("docker.io"), "library/nginx")
    bench.in_use = [(APP, ONE), (APP, TWO), (OTHER, ONE), (oci, ONE)]
    await bench.round()
    assert sorted(bench.objects) == ["team/app", "team/other"]
    status = bench.objects["team/app"]["status"]
    assert (status["outcome"], status["severity"], status["runningImages"]) == ("Fail", "HIGH", 2)
    assert [one["check"] for one in status["results"]] == ["push", "lifecycle"]
    assert not any("aws ecr" in str(one) for one in status["results"])


async def test_nothing_is_written_where_nothing_has_changed(bench: Bench) -> None:
    await bench.round()
    before = bench.writes
    await bench.round(60)
    await bench.round(PERIOD_SECONDS)
    assert bench.writes == before
    assert bench.facts.asked == [APP, APP]


async def test_a_field_that_an_older_crd_drops_is_not_written_again_and_again(bench: Bench, monkeypatch: Any) -> None:
    """The chart can be upgraded without its CRDs."""
    store = bench.api._store

    def prune(path: str, obj: Any) -> Any:
        return store(path, {**obj, "status": {name: value for name, value in obj["status"].items() if name != "since"}})

    monkeypatch.setattr(bench.api, "_store", prune)
    await bench.round()
    before = bench.writes
    assert "since" not in bench.objects["team/app"]["status"]
    for _ in range(5):
        await bench.round(60)
    await bench.round(RESYNC_SECONDS)
    assert bench.writes == before
    monkeypatch.setattr(bench.api, "_store", store)
    for _ in range(int(SENT_SECONDS // RESYNC_SECONDS) + 1):
        await bench.round(RESYNC_SECONDS)
    assert bench.writes == before + 1
    assert "since" in bench.objects["team/app"]["status"], "the CRD was upgraded"


async def test_a_change_is_written_and_keeps_since_when_the_outcome_holds(bench: Bench) -> None:
    await bench.round()
    first = bench.objects["team/app"]["status"]
    bench.facts.repositories[APP] = configured(APP, TagMutability.MUTABLE)
    await bench.round(PERIOD_SECONDS)
    second = bench.objects["team/app"]["status"]
    assert (first["failed"], second["failed"]) == (2, 3)
    assert first["since"] == second["since"]
    assert first["writtenAt"] != second["writtenAt"]


async def test_other_images_and_other_policies_have_it_judged_at_once(bench: Bench) -> None:
    await bench.round()
    bench.in_use = [(APP, TWO)]
    await bench.round(60)
    assert len(bench.facts.asked) == 2
    bench.snapshot = PolicySnapshot.of([], exceptions=())
    object.__setattr__(bench.snapshot, "revision", "another")
    await bench.round(60)
    assert len(bench.facts.asked) == 3


async def test_what_cannot_be_read_does_not_replace_what_is_known(bench: Bench) -> None:
    await bench.round()
    bench.facts.repositories[APP] = DENIED
    await bench.round(PERIOD_SECONDS)
    assert bench.outcome() == "Fail"
    await bench.round(RETRY_SECONDS)
    assert len(bench.facts.asked) == 3
    await bench.round(KEPT_SECONDS)
    assert bench.outcome() == "Undetermined"
    assert "passed" not in bench.objects["team/app"]["status"]


async def test_a_new_failure_counts_although_another_part_cannot_be_read(bench: Bench) -> None:
    """Who opens a repository and denies another call may not keep the old result."""
    await bench.round()
    refused = SourceUnavailableError(Cause.ACCESS_DENIED, "ecr:GetLifecyclePolicy")
    bench.facts.repositories[APP] = replace(configured(APP), lifecycle=refused)
    await bench.round(PERIOD_SECONDS)
    before = bench.postures.report().registries[0].repositories[0].lines
    assert not any(line.reason == "CouldNotCheck" for line in before)
    bench.facts.repositories[APP] = replace(configured(APP, TagMutability.MUTABLE), lifecycle=refused)
    await bench.round(RETRY_SECONDS)
    lines = bench.postures.report().registries[0].repositories[0].lines
    assert {"TagMutable", "CouldNotCheck"} <= {line.reason for line in lines}


async def test_what_was_never_read_is_undetermined_and_looked_up_again(bench: Bench) -> None:
    bench.facts.repositories[APP] = DENIED
    await bench.round()
    assert bench.outcome() == "Undetermined"
    del bench.facts.repositories[APP]
    await bench.round(RETRY_SECONDS)
    assert bench.outcome() == "Fail"


async def test_a_known_result_is_of_the_present_images_and_policies(bench: Bench) -> None:
    """A result that was made for others is no result."""
    await bench.round()
    bench.facts.repositories[APP] = DENIED
    bench.in_use = [(APP, TWO)]
    await bench.round(60)
    assert bench.outcome() == "Undetermined"


async def test_a_fact_that_is_stale_for_more_than_a_day_does_not_count(bench: Bench) -> None:
    bench.facts.stale, bench.facts.age = Cause.UNREACHABLE, timedelta(hours=1)
    await bench.round()
    assert bench.outcome() == "Fail"
    bench.facts.age = timedelta(seconds=KEPT_SECONDS + 1)
    await bench.round(KEPT_SECONDS)
    assert bench.outcome() == "Undetermined"


async def test_a_registry_that_cannot_be_read_leaves_the_rest(bench: Bench) -> None:
    bench.facts.registry = DENIED
    await bench.round()
    status = bench.objects["team/app"]["status"]
    assert "tag-immutability" in status["passed"]
    assert status["undetermined"]


async def test_the_object_stays_for_a_while_after_the_last_image_ended(bench: Bench) -> None:
    await bench.round()
    bench.in_use = []
    await bench.round(LINGER_SECONDS - 1)
    assert list(bench.objects) == ["team/app"]
    await bench.round(2)
    assert list(bench.objects) == []


async def test_objects_of_a_leader_before_are_taken_over_or_deleted(bench: Bench) -> None:
    bench.in_use = [(APP, ONE), (OTHER, ONE)]
    await bench.round()
    after = Bench()
    after.api = bench.api
    after.postures._store = PostureObjects(after.api, after.clock, after.counts)  # type: ignore[arg-type]
    before = bench.writes
    await after.round()
    assert list(after.objects) == ["team/app"]
    assert bench.writes == before + 1


async def test_an_object_that_is_changed_by_hand_is_written_anew(bench: Bench) -> None:
    await bench.round()
    (path,) = bench.api.objects
    stored = bench.api.objects[path]
    bench.api._store(path, {**stored, "status": {**stored["status"], "outcome": "Pass"}})
    await bench.round(RESYNC_SECONDS)
    assert bench.outcome() == "Fail"


async def test_a_refused_write_is_made_in_the_next_round(bench: Bench) -> None:
    bench.api.refused = [ApiError("no", status=CONFLICT)]
    await bench.round()
    assert list(bench.objects) == []
    await bench.round(60)
    assert list(bench.objects) == ["team/app"]


async def test_without_the_crd_nothing_is_written_and_the_report_is_there(bench: Bench) -> None:
    bench.api.failing = ApiError("no such resource", status=404)
    await bench.round()
    assert bench.writes == 0
    assert bench.postures.report().outcome is Outcome.FAIL
    bench.api.failing = None
    await bench.round(60)
    assert list(bench.objects) == ["team/app"]


async def test_the_number_of_objects_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postures_module, "MAX_REPOSITORIES", 3)
    bench.in_use = [(EcrRepository(REGISTRY, f"team/app{number}"), ONE) for number in range(5)]
    await bench.round()
    assert len(bench.objects) == 3
    assert bench.postures.left_out == 2
