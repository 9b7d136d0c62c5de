"""What is wrong with a value that a person wrote: what was found, what was expected, and what to do."""

from collections.abc import Mapping
from typing import NamedTuple

MAX_QUOTED = 80
"""Characters of a wrong value that a problem repeats."""


_LARGE = 10**15


def problem(path: str, *, got: str, expected: str, do: str) -> str:
    """Return one problem as users read it."""
    return f"{path}: got {got}, expected {expected}; {do}"


class Objection(NamedTuple):
    """What is wrong with a whole section or list whose parts are each well."""

    got: str
    expected: str
    do: str

    def at(self, path: str) -> str:
        """Return the problem at a path."""
        return problem(path, got=self.got, expected=self.expected, do=self.do)


def describe(value: object) -> str:
    """Return what a value is, short and printable, for the ``got`` of a problem."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < _LARGE else "a very large number"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def quote(text: str) -> str:
    """Return the text in quotes, cut, with every unprintable character escaped."""
    return repr(text[:MAX_QUOTED]) + ("..." if len(text) > MAX_QUOTED else "")
