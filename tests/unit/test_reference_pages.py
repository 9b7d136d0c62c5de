"""The generated parts of docs/reference."""

import pytest

import reference
from tidegate.policy.durations import DURATION_PATTERN
from tidegate.policy.model import Action
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, MapOf, Number, Section, Text

WORD = Text(expected="a word", do="write one", make=str, maximum=9, pattern=DURATION_PATTERN)
SHAPES = {
    "a text": (WORD, "string", ["a word"]),
    "a choice": (Choice(words=Action), "string", ["`Deny`, `Warn`, `Audit`"]),
    "a whole number": (Number(minimum=0, maximum=7, whole=True), "integer", ["0 to 7"]),
    "a number": (Number(minimum=0, maximum=1, whole=False), "number", ["0 to 1"]),
    "a flag": (Flag(), "boolean", []),
    "a flag that is only true": (Flag(only_true=True), "boolean", ["`true`"]),
    "a list": (ListOf(item=WORD, maximum=3, unique=True), "list of strings", ["at most 3", "each once", "a word"]),
    "a list by key": (
        ListOf(item=Section(build=dict, fields=()), minimum=1, maximum=3, key="name"),
        "list of objects",
        ["1 to 3", "each `name` once"],
    ),
    "a mapping": (MapOf(key=WORD, value=WORD, maximum=3), "map of strings", ["at most 3"]),
    "a section": (
        Section(build=dict, fields=(), checks=(Constraint(expected="a or b", do="write one"),)),
        "object",
        ["a or b"],
    ),
}


@pytest.mark.parametrize(("shape", "kind", "limits"), SHAPES.values(), ids=SHAPES)
def test_the_type_and_the_limits_of(shape, kind, limits):
    assert (reference.kind_of(shape), list(reference.limits_of(shape))) == (kind, limits)


def test_the_rows_of_a_section_are_its_fields_and_those_below():
    below: Section[object] = Section(build=dict, fields=(Field("b", Flag(), "Below.", default=False),))
    whole: Section[object] = Section(
        build=dict, fields=(Field("a", ListOf(item=below, maximum=2), "A list.", required=True),)
    )
    assert dict(reference.fields_of(whole)) == {
        "a": ("list of objects", "required", "at most 2", "A list."),
        "a[].b": ("boolean", "`false`", "", "Below."),
    }


def test_the_pages_are_what_the_code_says():
    texts = reference.page_texts()
    assert len(texts) == 8
    assert [path.name for path, text in texts.items() if path.read_text() != text] == []


def test_only_the_generated_part_of_a_page_changes():
    page = "before\n<!-- generated: tidegate admission -->\nold\n<!-- end -->\nafter\n"
    text = reference.page_text(page)
    assert text.startswith(
        "before\n<!-- generated: tidegate admission -->\n\n```console\n$ tidegate admission --help\n"
    )
    assert text.endswith("\n```\n\n<!-- end -->\nafter\n")


def test_a_log_event_without_a_meaning_is_named():
    with pytest.raises(reference.PageError, match="does not say what 'AWS KMS returned"):
        reference.logs_table("")


def test_a_block_that_no_page_has_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "PAGES", tmp_path)
    with pytest.raises(reference.PageError, match=r"no page has a block for ImagePolicy spec, .*tidegate verify"):
        reference.page_texts()


@pytest.mark.parametrize("what", ["nothing", "ImagePolicy nothing"])
def test_what_cannot_be_generated_is_named(what):
    with pytest.raises(reference.PageError, match="nothing"):
        reference.page_text(f"<!-- generated: {what} -->\n<!-- end -->\n")
