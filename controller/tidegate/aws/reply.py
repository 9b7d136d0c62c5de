"""Reading AWS's answers: each member has the promised type, or the answer cannot be relied on.

The SDK does not check answers against its models. These methods raise SourceUnavailableError with UNEXPECTED_ANSWER.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from tidegate.aws.errors import unexpected

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""Amazon ECR began later that year. An earlier time, such as 1970-01-01, stands for no time at all."""


def member(kind: type[E], word: str, unknown: E) -> E:
    """Return the enum member of this name, and ``unknown`` for a new one.

    For values that only add to an answer; ``ApiResponse.word`` is for those that an answer depends on.
    """
    try:
        return kind(word)
    except ValueError:
        return unknown


class ApiResponse:
    """One object of an answer; ``path`` is its place, for error messages."""

    __slots__ = ("_members", "path", "source")

    def __init__(self, members: Any, source: str, path: str = "answer") -> None:
        if not isinstance(members, Mapping):
            raise unexpected(source, f"{path}: expected an object, got {type(members).__name__}")
        self._members = members
        self.source = source
        self.path = path

    def value(self, name: str) -> object:
        """Return a member of any type, or None if there is none: for what AWS only repeats from another source."""
        return self._members.get(name)

    def has(self, name: str) -> bool:
        """Tell whether there is such a member."""
        return self._members.get(name) is not None

    def names(self) -> list[str]:
        """Return the names of the members."""
        return [str(name) for name in self._members]

    def _optional(self, name: str, kind: type[T], expected: str) -> T | None:
        value = self._members.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise self.wrong(name, f"expected {expected}, got {type(value).__name__}")

    def _required(self, name: str, value: T | None, expected: str) -> T:
        if value is None:
            raise self.wrong(name, f"expected {expected}, got none")
        return value

    def optional_text(self, name: str) -> str:
        """Return a text, or the empty one if there is none."""
        return self._optional(name, str, "a text") or ""

    def text(self, name: str) -> str:
        """Return a text that must not be empty."""
        return self._required(name, self.optional_text(name) or None, "a text")

    def shared_text(self, name: str, known: frozenset[str]) -> str:
        """Return a text that must not be empty; of each that is known, all responses share one object."""
        text = self.text(name)
        return sys.intern(text) if text in known else text

    def word(self, kind: type[E], name: str) -> E:
        """Return the enum member of this name; raise for a new one, and for UNKNOWN, which AWS does not use."""
        word = self.text(name)
        try:
            found = kind(word)
        except ValueError:
            found = None
        if found is None or found.name == "UNKNOWN":
            raise self.wrong(name, f"this version does not know {word[:40]!a}")
        return found

    def require_same(self, name: str, asked: str) -> None:
        """Raise unless a member names what was asked for."""
        if (found := self.text(name)) != asked:
            raise self.wrong(name, f"the answer is about {found[:100]!a}, not about what was asked for")

    def optional_time(self, name: str) -> datetime | None:
        """Return a time in UTC, or None if there is none."""
        value = self._optional(name, datetime, "a time")
        if value is None:
            return None
        if value.tzinfo is None:
            raise self.wrong(name, "expected a time, got one without a time zone")
        if value < EARLIEST:
            raise self.wrong(name, f"expected a time since 2015, got {value:%Y-%m-%d}")
        return value.astimezone(UTC)

    def time(self, name: str) -> datetime:
        """Return a time in UTC."""
        return self._required(name, self.optional_time(name), "a time")

    def optional_number(self, name: str) -> float | None:
        """Return a number, or None if there is none."""
        value = self._members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, f"expected a number, got {type(value).__name__}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.wrong(name, "expected a finite number")
        return number

    def optional_object(self, name: str) -> "ApiResponse | None":
        """Return an object, or None if there is none."""
        value = self._members.get(name)
        return None if value is None else ApiResponse(value, self.source, f"{self.path}.{name}")

    def object(self, name: str) -> "ApiResponse":
        """Return an object."""
        return self._required(name, self.optional_object(name), "an object")

    def values(self, name: str) -> Sequence[Any]:
        """Return the elements of a list, none if there is no list."""
        return self._optional(name, list, "a list") or ()

    def objects(self, name: str) -> "list[ApiResponse]":
        """Return the objects of a list, none if there is no list."""
        return [
            ApiResponse(value, self.source, f"{self.path}.{name}[{at}]") for at, value in enumerate(self.values(name))
        ]

    def listed(self, name: str) -> "list[ApiResponse]":
        """Return the objects of a list that must be there; it may be empty."""
        return self._required(name, self.objects(name) if self.has(name) else None, "a list")

    def wrong(self, name: str, problem: str) -> Exception:
        """Return the error to raise about a member."""
        return unexpected(self.source, f"{self.path}.{name}: {problem}")
