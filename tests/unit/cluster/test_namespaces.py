"""Namespaces' labels: what a watch tells and what a list shows, in every order; and live questions, bounded."""

import asyncio
import time
from typing import Any, cast

import pytest

from tidegate.cluster import namespaces as module
from tidegate.cluster.api import ApiError, KubernetesApi, ObjectMetadata
from tidegate.cluster.namespaces import WatchedNamespaces


class FakeApi:
    """Answers lists from a dictionary; a gate holds an answer back after it was taken from the cluster."""

    def __init__(self, **cluster: dict[str, str]) -> None:
        self.cluster = cluster
        self.asked: list[str] = []
        self.broken = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def list_metadata(self, _path: str, *, field_selector: str = "", seconds: float = 0) -> list[ObjectMetadata]:
        self.asked.append(field_selector)
        may_answer = self.may_answer
        name = field_selector.removeprefix("metadata.name=")
        found = [
            ObjectMetadata(name=one, labels=labels) for one, labels in self.cluster.items() if not name or one == name
        ]
        await may_answer.wait()
        if self.broken:
            raise ApiError("no API server")
        return found


def watched(api: FakeApi) -> WatchedNamespaces:
    return WatchedNamespaces(cast("KubernetesApi", api))


def soon() -> float:
    return time.monotonic() + 20


