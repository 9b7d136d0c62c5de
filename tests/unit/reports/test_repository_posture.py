"""RepositoryPosture objects: bounded, harmless, and the same as long as nothing has changed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.posture_lines import HOSTILE, OWN, UNKNOWN, estate, hostile, repository
from tidegate.images.repository import EcrRepository
from tidegate.reports.posture_lines import PostureLine
from tidegate.reports.repository_posture import (
    API_VERSION,
    KIND,
    MAX_LISTED,
    MAX_TEXT,
    PLURAL,
    encode_posture,
    posture_name,
    says_same,
)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
FILE = Path(__file__).parents[3] / "deploy/helm/tidegate/crds/repositorypostures.tidegate.dev.yaml"
CRD = yaml.safe_load(FILE.read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def valid(obj):
    jsonschema.Draft202012Validator(SCHEMA).validate(obj)
    return obj["status"]


def test_the_crd_is_of_the_kind_that_is_written():
    assert CRD["spec"]["names"]["plural"] == PLURAL
    assert CRD["spec"]["names"]["shortNames"] == ["rp"]
    assert CRD["spec"]["scope"] == "Cluster"
    obj = encode_posture(repository("a/b"), NOW)
    assert (obj["apiVersion"], obj["kind"]) == (API_VERSION, KIND)


@pytest.mark.parametrize("found", [*estate().repositories, *hostile().repositories], ids=lambda one: one.outcome.value)
def test_every_object_fits_the_schema(found):
    valid(json.loads(json.dumps(encode_posture(found, NOW))))


def test_the_worst_failure_comes_first():
    low = {"check": "encryption", "severity": "LOW", "reason": "NotKms"}
    status = valid(encode_posture(repository("a/b", low, UNKNOWN, {}), NOW))
    assert [one["check"] for one in status["results"]] == ["push", "encryption", "scanning"]
    assert (status["severity"], status["failed"], status["undetermined"]) == ("HIGH", 2, 1)
    assert status["message"] == "push PushOpenToAccount: every principal of the account may push"


def test_nothing_that_names_principals_is_stored():
    secret = {
        "cause": "arn:aws:iam::1:role/x",
        "statement": "{arn}",
        "aws_cli": "aws ecr --policy arn:aws:iam::1:role/x",
    }
    assert "arn" not in json.dumps(encode_posture(repository("a/b", secret), NOW)["status"])


def test_texts_are_cut_and_harmless():
    status = valid(encode_posture(repository("a/b", {"message": HOSTILE + "x" * 5_000}), NOW))
    (one,) = status["results"]
    assert len(one["message"]) == MAX_TEXT
    assert "\u202e" not in json.dumps(status, ensure_ascii=False)


def test_the_number_of_results_is_bounded():
    lines = [{"check": f"c{number}"} for number in range(MAX_LISTED + 5)]
    status = valid(encode_posture(repository("a/b", *lines), NOW))
    assert (len(status["results"]), status["omittedResults"]) == (MAX_LISTED, 5)


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        pytest.param({}, True, id="the same outcome"),
        pytest.param({"outcome": "Pass"}, False, id="another outcome"),
        pytest.param({"outcome": "Nonsense"}, False, id="no valid outcome"),
        pytest.param({"more": 1}, False, id="a field of another version"),
    ],
)
def test_an_outcome_keeps_its_time(before, kept):
    stored = encode_posture(repository("a/b", {}), NOW)["status"] | before
    later = encode_posture(repository("a/b", {}), NOW + timedelta(days=1), before=stored)["status"]
    assert (later["since"] == stored["since"]) is kept
    assert says_same(stored, later) is kept


@pytest.mark.parametrize(("one", "other"), [(None, {}), ([], {}), ({"outcome": "Pass"}, {"outcome": "Fail"})])
def test_what_is_no_status_says_something_else(one, other):
    assert not says_same(one, other)


def test_names_are_valid_and_differ_by_registry():
    names = {posture_name(EcrRepository(OWN, name)) for name in ("team/app", "other/app", "a__b", "x" * 256, "team/-")}
    assert len(names) == 5
    assert all(len(name) <= 63 and name.strip("-") == name for name in names)


def test_a_line_without_a_known_severity_counts_as_the_worst():
    found = repository("a/b", {"severity": "LOW"}, {"severity": "NEW", "check": "new"})
    assert isinstance(found.lines[0], PostureLine)
    assert encode_posture(found, NOW)["status"]["results"][0]["check"] == "new"
