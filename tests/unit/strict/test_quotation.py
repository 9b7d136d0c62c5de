"""A line in the log of a CI job commands neither the terminal nor the CI service."""

import pytest

from tidegate.strict.quotation import log_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a :: b", "a :: b"),
        ("a # b", "a # b"),
        ("", ""),
        ("::stop-commands::x", "?:stop-commands::x"),
        ("   ::error::x", "   ?:error::x"),
        ("\u2003::error::x", "?::error::x"),
        ("a\n::error::x", "a?::error::x"),
        ("a ##[error]x", "a #?[error]x"),
        ("##vso[task.complete]", "#?vso[task.complete]"),
        ("###[a]", "#?#[a]"),
        ("####[a]", "#?#?[a]"),
        ("\x1b[2K", "?[2K"),
    ],
)
def test_a_line_commands_nothing(text: str, shown: str):
    assert log_line(text) == shown
    assert log_line(shown) == shown
