"""The problems of an invalid object, each as a finding with its rule, its line and, in an expression, its character."""

import re
from typing import Any, Final

from tidegate.cli.lint.rules import Rule

_NO_FIELD: Final = "a field that does not exist here"
_EXPECTED: Final = ", expected "
_RULES: Final = (
    ("a regular expression in RE2's syntax", Rule.INVALID_REGULAR_EXPRESSION),
    ("an expression that does not match every identity", Rule.INVALID_REGULAR_EXPRESSION),
    ("an expression in CEL", Rule.INVALID_CONDITION),
    ("an expression that is true or false", Rule.INVALID_CONDITION),
    ("the name of a sigstore authority", Rule.UNKNOWN_AUTHORITY),
)
"""The rule of a problem, by the beginning of the text that names the expected value."""
_RE2_SAID: Final = re.compile(r"correct it \('[^:]*: (?P<fragment>.*)'\); RE2")
_CEL_SAID: Final = re.compile(r"<input>:(?P<line>\d+):(?P<column>\d+):")
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,9})\]")


def read_problem(problem: str, obj: dict[str, Any]) -> tuple[Rule, str, str, str]:
    """Return rule, path of the field, message and fix of a problem of a parser, as ``strict.objection.problem`` writes it."""
    path, is_known, rest = problem.partition(": got ")
    if not is_known:
        return Rule.INVALID_VALUE, "", problem, "correct the object"
    at = rest.rfind(_EXPECTED)
    got, (expected, _, fix) = rest[:at], rest[at + len(_EXPECTED) :].partition("; ")
    if got == _NO_FIELD:
        return (
            Rule.UNKNOWN_FIELD,
            path,
            f"{path}: there is no such field",
            fix if "?" in fix else f"{fix}, or use {expected}",
        )
    rule = next((rule for start, rule in _RULES if expected.startswith(start)), Rule.INVALID_VALUE)
    message = f"{path}: got {got}{_position(rule, fix, value_at(obj, path))}, expected {expected}"
    return rule, path, message, fix


def _position(rule: Rule, said: str, text: object) -> str:
    """Return the place in an expression at which its library found the problem; empty if the library does not say."""
    if not isinstance(text, str):
        return ""
    if rule is Rule.INVALID_CONDITION and (found := _CEL_SAID.search(said)):
        return f" (line {found['line']}, character {found['column']})"
    if rule is Rule.INVALID_REGULAR_EXPRESSION and (found := _RE2_SAID.search(said)):
        at = text.find(found["fragment"])
        if at >= 0 and found["fragment"] != text:
            return f" (character {at + 1})"
    return ""


def value_at(obj: object, path: str) -> object:
    """Return the value at a path such as ``spec.anyOf[0].name``, or None."""
    for step in _STEP.finditer(path):
        name, index = step[1], step[2]
        if name is not None:
            obj = obj.get(name) if isinstance(obj, dict) else None
        else:
            obj = obj[int(index)] if isinstance(obj, list) and int(index) < len(obj) else None
    return obj
