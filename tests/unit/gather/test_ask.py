"""Walks that are driven to their end without an event loop, and those that would have to wait."""

import asyncio
from typing import Any

import pytest

from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.gather.ask import GET, RENEW, Ask, Peek, SuspendedError, at_once

FACT = Known("a fact", EPOCH)
PEEK = Peek(Cause.OVERLOADED)


class Facts:
    """Knows one fact under the key 1; ``used`` notes what was renewed."""

    def __init__(self) -> None:
        self.used: list[int] = []

    def peek(self, key: int, *, stored: bool = False) -> tuple[Known[str] | Missing, float]:
        return (FACT, 5.0) if key == 1 else (Missing(Cause.NOT_ASKED, "source"), 0.0)

    def renew(self, key: int) -> None:
        self.used.append(key)

    async def get(self, key: int) -> tuple[Known[str] | Missing, float]:
        await asyncio.sleep(1)
        return Known(f"fact {key}", EPOCH), 9.0


async def walk(ask: Ask, facts: Facts) -> Any:
    first, (second, third) = await ask.all(ask.fact(facts, 1), ask.all(ask.fact(facts, 2), ask.fact(facts, 1)))
    return first, second, third


def test_what_is_not_known_is_missing_for_the_given_cause():
    unknown = Missing(Cause.OVERLOADED, "source"), 0.0
    assert at_once(walk(PEEK, Facts())) == ((FACT, 5.0), unknown, (FACT, 5.0))


def test_reading_uses_nothing_and_renewing_does():
    facts = Facts()
    at_once(walk(PEEK, facts))
    assert facts.used == []
    at_once(walk(RENEW, facts))
    assert facts.used == [1, 2, 1]


async def test_look_ups_are_waited_for_side_by_side(clock):
    began = clock.monotonic()
    found = await walk(GET, Facts())
    assert [fact.value for fact, _ in found] == ["fact 1", "fact 2", "fact 1"]
    assert clock.monotonic() - began == pytest.approx(1)


@pytest.mark.parametrize("ask", [PEEK, RENEW], ids=["peek", "renew"])
@pytest.mark.parametrize("place", range(3))
def test_a_walk_that_waits_has_no_result_and_ends(ask, place):
    ended: list[int] = []

    async def one(number: int) -> int:
        try:
            if number == place:
                await asyncio.sleep(0)
        finally:
            ended.append(number)
        return number

    with pytest.raises(SuspendedError):
        at_once(ask.all(*map(one, range(3))))
    assert ended == list(range(place + 1))


def test_an_error_in_a_walk_is_the_callers():
    async def broken() -> int:
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        at_once(PEEK.all(broken(), broken()))
