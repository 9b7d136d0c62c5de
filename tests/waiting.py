"""Waiting for what nothing announces, while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

LIMIT_SECONDS = 30.0
POLL_SECONDS = 0.002

T = TypeVar("T")


async def until(question: Callable[[], T | None], *, what: str = "the condition") -> T:
    """Ask until the answer is truthy and return it; raise TimeoutError, naming ``what`` and the last answer."""
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    while not (answer := question()):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"{what}: not within {LIMIT_SECONDS:.0f} s; the last answer was {answer!r}")
        await asyncio.sleep(POLL_SECONDS)
    return answer
