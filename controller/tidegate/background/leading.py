"""Work that one replica does: begun when this process leads and knows what it has to know, cancelled when it leads no more."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

LOOK_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 5.0
"""Wait after work that ended by an error."""

_log = structlog.get_logger(__name__)


class Leading:
    """Runs ``work`` while ``leads`` says that this process leads. It begins once ``ready`` returns True."""

    def __init__(
        self, leads: Callable[[], bool], *, ready: Callable[[], bool], work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._leads = leads
        self._ready = ready
        self._work = work
        self.is_working = False
        """Whether the work runs."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if self._leads() and self._ready():
                await self._lead()
            await asyncio.sleep(LOOK_SECONDS)

    async def _lead(self) -> None:
        """Work until this process leads no more. An error ends the work for a moment, and nothing else."""
        task = asyncio.create_task(self._work(), name="the leader's work")
        self.is_working = True
        try:
            while self._leads() and not task.done():
                await asyncio.wait({task}, timeout=LOOK_SECONDS)
        finally:
            self.is_working = False
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            _log.error("the leader's work ended unexpectedly, it is begun again", exc_info=ended)
            await asyncio.sleep(PAUSE_SECONDS)
