"""The formats of ``tidegate check`` for programs: three kinds of states are told apart, with file, line and findings."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.test_check import BAD, GOOD, NO_CRITICAL, deployment
from tests.integration.cli.test_check_not_judged import rows
from tests.integration.gather.gate import image
from tests.sarif import valid_run
from tests.simulator import Simulator, World
from tests.simulator.scans import Package

WARNED, AUDITED, UNKNOWN = image("warn/app"), image("audit/app"), image("unknown/app")
STATES = {"good": GOOD, "bad": BAD, "warned": WARNED, "audited": AUDITED, "unknown": UNKNOWN}


def about(repository: str, *, action: str) -> dict[str, Any]:
    match = {"images": [{"account": "111122223333", "repositories": [repository]}], "namespaces": ["default"]}
    return policy(
        action.lower() + "-" + repository.partition("/")[0], match=match, validationActions=[action], **NO_CRITICAL
    )


@pytest.fixture(autouse=True)
def findings(world: World, sim: Simulator, impatient: None) -> None:
    for repository in ("team/bad", "warn/app", "audit/app"):
        world.add_image(repository, "v1")
        world.add_finding(repository, "v1", severity="CRITICAL", id="CVE-2099-0001", package="curl", fixed="8.5")
    world.add_image("unknown/app", "v1")
    world.set_coverage("unknown/app", "v1", "INACTIVE", "INTERNAL_ERROR")


@pytest.fixture
def arguments(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that check an image of each state, each in a file of its own."""
    monkeypatch.chdir(desk.folder)
    Path("k").mkdir()
    for name, text in STATES.items():
        desk.write(f"k/{name}.yaml", deployment(name, text))
    desk.write("k/other.yaml", deployment("other", GOOD, namespace="elsewhere"))
    repositories = {"team/**": "Deny", "unknown/**": "Deny", "warn/**": "Warn", "audit/**": "Audit"}
    desk.write("p.yaml", *(about(repository, action=action) for repository, action in repositories.items()))
    return ["-f", "k", "--policy", "p.yaml"]


# SARIF


def test_sarif_tells_the_states_apart(desk: Desk, arguments: list[str]) -> None:
    ended = desk.check(*arguments, "-o", "sarif")
    run = valid_run(json.loads(ended.out))
    found = {one["properties"]["state"]: (one["kind"], one["level"], one["ruleId"]) for one in run["results"]}
    assert ended.code == 1
    assert found == {
        "Refused": ("fail", "error", "VulnerabilitiesFound"),
        "Warned": ("fail", "warning", "VulnerabilitiesFound"),
        "Audited": ("fail", "note", "VulnerabilitiesFound"),
        "Unknown": ("open", "none", "ScanFailed"),
        "NotJudged": ("review", "none", "NotJudged"),
    }
    assert run["properties"]["summary"] == "1 allowed, 1 warned, 1 audited, 1 refused, 1 unknown, 1 not judged"
    assert sorted(one["state"] for one in run["properties"]["images"]) == sorted([*found, "Allowed"])


def test_sarif_has_the_place_of_the_image_and_what_to_do(desk: Desk, arguments: list[str], world: World) -> None:
    run = valid_run(json.loads(desk.check(*arguments, "-o", "sarif").out))
    (one,) = (one for one in run["results"] if one["properties"]["state"] == "Refused")
    (location,) = one["locations"]
    lines = Path("k/bad.yaml").read_text().splitlines()
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "k/bad.yaml", "uriBaseId": "%SRCROOT%"}
    assert BAD in lines[location["physicalLocation"]["region"]["startLine"] - 1]
    place = "Deployment/bad spec.template.spec.containers[0].image"
    assert location["logicalLocations"] == [{"fullyQualifiedName": place}]
    text = one["message"]["text"]
    assert text.startswith(
        f"{BAD}\nvulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0) [policy deny-team]\nCVE-2099-0001"
    )
    assert "\nTo fix: update curl to the fixed version" in text
    assert one["properties"] == {
        "image": BAD,
        "place": place,
        "namespace": "default",
        "digest": world.image("team/bad", "v1").digest,
        "state": "Refused",
        "policy": "deny-team",
        "check": "vulnerabilities",
    }


def test_another_tag_of_the_repository_is_the_same_alert(desk: Desk, world: World) -> None:
    world.add_image("team/bad", "v2")
    world.add_finding("team/bad", "v2", severity="CRITICAL")
    prints = []
    for text in (BAD, image("team/bad", "v2"), image("team/gone")):
        ended = desk.check("-f", desk.write("m.yaml", deployment("web", text)), "-o", "sarif")
        prints.append([one["partialFingerprints"] for one in valid_run(json.loads(ended.out))["results"]])
    assert prints[0] == prints[1] != prints[2]


