"""Subjects of certificates as policies name them: read as RFC 4514 writes them, or objected to in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.subject_name import PREFIX, read_subject
from tidegate.strict.objection import Objection

GOOD = [
    pytest.param("C=US, ST=WA, O=Acme", {"C": "US", "ST": "WA", "O": "Acme"}, id="as it is mostly written"),
    pytest.param(r"C=US,ST=WA,O=Acme\, Inc.", {"C": "US", "ST": "WA", "O": "Acme, Inc."}, id="an escaped comma"),
    pytest.param(r"C=US,ST=WA,O=\C3\84cme", {"C": "US", "ST": "WA", "O": "Äcme"}, id="UTF-8 as escaped bytes"),
]


@pytest.mark.parametrize(("text", "attributes"), GOOD)
def test_a_subject_is_read_without_its_escapes(text, attributes):
    assert read_subject(PREFIX + text) == attributes


BAD = [
    pytest.param("", "a distinguished name such as", id="nothing"),
    pytest.param("Acme", "a distinguished name such as", id="no attribute"),
    pytest.param("C=US,ST=WA,O=#0c0441636d65", "a distinguished name such as", id="a value as DER"),
    pytest.param(r"C=US,ST=WA,O=\FF", "escapes that are UTF-8", id="escaped bytes that are no text"),
    pytest.param("C=US,ST=WA,O=Acme,O=Other", "O once", id="an attribute twice"),
    pytest.param("C=US,O=Acme", "at least C, ST and O", id="no state"),
    pytest.param("C=US,ST=WA,O=Acme,", "at least C, ST and O", id="a comma at the end"),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_what_is_no_subject_is_objected_to(text, expected):
    found = read_subject(PREFIX + text)
    assert isinstance(found, Objection)
    assert expected in found.expected


@given(st.text(max_size=60) | st.from_regex(r"(C|ST|O|CN)=[^\n]{0,12},(C|ST|O)=[a-z\\]{0,6}", fullmatch=True))
def test_any_text_is_a_subject_or_objected_to(text):
    assert isinstance(read_subject(PREFIX + text), (dict, Objection))
