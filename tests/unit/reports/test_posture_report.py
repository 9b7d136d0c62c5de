"""Reports on the posture of repositories: what counts, what is worst, and what each output says of it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.posture_lines import HOSTILE, OWN, UNKNOWN, crowd, estate, hostile, repository
from tests.sarif import valid_run
from tidegate.checks.result import Outcome
from tidegate.reports.posture_json import posture_as_json
from tidegate.reports.posture_lines import PostureReport, RegistryLines, by_check, worst_first
from tidegate.reports.posture_page import PosturePageLimits, render_posture
from tidegate.reports.posture_sarif import UNLISTED, posture_as_sarif
from tidegate.telemetry import posture as telemetry
from tidegate.telemetry.posture import posture_as_metrics

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "posture.schema.json"


def of(*repositories, problem=""):
    return PostureReport(registries=(RegistryLines(registry=OWN, repositories=repositories, problem=problem),))


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        pytest.param(of(repository("a/b")), Outcome.PASS, id="all pass"),
        pytest.param(of(), Outcome.PASS, id="an empty registry has nothing open"),
        pytest.param(PostureReport(), Outcome.UNDETERMINED, id="nothing was looked at"),
        pytest.param(of(repository("a/b"), repository("a/c", UNKNOWN)), Outcome.UNDETERMINED, id="one is not known"),
        pytest.param(of(repository("a/b"), problem="denied"), Outcome.UNDETERMINED, id="others may be there"),
        pytest.param(of(repository("a/b", passed=())), Outcome.UNDETERMINED, id="nothing was checked"),
        pytest.param(of(repository("a/b", UNKNOWN), repository("a/c", {})), Outcome.FAIL, id="a failure decides"),
        pytest.param(of(repository("a/b", UNKNOWN, {})), Outcome.FAIL, id="also within one repository"),
    ],
)
def test_the_worst_outcome_is_that_of_the_report(report, outcome):
    assert report.outcome is outcome


def test_a_check_that_fails_by_one_policy_does_not_pass_by_another():
    (push, encryption) = by_check(
        [repository("a/b", {"policy": "strict"}, UNKNOWN | {"check": "push"}, passed=("push", "encryption"))]
    )
    assert (push.name, push.failed, push.undetermined, push.passed) == ("push", 1, 0, 0)
    assert (encryption.name, encryption.passed) == ("encryption", 1)


def test_the_worst_repositories_come_first():
    names = [one.repository.name for one in worst_first(estate().repositories)]
    assert names == ["team/open", "shared/base", "team/denied"]
    assert [line.severity for line in estate().lines()] == ["HIGH", "HIGH", "LOW", "MEDIUM"]


def test_json_fits_its_schema_and_has_every_line():
    written = json.loads(json.dumps(posture_as_json(estate(), now=NOW)))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator(schema).validate(written)
    assert written["repositories"] == {"passed": 1, "failed": 2, "undetermined": 1}
    own, other = written["registries"]
    assert [one["outcome"] for one in own["repositories"]] == ["Pass", "Fail", "Undetermined"]
    assert own["repositories"][1]["runningDigests"] == 3
    assert own["repositories"][1]["results"][0]["awsCli"].startswith("aws ecr set-repository-policy")
    assert own["repositories"][2]["results"][0]["cause"] == "AccessDeniedException: not authorized"
    assert other["problem"] == "ecr:DescribeRepositories: AccessDenied"


def test_the_schema_names_every_member():
    """A member that is not described would be refused."""
    schema = json.loads(SCHEMA.read_text())
    text = json.dumps(schema)
    assert text.count('"additionalProperties": false') == text.count('"type": "object"')


class TestSarif:
    def log(self, report):
        return valid_run(posture_as_sarif(report))

    def test_each_line_is_a_result_and_a_registry_that_was_not_read_is_one(self):
        run = self.log(estate())
        found = [(one["ruleId"], one["kind"], one["level"]) for one in run["results"]]
        assert found == [
            ("PushOpenToAccount", "fail", "error"),
            ("PushOpenToAccount", "fail", "error"),
            ("NotRead", "open", "none"),
            (UNLISTED, "open", "none"),
            ("NotKms", "fail", "note"),
        ]
        assert {one["id"] for one in run["tool"]["driver"]["rules"]} == {
            "PushOpenToAccount",
            "NotRead",
            "NotKms",
            UNLISTED,
        }

    def test_a_result_names_the_repository_and_what_mends_it(self):
        result = self.log(of(repository("team/open", {})))["results"][0]
        named = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
        assert named == "arn:aws:ecr:eu-west-1:111122223333:repository/team/open"
        assert "AWS CLI: aws ecr set-repository-policy" in result["message"]["text"]
        assert "Terraform: aws_ecr_repository_policy.policy" in result["message"]["text"]

    def test_the_same_line_is_the_same_in_the_next_run(self):
        first, second = (
            self.log(of(repository("a/b", {"message": words})))["results"][0]["partialFingerprints"]
            for words in ("one", "two")
        )
        assert first == second

    def test_nothing_open_is_no_result(self):
        assert self.log(of(repository("a/b")))["results"] == []


class TestPage:
    def test_it_has_no_script_and_loads_nothing(self):
        for report in (estate(), hostile()):
            text = render_posture(report, now=NOW)
            assert not re.search(r"<(script|img|link|iframe|object|embed|form|base)\b", text)
            assert not re.search(r"<[^>]*\s(on\w+|style|src|action)=", text)
            assert all(target.startswith("#") for target in re.findall(r'href="(.*?)"', text))
            assert "Content-Security-Policy" in text

    def test_texts_of_others_are_escaped(self):
        text = render_posture(hostile(), now=NOW)
        assert HOSTILE not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "{{ 7 * 7 }}" in text
        assert "\u202e" not in text

    def test_numbers_are_those_of_the_report(self):
        text = render_posture(estate(), now=NOW)
        assert '<dd class="refused">2<small>repositories</small>' in text
        assert '<dd class="unchecked">1<small>repository</small>' in text
        assert '<dd class="fine">1<small>repository</small>' in text
        assert "Of 4 repositories, 2 fail, 1 are not known and 1 pass" in text
        assert "ecr:DescribeRepositories: AccessDenied" in text
        assert "(3 running images)" in text

    def test_it_says_what_it_leaves_out(self):
        limits = PosturePageLimits(repositories=3)
        text = render_posture(crowd(5), now=NOW, limits=limits)
        assert "2 more are not shown" in text
        assert text.count("<details>") == 3
        assert len(render_posture(crowd(3_000), now=NOW)) < 8_000_000

    def test_an_empty_registry_has_a_page(self):
        assert "No repository fails a check." in render_posture(of(), now=NOW)


class TestMetrics:
    def samples(self, report):
        families = text_string_to_metric_families(posture_as_metrics(report))
        names = ("account", "region", "repository", "check", "reason", "outcome", "severity")
        return {
            (sample.name, *(sample.labels[name] for name in names if name in sample.labels)): sample.value
            for one in families
            for sample in one.samples
        }

    def test_repositories_are_counted_by_registry_and_check(self):
        found = self.samples(estate())
        assert found["tidegate_posture_repositories", OWN.account, OWN.region, "Fail"] == 1
        assert found["tidegate_posture_repositories", OWN.account, OWN.region, "Pass"] == 1
        assert found["tidegate_posture_checks", OWN.account, OWN.region, "scanning", "Undetermined"] == 1
        assert found["tidegate_posture_registry_unread", OWN.account, OWN.region] == 0
        assert found["tidegate_posture_registry_unread", "444455556666", "us-east-1"] == 1
        where = (OWN.account, OWN.region, "team/open", "push", "PushOpenToAccount", "Fail", "HIGH")
        assert found["tidegate_posture_open", *where] == 1
        assert found["tidegate_posture_open_omitted",] == 0

    def test_the_number_of_series_is_bounded(self, monkeypatch):
        monkeypatch.setattr(telemetry, "MAX_SHOWN", 3)
        found = self.samples(crowd(5))
        assert sum(name == "tidegate_posture_open" for name, *_ in found) == 3
        assert found["tidegate_posture_open_omitted",] == 2

    def test_names_of_others_are_escaped(self):
        assert any(HOSTILE in labels for labels in self.samples(hostile()))
