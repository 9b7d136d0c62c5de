"""``tidegate exception``: valid YAML from arguments, sentences for what is wrong, and lists of files."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.unit.cli.commands import Ended, run
from tests.unit.policy.exception_examples import FULL, for_kind, spec, with_spec
from tidegate.cli.exception.lists import described, table
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND, parse_exception
from tidegate.strict.quotation import TIME_FORMAT

IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app"
NOW = datetime(2027, 1, 31, 14, 0, tzinfo=UTC)


def create(*arguments: str, image: str = IMAGE, checks: tuple[str, ...] = ("--check", "tags")) -> Ended:
    basis = ("--policy", "production", "--image", image, "--namespace", "shop", "--for", "4h", "--reason", "why")
    return run("exception", "create", "outage", *basis, *checks, *arguments)


def made(*arguments: str, **options: Any) -> dict[str, Any]:
    ended = create(*arguments, **options)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = yaml.safe_load(ended.out)
    parse_exception(found, found["kind"])
    return found


def test_it_prints_an_exception_of_the_cluster():
    began = datetime.now(UTC)
    found = made("--requested-by", "ann@example.com")
    assert (found["kind"], found["metadata"]) == (KIND, {"name": "outage"})
    ends = found["spec"].pop("expiresAt")
    assert timedelta(0) <= datetime.strptime(ends, TIME_FORMAT).replace(tzinfo=UTC) - began - timedelta(
        hours=3, minutes=59
    )
    assert found["spec"] == {
        "policies": ["production"],
        "checks": ["tags"],
        "images": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/app"]}],
        "namespaces": ["shop"],
        "reason": "why",
        "requestedBy": "ann@example.com",
    }


def test_it_prints_one_of_a_namespace():
    found = made("--namespaced", checks=("--cve", "CVE-1", "--cve", "CVE-2"))
    assert (found["kind"], found["metadata"]) == (NAMESPACED_KIND, {"name": "outage", "namespace": "shop"})
    assert "namespaces" not in found["spec"]
    assert found["spec"]["vulnerabilities"] == ["CVE-1", "CVE-2"]


def test_without_a_name_the_user_of_the_machine_answers_for_it(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert made()["spec"]["requestedBy"] == "ann"


IMAGES = {
    IMAGE: {"account": "111122223333", "region": "eu-west-1", "repositories": ["team/app"]},
    "111122223333.dkr-ecr-fips.eu-west-1.on.aws/team/**": {
        "account": "111122223333",
        "region": "eu-west-1",
        "repositories": ["team/**"],
    },
    "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/app": {
        "account": "111122223333",
        "region": "cn-north-1",
        "repositories": ["app"],
    },
    "nginx": {"host": "docker.io", "repositories": ["library/nginx"]},
    "ghcr.io/team/*": {"host": "ghcr.io", "repositories": ["team/*"]},
    "registry.example.com:5000/a/b": {"host": "registry.example.com:5000", "repositories": ["a/b"]},
}


@pytest.mark.parametrize("image", [one for one in IMAGES if "fips" not in one])
def test_an_image_becomes_a_scope(image):
    assert made(image=image)["spec"]["images"] == [IMAGES[image]]


@pytest.mark.parametrize("suffix", [":v1", "@sha256:" + "0" * 64, ":v1@sha256:" + "0" * 64])
def test_a_tag_or_digest_is_left_out_with_a_note(suffix):
    ended = create(image=IMAGE + suffix)
    assert yaml.safe_load(ended.out)["spec"]["images"][0]["repositories"] == ["team/app"]
    assert ended.err == f"note: the exception applies to every tag and digest of {IMAGE}\n"


WRONG = [
    pytest.param(("--for", "0s"), "--for '0s': expected a duration from 1m to 365d", id="no time"),
    pytest.param(("--for", "366d"), "--for '366d': expected a duration", id="too long"),
    pytest.param(("--for", "soon"), "--for 'soon': expected a duration", id="no duration"),
    pytest.param(("--cve", "CVE-1"), "exactly one of checks and vulnerabilities", id="check and cve"),
    pytest.param(("--image", "team/*"), "write the registry's host before the pattern", id="a pattern without host"),
    pytest.param(("--image", "*/team"), "is not an image reference", id="every registry"),
    pytest.param(("--image", "Not An Image"), "is not an image reference", id="no image"),
    pytest.param(("--policy", "*"), "spec.policies[1]: got '*'", id="every policy"),
    pytest.param(("--reason", "a\nb"), "spec.reason: got", id="two lines"),
    pytest.param(("--namespace", "Shop"), "spec.namespaces[1]: got 'Shop'", id="no namespace"),
    pytest.param(("--namespaced", "--namespace", "bank"), "needs exactly one --namespace", id="two namespaces"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_wrong_is_said_and_nothing_printed(arguments, said):
    ended = create(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_neither_check_nor_cve_is_said():
    assert "neither checks nor vulnerabilities" in create(checks=()).err


@pytest.mark.parametrize("name", ["Upper", "-a", "a/../b", "a b", ""])
def test_a_name_is_that_of_an_object(name):
    basis = ("--policy", "p", "--image", IMAGE, "--namespace", "n", "--for", "4h", "--reason", "r", "--check", "tags")
    ended = run("exception", "create", *basis, "--", name)
    assert (ended.code, ended.out) == (2, "")
    assert "is not a valid object name" in ended.err


def test_a_namespace_cannot_lead_to_another_path():
    ended = create("--namespaced", "--namespace", "x", checks=("--check", "tags"))
    assert ended.code == 2
    basis = ("--policy", "p", "--image", IMAGE, "--for", "4h", "--reason", "r", "--check", "tags", "--namespaced")
    ended = run("exception", "create", "a", *basis, "--namespace", "a/b")
    assert "is not a valid namespace name" in ended.err


def objects(*changes: dict[str, Any]) -> str:
    return yaml.safe_dump_all([with_spec(spec(**one), name=f"e{index}") for index, one in enumerate(changes)])


def test_exceptions_of_files_are_listed_the_first_to_end_first():
    text = objects({"expiresAt": "2999-01-02T00:00:00Z"}, {"expiresAt": "2999-01-01T00:00:00Z"}, {"checks": ["x"]})
    ended = run("exception", "list", "-f", "-", "-o", "json", stdin=text)
    rows = json.loads(ended.out)
    assert [(one["name"], one["state"]) for one in rows] == [("e2", "Invalid"), ("e1", "Active"), ("e0", "Active")]
    assert rows[0]["problems"]
    assert set(rows[0]) == set(rows[1])


def test_a_list_has_one_line_for_each():
    text = objects({}, {"expiresAt": "2001-01-01T00:00:00Z"})
    lines = run("exception", "list", "-f", "-", stdin=text).out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "NAMESPACES", "POLICIES"]
    assert "Expired" in lines[1]
    assert run("exception", "list", "-f", "-", stdin="").out == "no exceptions found\n"


def test_only_those_in_a_namespace_are_listed():
    own = with_spec(for_kind(FULL, NAMESPACED_KIND), kind=NAMESPACED_KIND, name="own")
    text = yaml.safe_dump_all([own, with_spec(FULL)])
    assert [
        one["name"]
        for one in json.loads(run("exception", "list", "-n", "shop", "-f", "-", "-o", "json", stdin=text).out)
    ] == ["own"]
    assert json.loads(run("exception", "list", "-n", "bank", "-f", "-", "-o", "json", stdin=text).out) == []


def test_the_state_is_that_of_the_status_until_the_end():
    ready = {"type": "Ready", "status": "False", "reason": "NotPermitted"}
    one = with_spec(FULL) | {"status": {"conditions": [ready]}}
    (before,) = described([one], NOW)
    (after,) = described([one], NOW + timedelta(hours=4))
    assert (before["state"], after["state"]) == ("NotPermitted", "Expired")
    assert "in 4 h" in table([before], NOW)[1]
    assert "4 h ago" in table([after], NOW + timedelta(hours=8))[1]


def test_hostile_texts_stay_in_their_line():
    evil = with_spec(spec(reason="x" * 500), name="e")
    evil["status"] = {"conditions": "no list"}
    lines = table(described([evil], NOW), NOW)
    assert len(lines) == 2
    assert len(lines[1]) < 600
