"""What a command says of its calls on standard error: failed ones with identity, code and a line to try, and all of them if asked."""

import json
import re
import shlex

import pytest

from tests import aws_command
from tests.integration.cli.desk import Desk
from tests.integration.cli.signed import policies
from tests.integration.cli.signers import AWS
from tests.objects import ECR
from tests.simulator import Simulator, World
from tidegate.cli.aws_lines import _OF_A_REGISTRY, _OF_AN_IMAGE, aws_line
from tidegate.evidence.fact import Cause
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRegistry

IMAGE = f"{ECR}/team/app:v1"
REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
ROLE = "arn:aws:iam::111122223333:role/reader"
pytestmark = pytest.mark.usefixtures("environment", "impatient")


def test_a_denied_call_is_told_with_identity_api_code_and_a_line_to_try(desk: Desk, sim: Simulator):
    sim.inject("access_denied", service="ecr", operation="DescribeImages")
    ended = desk.check(IMAGE)
    assert ended.code == 2
    told = ended.err.splitlines()
    assert re.match(
        r"ecr:DescribeImages failed for 111122223333 in eu-west-1: AccessDeniedException \(HTTP 400, request [\w-]+\): ",
        told[0],
    )
    assert told[1] == "  identity: arn:aws:sts::111122223333:assumed-role/tidegate/simulator"
    assert told[2] == (
        "  to try it: aws ecr describe-images --registry-id 111122223333 --repository-name team/app "
        "--image-ids imageTag=v1 --region eu-west-1"
    )


@pytest.mark.parametrize("command", ["check", "explain"])
def test_the_json_stays_json_and_the_failure_is_told_beside_it(desk: Desk, sim: Simulator, command: str):
    sim.inject("server_error", service="inspector2", operation="ListFindings")
    ended = getattr(desk, command)(IMAGE, "-o", "json")
    json.loads(ended.out)
    assert "inspector2:ListFindings failed for 111122223333 in eu-west-1" in ended.err
    assert "identity" not in ended.err


def test_verify_tells_it_too(desk: Desk, sim: Simulator):
    sim.inject("access_denied", service="ecr", operation="ListImageReferrers")
    ended = desk.verify(IMAGE, "--policy", policies(desk, AWS))
    assert ended.code == 2
    assert ended.err.startswith("ecr:ListImageReferrers failed for 111122223333 in eu-west-1 (2 times): ")
    assert "AccessDeniedException (HTTP 400, request " in ended.err
    assert "  identity: arn:aws:sts::111122223333:assumed-role/tidegate/simulator" in ended.err


def test_the_role_that_is_assumed_is_named(desk: Desk, sim: Simulator):
    desk.configure(aws={"accounts": [{"account": "111122223333", "roleArn": ROLE}]})
    sim.inject("access_denied", service="sts", operation="AssumeRole")
    ended = desk.check(IMAGE)
    assert f"simulator, which assumes {ROLE}" in ended.err
    assert f"aws sts assume-role --role-arn {ROLE} --role-session-name tidegate" in ended.err


def test_all_calls_are_told_if_asked_for(desk: Desk, world: World):
    world.add_image("team/other", "v1")
    quiet = desk.check(IMAGE, f"{ECR}/team/other:v1")
    assert (quiet.code, quiet.err) == (0, "")
    ended = desk.check(IMAGE, f"{ECR}/team/other:v1", "--verbose")
    assert ended.out == quiet.out
    lines = dict(line.split(" for 111122223333 in eu-west-1: ") for line in ended.err.splitlines())
    assert lines.keys() >= {"ecr:DescribeImages", "ecr:DescribeRepositories", "inspector2:ListFindings"}
    assert re.fullmatch(r"2 calls, \d+\.\d\d s, slowest \d+\.\d\d s", lines["ecr:DescribeImages"])
    assert re.fullmatch(r"1 call, \d+\.\d\d s", lines["ecr:DescribeRepositories"])


def test_failed_calls_are_counted(desk: Desk, sim: Simulator):
    sim.inject("server_error", service="ecr", operation="DescribeRepositories")
    ended = desk.explain(IMAGE, "-v")
    (line,) = [one for one in ended.err.splitlines() if one.startswith("ecr:DescribeRepositories for ")]
    assert re.search(r", \d+ failed$", line)


def test_an_image_of_another_registry_needs_no_call_to_aws(desk: Desk):
    assert "no calls to AWS or registries" in desk.check("docker.io/library/nginx:1", "--verbose").err


@pytest.mark.parametrize("name", ["v1", "sha256:" + "0" * 64])
@pytest.mark.parametrize("source", sorted([*_OF_AN_IMAGE, *_OF_A_REGISTRY, "sts:AssumeRole"]))
def test_each_line_is_a_call_that_the_model_of_the_sdk_takes(source: str, name: str, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_COMMAND_CALLS", str(tmp_path / "calls"))
    reference = parse_reference(f"{ECR}/team/app{'@' if ':' in name else ':'}{name}")
    program, *arguments = shlex.split(aws_line(source, Cause.ACCESS_DENIED, REGISTRY, reference, ROLE))
    assert program == "aws"
    assert aws_command.main(arguments) == 0
    assert json.loads((tmp_path / "calls").read_text())["call"] == source


def test_without_an_example_or_a_known_call_there_is_no_line():
    assert not aws_line("ecr:DescribeImages", Cause.ACCESS_DENIED, REGISTRY, None, None)
    assert not aws_line("kms:GetPublicKey", Cause.ACCESS_DENIED, REGISTRY, parse_reference(IMAGE), None)
    assert not aws_line("sts:AssumeRole", Cause.ROLE_DENIED, REGISTRY, parse_reference(IMAGE), None)
    assert aws_line("ecr:DescribeImages", Cause.CREDENTIALS, REGISTRY, None, None) == "aws sts get-caller-identity"
