"""Shapes of plain data: each reads a value at a path, or raises PolicyError with every problem below that path.

A shape is data as well as a reader: the schemas of the CRDs are generated from the shapes (deploy/helm/schemas.py). Nothing
here knows what a policy is. What is absent is not passed on, so the value's own default holds; the default of a field is
what the API server fills in, and a test compares the two.
"""

import difflib
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from tidegate.errors import PolicyError
from tidegate.strict.objection import MAX_QUOTED, Objection, describe, problem, quote

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

MAX_UNKNOWN_FIELDS = 20
"""Unknown fields of one mapping that are named one by one."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._/-]{1,80}")


class Shape(Protocol[T_co]):
    """Something that reads plain data."""

    def read(self, value: object, path: str) -> T_co:
        """Return what the value means; raise PolicyError with every problem found at or below the path."""


def refusal(path: str, *, got: str, expected: str, do: str) -> PolicyError:
    """Return the error of a single problem."""
    return PolicyError((problem(path, got=got, expected=expected, do=do),))


def below(path: str, name: object) -> str:
    """Return the path of a field of the mapping at a path."""
    if isinstance(name, str) and _PLAIN_NAME.fullmatch(name):
        return f"{path}.{name}" if path else name
    return f"{path}[{describe(name)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A rule about a whole section or list, in Python for the parser and in CEL for the API server.

    ``got`` looks at a section as it was written, before any field is known to be valid, or at the items of a list, and
    returns what is wrong. It is None where the parser finds the problem in another way, ``rule`` where CEL cannot.
    """

    expected: str
    do: str
    got: Callable[[Any], str | None] | None = None
    rule: str | None = None

    def problems(self, value: object, path: str) -> Iterable[str]:
        """Yield the problem, if there is one."""
        if self.got is not None and (got := self.got(value)):
            yield problem(path, got=got, expected=self.expected, do=self.do)


