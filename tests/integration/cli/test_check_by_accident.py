"""No accident makes ``tidegate check`` exit with 0: what was not judged is said on standard output or standard error.

tests/unit/cli/check/test_inputs.py has the single contents; here are what the command prints and how it exits.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.test_check import GOOD, NO_CRITICAL, deployment
from tests.integration.cli.test_check_not_judged import SCHEMA
from tests.sarif import valid_run
from tests.unit.cli.commands import run

NOT_GREEN = 2
TEMPLATE = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  namespace: {{ .Release.Namespace }}\n"

INPUTS: dict[str, tuple[str | bytes, str]] = {
    "an empty file": ("", "there is no object in "),
    "only comments": ("# helm template failed\n", "there is no object in "),
    "an empty List": ("apiVersion: v1\nkind: List\nitems: []\n", "there is no object in "),
    "a List without items": ("apiVersion: v1\nkind: List\n", "there is no object in "),
    "a List with other items": (
        "apiVersion: v1\nkind: List\nitems: {a: 1}\n",
        "items of a List: expected a list, got dict",
    ),
    "a binary file": (b"\x7fELF\x00\x01", "is not YAML"),
    "another encoding": (b"\xff\xfea\x00", "cannot be read"),
    "a template": (TEMPLATE, "it looks like a template, so render it first, for example with helm template"),
    "a kind in lower case": (
        json.dumps(deployment("web", GOOD) | {"kind": "deployment"}),
        "write the kind as in Deployment.apps",
    ),
    "a list in lower case": (
        json.dumps({"kind": "list", "items": [deployment("web", GOOD)]}),
        "does not know this field of a list",
    ),
    "containers of null": (
        json.dumps(deployment("web")).replace('"containers": []', '"containers": null'),
        "without containers",
    ),
    "no containers": (json.dumps(deployment("web")), "a Deployment without containers"),
    "two objects in one": (
        f"{TEMPLATE.partition('metadata')[0]}{TEMPLATE.partition('metadata')[0]}",
        "the key 'apiVersion' twice",
    ),
}


@pytest.fixture
def good(desk: Desk) -> Path:
    """A manifest that is fine, and is judged beside the accident."""
    return desk.write("good.yaml", deployment("web", GOOD))


@pytest.mark.parametrize("case", INPUTS)
def test_an_input_by_accident_is_not_green(desk: Desk, good: Path, case: str) -> None:
    content, words = INPUTS[case]
    file = desk.folder / "k" / "input.yaml"
    file.parent.mkdir()
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = desk.check("-f", good, "-f", file)
    assert ended.code == NOT_GREEN
    assert words in ended.out + ended.err
    if isinstance(content, str):
        piped = run("check", "-f", good, "-f", "-", "--config", desk.config, stdin=content)
        assert (piped.code, words in piped.out + piped.err) == (NOT_GREEN, True)


def test_an_input_that_is_an_error_prints_no_verdict(desk: Desk, good: Path) -> None:
    """Also with --allow-not-judged: what is in the file is not known."""
    file = desk.folder / "k.yaml"
    file.write_text(TEMPLATE)
    ended = desk.check("-f", good, "-f", file, "--allow-not-judged")
    assert (ended.code, ended.out) == (NOT_GREEN, "")


@pytest.mark.parametrize("content", ["", "# a\n"])
def test_nothing_on_standard_input_is_not_green(desk: Desk, content: str) -> None:
    ended = run("check", "-f", "-", "--config", desk.config, stdin=content)
    assert ended.code == NOT_GREEN
    assert ended.out.splitlines() == [
        "VERDICT     IMAGE",
        "NOT JUDGED  (no image)",
        "            standard input",
        "            there is no object in standard input. To fix: check the path, and the command that writes the input",
        "",
        "1 not judged",
    ]


def test_a_folder_of_unknown_files_is_not_green(desk: Desk, good: Path) -> None:
    folder = desk.folder / "k"
    folder.mkdir()
    good.rename(folder / "good.yaml")
    (folder / "values.yaml").write_text("image: a\n")
    ended = desk.check("-f", folder)
    assert (ended.code, ended.last) == (NOT_GREEN, "1 allowed, 1 not judged")
    assert f"{folder / 'values.yaml'}:1\n" in ended.out
    assert desk.check("-f", folder, "--exclude", "values.yaml").code == 0


POLICIES: dict[str, Any] = {
    "no object": ({"kind": "ConfigMap"}, "no ImagePolicy in"),
    "a kind in lower case": (policy(**NO_CRITICAL) | {"kind": "imagepolicy"}, "did you mean ImagePolicy?"),
    "a kind with an error": (policy(**NO_CRITICAL) | {"kind": "ImagePolciy"}, "tidegate does not know the kind"),
    "another API version": (policy(**NO_CRITICAL) | {"apiVersion": "v1"}, "ImagePolicy signed is invalid"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_policies_without_effect_are_an_error(desk: Desk, case: str) -> None:
    document, words = POLICIES[case]
    for objects in ((document,), (policy("other", **NO_CRITICAL), document)):
        if case == "no object" and len(objects) > 1:
            continue
        ended = desk.check(GOOD, "--policy", desk.write("p.yaml", *objects))
        assert (ended.code, ended.out) == (NOT_GREEN, "")
        assert words in ended.err


@pytest.mark.parametrize("content", ["", "# a\n"])
def test_an_empty_file_of_policies_is_an_error(desk: Desk, content: str) -> None:
    file = desk.folder / "p.yaml"
    file.write_text(content)
    ended = desk.check(GOOD, "--policy", file)
    assert (ended.code, ended.out, "no ImagePolicy in" in ended.err) == (NOT_GREEN, "", True)


@pytest.mark.parametrize("output", ["json", "sarif", "junit", "github"])
def test_every_format_says_that_nothing_was_judged(desk: Desk, output: str) -> None:
    file = desk.write("m.yaml", {"apiVersion": "v1", "kind": "Service"})
    ended = desk.check("-f", file, "-o", output)
    assert ended.code == NOT_GREEN
    assert "no images found" in ended.out
    if output == "json":
        jsonschema.validate(json.loads(ended.out), SCHEMA)
    if output == "sarif":
        (result,) = valid_run(json.loads(ended.out))["results"]
        assert (result["ruleId"], result["kind"]) == ("NotJudged", "review")
    if output == "junit":
        assert 'tests="1" failures="0" errors="1"' in ended.out
    if output == "github":
        assert ended.out.startswith("::error title=not judged")
