"""A lock on a folder: on a laptop or a CI runner, several processes may use the same cache folder."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Final

from tidegate.errors import UndeterminedError

LOOK_AGAIN_SECONDS: Final = 0.05


@contextmanager
def alone_in(folder: Path, seconds_left: Callable[[], float]) -> Iterator[None]:
    """Create the folder if needed and lock it; raise UndeterminedError if another process keeps its lock.

    The lock ends with the process.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _take(descriptor):
            if seconds_left() <= 0:
                raise UndeterminedError("another process is fetching it")
            sleep(LOOK_AGAIN_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
