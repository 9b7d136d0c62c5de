"""``tidegate ... | head -1``: a reader that has seen enough ends the command without a word."""

import pytest

from tests.unit.cli.closed_output import run_unread
from tidegate.cli.root import EXIT_NO_READER


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["verify", "--help"]], ids=" ".join)
def test_help_that_nothing_reads(arguments):
    assert run_unread(*arguments) == (EXIT_NO_READER, "")


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_result_that_nothing_reads_is_neither_a_refusal_nor_a_bug(files, output):
    assert run_unread(*files.arguments(), "--output", output) == (EXIT_NO_READER, "")


def test_without_a_reader_of_the_output_usage_errors_are_told():
    code, said = run_unread("verify", "--no-such-option")
    assert code == 2
    assert "No such option" in said
