"""A policy's status: written only where it is not true yet, with the same content whoever writes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.cluster.policy_status import status_patch
from tidegate.cluster.status import MAX_MESSAGE_CHARACTERS
from tidegate.policy.parse import compile_policy

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def stored(spec: Any = None, *, generation: int = 1, status: Any = None) -> dict[str, Any]:
    metadata = {"name": "one", "uid": "u-1", "generation": generation, "resourceVersion": "7"}
    obj = {"metadata": metadata, "spec": {"tags": {"immutable": True}} if spec is None else spec}
    return obj if status is None else obj | {"status": status}


def patched(obj: dict[str, Any], now: datetime = NOW) -> dict[str, Any]:
    patch = status_patch(obj, compile_policy(obj), now)
    assert patch is not None
    result: dict[str, Any] = patch
    return result


def test_a_policy_that_applies_is_told_so():
    assert patched(stored()) == {
        "metadata": {"resourceVersion": "7"},
        "status": {
            "observedGeneration": 1,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Applied",
                    "message": "the policy is in force",
                    "observedGeneration": 1,
                    "lastTransitionTime": "2026-05-04T03:02:01Z",
                }
            ],
        },
    }


def test_a_broken_policy_is_told_every_problem():
    (condition,) = patched(stored({"tags": {"imutable": True}, "scan": 3}))["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "Broken")
    assert "spec.tags.imutable" in condition["message"]
    assert "spec.scan" in condition["message"]


def test_a_status_that_is_true_is_not_written_again():
    """A second replica, or the same one a minute later, finds nothing to do."""
    obj = stored()
    obj["status"] = patched(obj)["status"]
    assert status_patch(obj, compile_policy(obj), LATER) is None


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"observedGeneration": 1, "conditions": []}, id="the condition is missing"),
        pytest.param({"observedGeneration": 1, "conditions": "x"}, id="the conditions are no list"),
        pytest.param({"observedGeneration": 1, "conditions": ["x"]}, id="a condition is no object"),
        pytest.param("x", id="the status is no object"),
        pytest.param(
            {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "False"}]}, id="the condition is wrong"
        ),
    ],
)
def test_a_status_that_is_not_true_is_written(status):
    assert patched(stored(status=status))["status"]["conditions"][0]["status"] == "True"


def test_a_generation_behind_is_written():
    obj = stored()
    status = patched(obj)["status"] | {"observedGeneration": 0}
    assert patched(stored(status=status))["status"]["observedGeneration"] == 1


def test_the_time_moves_only_with_the_status():
    """Good, edited and still good: the time stays. Then broken: it moves."""
    good = patched(stored())["status"]
    edited = patched(stored(generation=2, status=good), LATER)["status"]
    assert edited["conditions"][0]["lastTransitionTime"] == "2026-05-04T03:02:01Z"
    assert edited["conditions"][0]["observedGeneration"] == 2
    broken = patched(stored({}, generation=3, status=edited), LATER)["status"]
    assert broken["conditions"][0]["lastTransitionTime"] == "2026-05-04T04:02:01Z"


def test_conditions_of_others_stay():
    theirs = {"type": "Reviewed", "status": "True", "reason": "Yes", "message": "", "lastTransitionTime": "x"}
    conditions = patched(stored(status={"conditions": [theirs]}))["status"]["conditions"]
    assert conditions[0] == theirs
    assert len(conditions) == 2


def test_the_message_is_bounded():
    many = {f"unknown{n}": n for n in range(20)} | {"tags": {f"{'x' * 200}{n}": 1 for n in range(500)}}
    (condition,) = patched(stored(many))["status"]["conditions"]
    assert len(condition["message"]) <= MAX_MESSAGE_CHARACTERS
