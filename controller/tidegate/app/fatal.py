"""A clear end: a process without memory ends and says so, and one that crashes in a C library says where.

Within a container's limit the kernel kills without an exception; a MemoryError comes of a limit of the address space
(RLIMIT_AS). What fails then is anything, and C libraries do not all look whether they were given memory.
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


def end_clearly(loop: asyncio.AbstractEventLoop) -> None:
    """Have the process end when a callback of the loop has no memory, and print where it is when it crashes."""
    if not faulthandler.is_enabled():
        faulthandler.enable()
    loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(context.get("exception"), MemoryError):
        _end()
    loop.default_exception_handler(context)


@contextmanager
def clear_end() -> Iterator[None]:
    """Have the process end clearly when a MemoryError leaves the block, alone or in a group of exceptions of tasks."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, MemoryError) or (isinstance(error, BaseExceptionGroup) and error.subgroup(MemoryError)):
            _end()
        raise


def _end() -> None:
    # Nothing that needs memory: no logging, no clean-up.
    os.write(2, _TEXT)
    os._exit(OUT_OF_MEMORY)
