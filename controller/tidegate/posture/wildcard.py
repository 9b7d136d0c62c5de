"""Wildcards of IAM: ``*`` stands for any characters, ``?`` for one; nothing else is special. Linear in the text.

Every way to match is followed at once: bit ``i`` is set when ``i`` symbols of the pattern were consumed.
"""

import re
from collections.abc import Callable
from functools import lru_cache

MAX_COMPILED = 1024
"""Compiled patterns kept; more than that are compiled again when used."""


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(pattern: str) -> Callable[[str], bool]:
    symbols = re.sub(r"\*+", "*", pattern)
    masks: dict[str, int] = {}
    for index, symbol in enumerate(symbols):
        masks[symbol] = masks.get(symbol, 0) | 1 << index
    stars, ones = masks.pop("*", 0), masks.pop("?", 0)
    # A wildcard in the text stands for any characters, or any one: only a symbol as wide takes it.
    takers = {symbol: mask | ones for symbol, mask in masks.items()} | {"*": 0}
    accepted = 1 << len(symbols)

    def matches(text: str) -> bool:
        states = 1 | (1 & stars) << 1
        for character in text:
            states = states & stars | (states & takers.get(character, ones)) << 1
            states |= (states & stars) << 1
            if not states:
                return False
        return bool(states & accepted)

    return matches


def contains(pattern: str, other: str) -> bool:
    """Tell whether a pattern surely matches all that another pattern, or a text without wildcards, matches."""
    return _compiled(pattern)(other)


def has_wildcard(text: str) -> bool:
    """Tell whether the text has a wildcard."""
    return "*" in text or "?" in text
