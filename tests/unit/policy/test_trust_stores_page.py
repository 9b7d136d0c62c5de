"""The examples of the reference page are TrustStores of every kind, and its numbers are the program's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.policy.schema import TRUST_STORE_SPEC
from tidegate.policy import trust_store_object as module
from tidegate.policy.trust_store_object import parse_trust_store
from tidegate.trust.trusted_roots import REFRESH_SECONDS
from tidegate.trust.tuf import repository

PAGE = (Path(__file__).parents[3] / "docs/reference/truststore.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["metadata"]["name"])
def test_the_example_is_a_trust_store(example):
    assert parse_trust_store(example).name == example["metadata"]["name"]


def test_the_examples_show_every_kind_of_source():
    used = {name for example in EXAMPLES for name in example["spec"]}
    assert used == set(TRUST_STORE_SPEC["properties"])


def test_the_numbers_are_the_program_s():
    hours = {4 * 3600.0: "four"}[REFRESH_SECONDS]
    assert f"every {hours} hours" in PAGE
    assert f"At most {module.MAX_STORES} in a cluster" in PAGE
    assert f"may take {repository.REFRESH_SECONDS:.0f} seconds" in PAGE
    assert f"each answer {repository.MAX_FILE_BYTES // 2**20} MiB" in PAGE


def test_links_lead_somewhere():
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
