"""The process of either role: its threads, memory, log and end."""

import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvloop

from tidegate.app.allocator import set_up_allocator
from tidegate.app.fatal import clear_end
from tidegate.settings import Settings
from tidegate.telemetry.log import configure_logging

SWITCH_SECONDS: Final = 0.001
"""How long a thread holds Python's lock while others wait. The event loop waits that long for each thread that verifies
signatures or reads a response. Python's default is five times as long."""
END_SECONDS: Final = 2.0
"""How long a process that has ended its work waits for calls without an answer. The longest take half a minute."""


def run_role(settings: Settings, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a role until it ends."""
    sys.setswitchinterval(SWITCH_SECONDS)
    set_up_allocator()
    listener = configure_logging(level=settings.log.level, form=settings.log.format)
    try:
        uvloop.run(_serve(settings, serve))
    finally:
        listener.stop()


async def _serve(settings: Settings, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    with clear_end():
        await serve(settings)


def end_soon() -> None:
    """Exit within END_SECONDS. For the last line of a process: Python waits for all threads of pools before it exits."""
    timer = threading.Timer(END_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
