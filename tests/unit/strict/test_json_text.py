"""JSON has one reading here or none: what two parsers could read in two ways is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import VerificationError
from tidegate.strict.json_text import (
    MAX_DEPTH,
    MAX_NUMBER_CHARACTERS,
    MAX_VALUES,
    parse_strict_json,
    strict_object,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half surrogate pairs are no text that UTF-8 could carry.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'{"a": 1, "a": 1}', 'duplicate key "a"', id="pitfall-9-10-repeated-key"),
        pytest.param(b'[{"b": {"a": 1, "c": 2, "a": 3}}]', 'duplicate key "a"', id="pitfall-9-10-repeated-key-inside"),
        pytest.param(b'{"a": 1, "\\u0061": 1}', 'duplicate key "a"', id="pitfall-9-10-repeated-key-in-an-escape"),
        pytest.param(b"NaN", "not strict JSON|NaN", id="pitfall-9-10-nan"),
        pytest.param(b"[Infinity]", "Infinity", id="pitfall-9-10-infinity"),
        pytest.param(b"-Infinity", "Infinity", id="pitfall-9-10-minus-infinity"),
        pytest.param(b"1e999", "", id="pitfall-9-10-number-beyond-all-floats"),
        pytest.param(
            b"1" * (MAX_NUMBER_CHARACTERS + 1), "a number of 41 characters", id="pitfall-9-10-endless-integer"
        ),
        pytest.param(b"0." + b"1" * MAX_NUMBER_CHARACTERS, "", id="pitfall-9-10-endless-fraction"),
        pytest.param(b"\xef\xbb\xbf{}", "not strict JSON", id="pitfall-9-10-byte-order-mark"),
        pytest.param('{"a": "é"}'.encode("latin-1"), "UnicodeDecodeError", id="pitfall-9-10-latin"),
        pytest.param("{}".encode("utf-16"), "not strict JSON", id="pitfall-9-10-utf-16"),
        pytest.param(b'["\\ud800"]', "UnicodeEncodeError", id="pitfall-9-10-half-a-surrogate-pair"),
        pytest.param(b'["\\uD800"]', "UnicodeEncodeError", id="pitfall-9-10-half-a-pair-in-upper-case"),
        pytest.param(b"{} {}", "not strict JSON", id="pitfall-9-10-two-values"),
        pytest.param(b"{}\0", "not strict JSON", id="pitfall-9-10-bytes-behind"),
        pytest.param(b"{'a': 1}", "not strict JSON", id="pitfall-9-10-single-quotes"),
        pytest.param(b"[1,]", "not strict JSON", id="pitfall-9-10-trailing-comma"),
        pytest.param(b"// words\n{}", "not strict JSON", id="pitfall-9-10-comment"),
        pytest.param(b'["a\nb"]', "not strict JSON", id="pitfall-9-10-line-break-in-a-text"),
        pytest.param(b"[01]", "not strict JSON", id="pitfall-9-10-octal"),
        pytest.param(b"", "not strict JSON", id="pitfall-9-10-nothing"),
        pytest.param(nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}", id="pitfall-9-10-deep"),
        pytest.param(nested(MAX_VALUES - 1), "not strict JSON|nested", id="pitfall-9-10-very-deep"),
        pytest.param(nested(MAX_VALUES), f"more than {MAX_VALUES} JSON", id="pitfall-9-10-very-many-arrays"),
        pytest.param(b"," * MAX_VALUES, f"more than {MAX_VALUES} JSON", id="pitfall-9-10-very-many-commas"),
        pytest.param(b"{" * MAX_VALUES, f"more than {MAX_VALUES} JSON", id="pitfall-9-10-very-many-objects"),
    ],
)
def test_what_is_ambiguous_is_refused(content: bytes, expected: str):
    """In our words, behind the given ones."""
    with pytest.raises(VerificationError, match=f"(?s)^thing: .*({expected})"):
        parse_strict_json(content, "thing")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(nested(2), [[]], id="pitfall-9-10-nested"),
        pytest.param(b"7", 7, id="pitfall-9-10-integer"),
        pytest.param(b"1" * MAX_NUMBER_CHARACTERS, int("1" * MAX_NUMBER_CHARACTERS), id="pitfall-9-10-long-integer"),
        pytest.param(b"1.5e3", 1500.0, id="pitfall-9-10-float"),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="pitfall-9-10-whole-surrogate-pair"),
        pytest.param(b' {"a" : [true,false,null]} ', {"a": [True, False, None]}, id="pitfall-9-10-white-space"),
    ],
)
def test_what_is_plain_is_read(content: bytes, value: object):
    """Numbers at the bound, pairs and white space included."""
    assert parse_strict_json(content, "thing") == value


def test_as_many_values_as_are_read_are_read():
    """At the bound, which a caller may raise for what is trusted."""
    values = [1] * (MAX_VALUES - 1)
    assert parse_strict_json(json.dumps(values).encode(), "thing") == values
    more = json.dumps([1, *values]).encode()
    with pytest.raises(VerificationError, match=r"^thing: more than"):
        parse_strict_json(more, "thing")
    assert parse_strict_json(more, "thing", max_values=MAX_VALUES + 1) == [1, *values]


def test_a_deep_value_is_our_error_whatever_the_interpreter_says():
    with pytest.raises(VerificationError, match=r"not strict JSON|nested deeper"):
        parse_strict_json(nested(200_000), "thing", max_values=10**6)


def test_the_deepest_value_is_read():
    """At the bound."""
    assert parse_strict_json(nested(MAX_DEPTH), "thing")


@given(VALUES)
def test_every_plain_value_is_read_as_it_was_written(value: object):
    """By the standard library, with and without escapes."""
    for escaped in (True, False):
        assert parse_strict_json(json.dumps(value, ensure_ascii=escaped).encode(), "thing") == value


@given(st.binary(max_size=40))
def test_any_bytes_are_an_object_or_our_error(content: bytes):
    """Nothing but VerificationError comes out."""
    try:
        found = strict_object(content, "thing")
    except VerificationError:
        return
    assert isinstance(found, dict)
