"""JSON with exactly one meaning: strict UTF-8, no repeated keys, no NaN, bounded numbers, bounded depth.

Two parsers that read the same bytes differently are an attack: one verifies what the other does not see.
"""

import json
import math
from collections import Counter
from typing import Any, NoReturn

from tidegate.errors import VerificationError
from tidegate.images.json_bounds import has_more_values
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted

MAX_DEPTH = 32
"""Nested arrays and objects; a Notation envelope has three."""
MAX_VALUES = 2_000
"""Values of one document; an envelope or a bundle has some 50."""
MAX_NUMBER_CHARACTERS = 40
"""Characters of one number."""


def parse_strict_json(content: bytes, what: str, *, max_values: int = MAX_VALUES) -> object:
    """Return what the bytes say; raise VerificationError that begins with ``what`` for anything ambiguous.

    What may have more than ``max_values`` is refused before it is read: parsing blocks every other thread.

    Source: RFC 8259, and RFC 7493 (I-JSON) for what is refused.
    """
    if has_more_values(content, max_values):
        raise VerificationError(f"{what}: more than {max_values} JSON values")
    try:
        with reading("not strict JSON"):
            text = content.decode("utf-8", errors="strict")
            value: object = _DECODER.decode(text)
            _check(value, text)
    except VerificationError as error:
        raise VerificationError(f"{what}: {error}") from error
    return value


def strict_object(content: bytes, what: str, *, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """Return the JSON object that the bytes are; raise VerificationError for anything else."""
    value = parse_strict_json(content, what, max_values=max_values)
    if not isinstance(value, dict):
        raise VerificationError(f"{what}: expected a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of the pairs; the standard library would silently keep the last of two."""
    found = dict(pairs)
    if len(found) != len(pairs):
        # Counted in one pass: there may be as many keys as bytes.
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise VerificationError(f"duplicate key {quoted(repeated)}")
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise VerificationError(f"a number of {len(text)} characters, more than {MAX_NUMBER_CHARACTERS}")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if len(text) > MAX_NUMBER_CHARACTERS or not math.isfinite(number):
        raise VerificationError("a number out of range")
    return number


def _constant(text: str) -> NoReturn:
    raise VerificationError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant, strict=True
)


def _check(value: object, text: str) -> None:
    """Bound the depth, and refuse half surrogate pairs, which readers replace each in their own way."""
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode("utf-8", errors="strict")
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return
    raise VerificationError(f"nested deeper than {MAX_DEPTH}")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, dict | list)]
    if isinstance(value, list):
        return [inner for inner in value if isinstance(inner, dict | list)]
    return []
