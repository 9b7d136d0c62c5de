"""The state of the change feed: what counts of a ConfigMap that a hand may have edited."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.cluster.api import ApiError
from tidegate.cluster.change_feed import MAX_STATE_BYTES, WatchedChangeFeed, read_state
from tidegate.gather.stored_verdicts import Confirmation
from tidegate.images.repository import EcrRegistry

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
REGISTRY = EcrRegistry("aws", "123456789012", "eu-west-1")
SINCE, CONFIRMED = "2026-05-01T00:00:00.000Z", "2026-06-01T11:59:00.000Z"
WRITTEN = [{"manager": "tidegate", "time": "2026-06-01T11:59:01Z"}]


def config_map(state: Any, *, fields: Any = WRITTEN, **metadata: Any) -> dict[str, Any]:
    text = state if isinstance(state, str) else json.dumps(state)
    return {"metadata": {"managedFields": fields, **metadata}, "data": {"state": text}}


def entry(since: Any = SINCE, confirmed_at: Any = CONFIRMED) -> dict[str, Any]:
    return {HOST: {"since": since, "confirmedAt": confirmed_at, "cursor": confirmed_at}}


def test_a_registry_is_confirmed():
    found, problem = read_state(config_map(entry()), NOW)
    assert problem == ""
    moments = Confirmation(since=datetime.fromisoformat(SINCE), confirmed_at=datetime.fromisoformat(CONFIRMED))
    assert found == {REGISTRY: moments}


@pytest.mark.parametrize("nothing", [{}, {"data": None}, {"metadata": {}}, config_map({})])
def test_nothing_is_confirmed_without_a_state(nothing):
    assert read_state(nothing, NOW) == ({}, "")


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ("[" * 100_000, ""),
        ("x" * (MAX_STATE_BYTES + 1), "expected a text of at most"),
        ({"ghcr.io": {"since": SINCE, "confirmedAt": CONFIRMED}}, "expected the host of an Amazon ECR registry"),
        ({HOST: {}}, "missing required field"),
        ({HOST: []}, "Expected `object`"),
        (entry(since="yesterday"), "Invalid RFC3339"),
        (entry(since="2026-05-01T00:00:00"), "expected times with a time zone"),
        (entry(since=CONFIRMED, confirmed_at=SINCE), "expected since, then confirmedAt"),
        (entry(confirmed_at="2026-06-01T12:05:01Z"), "no time after 2026-06-01T12:04:01Z"),
        (entry(confirmed_at="2027-06-01T12:00:00Z"), "no time after"),
    ],
)
def test_what_is_not_valid_is_not_used_and_named(state, problem):
    found, said = read_state(config_map(state), NOW)
    assert found == {}
    assert problem in said
    assert said


def test_the_other_registries_of_a_state_count():
    other = HOST.replace("eu-west-1", "us-east-1")
    found, problem = read_state(config_map(entry() | {other: {"since": "never"}}), NOW)
    assert set(found) == {REGISTRY}
    assert problem.startswith(other)


@pytest.mark.parametrize(
    ("confirmed_at", "counts"), [(NOW + timedelta(minutes=5), True), (NOW + timedelta(minutes=5, seconds=1), False)]
)
def test_a_clock_that_is_ahead_a_little_is_right(confirmed_at, counts):
    fields = [{"time": "2026-06-01T12:00:00Z"}]
    found, _ = read_state(config_map(entry(confirmed_at=confirmed_at.isoformat()), fields=fields), NOW)
    assert bool(found) is counts


def test_nothing_is_confirmed_later_than_the_config_map_was_written():
    """The last write by any client; without a list of writers, the creation."""
    assert not read_state(config_map(entry(), fields=[{"time": "2026-06-01T10:00:00Z"}]), NOW)[0]
    assert read_state(config_map(entry(), fields=[{"time": "2026-06-01T10:00:00Z"}, *WRITTEN]), NOW)[0]
    assert not read_state(config_map(entry(), fields=None, creationTimestamp="2026-06-01T10:00:00Z"), NOW)[0]
    assert read_state(config_map(entry(), fields=[]), NOW)[0]


class FakeApi:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def get(self, path: str) -> Any:
        self.paths.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_it_is_read_again_and_what_it_does_not_say_any_more_does_not_count():
    told: list[Any] = []
    api: Any = FakeApi(
        config_map(entry()), config_map("{"), ApiError("gone", status=404), ApiError("no answer"), config_map(entry())
    )
    feed = WatchedChangeFeed(api, namespace="tidegate", name="feed", confirm=told.append, now=lambda: NOW)
    assert [await feed.resync.refresh_once() for _ in range(5)] == [True, True, True, False, True]
    assert [set(one) for one in told] == [{REGISTRY}, set(), set(), {REGISTRY}]
    assert set(api.paths) == {"/api/v1/namespaces/tidegate/configmaps/feed"}
