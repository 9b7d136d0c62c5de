"""Trust stores from lists: compiled when they change, kept through failures, told their status; none speaks for another."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tests.unit.policy.trust_store_examples import TUF
from tests.unit.trust.trust_examples import inline, pem, store, trusted_root
from tidegate.cluster import trust_stores as module
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.trust_stores import TRUST_STORES_PATH, WatchedTrustStores
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import TufRepository
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore, TrustStore
from tidegate.trust.store_content import Content
from tidegate.trust.trusted_roots import ExpiredRootError

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
BY_MAP = {"type": "ca", "configMap": {"name": "acme-ca"}}
FETCHED = {"type": "sigstore", "tuf": TUF}
REPOSITORY = TufRepository(url=TUF["url"], root=TUF["root"])


class FakeApi:
    """Lists trust stores, gives ConfigMaps and takes patches of status; fails on demand."""

    def __init__(self, *stores: dict[str, Any]) -> None:
        self.stores = list(stores)
        self.maps: dict[str, dict[str, Any]] = {}
        self.list_status: int | None = 200
        self.map_status: int | None = 200
        self.patch_status: int | None = 200
        self.patched: list[str] = []
        self.reads = 0

    async def list_objects(self, path: str) -> list[dict[str, Any]]:
        assert path == TRUST_STORES_PATH
        if self.list_status != 200:
            raise ApiError("no list", status=self.list_status)
        return self.stores

    async def get(self, path: str) -> dict[str, Any]:
        self.reads += 1
        if self.map_status != 200:
            raise ApiError("no map", status=self.map_status)
        if path not in self.maps:
            raise ApiError("no map", status=404)
        return self.maps[path]

    async def merge_patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.patched.append(path)
        if self.patch_status != 200:
            raise ApiError("no patch", status=self.patch_status)
        for one in self.stores:
            if one["metadata"]["name"] == path.split("/")[-2]:
                one["status"] = {name: value for name, value in patch["status"].items() if value is not None}
        return {}

    def condition(self, name: str) -> dict[str, Any]:
        (obj,) = (one for one in self.stores if one["metadata"]["name"] == name)
        (ready,) = obj["status"]["conditions"]
        return dict(ready)

    def put_map(self, **data: str) -> None:
        self.maps["/api/v1/namespaces/gate/configmaps/acme-ca"] = {"data": data}


class FakeRoots:
    """Trusted roots as a test says them."""

    def __init__(self) -> None:
        self.wanted: frozenset[TufRepository] = frozenset()
        self.root: str | None = None
        self.answered = True
        self.expired: ExpiredRootError | None = None

    def is_answered(self) -> bool:
        return self.answered

    def want(self, repositories: frozenset[TufRepository]) -> None:
        self.wanted = repositories

    def content(self, repository: TufRepository) -> Content:
        if self.expired is not None:
            raise self.expired
        if self.root is None:
            raise PolicyError(("it could not be fetched yet",))
        return Content(files=(("root", self.root.encode()),), refreshed_at=NOW)


def watched(api: FakeApi, **settings: Any) -> WatchedTrustStores:
    return WatchedTrustStores(cast("KubernetesApi", api), namespace="gate", now=lambda: NOW, **settings)


def current(source: WatchedTrustStores) -> dict[str, AnyTrustStore]:
    stores = source.current()
    assert stores is not None
    return {one.name: one for one in stores}


def told_of(source: WatchedTrustStores) -> list[str]:
    told: list[str] = []
    source.on_change = lambda: told.append("change")
    return told


@pytest.mark.parametrize("status", [None, 401, 403, 500])
async def test_nothing_is_known_before_a_list_worked(status):
    """No right and no API server are not the same as no trust store."""
    api = FakeApi()
    api.list_status = status
    source = watched(api)
    assert not await source.resync.refresh_once()
    assert source.current() is None
    api.list_status = 200
    assert await source.resync.refresh_once()
    assert source.current() == ()


async def test_without_the_resource_there_are_no_trust_stores():
    """Whatever relies on one is then undetermined, and policies without signatures work as before."""
    api, told = FakeApi(store(inline(pem()))), []
    source = watched(api)
    source.on_return = lambda: told.append("back")
    api.list_status = 404
    assert await source.resync.refresh_once()
    assert source.current() == ()
    api.list_status = 200
    await source.resync.refresh_once()
    await source.resync.refresh_once()
    assert list(current(source)) == ["acme"]
    assert told == ["back"]


async def test_a_failed_list_keeps_the_last_stores():
    api = FakeApi(store(inline(pem())))
    source = watched(api)
    await source.resync.refresh_once()
    before = source.current()
    api.list_status, api.stores = 500, []
    assert not await source.resync.refresh_once()
    assert source.current() is before


async def test_each_list_is_the_whole_truth():
    api = FakeApi(store(inline(pem()), name="b"), store(inline(pem()), name="a"))
    source = watched(api)
    await source.resync.refresh_once()
    assert list(current(source)) == ["a", "b"]
    api.stores = [store(inline(pem()), name="c")]
    await source.resync.refresh_once()
    assert list(current(source)) == ["c"]
    assert list(source._compiled) == ["uid-c"]


@pytest.mark.parametrize(
    ("after", "same"),
    [
        pytest.param(store(inline(pem())), True, id="nothing"),
        pytest.param(store(inline(pem())) | {"status": {"certificateCount": 1}}, True, id="its status"),
        pytest.param(store(inline(pem()), generation=3), False, id="its generation"),
        pytest.param(store(inline(pem("Other"))), False, id="its certificates"),
        pytest.param(store(inline(pem(), type_="signingAuthority")), False, id="its type"),
        pytest.param(store(inline(pem()), name="b"), False, id="its name"),
    ],
)
async def test_stores_are_the_same_objects_until_one_changes(after, same):
    api = FakeApi(store(inline(pem())))
    source = watched(api)
    told = told_of(source)
    await source.resync.refresh_once()
    before = source.current()
    api.stores = [after]
    await source.resync.refresh_once()
    assert (source.current() is before) is same
    assert len(told) == (1 if same else 2)


async def test_a_broken_store_changes_no_other_and_makes_news_once():
    api = FakeApi(store(inline(pem())), store({"type": "ca"}, name="bad"), store(inline("x"), name="worse"))
    source = watched(api)
    told = told_of(source)
    for _ in range(3):
        await source.resync.refresh_once()
    stores = current(source)
    assert isinstance(stores["acme"], TrustStore)
    assert isinstance(stores["bad"], BrokenTrustStore)
    assert isinstance(stores["worse"], BrokenTrustStore)
    assert told == ["change"]
    assert (api.condition("acme")["status"], api.condition("bad")["status"]) == ("True", "False")
    assert "spec: got no source" in api.condition("bad")["message"]


async def test_more_stores_than_can_be_are_broken(monkeypatch):
    monkeypatch.setattr(module, "MAX_STORES", 2)
    source = watched(FakeApi(*(store(inline(pem()), name=name) for name in "cab")))
    await source.resync.refresh_once()
    kinds = {name: type(one).__name__ for name, one in current(source).items()}
    assert kinds == {"a": "TrustStore", "b": "TrustStore", "c": "BrokenTrustStore"}


class TestConfigMaps:
    async def test_their_content_is_read_with_every_list(self):
        api = FakeApi(store(BY_MAP))
        api.put_map(ca=pem())
        source = watched(api)
        told = told_of(source)
        await source.resync.refresh_once()
        first = current(source)["acme"]
        await source.resync.refresh_once()
        assert current(source)["acme"] is first
        assert api.reads == 2
        api.put_map(ca=pem("Other"))
        await source.resync.refresh_once()
        second = current(source)["acme"]
        assert isinstance(second, TrustStore)
        assert second.certificates == (pem("Other").encode(),)
        assert told == ["change", "change"]

    async def test_one_that_is_gone_breaks_the_store_at_once(self):
        api = FakeApi(store(BY_MAP), store(inline(pem()), name="b"))
        api.put_map(ca=pem())
        source = watched(api)
        await source.resync.refresh_once()
        api.maps.clear()
        await source.resync.refresh_once()
        assert isinstance(current(source)["acme"], BrokenTrustStore)
        assert isinstance(current(source)["b"], TrustStore)
        assert api.condition("acme")["message"] == "ConfigMap gate/acme-ca does not exist"

    @pytest.mark.parametrize("status", [None, 429, 500])
    async def test_without_an_answer_the_last_content_stays(self, status):
        api = FakeApi(store(BY_MAP))
        api.put_map(ca=pem())
        source = watched(api)
        await source.resync.refresh_once()
        first = current(source)["acme"]
        api.map_status = status
        await source.resync.refresh_once()
        assert current(source)["acme"] is first

    async def test_without_an_answer_there_is_nothing_for_another_spec(self):
        """What was read for one source is never taken for that of another."""
        api = FakeApi(store(BY_MAP))
        api.put_map(ca=pem())
        source = watched(api)
        await source.resync.refresh_once()
        api.map_status = 500
        api.stores = [store(BY_MAP | {"configMap": {"name": "other"}}, generation=3)]
        await source.resync.refresh_once()
        assert isinstance(current(source)["acme"], BrokenTrustStore)
        assert "the API server did not answer" in api.condition("acme")["message"]


class TestFetchedRoots:
    @pytest.fixture
    def roots(self) -> FakeRoots:
        return FakeRoots()

    async def test_the_repositories_of_all_stores_are_wanted_and_no_others(self, roots):
        api = FakeApi(
            store(FETCHED), store({"type": "sigstore", "publicGood": True}, name="b"), store(BY_MAP, name="c")
        )
        source = watched(api, roots=roots)
        await source.resync.refresh_once()
        assert roots.wanted == {REPOSITORY, TufRepository()}
        api.stores = []
        await source.resync.refresh_once()
        assert roots.wanted == frozenset()

    async def test_a_root_that_was_fetched_is_the_store_s(self, roots):
        api = FakeApi(store(FETCHED))
        source = watched(api, roots=roots)
        await source.resync.refresh_once()
        assert isinstance(current(source)["acme"], BrokenTrustStore)
        assert api.condition("acme")["message"] == "it could not be fetched yet"
        roots.root = trusted_root()
        await source.resync.refresh_once()
        made = current(source)["acme"]
        assert isinstance(made, TrustStore)
        assert made.trusted_root == trusted_root().encode()
        assert api.stores[0]["status"]["refreshedTime"] == "2026-05-04T03:02:01Z"

    async def test_a_root_that_is_being_fetched_was_not_read(self, roots):
        """Until the list after its answer: what that changes is not told before."""
        source = watched(FakeApi(store(FETCHED)), roots=roots)
        assert not source.is_read()
        roots.answered = False
        await source.resync.refresh_once()
        assert not source.is_read()
        roots.answered = True
        assert not source.is_read()
        await source.resync.refresh_once()
        assert source.is_read()

    async def test_a_root_that_has_expired_is_told_by_the_replica_that_fetched_it_last(self, roots):
        """With the time of its fetch: no other replica can know a later one."""
        api = FakeApi(store(FETCHED))
        roots.root = trusted_root()
        source = watched(api, roots=roots)
        await source.resync.refresh_once()
        assert api.condition("acme")["reason"] == "Read"
        roots.expired = ExpiredRootError("the trusted root expired", NOW)
        await source.resync.refresh_once()
        assert (api.condition("acme")["reason"], api.condition("acme")["message"]) == (
            "Broken",
            "the trusted root expired",
        )

    async def test_where_nothing_is_fetched_it_is_broken(self):
        source = watched(FakeApi(store(FETCHED)))
        await source.resync.refresh_once()
        assert isinstance(current(source)["acme"], BrokenTrustStore)


class TestStatus:
    async def test_it_is_written_once(self):
        api = FakeApi(store(inline(pem()), name="a"), store({"type": "ca"}, name="b"))
        source = watched(api)
        for _ in range(3):
            assert await source.resync.refresh_once()
        assert sorted(api.patched) == [f"{TRUST_STORES_PATH}/{name}/status" for name in ("a", "b")]

    @pytest.mark.parametrize("status", [None, 403, 404, 409, 500])
    async def test_one_that_cannot_be_written_stops_nothing(self, status):
        api = FakeApi(store(inline(pem()), name="a"), store(inline(pem()), name="b"))
        api.patch_status = status
        source = watched(api)
        assert await source.resync.refresh_once()
        assert list(current(source)) == ["a", "b"]
        assert len(api.patched) == 2

    async def test_those_of_one_round_are_bounded_and_the_rest_follows(self, monkeypatch):
        monkeypatch.setattr("tidegate.cluster.objects.MAX_STATUS_WRITES", 2)
        api = FakeApi(*(store(inline(pem()), name=name) for name in "abc"))
        source = watched(api)
        await source.resync.refresh_once()
        assert len(api.patched) == 2
        assert source.resync._wanted.is_set()
        await source.resync.refresh_once()
        assert len(api.patched) == 3


def test_it_asks_for_a_list_when_told():
    source = watched(FakeApi())
    source.mark_dirty()
    assert source.resync._wanted.is_set()
    assert source.age_seconds == float("inf")
