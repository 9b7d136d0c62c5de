"""Bounds on a JSON document, checked before it is parsed.

Python's and msgspec's parsers hold the interpreter's lock until they are done, so that a large document of many small
values would block every other thread. Counting bytes takes a fraction of a millisecond for each megabyte.
"""

from collections.abc import Sequence

MAX_NAME_CHARACTERS = 1024
"""Characters of a member's name; folding the case of a long one takes long."""
_CHUNK_BYTES = 64 * 1024


def has_more_values(content: bytes, limit: int) -> bool:
    """Tell whether a JSON document may have more values: one, one for each comma, and one for each opening bracket.

    Commas and brackets within texts count too, so that it may be fewer than they seem, never more.
    """
    values = 1
    for start in range(0, len(content), _CHUNK_BYTES):
        chunk = content[start : start + _CHUNK_BYTES]
        values += chunk.count(b",") + chunk.count(b"[") + chunk.count(b"{")
        if values > limit:
            return True
    return values > limit


def is_ambiguous(members: Sequence[tuple[str, object]]) -> bool:
    """Tell whether two names of one object differ only in case, or one is too long to compare.

    Go's JSON parser reads such names as the same field.
    """
    if any(len(name) > MAX_NAME_CHARACTERS for name, _ in members):
        return True
    return len({name.casefold() for name, _ in members}) != len(members)
