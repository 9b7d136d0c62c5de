"""Conditions on the predicate of an attestation, in CEL: compiled where policies are parsed, bounded where they run.

A condition must be true or false by its types, so that a text that happens to be there never counts as true. The only
variable is ``predicate``. The library bounds depth and iterations; what it gives up on does not hold.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from tidegate.errors import VerificationError
from tidegate.policy.shape import Objection, quote

VARIABLE: Final = "predicate"
MAX_COMPILED: Final = 1024
"""Compiled conditions kept; more than that are compiled again when used."""
MAX_SAID: Final = 200
"""Characters of the library's own sentence that a problem repeats."""


@lru_cache(maxsize=1)
def _environment() -> Any:
    return cel.NewEnv(variables={VARIABLE: cel.Type.DYN})


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(text: str) -> Any:
    return _environment().compile(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A CEL expression over ``predicate`` that is true or false."""

    text: str

    def holds(self, predicate: object) -> bool:
        """Tell whether the condition is true of a predicate of plain JSON data.

        Raise VerificationError when it cannot be computed: a field that is not there, another type, too many steps.
        """
        try:
            result = _compiled(self.text).eval(data={VARIABLE: predicate})
            decided = result.type() == cel.Type.BOOL
            value = result.value()
        except Exception as error:
            raise VerificationError(f"condition {quote(self.text)} cannot be computed: {_said(error)}") from error
        if not decided or not isinstance(value, bool):
            raise VerificationError(f"condition {quote(self.text)} cannot be computed: {_short(str(value))}")
        return value


def make_condition(text: str) -> Condition | Objection:
    """Return the condition, or what is wrong with it."""
    try:
        kind = _compiled(text).return_type()
    except Exception as error:  # noqa: BLE001 - the binding raises what its C++ throws, of no one class
        do = f"correct it ({_said(error)}); the only variable is {VARIABLE}"
        return Objection(quote(text), "an expression in CEL", do)
    if kind == cel.Type.BOOL:
        return Condition(text=text)
    do = "compare it with something, such as predicate.reviewed == true"
    return Objection(f"{quote(text)}, which is of type {kind.name()}", "an expression that is true or false", do)


def _said(error: Exception) -> str:
    """Return the first line of what the library says."""
    return _short(str(error).partition("\n")[0])


def _short(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:MAX_SAID]
