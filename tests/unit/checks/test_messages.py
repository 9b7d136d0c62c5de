"""Fragments of text: ages in their largest fitting unit, foreign text without control characters and cut."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.checks.messages import MAX_FOREIGN_TEXT, age, cause_words, harmless, plural, service_name
from tidegate.evidence.fact import Cause

AGES = [
    (-5, "0 s"),
    (0, "0 s"),
    (119, "119 s"),
    (120, "2 min"),
    (7199, "119 min"),
    (7200, "2 h"),
    (172_799, "47 h"),
    (172_800, "2 d"),
    (8_640_000, "100 d"),
]


@pytest.mark.parametrize(("seconds", "words"), AGES, ids=[words for _, words in AGES])
def test_an_age_is_told_in_its_largest_unit_that_holds_it_twice(seconds, words):
    assert age(timedelta(seconds=seconds)) == words


FOREIGN = [
    pytest.param("plain text", "plain text", id="plain"),
    pytest.param("a\nb\tc\x00d\x7f", "a?b?c?d?", id="control characters"),
    pytest.param("\x1b[31mred\x1b[0m", "?[31mred?[0m", id="terminal escapes"),
    pytest.param("ab\u202ecd\u200b", "ab?cd?", id="text that runs backwards or hides"),
    pytest.param("\ud800", "?", id="half a character"),
    pytest.param("x" * MAX_FOREIGN_TEXT, "x" * MAX_FOREIGN_TEXT, id="as long as may be"),
    pytest.param("x" * (MAX_FOREIGN_TEXT + 1), "x" * (MAX_FOREIGN_TEXT - 1) + "…", id="one longer"),
]


@pytest.mark.parametrize(("text", "shown"), FOREIGN)
def test_foreign_text_is_made_harmless(text, shown):
    assert harmless(text) == shown


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_harmless_text_is_printable_and_bounded(text, limit):
    shown = harmless(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_counts_have_their_nouns():
    assert [plural(count, "image") for count in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


@pytest.mark.parametrize(
    ("source", "whom"),
    [
        ("", "AWS"),
        ("ecr:DescribeImages", "AWS"),
        ("oci:manifests", "the registry"),
        ("oci:manifests:v1", "the registry"),
        ("ocsp:http://ocsp.test", "the OCSP responder"),
        ("crl:http://crl.test", "the CRL's host"),
    ],
)
def test_the_first_part_of_a_source_says_who_was_asked(source, whom):
    assert service_name(source) == whom


def test_a_cause_names_who_was_asked():
    assert (
        cause_words(Cause.THROTTLED)
        == cause_words(Cause.THROTTLED, "ecr:DescribeImages")
        == "AWS is throttling requests"
    )
    assert cause_words(Cause.UNREACHABLE, "oci:manifests") == "the registry could not be reached"


def test_the_permission_that_lacks_is_named_where_it_is_one_of_aws():
    lacking = "tidegate lacks the permission ecr:DescribeImages"
    assert cause_words(Cause.ACCESS_DENIED, "ecr:DescribeImages") == lacking
    assert "the registry" in cause_words(Cause.ACCESS_DENIED, "oci:manifests")
    assert "AWS" in cause_words(Cause.ACCESS_DENIED)
