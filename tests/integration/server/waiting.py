"""Waiting for what happens inside a server, which tells nobody."""

import asyncio
from collections.abc import Callable

LIMIT_SECONDS = 10


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - the server has no event for each of its states
            await asyncio.sleep(0.005)
