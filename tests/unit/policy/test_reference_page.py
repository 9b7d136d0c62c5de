"""The reference page explains every field of the CRD, with its default, and its examples are policies."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.policy import schema
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy

PAGE = (Path(__file__).parents[3] / "docs/reference/imagepolicy.md").read_text()
ROWS = {
    name: (default.strip(), meaning, example)
    for name, default, meaning, example in re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
}
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def documented(path: str) -> str:
    """Return how the page names a field: without spec, and the fields of a scope or of an authority once for both lists."""
    path = re.sub(r"^spec\.((match\.images|registries)\[\]\.)?", "", path)
    return re.sub(r"^(signatures|attestations\[\])\.anyOf\[\]\.(sigstore\b|notation\.)", r"\2", path)


def test_every_field_has_a_row_and_every_row_a_field():
    assert set(ROWS) == {documented(path) for path in schema.fields()}


@pytest.mark.parametrize("path", schema.fields(), ids=str)
def test_the_page_states_the_default_of(path):
    crd = schema.fields()[path]
    default, meaning, example = ROWS[documented(path)]
    if "default" in crd:
        assert default.startswith("`")
        assert yaml.safe_load(default.strip("`")) == crd["default"]
    else:
        assert not re.fullmatch(r"`.*`", default)
    assert meaning.strip().endswith(".") or "](#" in meaning
    assert example.strip()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["metadata"]["name"])
def test_the_example_is_a_policy(example):
    assert isinstance(parse_policy(example), ImagePolicy)


def test_the_page_has_examples():
    assert len(EXAMPLES) == 7


def test_the_cells_hold_examples_that_parse_as_yaml():
    for _, _, example in ROWS.values():
        if example.strip().startswith("`"):
            yaml.safe_load(example.strip().strip("`"))


def test_links_lead_somewhere():
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
