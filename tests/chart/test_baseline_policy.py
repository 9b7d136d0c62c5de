"""The chart's baseline policy decides as deploy/helm/tests says: its test cases, run by ``tidegate test``."""

import yaml

from tests.chart.render import CHART, render
from tests.unit.cli.commands import run

CASES = CHART.parent / "tests"


def test_the_baseline_policy_decides_as_its_test_cases_say(tmp_path):
    (policy,) = [one for one in render({}) if one["kind"] == "ImagePolicy"]
    file = tmp_path / "baseline-policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    ended = run("test", CASES, "--policy", file)
    assert (ended.code, ended.last) == (0, "10 passed"), ended.out


def test_the_test_cases_notice_a_policy_that_allows_more(tmp_path):
    values = {"baselinePolicy": {"maxCritical": 1, "immutableTags": False}}
    (policy,) = [one for one in render(values) if one["kind"] == "ImagePolicy"]
    file = tmp_path / "baseline-policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    ended = run("test", CASES, "--policy", file)
    assert ended.code == 1
    assert "FAILED" in ended.out
    assert ended.last == "6 passed, 4 failed"
