"""The reference page of TrustStores explains every field of the spec and of the status, and its examples are TrustStores."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.policy import schema
from tests.unit.policy.schema import TRUST_STORE, TRUST_STORE_SPEC
from tidegate.policy import trust_store_object as module
from tidegate.policy.trust_store_object import BuiltIn, parse_trust_store
from tidegate.policy.trust_stores import StoreType
from tidegate.trust.trusted_roots import REFRESH_SECONDS
from tidegate.trust.tuf import repository

PAGE = (Path(__file__).parents[3] / "docs/reference/truststore.md").read_text()
ROWS = {
    name: (default.strip(), meaning.strip(), example.strip())
    for name, default, meaning, example in re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    if default not in {"True", "False"}
}
STATUS = dict(re.findall(r"^\| `([^`]+)` \| ([^|]*) \|$", PAGE, re.MULTILINE))
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]
FIELDS = {
    path.removeprefix("spec."): crd
    for path, crd in schema.walk(TRUST_STORE_SPEC, "spec")
    if path != "spec" and path[-2:] != "[]"
}


def test_every_field_has_a_row_and_every_row_a_field():
    assert set(ROWS) == set(FIELDS)


@pytest.mark.parametrize("path", FIELDS, ids=str)
def test_the_row_is_whole(path):
    default, meaning, example = ROWS[path]
    parent = FIELDS.get(path.rpartition(".")[0], TRUST_STORE_SPEC)
    assert (default == "required") is (path.rpartition(".")[2] in parent.get("required", ()))
    assert meaning.endswith((".", "](#sigstore).", "](#configmaps)."))
    assert example


def test_every_field_of_the_status_has_a_row():
    assert set(STATUS) == set(TRUST_STORE["properties"]["status"]["properties"])


def test_every_word_of_a_choice_is_explained():
    for words, path in ((StoreType, "type"), (BuiltIn, "builtIn")):
        assert all(f"`{word.value}`" in ROWS[path][1] for word in words)


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
    assert f"At most {module.MAX_TEXTS} texts" in ROWS["certificates"][1]
    assert f"At most {module.MAX_KEYS}." in ROWS["configMap.keys"][1]


def test_links_lead_somewhere():
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
