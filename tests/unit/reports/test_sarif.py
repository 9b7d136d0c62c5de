"""A SARIF log is valid, tells failures from what was not decided or not judged, and names a place for each result."""

from typing import Any

import pytest

from tests.sarif import valid_run
from tidegate.reports.sarif import (
    MAX_MESSAGE_CHARACTERS,
    MAX_PATH_CHARACTERS,
    MAX_RESULTS,
    SarifKind,
    SarifLevel,
    SarifResult,
    SarifRule,
    sarif_log,
)

RULE = SarifRule(id="TagMutable", name="TagMutable", short="The tag can move.", help="Use a digest.")


def result(**changes: Any) -> SarifResult:
    values = {"rule_id": "TagMutable", "level": SarifLevel.ERROR, "message": "the tag can move"}
    return SarifResult(**(values | changes))


def only(**changes: Any) -> dict[str, Any]:
    (one,) = valid_run(sarif_log("check", [RULE], [result(**changes)]))["results"]
    return dict(one)


def test_a_log_without_results_has_a_run():
    """GitHub refuses a log without a run."""
    run = valid_run(sarif_log("check", [], []))
    assert (run["results"], run["tool"]["driver"]["name"]) == ([], "tidegate check")
    assert run["automationDetails"]["id"] == "tidegate/check/"
    assert "properties" not in run


def test_a_result_names_rule_file_line_and_logical_place():
    one = only(path="k8s/my app.yaml", line=7, logical_name="Deployment/web", properties={"state": "Refused"})
    assert (one["ruleId"], one["ruleIndex"], one["level"], one["kind"]) == ("TagMutable", 0, "error", "fail")
    assert one["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "k8s/my%20app.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 7},
            },
            "logicalLocations": [{"fullyQualifiedName": "Deployment/web"}],
        }
    ]
    assert one["properties"] == {"state": "Refused"}


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ({"path": "./a.yaml"}, "a.yaml"),
        ({"path": "../a.yaml"}, "../a.yaml"),
        ({"path": "/srv/a#b?.yaml"}, "file:///srv/a%23b%3F.yaml"),
        ({"path": "a:b.yaml"}, "a%3Ab.yaml"),
        ({"path": "a\udcff\n.yaml"}, "a%3F%0A.yaml"),
        ({"logical_name": "host:5000/app@sha256:ab"}, "no-file/host%3A5000/app%40sha256%3Aab"),
        ({}, "no-file"),
        ({"path": "%" * 5000}, "%25" * MAX_PATH_CHARACTERS),
    ],
)
def test_every_result_has_a_location_that_is_a_uri(place: dict[str, str], uri: str):
    assert only(**place)["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@pytest.mark.parametrize("line", [0, -1])
def test_a_line_that_is_not_known_is_the_first(line: int):
    assert only(line=line)["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


@pytest.mark.parametrize("kind", [SarifKind.OPEN, SarifKind.REVIEW])
def test_what_is_no_failure_has_no_level(kind: SarifKind):
    one = only(kind=kind)
    assert (one["kind"], one["level"]) == (kind.value, "none")


def test_a_fingerprint_stays_when_the_text_and_the_line_change():
    first, second = only(fingerprint="web", message="a", line=1), only(fingerprint="web", message="b", line=2)
    assert first["partialFingerprints"] == second["partialFingerprints"] != {}
    assert first["partialFingerprints"] != only(fingerprint="api")["partialFingerprints"]
    assert "partialFingerprints" not in only()


def test_github_needs_its_own_fingerprint_only_without_a_file():
    assert set(only(fingerprint="a")["partialFingerprints"]) == {"tidegate/v1", "primaryLocationLineHash"}
    assert set(only(fingerprint="a", path="a.yaml")["partialFingerprints"]) == {"tidegate/v1"}


def test_a_rule_may_have_a_severity():
    more = SarifRule(id="A", name="A", short="a.", help="b.", security_severity=9)
    plain, rich = valid_run(sarif_log("posture", [RULE, more], []))["tool"]["driver"]["rules"]
    assert rich["properties"] == {"tags": ["security"], "security-severity": "9.0"}
    assert "properties" not in plain


def test_a_result_of_a_rule_that_is_not_listed_is_an_error():
    with pytest.raises(ValueError, match="rules that are not listed: Other"):
        sarif_log("check", [RULE], [result(rule_id="Other")])


def test_the_worst_results_come_first_and_stay():
    note, warning = result(level=SarifLevel.NOTE), result(level=SarifLevel.WARNING)
    unknown, error = result(kind=SarifKind.OPEN), result()
    run = valid_run(sarif_log("check", [RULE], [note, warning, unknown, error], properties={"a": 1}))
    assert [one["level"] for one in run["results"]] == ["error", "none", "warning", "note"]
    assert run["properties"] == {"a": 1}
    log = sarif_log("check", [RULE], [*[note] * MAX_RESULTS, error])
    assert len(log["runs"][0]["results"]) == MAX_RESULTS
    assert log["runs"][0]["results"][0]["level"] == "error"
    assert log["runs"][0]["properties"] == {"omittedResults": 1}


def test_a_text_commands_no_terminal_and_is_bounded():
    assert only(message="a\x1b[2K\nb")["message"]["text"] == "a?[2K\nb"
    assert only(message="")["message"]["text"] == "-"
    assert only(message="a" * (MAX_MESSAGE_CHARACTERS + 1))["message"]["text"] == "a" * MAX_MESSAGE_CHARACTERS + " ..."
    assert only(logical_name="a\x1bb")["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "a?b"}]
