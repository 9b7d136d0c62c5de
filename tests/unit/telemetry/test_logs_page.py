"""docs/reference/logs.md lists the events that the code logs, and the keys of a decision."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tidegate.app import fatal
from tidegate.telemetry import observer

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "logs.md"
PACKAGES = ("app", "cluster", "telemetry", "trust")


def log_calls() -> Iterator[ast.Call]:
    for package in PACKAGES:
        for path in (ROOT / "controller" / "tidegate" / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
                    yield node


def logged() -> set[str]:
    literal = {call.args[0].value for call in log_calls() if isinstance(call.args[0], ast.Constant)}
    services = ("AWS", *observer._SERVICES.values())
    return {str(one) for one in literal} | {f"{service} {observer.FAILED}" for service in services}


def listed() -> set[str]:
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text().partition("## Calls")[2], re.MULTILINE)
    return {event for row in rows for event in re.findall(r"`([^`]+)`", row)}


def test_the_page_lists_every_event_and_no_other():
    partly = {f"AWS {observer.FAILED_FOR_SOME}"}
    assert listed() == (logged() | partly | {"out of memory: ..."}) - {"admission decided"}


def test_out_of_memory_is_an_event():
    assert b'"event": "out of memory: ' in fatal._TEXT


def test_the_page_lists_the_keys_of_a_decision():
    (call,) = (call for call in log_calls() if ast.unparse(call.args[0]) == "'admission decided'")
    page = PAGE.read_text().partition("## Decisions")[2].partition("## Calls")[0]
    keys = {key for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for key in re.findall(r"`([^`]+)`", row)}
    assert keys == {keyword.arg for keyword in call.keywords} | {"event"}
