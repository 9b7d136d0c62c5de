"""Whether an error outlives its handling, and with it the frames of its traceback and of everyone who called them."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable


class _Local:
    """What a caller has in a local variable, such as a body or a manifest."""


def are_kept(work: Callable[[], object]) -> bool:
    """Tell whether the frames of the caller of ``work`` live on after it, until the garbage collector runs."""
    gc.collect()
    gc.disable()
    try:
        return _after(work)() is not None
    finally:
        gc.enable()


def _after(work: Callable[[], object]) -> weakref.ref[_Local]:
    local = _Local()
    with contextlib.suppress(Exception):
        work()
    return weakref.ref(local)
