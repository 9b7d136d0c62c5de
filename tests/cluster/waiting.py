"""Waiting for what the control plane does in its own time, bounded, with words for what never came."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

POLL_SECONDS, MAX_POLL_SECONDS = 0.1, 0.5
"""The pause grows, because most questions start a process."""
POLL_FACTOR = 1.3
DEFAULT_TIMEOUT_SECONDS = 30.0
REQUEST_TIMEOUT_SECONDS = 5.0

T = TypeVar("T")


def wait_for(question: Callable[[], T], *, what: str, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> T:
    """Ask until the answer is truthy and return it; raise TimeoutError, naming ``what`` and the last answer."""
    deadline, pause = time.monotonic() + timeout_seconds, POLL_SECONDS
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_seconds:.0f} s; the last answer was {answer!r}")
        time.sleep(pause)
        pause = min(MAX_POLL_SECONDS, pause * POLL_FACTOR)
    return answer


def answers(url: str, *, trust: ssl.SSLContext | None = None) -> bool:
    """Ask a server once and say whether it answered 200; a refused connection or another status is False."""
    # A proxy of the environment has no business between two programs on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(url, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    except OSError:
        return False
