"""Conditions on the predicate of an attestation, in CEL: refused or compiled where policies are parsed.

The library is the CEL project's own (cel-expr-python, over the C++ runtime). It checks types, matches with RE2, parses 32
levels deep and gives up after 10,000 iterations in all; what it gives up on does not hold. A condition must be true or
false by its types, so that a text that happens to be there never counts as true. The only variable is ``predicate``. How
large a predicate may be is not bounded here but where conditions are asked, in ``verify.sigstore.conditions``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from tidegate.errors import VerificationError
from tidegate.strict.objection import Objection, quote

VARIABLE: Final = "predicate"
MAX_CONDITIONS: Final = 16
"""Conditions of one attestation."""
MAX_CONDITION: Final = 2048
"""Characters of one condition."""
MAX_COMPILED: Final = 1024
"""Compiled conditions kept; more than that are compiled again when used."""
MAX_SAID: Final = 200
"""Characters of the library's own sentence that a problem repeats."""
NUL: Final = "\0"

_LOOP = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_LITERAL = r"(?:''|-?\d[\w.]*|\btrue\b|\bfalse\b|\bnull\b)"
_COMPARISON = re.compile(r"==|!=|\bin\b")
_PLAIN_COMPARISON = re.compile(
    rf"{_LITERAL}\s*(?:==|!=|\bin\b)"
    rf"|(?:==|!=)\s*{_LITERAL}"
    rf"|\bin\s*\[\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*,?\s*\]"
)
_SEARCH = re.compile(r"\b(?:contains|matches)\s*\(")
_PLAIN_SEARCH = re.compile(r"\.\s*(?:contains|matches)\s*\(\s*''\s*\)")
_NO_CODE = re.compile(
    r"(?P<comment>//[^\n]*)"
    r"|\b(?:[rR][bB]?|[bB][rR])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^']*'|\"[^\"]*\")"  # raw texts know no escapes
    r"|'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A CEL expression over ``predicate`` that is true or false, as ``make_condition`` gives it."""

    text: str

    @property
    def loops(self) -> int:
        """Return how many macros of the expression iterate."""
        return len(_LOOP.findall(_code(self.text)))

    @property
    def compares_any(self) -> bool:
        """Return whether it compares values neither of which is written in it: whole objects, perhaps."""
        code = _code(self.text)
        return len(_COMPARISON.findall(code)) > len(_PLAIN_COMPARISON.findall(code))

    def holds(self, predicate: object) -> bool:
        """Tell whether the condition is true of a predicate of plain JSON data.

        Raise VerificationError when it cannot be computed: a field that is not there, another type, too many steps.
        """
        try:
            value = _compiled(self.text).eval(data={VARIABLE: predicate}).value()
        except Exception as error:
            raise VerificationError(f"condition {quote(self.text)} cannot be computed: {_said(error)}") from error
        if not isinstance(value, bool):
            raise VerificationError(f"condition {quote(self.text)} cannot be computed: {_short(str(value))}")
        return value


def make_condition(text: str) -> Condition | Objection:
    """Return the condition, or what is wrong with it."""
    from cel_expr_python import cel  # noqa: PLC0415 -- few processes have conditions

    condition = Condition(text=text)
    if objection := _unbounded(condition):
        return objection
    try:
        kind = _compiled(text).return_type()
    except Exception as error:  # noqa: BLE001 - the binding raises what its C++ throws, of no one class
        do = f"correct it ({_said(error)}); the only variable is {VARIABLE}"
        return Objection(quote(text), "an expression in CEL", do)
    if kind == cel.Type.BOOL:
        return condition
    do = "compare it with something, such as predicate.reviewed == true"
    return Objection(f"{quote(text)}, which is of type {kind.name()}", "an expression that is true or false", do)


def _unbounded(condition: Condition) -> Objection | None:
    """Object to what the library would cut off, and to what could take memory or time out of proportion.

    Texts joined in a loop grow with every iteration. To search for a text that the predicate holds takes the product of
    both lengths, and a regular expression of the predicate's has no bound of ours.
    """
    code = _code(condition.text)
    if NUL in condition.text:
        return Objection(quote(condition.text), "an expression without the character NUL", "remove it")
    if len(_SEARCH.findall(code)) > len(_PLAIN_SEARCH.findall(code)):
        got = f"{quote(condition.text)}, which searches for something that is not written in it"
        return Objection(got, "contains and matches with a text in quotes", "write it such as a.contains('b')")
    if condition.loops and "+" in code:
        got = f"{quote(condition.text)}, with + beside a loop (all, exists, exists_one, map, filter)"
        return Objection(got, "one without the other", "make two conditions of it, or compare without joining texts")
    return None


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Return the one environment: a variable of any type, CEL's standard functions, no extension."""
    from cel_expr_python import cel  # noqa: PLC0415 -- few processes have conditions

    return cel.NewEnv(variables={VARIABLE: cel.Type.DYN})


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(text: str) -> Any:
    return _environment().compile(text)


def _code(text: str) -> str:
    """Return the expression without comments, and with every text in it empty."""
    return _NO_CODE.sub(lambda found: " " if found["comment"] else "''", text)


def _said(error: Exception) -> str:
    """Return the first line of what the library says."""
    return _short(str(error).partition("\n")[0])


def _short(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:MAX_SAID]