def test_sarif_of_an_image_that_passes_with_a_warning(desk: Desk, arguments: list[str]) -> None:
    running: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}, "gracePeriod": "7d"}}
    desk.write("p.yaml", policy(**running))
    ended = desk.check(BAD, "--policy", "p.yaml", "-o", "sarif", "--strict")
    (one,) = valid_run(json.loads(ended.out))["results"]
    assert (ended.code, one["ruleId"], one["level"], one["properties"]["state"]) == (0, "Warned", "warning", "Warned")


def test_strict_makes_failures_errors(desk: Desk, arguments: list[str]) -> None:
    run = valid_run(json.loads(desk.check(*arguments, "-o", "sarif", "--strict").out))
    assert {one["properties"]["state"] for one in run["results"] if one["level"] == "error"} == {
        "Refused",
        "Warned",
        "Audited",
    }
    assert {one["properties"]["state"] for one in run["results"] if one["level"] == "none"} == {"Unknown", "NotJudged"}


# JUnit


def cases(text: str) -> dict[str, str]:
    """What came of each test case, by its file."""
    root = ET.fromstring(text)
    found = {}
    for case in root.iter("testcase"):
        (name,) = [child.tag for child in case] or ["passed"]
        found[Path(case.attrib["file"]).stem] = name
    counted = {name: list(found.values()).count(tag) for name, tag in (("failures", "failure"), ("errors", "error"))}
    assert {name: int(root.attrib[name]) for name in counted} == counted
    assert int(root.attrib["tests"]) == len(found)
    return found


def test_junit_tells_the_states_apart(desk: Desk, arguments: list[str]) -> None:
    ended = desk.check(*arguments, "-o", "junit")
    assert (ended.code, cases(ended.out)) == (
        1,
        {
            "good": "passed",
            "bad": "failure",
            "warned": "system-out",
            "audited": "system-out",
            "unknown": "error",
            "other": "error",
        },
    )
    (bad,) = (one for one in ET.fromstring(ended.out).iter("testcase") if one.get("file") == "k/bad.yaml")
    (failure,) = bad
    assert (bad.get("name"), failure.get("type")) == (BAD, "Refused")
    assert "To fix: update curl" in str(failure.text)


def test_junit_fails_exactly_where_the_exit_code_does(desk: Desk, arguments: list[str]) -> None:
    ended = desk.check(*arguments, "-o", "junit", "--strict", "--allow-not-judged")
    assert cases(ended.out) == {
        "good": "passed",
        "bad": "failure",
        "warned": "failure",
        "audited": "failure",
        "unknown": "error",
        "other": "skipped",
    }


# GitHub


def test_github_tells_the_states_apart(desk: Desk, arguments: list[str]) -> None:
    ended = desk.check(*arguments, "-o", "github")
    lines = ended.out.splitlines()
    assert ended.code == 1
    assert [line.partition(" ")[0] for line in lines[:-1]] == ["::error"] * 3 + ["::warning", "::notice"]
    titles = [line.partition("title=")[2].partition("%3A ")[0] for line in lines[:-1]]
    assert titles == ["refused", "not judged", "unknown", "warned", "audited"]
    assert lines[0].startswith("::error file=k/bad.yaml,line=")
    assert "%0A    To fix: update curl" in lines[0]
    assert lines[-1] == "1 allowed, 1 warned, 1 audited, 1 refused, 1 unknown, 1 not judged"


def test_github_errors_are_what_the_exit_code_counts(desk: Desk, arguments: list[str]) -> None:
    lines = desk.check(*arguments, "-o", "github", "--strict", "--allow-not-judged").out.splitlines()
    titles = [line.partition("title=")[2].partition("%3A ")[0] for line in lines if line.startswith("::error")]
    assert titles == ["audited", "refused", "unknown", "warned"]
    assert [line.partition(" ")[0] for line in lines[-2:-1]] == ["::warning"]


@pytest.mark.parametrize("output", ["sarif", "junit", "github"])
def test_a_manifest_writes_no_command_and_no_markup(desk: Desk, output: str) -> None:
    """A line of a manifest must not add a mask, set a variable or hide a failure."""
    trick = "\n::stop-commands::x\x1b[2K\r\u2028</testcase>,title=ok:%0A::error::"
    file = desk.write("m.yaml", deployment(f"web{trick}", f"evil{trick}"))
    ended = desk.check("-f", file, "-o", output)
    assert ended.code == 1
    assert not any(mark in ended.out for mark in ("\x1b", "\r", "\u2028", "\n::stop"))
    if output == "junit":
        assert len(list(ET.fromstring(ended.out).iter("testcase"))) == 1
    if output == "github":
        first, *more = ended.out.splitlines()
        assert first.partition("::error")[2].count("::") == first.count("::") - 1
        assert first.split("::")[1].count(",") == 2
        assert more == ["1 refused"]


