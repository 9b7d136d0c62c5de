"""``tidegate test``: what it reads, what it prints, and what it says about cases that it cannot read."""

import json
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import objects
from tests.unit.cli.commands import run
from tests.unit.cli.policy_cases import (
    CONFIGURED,
    CRITICAL,
    ERROR,
    FAILED,
    PASSED,
    REGISTRY,
    REPOSITORY,
    CaseWriter,
    case,
    image,
    refuse_network,
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_network(monkeypatch)


def test_an_object_in_a_file_beside_the_cases(tested: CaseWriter, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(objects.pod(f"{REPOSITORY}:v1")))
    assert tested(one=case() | {"object": "pod.yaml"}).code == PASSED
    (tmp_path / "pod.yaml").write_text("")
    ended = tested(one=case() | {"object": "pod.yaml"})
    assert ended.code == ERROR
    assert "expected a file with one object" in ended.err


# Input
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"policy": ["x"]}, "there is no field policy; did you mean policies?"),
        ({"cases": [case() | {"nme": "x"}]}, "cases[0]: there is no field nme; did you mean name?"),
        ({"cases": [case() | {"expect": {"decision": "allowed"}}]}, "cases[0].expect.decision: invalid enum value"),
        ({"cases": [case(reasons=["TagMutabel"])]}, "cases[0].expect.reasons[0]: invalid enum value 'TagMutabel'"),
        ({"cases": []}, "cases: expected `array` of length >= 1"),
        ({"cases": [case(), case()]}, "cases[1].name: the case appears twice"),
        ({"apiVersion": "cli.tidegate.dev/v2"}, "apiVersion: invalid enum value"),
        ({"kind": "Tests"}, "kind: invalid enum value"),
        ({"now": "yesterday"}, "now: expected a time such as"),
        ({"now": "-1d"}, "now: expected a time such as"),
        ({"policies": ["absent.yaml"]}, "absent.yaml cannot be read"),
        ({"platforms": ["linux"]}, "platforms: expected os/architecture"),
        ({"evidence": {"repositories": [{"name": "a b"}]}}, "evidence.repositories[0].name: expected a repository"),
        ({"evidence": {"repositories": [{"name": "a/b"}] * 2}}, "evidence.repositories[1].name: a/b appears twice"),
        ({"cases": [case() | {"object": {"apiVersion": "v1", "kind": "Service"}}]}, "object: expected a kind"),
        (
            {"cases": [case() | {"object": objects.pod("x") | {"spec": {}}}]},
            "object: tidegate cannot judge this request",
        ),
    ],
)
def test_invalid_input_is_named_with_its_field(tested: CaseWriter, change: dict[str, Any], problem: str) -> None:
    ended = tested(**change)
    assert ended.code == ERROR
    assert problem in ended.err


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"tags": [], "digest": None}, "images[0]: expected tags or a digest"),
        ({"pushedAt": "3 days ago"}, "images[0].pushedAt: expected a time such as 2026-11-28T12:00:00Z, or a span"),
        ({"findings": [CRITICAL | {"firstObservedAt": 5}]}, "findings[0].firstObservedAt: expected a time"),
        ({"artifacts": [], "signatures": []}, "images[0]: expected signatures or artifacts, got both"),
        ({"platforms": {"linux": {}}}, "images[0].platforms: expected os/architecture"),
        ({"findings": [{"id": "X", "severity": "BAD"}]}, "findings[0].severity: invalid enum value 'BAD'"),
        ({"digest": "sha256:1"}, "images[0].digest: expected `str` matching regex"),
    ],
)
def test_invalid_evidence_is_named_with_its_field(tested: CaseWriter, part: dict[str, Any], problem: str) -> None:
    ended = tested([image(**part)])
    assert ended.code == ERROR
    assert problem in ended.err


def test_two_images_with_one_tag_are_refused(tested: CaseWriter) -> None:
    ended = tested([image(), image()])
    assert ended.code == ERROR
    assert f"{REPOSITORY}:v1 appears twice; keep one" in ended.err


def test_an_invalid_policy_is_an_error(tested: CaseWriter) -> None:
    ended = tested(spec={"tags": {"imutable": True}})
    assert ended.code == ERROR
    assert "did you mean immutable?" in ended.err


def test_a_folder_has_the_cases_of_all_its_files(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    (tmp_path / "values.yaml").write_text("no: object\n")
    below = tmp_path / "more"
    below.mkdir()
    document = yaml.safe_load((tmp_path / "cases.yaml").read_text()) | {"policies": ["../policies.yaml"]}
    (below / "cases.yml").write_text(yaml.safe_dump(document))
    ended = run("test", tmp_path)
    assert (ended.code, ended.last) == (PASSED, "2 passed")


def test_a_folder_or_file_without_cases_is_an_error(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (empty, tmp_path / "policies.yaml"):
        ended = run("test", path)
        assert ended.code == ERROR
        assert "has no test cases" in ended.err


def test_aliases_that_repeat_each_other_are_bounded(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    lines = ["object: &a0 {x: y}"]
    lines += [f"l{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file = tmp_path / "cases.yaml"
    file.write_text(file.read_text() + "\n".join(lines) + "\n")
    ended = run("test", file)
    assert ended.code == ERROR
    assert "has more than 1,000,000 values in one document" in ended.err


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["-1d", "*", "ok"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_case_says_the_command_ends_with_a_code_and_no_traceback(data: Any) -> None:
    document: Any = {
        "apiVersion": "cli.tidegate.dev/v1alpha1",
        "kind": "Test",
        "metadata": {"name": "suite"},
        "policies": [],
        "now": "2026-11-28T12:00:00Z",
        "platforms": ["linux/amd64"],
        "evidence": {
            "repositories": [
                {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": [image(findings=[dict(CRITICAL)])]}
                | CONFIGURED
            ],
            "registries": [dict(REGISTRY)],
        },
        "cases": [case() | {"namespace": {"name": "shop", "labels": {}}, "runningSince": "-1d"}],
    }
    document = yaml.safe_load(yaml.safe_dump(document))
    place = document
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.yaml"
        file.write_text(yaml.safe_dump(document))
        assert run("test", file).code in {PASSED, FAILED, ERROR}


# Output
def test_json(tested: CaseWriter) -> None:
    ended = tested([image(findings=[CRITICAL])], arguments=("-o", "json"))
    assert ended.code == FAILED
    (found,) = json.loads(ended.out)
    assert found["state"] == "Failed"
    assert found["decision"] == "Denied"
    assert found["reasons"] == ["VulnerabilitiesFound"]
    assert found["problems"] == ["decision: expected Allowed, got Denied"]
    assert found["lacking"] == []


def test_junit(tested: CaseWriter) -> None:
    ended = tested([image(findings=[CRITICAL])], arguments=("-o", "junit"))
    (suite,) = ET.fromstring(ended.out)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    problem = suite.find("testcase/failure")
    assert problem is not None
    assert problem.get("message") == "decision: expected Allowed, got Denied"
    ended = tested([image(coverage=None), image(tags=["other"])], arguments=("-o", "junit"))
    (suite,) = ET.fromstring(ended.out)
    assert suite.find("testcase/error") is not None


@pytest.mark.parametrize("output", ["text", "json", "junit"])
def test_no_line_is_a_command_of_a_ci_service(tested: CaseWriter, output: str) -> None:
    ended = tested(one=case(decision="Denied") | {"name": "##vso[task.complete]"}, arguments=("-o", output))
    assert ended.code == FAILED
    assert "##vso[" not in ended.out
