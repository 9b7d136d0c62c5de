"""``tidegate lint``: what it reads, what it prints, and what it says about input that it cannot read."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import objects
from tests.sarif import valid_run
from tests.unit.cli.commands import run
from tests.unit.cli.linting import (
    ACCOUNT,
    AUTHORITY,
    CLEAN,
    DOCS,
    FINDINGS,
    INVALID,
    KEYLESS,
    NO_CRITICAL,
    Linter,
    excepted,
    policy,
    rules,
)
from tidegate.cli.lint.rules import Rule

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["-1d", "*", "**"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WHOLE: list[Any] = [
    policy(
        match={"namespaceSelector": {"matchLabels": {"env": "x"}}, "images": [{"account": ACCOUNT}]},
        registries=[{"account": ACCOUNT, "repositories": ["team/*"]}],
        tags={"forbidden": ["latest"]},
        signatures={"anyOf": [AUTHORITY, KEYLESS]},
        **NO_CRITICAL,
    ),
    excepted(),
    objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"}),
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "x"}}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roots"}, "data": {"a": "b"}},
]


@settings(max_examples=60)
@given(st.data())
def test_whatever_objects_say_the_command_ends_with_a_code_and_no_traceback(data: Any) -> None:
    documents: Any = json.loads(json.dumps(WHOLE))
    place = documents
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        assert run("lint", file).code in {CLEAN, FINDINGS, INVALID}


# Input and outputs
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: [", "is not YAML"),
        ("[1]", "expected Kubernetes objects"),
        (yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap"}), "no object of tidegate.dev to lint"),
    ],
)
def test_input_that_cannot_be_read(linted: Linter, content: str, problem: str) -> None:
    Path("policies.yaml").write_text(content)
    ended = run("lint", "policies.yaml")
    assert ended.code == INVALID
    assert problem in ended.err


@pytest.mark.parametrize(
    ("option", "content", "problem"),
    [
        ("--images", "a b\n", "list.txt:1: "),
        ("--images", "\n# none\n", "list.txt has no images"),
        ("--against", "kind: ImageVerdict\n", "list.txt: ImageVerdict: "),
        ("--against", "kind: Pod\n", "no objects of kind ImageVerdict"),
    ],
)
def test_lists_that_cannot_be_read(linted: Linter, option: str, content: str, problem: str) -> None:
    Path("list.txt").write_text(content)
    ended = linted(policy(), arguments=(option, "list.txt"))
    assert ended.code == INVALID
    assert problem in ended.err


def test_a_folder_has_the_objects_of_all_its_files(linted: Linter, tmp_path: Path) -> None:
    linted(policy())
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "more.yml").write_text(yaml.safe_dump(policy("other", tagz=True, **NO_CRITICAL)))
    (tmp_path / "values.yaml").write_text("replicas: 2\n")
    ended = run("lint", ".")
    assert ended.code == FINDINGS
    assert "below/more.yml:6: error UnknownField" in ended.out


def test_sarif(linted: Linter) -> None:
    ended = linted(policy(tagz=True, **NO_CRITICAL), excepted(policies=["none"]), arguments=("-o", "sarif"))
    log = valid_run(json.loads(ended.out))
    assert [(one["ruleId"], one["level"]) for one in log["results"]] == [
        ("UnknownField", "error"),
        ("UnknownPolicy", "warning"),
    ]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == set(Rule)


def test_annotations_of_github_actions(linted: Linter) -> None:
    ended = linted(policy(tagz=True, **NO_CRITICAL), excepted(policies=["none"]), arguments=("-o", "github"))
    lines = ended.out.splitlines()
    assert lines[0] == (
        "::error file=policies.yaml,line=6,title=UnknownField::ImagePolicy/production: spec.tagz: there is no such field."
        " To fix: did you mean tags?"
    )
    assert lines[1].startswith("::warning file=policies.yaml,line=")
    assert lines[-1] == "1 error, 1 warning"


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_no_line_is_a_command_of_a_ci_service(linted: Linter, output: str) -> None:
    name = "##vso[task.setvariable variable=x]y"
    spec: dict[str, Any] = {name: True, **NO_CRITICAL}
    ended = linted(policy(**spec), arguments=("-o", output))
    assert ended.code == FINDINGS
    assert "##vso[" not in ended.out


def test_a_trust_store_whose_config_map_is_in_no_file_is_known(linted: Linter) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "configMap": {"name": "roots"}})
    assert rules(linted, policy(signatures={"anyOf": [AUTHORITY]}), store) == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_the_policies_of_the_documentation_have_no_error(linted: Linter, page: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    whole = [one for one in blocks if "kind: ImagePolicy" in one and one.startswith("apiVersion")]
    if whole:
        Path("policies.yaml").write_text("\n---\n".join(whole))
        ended = run("lint", "policies.yaml")
        assert ended.code == CLEAN, ended.out


def test_every_rule_is_documented() -> None:
    page = (DOCS / "reference" / "lint.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", page, re.MULTILINE)
    assert [(name, severity, text) for name, severity, text in rows] == [
        (one.value, one.severity.value, one.short) for one in sorted(Rule)
    ]
