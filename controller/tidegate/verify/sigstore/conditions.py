"""Conditions on an attestation's predicate, in CEL: compiled when the policy is loaded, evaluated on verified bytes only.

The library is the CEL project's own (cel-expr-python, over the C++ runtime). It checks types, matches with RE2, parses 32
levels deep and stops after 10,000 iterations in all. It can't be interrupted and holds Python's lock, so what one
iteration may cost is bounded here by the sizes of the predicate: about a second at worst for one operator in a loop, and
far below a millisecond for the usual ``predicate.builder.id == '...'``. Strings may not be joined inside of a loop, since
memory would grow with it. A condition that can't be evaluated does not hold.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tidegate.errors import PolicyError, VerificationError
from tidegate.verify.notation.quotation import quoted

MAX_CONDITIONS = 16
MAX_EXPRESSION_CHARACTERS = 2048
MAX_VALUES = 200_000
"""Values in a predicate on which conditions are evaluated: the library gets a copy of each."""
MAX_ITERATIONS = 10_000
"""The library's own bound for all loops of one evaluation together."""
MAX_LOOP_COST = 25_000_000
"""Iterations times the longest list, or a quarter of the longest text, that one operator could walk through in each."""
TEXT_SHARE = 4
NUL = "\0"

_LOOP = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_NO_CODE = re.compile(
    r"(?P<comment>//[^\n]*)"
    r"|\b(?:[rR][bB]?|[bB][rR])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^']*'|\"[^\"]*\")"  # raw texts know no escapes
    r"|'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One expression over ``predicate`` that must be true; raises PolicyError for one that can't be used."""

    expression: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile once, while the policy is loaded."""
        if not 0 < len(self.expression) <= MAX_EXPRESSION_CHARACTERS:
            raise PolicyError(
                (f"condition: {len(self.expression)} characters, expected 1 to {MAX_EXPRESSION_CHARACTERS}",)
            )
        if NUL in self.expression:
            raise PolicyError((f"condition {quoted(self.expression)}: holds a NUL",))
        if self.loops and "+" in _code(self.expression):
            raise PolicyError((f"condition {quoted(self.expression)}: + can't be used together with a loop",))
        object.__setattr__(self, "_compiled", _compile(self.expression))

    @property
    def loops(self) -> int:
        """Return how many macros of the expression iterate."""
        return len(_LOOP.findall(_code(self.expression)))

    def holds(self, predicate: Mapping[str, Any]) -> bool:
        """Return whether the expression is true; raise VerificationError where it has no value."""
        import cel_expr_python.cel as library  # noqa: PLC0415 -- 50 MB that few processes need

        try:
            result = self._compiled.eval(data={"predicate": predicate})
        except Exception as error:
            raise VerificationError(f"condition {quoted(self.expression)} has no value: {quoted(error)}") from error
        if result.type() != library.Type.BOOL:
            raise VerificationError(f"condition {quoted(self.expression)} is not a truth: {quoted(result.value())}")
        return result.value() is True


def check_conditions(predicate: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
    """Raise VerificationError unless every condition is true of the predicate."""
    if len(conditions) > MAX_CONDITIONS:
        raise VerificationError(f"{len(conditions)} conditions, more than {MAX_CONDITIONS}")
    _check_values(predicate, loops=max((condition.loops for condition in conditions), default=0))
    for condition in conditions:
        if not condition.holds(predicate):
            raise VerificationError(f"condition {quoted(condition.expression)} is false")


def _check_values(predicate: Mapping[str, Any], *, loops: int) -> None:
    """Refuse a predicate that would take long to hand over or to loop over, or that would not arrive as it is."""
    longest_list, longest_text = 0, 0
    for count, value in enumerate(_walk(predicate), start=1):
        if isinstance(value, str):
            if NUL in value:
                raise VerificationError("the predicate holds a text with a NUL, at which the library would cut it off")
            longest_text = max(longest_text, len(value))
        elif isinstance(value, dict | list):
            longest_list = max(longest_list, len(value))
        if count > MAX_VALUES:
            raise VerificationError(f"the predicate has more than {MAX_VALUES} values")
    iterations = min(MAX_ITERATIONS, longest_list**loops) if loops else 0
    if iterations * max(longest_list, longest_text // TEXT_SHARE) > MAX_LOOP_COST:
        raise VerificationError("the predicate is too large for a condition with a loop")


def _walk(predicate: Mapping[str, Any]) -> Iterator[object]:
    """Yield every value, the keys of objects too."""
    open_values: list[object] = [predicate]
    while open_values:
        value = open_values.pop()
        yield value
        if isinstance(value, dict):
            open_values += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            open_values += value


def _code(expression: str) -> str:
    """Return the expression without comments, and with every text in it empty."""
    return _NO_CODE.sub(lambda found: " " if found["comment"] else "''", expression)


def _compile(expression: str) -> Any:
    import cel_expr_python.cel as library  # noqa: PLC0415 -- 50 MB that few processes need

    try:
        compiled = _environment().compile(expression)
        kind = compiled.return_type()
    except Exception as error:
        raise PolicyError((f"condition {quoted(expression)}: {quoted(error)}",)) from error
    if kind not in (library.Type.BOOL, library.Type.DYN):
        raise PolicyError((f"condition {quoted(expression)}: expected a truth value, not {kind.name()}",))
    return compiled


@cache
def _environment() -> Any:
    """Return the one environment: a variable ``predicate`` of any type, CEL's standard functions, no extension."""
    import cel_expr_python.cel as library  # noqa: PLC0415 -- 50 MB that few processes need

    return library.NewEnv(variables={"predicate": library.Type.DYN})
