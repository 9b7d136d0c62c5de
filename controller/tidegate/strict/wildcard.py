"""Anchored globs compiled to matchers that stay linear in the value, whatever a hostile value looks like.

``*`` matches any characters but ``/``, ``**`` any characters; nothing else is special. Patterns with one kind of star
become a regular expression whose atomic groups cannot backtrack; patterns with both become a set of states held in one
integer. What a pattern may contain is decided where policies are parsed, not here.
"""

import re
from collections.abc import Callable
from functools import lru_cache

MAX_COMPILED = 4096
"""Compiled patterns kept; more than that are compiled again when used."""

Matcher = Callable[[str], object]
"""Answers with something true when the whole value matches."""

_TOKEN = re.compile(r"\*\*+|\*|[^*]+")


@lru_cache(maxsize=MAX_COMPILED)
def compile_glob(text: str) -> Matcher:
    """Return the matcher of a glob. Cost of a match: at most length of the value times length of the glob."""
    tokens: list[str] = _TOKEN.findall(text)
    stars = {token[:2] for token in tokens if token.startswith("*")}
    if not stars:
        return text.__eq__
    if stars == {"**", "*"}:
        return _states(tokens)
    return re.compile(_atomic(tokens, "." if stars == {"**"} else "[^/]"), re.DOTALL).fullmatch


def _atomic(tokens: list[str], any_character: str) -> str:
    """Return an expression that takes the leftmost fit of each literal and never comes back to it.

    With one kind of star the leftmost fit leaves the most room for what follows, so no other fit needs to be tried.
    The text after the last star is anchored by the end of the value and is left outside of the groups.
    """
    last_star = max(index for index, token in enumerate(tokens) if token.startswith("*"))
    parts: list[str] = []
    for index, token in enumerate(tokens):
        if token.startswith("*"):
            continue
        after_star = index > 0
        if not after_star:
            parts.append(re.escape(token))
        elif index < last_star:
            parts.append(f"(?>{any_character}*?{re.escape(token)})")
        else:
            parts.append(f"{any_character}*{re.escape(token)}")
    if last_star == len(tokens) - 1:
        parts.append(f"{any_character}*")
    return "".join(parts)


def _states(tokens: list[str]) -> Matcher:
    """Return a matcher that follows every way to match at once: bit ``i`` is set when ``i`` symbols were consumed."""
    symbols = [part for token in tokens for part in ([token[:2]] if token.startswith("*") else token)]
    literals: dict[str, int] = {}
    within = across = 0
    for index, symbol in enumerate(symbols):
        if symbol == "*":
            within |= 1 << index
        elif symbol == "**":
            across |= 1 << index
        else:
            literals[symbol] = literals.get(symbol, 0) | 1 << index
    stars = within | across
    accepted = 1 << len(symbols)

    def skip(states: int) -> int:
        # A star may match nothing; two stars never stand side by side, so one step is enough.
        return states | (states & stars) << 1

    start = skip(1)

    def matches(value: str) -> bool:
        states = start
        for character in value:
            stay = states & (across if character == "/" else stars)
            states = skip(stay | (states & literals.get(character, 0)) << 1)
            if not states:
                return False
        return bool(states & accepted)

    return matches
