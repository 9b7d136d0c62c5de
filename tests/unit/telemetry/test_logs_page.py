"""docs/reference/logs.md lists the keys of a decision, and the last line of a process without memory."""

import ast
import re
from pathlib import Path

from reference import log_calls
from tidegate.app import fatal

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "logs.md"


def test_out_of_memory_is_an_event():
    assert b'"event": "out of memory: ' in fatal._TEXT
    assert "begins with `out of memory: `" in " ".join(PAGE.read_text().split())


def test_the_page_lists_the_keys_of_a_decision():
    (call,) = (call for call in log_calls() if ast.unparse(call.args[0]) == "'admission decided'")
    page = PAGE.read_text().partition("## Decisions")[2].partition("## Every event")[0]
    keys = {key for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for key in re.findall(r"`([^`]+)`", row)}
    assert keys == {keyword.arg for keyword in call.keywords} | {"event"}