@pytest.mark.parametrize("output", ["text", "json", "sarif", "junit", "github"])
def test_a_manifest_commands_no_ci_service(desk: Desk, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    """GitHub obeys a line that begins with ``::``, and ``##[`` anywhere; Azure Pipelines ``##vso[``, TeamCity ``##teamcity[``."""
    monkeypatch.chdir(desk.folder)
    text = "##[stop-commands]x ##vso[task.complete result=Succeeded;] ##teamcity[x]"
    for name in ("::a.yaml", ".x/a.yaml"):
        Path(name).parent.mkdir(exist_ok=True)
    desk.write("::a.yaml", {"a": 1})
    desk.write("b.yaml", deployment("web", text), {"apiVersion": "v1", "kind": "::add-mask::y"})
    desk.write("c.yaml", {"apiVersion": "v1", "kind": "::stop-commands::z", "spec": {"image": text}})
    ended = desk.check("-f", ".", "--exclude", "tidegate.yaml", "-o", output)
    lines = [line.lstrip() for line in (ended.out + ended.err).splitlines()]
    assert ended.code == 1
    assert not any("##" in line for line in lines)
    commands = [line for line in lines if line.startswith("::")]
    assert all(line.startswith("::error ") for line in commands)
    assert len(commands) == (3 if output == "github" else 0)
    if output == "json":
        assert text in [one["image"] for one in json.loads(ended.out)]
    if output == "junit":
        assert text in [case.get("name") for case in ET.fromstring(ended.out).iter("testcase")]


def test_an_error_commands_no_ci_service(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    for name in ("::stop-commands::a.yaml", "##[x]b.yaml"):
        Path(name).write_text("kind: [")
    ended = desk.check("-f", ".", "--exclude", "tidegate.yaml")
    lines = [line.lstrip() for line in ended.err.splitlines()]
    assert (ended.code, ended.out) == (2, "")
    assert not any(line.startswith("::") or "##" in line for line in lines)


# JSON


def test_the_json_has_every_finding(desk: Desk, world: World) -> None:
    world.add_image("team/many", "v1")
    packages = [
        Package(name="curl", installed="7.1", fixed="7.2"),
        Package(name="libcurl", installed="7.1", fixed=None),
    ]
    world.add_finding("team/many", "v1", severity="HIGH", id="CVE-1", packages=packages, exploit="YES", epss=0.5)
    for number in range(2, 21):
        world.add_finding("team/many", "v1", severity="LOW", id=f"CVE-{number}")
    _, (one,) = rows(desk, image("team/many"))
    (scan,) = one["scans"]
    assert (scan["digest"], scan["state"], scan["complete"], scan["problem"]) == (one["digest"], "Scanned", True, None)
    assert len(scan["findings"]) == 20
    first = scan["findings"][0]
    assert first.pop("firstObservedAt").endswith("Z")
    assert first == {
        "id": "CVE-1",
        "severity": "HIGH",
        "packages": [
            {"name": "curl", "installed": "7.1", "fixedIn": "7.2"},
            {"name": "libcurl", "installed": "7.1", "fixedIn": None},
        ],
        "fix": "PARTIAL",
        "exploit": "YES",
        "epss": 0.5,
        "suppressed": False,
    }


def test_the_json_has_the_scan_of_each_platform(desk: Desk, world: World) -> None:
    world.add_index("team/both", "v1", platforms=["linux/amd64", "linux/arm64"])
    _, (one,) = rows(desk, image("team/both"))
    assert {scan["platform"] for scan in one["scans"]} == {"linux/amd64", "linux/arm64"}


def test_the_json_says_why_a_scan_is_not_known(desk: Desk, sim: Simulator) -> None:
    sim.inject("server_error", service="inspector2")
    code, (one,) = rows(desk, GOOD)
    (scan,) = one["scans"]
    assert (code, scan["state"], scan["findings"]) == (2, None, [])
    assert "server error" in scan["problem"] or "not" in scan["problem"]


def test_the_json_has_file_and_line(desk: Desk) -> None:
    file = desk.write("m.yaml", deployment("web", GOOD, BAD))
    _, found = rows(desk, GOOD, "-f", file)
    assert [(one["file"], one["line"] and one["line"] > 0) for one in found] == [
        (None, None),
        (str(file), True),
        (str(file), True),
    ]
    for one in found[1:]:
        assert one["image"] in file.read_text().splitlines()[one["line"] - 1]
