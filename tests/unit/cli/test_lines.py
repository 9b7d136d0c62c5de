"""Lines at the edge of a terminal, and whole ones elsewhere."""

import io
from typing import Any

import pytest
from rich.console import Console

from tidegate.cli.lines import MIN_WIDTH, print_line

DIGEST = "sha256:" + "ab" * 32
TEXT = f"signed by somebody with a name of several words, of {DIGEST} [tsa, N57-N63] and on"


def printed(text: str, *, width: int = 80, terminal: bool = True, **options: Any) -> list[str]:
    out = io.StringIO()
    to = Console(file=out, width=width, force_terminal=terminal, color_system=None, markup=False, soft_wrap=True)
    print_line(to, text, **options)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_breaks_between_words_and_indents_what_follows(width):
    lines = printed(TEXT, width=width, indent=4, hanging=9)
    assert len(lines) > 1
    assert lines[0].startswith("    signed by")
    assert all(line.startswith("         ") and line[9] != " " for line in lines[1:])
    assert all(len(line) <= width for line in lines)
    assert " ".join(line.strip() for line in lines) == TEXT


def test_lines_that_follow_begin_two_columns_on_by_default():
    assert [len(line) - len(line.lstrip()) for line in printed(TEXT, indent=2)] == [2, 4, 4]


def test_a_digest_is_never_broken_so_that_it_can_be_copied():
    assert any(DIGEST in line for line in printed(TEXT, width=MIN_WIDTH, indent=19, hanging=19))


def test_a_first_word_that_is_too_long_keeps_its_place():
    assert printed(DIGEST, width=MIN_WIDTH, indent=19, hanging=19) == [" " * 19 + DIGEST]


def test_a_narrow_terminal_is_left_to_itself():
    assert len(printed(TEXT, width=10)) < 5


def test_what_is_no_terminal_gets_one_line():
    assert printed(TEXT, terminal=False, indent=2) == ["  " + TEXT]


def test_a_terminal_obeys_nothing_that_others_wrote():
    assert printed("a\x1b[1A\x1b[2K\nALLOWED  b\u202ec") == ["a?[1A?[2K?ALLOWED  b?c"]


def test_brackets_mean_nothing():
    assert printed("[red]x[/red] [link=http://x]y") == ["[red]x[/red] [link=http://x]y"]