async def asked(api: FakeApi, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while len(api.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def listing(source: WatchedNamespaces, api: FakeApi) -> asyncio.Task[bool]:
    """Begin a list that has looked at the cluster and has not told yet."""
    api.may_answer.clear()
    before = len(api.asked)
    task = asyncio.create_task(source.resync.refresh_once())
    await asked(api, before + 1)
    return task


async def test_a_list_brings_and_purges():
    api = FakeApi(a={"x": "1"}, b={})
    source = watched(api)
    assert await source.resync.refresh_once()
    assert (source.labels("a"), source.labels("b"), source.labels("c")) == ({"x": "1"}, {}, None)
    api.cluster = {"a": {"x": "2"}}
    assert await source.resync.refresh_once()
    assert (source.labels("a"), source.labels("b")) == ({"x": "2"}, None)
    assert len(source) == 1


async def test_a_failed_list_changes_nothing():
    api = FakeApi(a={"x": "1"})
    source = watched(api)
    assert await source.resync.refresh_once()
    api.broken, api.cluster = True, {}
    assert not await source.resync.refresh_once()
    assert source.labels("a") == {"x": "1"}


async def test_equal_labels_are_the_same_object_and_other_labels_another():
    api = FakeApi(a={"x": "1"})
    source = watched(api)
    await source.resync.refresh_once()
    before = source.labels("a")
    source.told("a", {"x": "1"})
    await source.resync.refresh_once()
    assert source.labels("a") is before
    source.told("a", {"x": "2"})
    assert source.labels("a") == {"x": "2"}
    assert before == {"x": "1"}


async def test_the_given_labels_may_be_changed_by_whoever_gave_them():
    source = watched(FakeApi())
    labels = {"x": "1"}
    source.told("a", labels)
    labels["x"] = "2"
    assert source.labels("a") == {"x": "1"}


async def test_what_is_told_during_a_list_is_newer_than_the_list():
    """The list was read before the events: its labels are old, its absence is old, its presence is old."""
    api = FakeApi(changed={"x": "old"}, deleted={})
    source = watched(api)
    task = await listing(source, api)
    source.told("changed", {"x": "new"})
    source.told("made", {})
    source.told("deleted", None)
    api.may_answer.set()
    assert await task
    assert source.labels("changed") == {"x": "new"}
    assert source.labels("made") == {}
    assert source.labels("deleted") is None


async def test_what_was_told_before_a_list_is_purged_by_it():
    """A watch may tell late; the list is the truth of its own time."""
    api = FakeApi()
    source = watched(api)
    source.told("a", {})
    assert await source.resync.refresh_once()
    assert source.labels("a") is None


async def test_a_question_waits_no_longer_than_its_deadline():
    """And the answer is kept for the next one."""
    api = FakeApi(a={"x": "1"})
    api.may_answer.clear()
    source = watched(api)
    assert await source.fetch_labels("a", deadline=time.monotonic() - 1) is None
    again = asyncio.create_task(source.fetch_labels("a", deadline=soon()))
    await asked(api)
    api.may_answer.set()
    assert await again == {"x": "1"}
    assert source.labels("a") == {"x": "1"}
    assert len(api.asked) == 1


@pytest.mark.parametrize("newer", [{"x": "new"}, None])
async def test_a_live_answer_never_takes_the_place_of_what_was_told_since_the_question(newer):
    api = FakeApi(a={"x": "old"})
    api.may_answer.clear()
    source = watched(api)
    question = asyncio.create_task(source.fetch_labels("a", deadline=soon()))
    await asked(api)
    source.told("a", {"x": "new"})
    if newer is None:
        source.told("a", None)
    api.may_answer.set()
    assert await question == newer
    assert source.labels("a") == newer


async def test_nor_that_of_what_was_listed_since():
    api = FakeApi(a={"x": "old"})
    api.may_answer.clear()
    source = watched(api)
    question = asyncio.create_task(source.fetch_labels("a", deadline=soon()))
    await asked(api)
    held, api.may_answer = api.may_answer, asyncio.Event()
    api.may_answer.set()
    api.cluster = {"a": {"x": "new"}}
    assert await source.resync.refresh_once()
    held.set()
    assert await question == {"x": "new"}
    assert source.labels("a") == {"x": "new"}


async def test_a_live_answer_during_a_list_stands_until_the_next_list_which_follows_at_once():
    """Which of the two was read later is not known."""
    api = FakeApi(b={})
    source = watched(api)
    task = await listing(source, api)
    held, api.may_answer = api.may_answer, asyncio.Event()
    api.may_answer.set()
    api.cluster = {"a": {"x": "1"}}
    assert await source.fetch_labels("a", deadline=soon()) == {"x": "1"}
    held.set()
    assert await task
    assert source.labels("a") == {"x": "1"}
    assert source.resync._wanted.is_set()


async def test_a_failed_question_is_not_kept():
    api = FakeApi(a={"x": "1"})
    source = watched(api)
    api.broken = True
    assert await source.fetch_labels("a", deadline=soon()) is None
    api.broken = False
    assert await source.fetch_labels("a", deadline=soon()) == {"x": "1"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("a,metadata.name!=b", id="another selector in it"),
        pytest.param("a" * 64, id="longer than any name"),
        pytest.param("tidegate:self-check", id="none that Kubernetes allows"),
        pytest.param("A", id="upper case"),
        pytest.param("a-", id="a dash at the end"),
    ],
)
async def test_a_name_that_cannot_be_is_not_asked_for(name):
    api = FakeApi(**{name: {"x": "1"}})
    assert await watched(api).fetch_labels(name, deadline=soon()) is None
    assert api.asked == []


async def test_the_longest_name_is_asked_for():
    api = FakeApi(**{"a" * 63: {"x": "1"}})
    assert await watched(api).fetch_labels("a" * 63, deadline=soon()) == {"x": "1"}


async def test_an_answer_about_another_namespace_is_no_answer(monkeypatch):
    """A server that ignored the selector would answer with every namespace."""
    api = FakeApi(a={"x": "1"}, b={"x": "2"})

    async def everything(*_: Any, **__: Any) -> list[ObjectMetadata]:
        return [ObjectMetadata(name="b", labels={"x": "2"})]

    monkeypatch.setattr(api, "list_metadata", everything)
    assert await watched(api).fetch_labels("a", deadline=soon()) is None


async def test_questions_are_bounded(monkeypatch):
    """A flood of new namespaces waits in line; beyond the line their labels count as unknown at once."""
    monkeypatch.setattr(module, "MAX_FETCHES", 10)
    api = FakeApi(**{f"n{n}": {} for n in range(12)})
    api.may_answer.clear()
    source = watched(api)
    tasks = [asyncio.create_task(source.fetch_labels(f"n{n}", deadline=soon())) for n in range(11)]
    assert await tasks[10] is None
    await asked(api, module.FETCHES_AT_ONCE)
    assert len(api.asked) == module.FETCHES_AT_ONCE
    api.may_answer.set()
    assert await asyncio.gather(*tasks[:10]) == [{}] * 10
    assert await source.fetch_labels("n11", deadline=soon()) == {}


async def test_a_question_without_an_answer_leaves_nothing_behind():
    """An API server may be out of reach for as many namespaces as there are."""
    api = FakeApi()
    source = watched(api)
    assert await source.fetch_labels("gone", deadline=soon()) is None
    api.broken = True
    assert await source.fetch_labels("unknown", deadline=soon()) is None
    assert source._asking == set()
