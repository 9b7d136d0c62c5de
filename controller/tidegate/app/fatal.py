"""A clear end: a process that runs out of memory says so and exits, and a crash in a C library prints where it was.

At a container's limit the kernel kills the process without an exception. A MemoryError comes from a limit of the address
space (RLIMIT_AS). Then any code may fail, and some C libraries do not check for failed allocations.
"""

import asyncio
import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

OUT_OF_MEMORY: Final = 71
"""The exit status; EX_OSERR of sysexits.h."""
_TEXT: Final = b'{"level": "critical", "event": "out of memory: raise the limit of the address space, or lower server.maxConnections"}\n'


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(context.get("exception"), MemoryError):
        _end()
    loop.default_exception_handler(context)


@contextmanager
def clear_end() -> Iterator[None]:
    """Exit if the block, or a callback of the running event loop, runs out of memory; print the traceback of a crash.

    The block is inside of the loop's main coroutine: without memory, asyncio's own clean-up behind it can crash.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable()
    asyncio.get_running_loop().set_exception_handler(_handle)
    try:
        yield
    except BaseException as error:
        if isinstance(error, MemoryError) or (isinstance(error, BaseExceptionGroup) and error.subgroup(MemoryError)):
            _end()
        raise


def _end() -> None:
    # No logging and no clean-up: both need memory.
    os.write(2, _TEXT)
    os._exit(OUT_OF_MEMORY)
