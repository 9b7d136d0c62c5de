"""What the docs list is what there is: reason codes, settings, packages, commands, chart values, targets of make."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from reference import settings_below
from tidegate.admission.decision import Mark
from tidegate.checks.result import Reason
from tidegate.cli.root import main
from tidegate.settings import Settings
from tidegate.webhook.server import Ended

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "controller" / "tidegate"
CHART = ROOT / "deploy" / "helm" / "tidegate"
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


class TestReasonCodes:
    def test_the_page_has_a_heading_for_each_reason_and_no_other(self):
        page = (ROOT / "docs/operations/troubleshooting.md").read_text()
        assert sorted(re.findall(r"^### ([A-Z][A-Za-z]+)$", page, re.MULTILINE)) == sorted(Reason)

    def test_every_reason_is_given_by_the_code(self):
        found = {
            node.attr
            for path in PACKAGE.rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
        }
        assert found == {one.name for one in Reason}


def test_messages_that_head_a_section_of_troubleshooting_are_given_by_the_code():
    """Not those of the API server and of Go, which the page explains as well."""
    page = (ROOT / "docs/operations/troubleshooting.md").read_text()
    headings = re.findall(r"^### (.+)$", page.partition("## The webhook itself")[2], re.MULTILINE)
    told = [one for one in headings if not one.startswith(("failed calling webhook", "x509:", "Turn off"))]
    sources = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert told
    assert [one for one in told if one not in sources] == []


def test_the_page_of_metrics_lists_every_decision_and_why_connections_end():
    page = " ".join((ROOT / "docs/reference/metrics.md").read_text().split())
    decisions = page.partition("`decision` is one of")[2].partition("`reason`")[0]
    assert set(re.findall(r"`([a-z-]+)`", decisions)) == set(Mark)
    reasons = page.partition("`reason` of `tidegate_server_ended_total` is")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z-]+)`", reasons)) == set(Ended)


def test_the_table_of_packages_is_in_the_order_of_the_layers():
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`[a-z`, ]+`) \|", contributing, re.MULTILINE)
    told = [set(re.findall(r"\w+", row)) for row in rows]
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    assert told == [set(layer.split(" | ")) for layer in layers if layer[0] not in "_("]


def command_of(words: list[str]) -> click.Command | None:
    """Return the command that the words after ``tidegate`` name, or None."""
    found: click.Command | None = main
    for word in words:
        if not isinstance(found, click.Group):
            return found
        found = found.get_command(click.Context(found), word)
    return found


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words after ``tidegate`` of each command that a page shows: in blocks, indented or within a sentence."""
    for line in text.replace("\\\n", " ").splitlines():
        for found in re.finditer(r"(?:^\$ |^ {4,}|`)tidegate (?=[a-z-])([^`]*)", line):
            yield found[1].split()


@each_page
def test_commands_and_their_options_exist(page):
    for words in command_lines(page.read_text()):
        named = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        command = command_of(named[:2] if named[:1] in (["import"], ["exception"]) else named[:1])
        assert command is not None, f"no command: tidegate {' '.join(words)}"
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        told = {word.partition("=")[0].strip("[],.") for word in words if re.match(r"\[?--?[a-z]", word)}
        assert told <= options | {"-h", "--help", "--version"}, f"tidegate {' '.join(words)}"


@each_page
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z0-9-]+)", page.read_text())) <= targets


def values_below(value: Any, before: str = "") -> Iterator[str]:
    """Yield the path of each key of values.yaml."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield before + name
            yield from values_below(below, f"{before}{name}.")


@cache
def known_keys() -> frozenset[str]:
    """Return the keys of the chart's values and of the configuration file, their groups included, without brackets."""
    chart = values_below(yaml.safe_load((CHART / "values.yaml").read_text()))
    keys = {name.replace("[]", "") for name in (*chart, *(name for name, *_ in settings_below(Settings)))}
    return frozenset(keys | {name.rpartition(".")[0] for name in keys})


@each_page
def test_chart_values_and_settings_that_are_named_exist(page):
    known = known_keys()
    groups = {name.partition(".")[0] for name in known if "." in name} - {"tags"}
    named = re.findall(r"`([a-z][A-Za-z]*(?:(?:\[\])?\.[A-Za-z]+)+(?:\[\])?)`", page.read_text())
    wrong = [one for one in named if one.partition(".")[0] in groups and one.replace("[]", "") not in known]
    assert not wrong


@each_page
def test_examples_of_chart_values_fit_the_chart(page):
    """Examples in YAML that are no Kubernetes objects: values of the chart, or a workflow of CI."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and document.keys() <= schema["properties"].keys():
                jsonschema.validate(document, {**schema, "required": []})
