"""About how many bytes a value takes in memory: what a cache is bounded by. Values only, no two of which share parts."""

import sys
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from tidegate.images.repository import EcrRepository, OciRepository

REPOSITORY_BYTES = 128
"""What a repository adds to a key beside its name: the repository itself is mostly shared."""
ASCII_BYTES, TEXT_BYTES, CHARACTER_BYTES = sys.getsizeof(""), 80, 8
"""What a text takes at most: Python may keep one that is not ASCII in UTF-8 beside its characters, once that was needed."""
SET_BYTES, MEMBER_BYTES = 216, 128
"""What a set takes at most beside its members: room for eight, and for many up to eight times as many as there are."""
ENTRY_BYTES = 320
"""What a fact takes beside its key and value: the entry, its moments, its place in a dictionary."""


def size_of(value: object) -> int:
    """Return the bytes of a value, with all that it is made of but what all values share: enums, small numbers, None.

    Keys that are equal have the same size whenever they are measured.
    """
    if value is None or isinstance(value, bool | Enum):
        return 0
    if isinstance(value, str):
        return ASCII_BYTES + len(value) if value.isascii() else TEXT_BYTES + CHARACTER_BYTES * len(value)
    if isinstance(value, bytes | int | float | datetime):
        return sys.getsizeof(value)
    if isinstance(value, EcrRepository | OciRepository):
        return REPOSITORY_BYTES + len(value.name)
    if isinstance(value, frozenset | set):
        return SET_BYTES + MEMBER_BYTES * len(value) + sum(map(size_of, value))
    if isinstance(value, tuple | list):
        return sys.getsizeof(value) + sum(map(size_of, value))
    if hasattr(value, "items"):
        return sys.getsizeof(value) + sum(size_of(name) + size_of(each) for name, each in value.items())
    if isinstance(value, msgspec.Struct):
        return sys.getsizeof(value) + sum(size_of(getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value) and not isinstance(value, type):
        return sys.getsizeof(value) + sum(size_of(getattr(value, name)) for name in _names(type(value)))
    return sys.getsizeof(value)


@lru_cache(maxsize=256)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
