"""Go durations as the API server writes them into `?timeout=10s`. It knows no clock."""

import re
from functools import lru_cache
from typing import Final

_UNIT_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_MAX_TEXT: Final = 64


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration such as `10s`, `1m30s` or `500ms`.

    Signs are refused, as is `0` without a unit: a webhook's timeout is at least a second. Raises ValueError.
    Source: https://pkg.go.dev/time#ParseDuration
    """
    if not text or len(text) > _MAX_TEXT:
        raise ValueError(f"got a duration of {len(text)} characters, expected 1 to {_MAX_TEXT}")
    seconds, position = 0.0, 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise ValueError(f"got {text!r}, expected a duration such as 10s")
        seconds += float(term[1]) * _UNIT_SECONDS[term[2]]
        position = term.end()
    return seconds


@lru_cache(maxsize=64)
def timeout_of(query: str, maximum_seconds: float) -> float | None:
    """Return the seconds of the `timeout` parameter of a raw query, at most `maximum_seconds`; None without one.

    Raises ValueError for a repeated, malformed or zero timeout: guessing a deadline could outlive the caller's.
    """
    pairs = [part.partition("=") for part in query.split("&")]
    found = [value for name, _, value in pairs if name == "timeout"]
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("got timeout more than once")
    seconds = parse_duration(found[0])
    if seconds <= 0:
        raise ValueError("got a timeout of zero")
    return min(seconds, maximum_seconds)