def exactly_one(first: str, second: str, do: str = "write one of them") -> Constraint:
    """Return the check that a section has one of two fields and not both."""

    def got(written: Mapping[str, Any]) -> str | None:
        if (first in written) != (second in written):
            return None
        return f"both {first} and {second}" if first in written else f"neither {first} nor {second}"

    expected = f"exactly one of {first} and {second}"
    return Constraint(expected=expected, do=do, got=got, rule=f"has(self.{first}) != has(self.{second})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false; with ``only_true`` a field that is true or left out."""

    only_true: bool = False

    @property
    def expected(self) -> str:
        """What may be written."""
        return "true" if self.only_true else "true or false"

    @property
    def do(self) -> str:
        """What to do about anything else."""
        return "write true without quotes, or remove it" if self.only_true else "write true or false without quotes"

    def read(self, value: object, path: str) -> bool:
        """Return the flag."""
        if isinstance(value, bool) and (value or not self.only_true):
            return value
        raise refusal(path, got=describe(value), expected=self.expected, do=self.do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number within bounds, both included; ``whole`` refuses fractions."""

    minimum: int
    maximum: int
    whole: bool

    def read(self, value: object, path: str) -> Any:
        """Return the number: an int when whole, else a float."""
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, int | float) and numeric and self.minimum <= value <= self.maximum:
            if not self.whole:
                return float(value)
            if value == int(value):
                return int(value)
        kind = "a whole number" if self.whole else "a number"
        raise refusal(
            path,
            got=describe(value),
            expected=f"{kind} from {self.minimum} to {self.maximum}",
            do=f"write {kind} without quotes",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Generic[T]):
    """A string of a pattern, turned into a value by ``make``.

    ``make`` returns None for what it refuses, or an Objection where a more exact text than ``expected`` is known. ``minimum``
    and ``maximum`` bound the length in characters. The CRD states the pattern as it is, or in a rule with a sentence where
    ``by_rule`` is set; ``rule`` is one in CEL for what the pattern cannot say.
    """

    expected: str
    do: str
    make: Callable[[str], T | Objection | None]
    maximum: int
    minimum: int = 1
    pattern: str | None = None
    by_rule: bool = False
    rule: str | None = None
    wire_format: str | None = None

    def read(self, value: object, path: str) -> T:
        """Return the value that the string means."""
        if isinstance(value, str) and self.minimum <= len(value) <= self.maximum and self._fits(value):
            made = self.make(value)
            if isinstance(made, Objection):
                raise PolicyError((made.at(path),))
            if made is not None:
                return made
        do = self.do if isinstance(value, str) or value is None else f"{self.do}, as a string in quotes"
        raise refusal(path, got=describe(value), expected=self.expected, do=do)

    def _fits(self, value: str) -> bool:
        # A dollar sign also matches before a trailing line break; fullmatch does not.
        return self.pattern is None or re.fullmatch(self.pattern, value, re.ASCII) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[E]):
    """One value of an enumeration, or of those of its values that a policy may name."""

    words: Iterable[E]

    def read(self, value: object, path: str) -> E:
        """Return the member."""
        known = [member.value for member in self.words]
        for member in self.words:
            if value == member.value:
                return member
        near = difflib.get_close_matches(str(value)[:MAX_QUOTED].title(), known, n=1) if isinstance(value, str) else []
        do = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
        raise refusal(path, got=describe(value), expected=" or ".join(known), do=do)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Generic[T]):
    """A list of one shape, bounded.

    ``unique`` refuses an item that occurs twice; ``key`` is the field, of the item and of its value, that must differ
    between items. ``checks`` look at items that are all valid.
    """

    item: Shape[T]
    maximum: int
    minimum: int = 0
    unique: bool = False
    key: str | None = None
    checks: tuple[Constraint, ...] = ()

    def read(self, value: object, path: str) -> tuple[T, ...]:
        """Return the items in their order."""
        if not isinstance(value, list | tuple):
            raise refusal(path, got=describe(value), expected="a list", do="write each item on a line with a dash")
        if not self.minimum <= len(value) <= self.maximum:
            raise refusal(
                path,
                got=describe(value),
                expected=f"{self.minimum} to {self.maximum} items",
                do="name at least one item, or leave the field out" if not value else "spread them over two objects",
            )
        items: list[T] = []
        problems: list[str] = []
        for index, entry in enumerate(value):
            try:
                items.append(self.item.read(entry, f"{path}[{index}]"))
            except PolicyError as error:
                problems.extend(error.problems)
        problems.extend(self._doubles(items, path))
        if not problems:
            problems.extend(found for check in self.checks for found in check.problems(items, path))
        if problems:
            raise PolicyError(tuple(problems))
        return tuple(items)

    def _doubles(self, items: list[T], path: str) -> Iterable[str]:
        if not self.unique and self.key is None:
            return
        seen: set[Hashable] = set()
        for item in items:
            key: Any = getattr(item, self.key) if self.key else item
            if key in seen:
                yield problem(path, got=f"{quote(str(key))} twice", expected="each once", do="remove one of the two")
            seen.add(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf(Generic[T]):
    """A mapping whose keys are data, bounded, to values of one shape."""

    key: Shape[str]
    value: Shape[T]
    maximum: int

    def read(self, value: object, path: str) -> tuple[tuple[str, T], ...]:
        """Return the entries in order of their keys."""
        if not isinstance(value, Mapping) or len(value) > self.maximum:
            got = f"{len(value)} entries" if isinstance(value, Mapping) else describe(value)
            raise refusal(path, got=got, expected=f"a mapping of at most {self.maximum} entries", do="write key: value")
        entries: list[tuple[str, T]] = []
        problems: list[str] = []
        for name, content in value.items():
            try:
                key = self.key.read(name, below(path, name))
                entries.append((key, self.value.read(content, below(path, name))))
            except PolicyError as error:
                problems.extend(error.problems)
        if problems:
            raise PolicyError(tuple(problems))
        return tuple(sorted(entries, key=lambda entry: entry[0]))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a section: its name on the wire, its shape, and its description in ``kubectl explain``.

    ``default`` is what the API server fills in, as it is written in YAML; None for no default. ``into`` is the argument
    of ``build`` that the field becomes: its name in snake case unless given. Fields that exclude each other may share one.
    """

    name: str
    shape: Shape[Any]
    description: str
    default: Any = None
    required: bool = False
    into: str = ""

    def __post_init__(self) -> None:
        if not self.into:
            object.__setattr__(self, "into", re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Generic[T]):
    """A closed mapping: every field is known, and ``build`` gets the fields that are present, at least ``minimum``.

    ``description`` explains it where it is the item of a list, or the whole spec: elsewhere the field does.
    """

    fields: tuple[Field, ...]
    build: Callable[..., T]
    description: str = ""
    minimum: int = 0
    checks: tuple[Constraint, ...] = ()

    def read(self, value: object, path: str) -> T:
        """Return what ``build`` makes of the fields."""
        if not isinstance(value, Mapping):
            raise refusal(
                path, got=describe(value), expected="a mapping", do="write its fields below it, or {} for the defaults"
            )
        problems = list(self._unknown(value, path))
        arguments, wrong = self.read_fields(value, path)
        problems.extend(wrong)
        if len(value) < self.minimum:
            expected = f"at least one of {', '.join(known.name for known in self.fields)}"
            problems.append(problem(path, got="no field", expected=expected, do="write one, or remove the section"))
        problems.extend(found for check in self.checks for found in check.problems(value, path))
        if problems:
            raise PolicyError(tuple(problems))
        return self.build(**arguments)

    def read_fields(self, value: Mapping[Any, Any], path: str) -> tuple[dict[str, Any], list[str]]:
        """Return the fields that can be read, as arguments of ``build``, and the problems of all the others."""
        arguments: dict[str, Any] = {}
        problems: list[str] = []
        for known in self.fields:
            if known.name not in value and not known.required:
                continue
            try:
                arguments[known.into] = known.shape.read(value.get(known.name), below(path, known.name))
            except PolicyError as error:
                problems.extend(error.problems)
        return arguments, problems

    def _unknown(self, value: Mapping[Any, Any], path: str) -> Iterable[str]:
        names = [known.name for known in self.fields]
        unknown = [name for name in value if name not in names]
        for name in unknown[:MAX_UNKNOWN_FIELDS]:
            near = nearest(name, names)
            do = f"did you mean {near}?" if near else "remove it"
            expected = f"one of {', '.join(names)}"
            yield problem(below(path, name), got="a field that does not exist here", expected=expected, do=do)
        if len(unknown) > MAX_UNKNOWN_FIELDS:
            more = f"{len(unknown) - MAX_UNKNOWN_FIELDS} more fields that do not exist here"
            yield problem(path, got=more, expected=f"only {', '.join(names)}", do="remove them")


def nearest(name: object, names: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or None."""
    if not isinstance(name, str):
        return None
    folded = {known.lower(): known for known in names}
    wanted = name[:MAX_QUOTED].lower().replace("_", "").replace("-", "")
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None
