"""The examples of the reference page are policies, and its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy

PAGE = (Path(__file__).parents[3] / "docs/reference/imagepolicy.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["metadata"]["name"])
def test_the_example_is_a_policy(example):
    assert isinstance(parse_policy(example), ImagePolicy)


def test_the_page_has_examples():
    assert len(EXAMPLES) == 8


def test_links_lead_somewhere():
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
