"""What is done with each ImageVerdict that the watch gives: used, ignored and counted, or forgotten."""

import asyncio
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from tests.unit.builders import DAY, DIGEST, NOW, digest
from tests.unit.verdicts.given import given, repository
from tidegate.cluster import image_verdicts as module
from tidegate.cluster.image_verdicts import MAX_OBJECT_BYTES, InvalidObject, WatchedVerdicts, read_object
from tidegate.verdicts.decode import StoredVerdict, decode
from tidegate.verdicts.encode import encode
from tidegate.verdicts.usage import NamespaceUsage, Usage

OBJECT = encode(given(), NOW)
VERDICT = decode(OBJECT)


class Watched:
    """The objects, and what became of them."""

    def __init__(self, *, expires: bool = False) -> None:
        self.expired: list[str] = []
        self.offered: list[StoredVerdict] = []
        self.forgotten: list[Any] = []
        self.expires = expires
        self.verdicts = WatchedVerdicts(Mock(), offer=self.offer, forget=lambda *image: self.forgotten.append(image))
        self.verdicts.expired = lambda: self.expired.append("now")

    def offer(self, verdict: StoredVerdict) -> bool:
        self.offered.append(verdict)
        return self.expires


def raw(obj: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(obj))


def test_a_valid_object_is_read():
    found = read_object(raw(OBJECT))
    assert isinstance(found, StoredVerdict)
    assert found.digest == DIGEST


@pytest.mark.parametrize("obj", [{}, OBJECT | {"kind": "Other"}, {**OBJECT, "status": {}}])
def test_an_invalid_object_says_why(obj):
    found = read_object(raw(obj))
    assert isinstance(found, InvalidObject)
    assert found.problem


def test_an_object_that_is_too_long_is_not_read():
    """tidegate writes none; metadata may hold anything."""
    short, long = (
        {**OBJECT, "metadata": {**OBJECT["metadata"], "annotations": {"a": "x" * count}}}
        for count in (9, MAX_OBJECT_BYTES)
    )
    assert isinstance(read_object(raw(short)), StoredVerdict)
    found = read_object(raw(long))
    assert isinstance(found, InvalidObject)
    assert "expected at most" in found.problem


def test_an_object_is_offered_and_says_where_its_image_runs():
    watched = Watched()
    watched.verdicts.put(VERDICT.name, VERDICT)
    assert watched.offered == [VERDICT]
    running = watched.verdicts.running
    assert running.since("shop", repository(), DIGEST) == NOW - DAY
    assert running.since("blog", repository(), DIGEST) is None
    assert running.since("shop", repository(), digest("other")) is None
    assert (len(watched.verdicts), len(running)) == (1, 1)


def test_an_image_that_runs_nowhere_any_more_does_not_run():
    watched = Watched()
    watched.verdicts.put(VERDICT.name, VERDICT)
    watched.verdicts.put(VERDICT.name, decode(encode(given(runs=Usage()), NOW)))
    assert watched.verdicts.running.since("shop", repository(), DIGEST) is None
    never = Usage(namespaces={"shop": NamespaceUsage(pods=1)})
    watched.verdicts.put(VERDICT.name, decode(encode(given(runs=never), NOW)))
    assert len(watched.verdicts.running) == 0


def test_what_is_gone_is_forgotten():
    watched = Watched()
    watched.verdicts.put(VERDICT.name, VERDICT)
    watched.verdicts.drop(VERDICT.name)
    watched.verdicts.drop("never-seen")
    watched.verdicts.listed()
    assert watched.forgotten == [(repository(), DIGEST)]
    assert (len(watched.verdicts), len(watched.verdicts.running), watched.verdicts.invalid) == (0, 0, 0)


def test_an_object_that_became_invalid_is_counted_until_it_is_valid_or_gone():
    watched = Watched()
    watched.verdicts.put(VERDICT.name, VERDICT)
    for _ in range(2):
        watched.verdicts.put(VERDICT.name, InvalidObject(problem="status: expected a status"))
    assert (len(watched.verdicts), watched.verdicts.invalid) == (0, 1)
    assert watched.forgotten == [(repository(), DIGEST)]
    watched.verdicts.put(VERDICT.name, VERDICT)
    watched.verdicts.put("other", InvalidObject(problem="status: expected a status"))
    assert watched.verdicts.invalid == 1
    watched.verdicts.drop("other")
    assert watched.verdicts.invalid == 0


async def test_verdicts_of_the_reviewer_are_forgotten_once_for_all_objects_that_come_together():
    watched = Watched(expires=True)
    for _ in range(3):
        watched.verdicts.put(VERDICT.name, VERDICT)
    assert watched.expired == []
    await asyncio.sleep(0)
    assert watched.expired == ["now"]
    watched.verdicts.put(VERDICT.name, VERDICT)
    await asyncio.sleep(0)
    assert watched.expired == ["now", "now"]


async def test_nothing_is_forgotten_where_no_fact_expired():
    watched = Watched()
    watched.verdicts.put(VERDICT.name, VERDICT)
    await asyncio.sleep(0)
    assert watched.expired == []


def test_readiness_waits_for_the_first_list_and_not_for_long(monkeypatch):
    watched = Watched()
    assert watched.verdicts.is_loading()
    monkeypatch.setattr(module, "LOADING_SECONDS", -1.0)
    assert not watched.verdicts.is_loading()
    assert watched.verdicts.age_seconds == float("inf")
