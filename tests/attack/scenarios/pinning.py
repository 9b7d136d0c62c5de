"""What digest pinning costs beside the validating webhook, for the largest Pods that a tenant may create or change."""

from __future__ import annotations

import asyncio
import time

from tests.attack.scenario import Outcome, Scenario
from tests.unit.admission.fakes import body
from tests.unit.admission.pinned import World
from tests.unit.builders import HOST, full_policy
from tidegate.admission.request import MAX_IMAGES
from tidegate.admission.workload import MAX_LISTED

STORED = [f"{HOST}/team/stored:v1"] * (MAX_LISTED - MAX_IMAGES)
NEW = [f"{HOST}/team/new{number}:v1" for number in range(MAX_IMAGES)]
TOO_MANY = body(*STORED, *NEW)
"""Refused by the validating webhook, and left by pinning."""
CHANGED = body(*STORED, *NEW, operation="UPDATE", old=STORED)
"""As many new images as there may be, all named by tag."""
TRIES = 3


def _milliseconds(request: bytes, *, pins: bool) -> tuple[float, float]:
    """Return what a first and a second request take of the event loop, the least of some tries, all evidence being there."""

    async def ask(world: World) -> float:
        began = time.thread_time()
        if pins:
            await world.response(request)
        else:
            await world.reviewed(request)
        return 1_000 * (time.thread_time() - began)

    async def both() -> tuple[float, float]:
        world = World((full_policy(),))
        return await ask(world), await ask(world)

    tries = [asyncio.run(both()) for _ in range(TRIES)]
    return min(first for first, _ in tries), min(second for _, second in tries)


def _compared(request: bytes, *, factor: int) -> Outcome:
    """Each new image may be judged twice, by its tag and by its digest; the validating webhook then judges it no more."""
    usual, usual_again = _milliseconds(request, pins=False)
    pinned, pinned_again = _milliseconds(request, pins=True)
    return Outcome(
        measured=f"{pinned:.0f} ms, then {pinned_again:.0f} ms (validating: {usual:.0f} and {usual_again:.0f} ms)",
        bound=f"{factor} times as long as validating, then 50 ms more than it",
        held=pinned <= factor * usual and pinned_again <= usual_again + 50,
    )


SCENARIOS = (
    Scenario(
        name="pinning-too-many-images",
        attack="a Pod of 10,000 new containers where digests are pinned",
        run=lambda: _compared(TOO_MANY, factor=2),
    ),
    Scenario(
        name="pinning-many-images",
        attack="256 new images by tag in a Pod of 10,000 containers where digests are pinned",
        run=lambda: _compared(CHANGED, factor=3),
    ),
)
