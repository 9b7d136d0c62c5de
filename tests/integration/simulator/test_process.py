"""The simulator as a process of its own, ruled over HTTP."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.exceptions
import pytest

from tests.distribution import patient
from tests.integration.simulator.conformance import code_of

ROOT = Path(__file__).parents[3]
GOOD = {"repositoryName": "team/good"}


def command(*arguments):
    return [sys.executable, "-m", "tests.simulator", *arguments]


@pytest.fixture(scope="module")
def url():
    with subprocess.Popen(command("--images", "3"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        yield line.split()[-1]
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture
def control(url):
    def ask(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{url}/_control/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    yield ask
    for path in ("faults", "counters"):
        ask("DELETE", path)
    ask("POST", "latency", {"ms": 0})


@pytest.fixture
def aws(url, monkeypatch):
    """boto3 as the controller has it: endpoint and keys from the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIASIMULATOR0000001",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    made = []

    def client(service):
        made.append(boto3.session.Session().client(service))
        return made[-1]

    yield client
    for each in made:
        each.close()


def test_boto3_finds_it_by_the_environment(aws):
    assert aws("sts").get_caller_identity()["Account"] == "111122223333"
    assert aws("ecr").describe_images(**GOOD)["imageDetails"][0]["imageTags"] == ["v1"]


def test_an_image_is_signed_and_what_verifies_it_is_told(control, aws):
    asked = {"repository": "team/good", "image": "v1"}
    made = control("POST", "signing/sign_with_notation", {**asked, "authority": "mine"})["result"]
    control("POST", "signing/sign_with_key", {**asked, "key": "vendor"})

    assert made in [each["imageDigest"] for each in aws("ecr").describe_images(**GOOD)["imageDetails"]]
    told = control("GET", "trust-stores")
    assert told["kind"] == "List"
    assert "mine" in [each["metadata"]["name"] for each in told["items"]]
    assert control("GET", "public-keys")["vendor"].startswith("-----BEGIN PUBLIC KEY-----")
    assert control("POST", "signing/sign_with_nothing", asked)[0] == 404
    for name in ("sign_with_aws_signer", "sign_with_notation", "sign_with_key", "sign_keyless"):
        assert control("POST", f"signing/{name}", {**asked, "signedat": "x"})[0] == 400
    assert "expected one of bundle, legacy" in str(control("POST", "signing/sign_keyless", {**asked, "form": "jws"}))


def test_images_can_be_listed_and_made_in_number(control):
    uris = [each["uri"].partition("/")[2] for each in control("GET", "images")]
    assert uris.count("bench/app") == 3


def test_faults_are_ordered_shown_and_withdrawn(control, aws):
    control("POST", "faults", {"kind": "access_denied", "service": "ecr"})
    ecr = aws("ecr")
    assert code_of(ecr.describe_images, **GOOD) == "AccessDeniedException"
    assert [each["hits"] for each in control("GET", "faults")["faults"]] == [1]
    control("DELETE", "faults")
    assert ecr.describe_images(**GOOD)["imageDetails"]


def test_down_cuts_every_service(control, aws):
    control("POST", "faults", {"kind": "down"})
    for call in (aws("ecr").describe_repositories, aws("inspector2").list_findings, aws("sts").get_caller_identity):
        with pytest.raises(botocore.exceptions.HTTPClientError):
            call()


def test_counters_are_read_and_reset(control, aws):
    control("DELETE", "counters")
    aws("ecr").describe_images(**GOOD)
    row = {
        "service": "ecr",
        "operation": "DescribeImages",
        "account": "111122223333",
        "region": "eu-west-1",
        "calls": 1,
    }
    assert control("GET", "counters")["calls"] == [row]
    control("DELETE", "counters")
    assert control("GET", "counters")["calls"] == []


def test_the_clock_moves(control):
    now = control("POST", "clock", {"freeze": "2030-01-01T00:00:00Z"})["now"]
    assert control("POST", "clock", {"advance": 90})["now"] == now + 90
    assert control("POST", "clock", {"run": True})["now"] >= now + 90
    assert control("GET", "health")["now"] >= now + 90


def test_the_world_changes(control, aws):
    control("POST", "world/add_image", {"repository": "team/new", "tag": "v7"})
    made = control("POST", "world/add_finding", {"repository": "team/new", "name": "v7", "severity": "HIGH"})
    assert made["result"]["severity"] == "HIGH"
    found = aws("ecr").describe_image_scan_findings(repositoryName="team/new", imageId={"imageTag": "v7"})
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 1}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "faults", {"kind": "meteor"}, 400, id="an unknown kind of fault"),
        pytest.param("POST", "faults", {"kind": "throttle", "colour": 1}, 400, id="an unknown word of a fault"),
        pytest.param("POST", "world/add_image", {"colour": 1}, 400, id="an unknown argument"),
        pytest.param(
            "POST", "world/move_tag", {"repository": "no", "tag": "v", "digest": "d"}, 400, id="no such image"
        ),
        pytest.param("POST", "world/lock", {}, 404, id="no change of the world"),
        pytest.param("POST", "world/set_weather", {}, 404, id="no such change"),
        pytest.param("GET", "weather", None, 404, id="no such control"),
        pytest.param("POST", "clock", [1], 400, id="no object"),
    ],
)
def test_mistakes_are_answered(control, method, path, body, status):
    answer = control(method, path, body)
    assert answer[0] == status
    assert answer[1]["error"]


def test_a_bad_scenario_ends_it_with_a_sentence(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("colour: red")
    ended = subprocess.run(
        command("--scenario", str(path)), cwd=ROOT, capture_output=True, text=True, timeout=patient(30), check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "unknown field `colour`" in ended.stderr
