"""Conditions of a policy asked of a verified predicate, within bounds of time and memory.

An evaluation cannot be interrupted and blocks all other threads. The library bounds the iterations; what one iteration may cost
is bounded here by the sizes of the predicate: about a second at worst for one operator in a loop, and far below a
millisecond for the usual ``predicate.builder.id == '...'``. A condition that can't be evaluated does not hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.errors import VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.sigstore.cel import MAX_CONDITIONS, NUL, Condition

MAX_VALUES = 200_000
"""Values in a predicate on which conditions are evaluated: the library gets a copy of each."""
MAX_ITERATIONS = 10_000
"""The library's own bound for all loops of one evaluation together."""
MAX_LOOP_COST = 25_000_000
"""Iterations times the values that one operator could walk through in each."""
TEXT_SHARE = 4
"""Characters of a text that take the time of one value."""


class _Size(NamedTuple):
    """Of a predicate: the items of the longest list or object, those or the longest text's share, and everything."""

    longest: int
    widest: int
    all: int


def check_conditions(predicate: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
    """Raise VerificationError unless every condition is true of the predicate."""
    if len(conditions) > MAX_CONDITIONS:
        raise VerificationError(f"{len(conditions)} conditions, more than {MAX_CONDITIONS}")
    size = _measured(predicate)
    for condition in conditions:
        iterations = min(MAX_ITERATIONS, size.longest**condition.loops) if condition.loops else 0
        if iterations * (size.all if condition.compares_any else size.widest) > MAX_LOOP_COST:
            raise VerificationError(f"the predicate is too large for the loop of condition {quoted(condition.text)}")
    for number, condition in enumerate(conditions, start=1):
        if not condition.holds(predicate):
            raise VerificationError(
                f"condition {quoted(condition.text)} is false", clause=f"condition {number} of the policy is false"
            )


def _measured(predicate: Mapping[str, Any]) -> _Size:
    """Return the size; refuse what would take long to hand over, or would not arrive as it is."""
    count, letters, longest, longest_text = 0, 0, 0, 0
    for value in _walk(predicate):
        count += 1
        if count > MAX_VALUES:
            raise VerificationError(f"the predicate has more than {MAX_VALUES} values")
        if isinstance(value, str):
            if NUL in value:
                raise VerificationError(
                    "the predicate contains a string with a NUL character, where the library would cut it"
                )
            letters += len(value)
            longest_text = max(longest_text, len(value))
        elif isinstance(value, dict | list):
            longest = max(longest, len(value))
    widest = max(longest, longest_text // TEXT_SHARE)
    return _Size(longest=longest, widest=widest, all=count + letters // TEXT_SHARE)


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
