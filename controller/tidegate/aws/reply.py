"""Reading AWS's answers: a member that is there has the promised type, or the answer cannot be relied on.

The SDK does not check answers against its models. What is read here raises AwsUnavailableError with UNEXPECTED_ANSWER.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from tidegate.aws.errors import unexpected

E = TypeVar("E", bound=StrEnum)

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""Amazon ECR began later that year. An earlier time, such as 1970-01-01, stands for no time at all."""


def member(kind: type[E], word: str, unknown: E) -> E:
    """Return the member of an enum that a word of the wire names, and ``unknown`` for one that is new.

    For words that only add to an answer; ``Reply.word`` is for those that an answer rests on.
    """
    try:
        return kind(word)
    except ValueError:
        return unknown


class ApiResponse:
    """One object of an answer; ``path`` says where it stood, for the operator."""

    __slots__ = ("_members", "path", "source")

    def __init__(self, members: Any, source: str, path: str = "answer") -> None:
        if not isinstance(members, Mapping):
            raise unexpected(source, f"{path}: expected an object, got {type(members).__name__}")
        self._members = members
        self.source = source
        self.path = path

    def text(self, name: str) -> str:
        """Return a member that must be a text with something in it."""
        value = self.optional_text(name)
        if not value:
            raise self.wrong(name, "expected a text, got none")
        return value

    def value(self, name: str) -> object:
        """Return a member of any type, or None where there is none: one that AWS only repeats from somebody else."""
        return self._members.get(name)

    def optional_text(self, name: str) -> str:
        """Return a text, or the empty one where there is none."""
        value = self._members.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, f"expected a text, got {type(value).__name__}")
        return value

    def word(self, kind: type[E], name: str) -> E:
        """Return the member of an enum that a word names; raise for one that is new, and for UNKNOWN, which is ours."""
        word = self.text(name)
        try:
            found = kind(word)
        except ValueError:
            found = None
        if found is None or found.name == "UNKNOWN":
            raise self.wrong(name, f"this version does not know {word[:40]!a}")
        return found

    def require_same(self, name: str, asked: str) -> None:
        """Raise unless a member that says what the answer is about names what was asked for."""
        if (found := self.text(name)) != asked:
            raise self.wrong(name, f"the answer is about {found[:100]!a}, not about what was asked for")

    def optional_time(self, name: str) -> datetime | None:
        """Return a time in UTC, or None where there is none."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.wrong(name, f"expected a time, got {type(value).__name__}")
        if value < EARLIEST:
            raise self.wrong(name, f"expected a time since 2015, got {value:%Y-%m-%d}")
        return value.astimezone(UTC)

    def time(self, name: str) -> datetime:
        """Return a time in UTC."""
        value = self.optional_time(name)
        if value is None:
            raise self.wrong(name, "expected a time, got none")
        return value

    def optional_number(self, name: str) -> float | None:
        """Return a number, or None where there is none."""
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
        """Return an object, or None where there is none."""
        value = self._members.get(name)
        return None if value is None else ApiResponse(value, self.source, f"{self.path}.{name}")

    def object(self, name: str) -> "ApiResponse":
        """Return an object."""
        found = self.optional_object(name)
        if found is None:
            raise self.wrong(name, "expected an object, got none")
        return found

    def has(self, name: str) -> bool:
        """Tell whether there is such a member."""
        return self._members.get(name) is not None

    def names(self) -> list[str]:
        """Return the names of the members."""
        return [str(name) for name in self._members]

    def values(self, name: str) -> Sequence[Any]:
        """Return the elements of a list, none where there is no list."""
        value = self._members.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.wrong(name, f"expected a list, got {type(value).__name__}")
        return value

    def listed(self, name: str) -> "list[ApiResponse]":
        """Return the objects of a list that must be there, if only empty."""
        if not self.has(name):
            raise self.wrong(name, "expected a list, got none")
        return self.objects(name)

    def objects(self, name: str) -> "list[ApiResponse]":
        """Return the objects of a list, none where there is no list."""
        return [
            ApiResponse(value, self.source, f"{self.path}.{name}[{at}]") for at, value in enumerate(self.values(name))
        ]

    def wrong(self, name: str, problem: str) -> Exception:
        """Return the error to raise about a member."""
        return unexpected(self.source, f"{self.path}.{name}: {problem}")
