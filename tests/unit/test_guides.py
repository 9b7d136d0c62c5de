"""Every block of docs/guides is run word for word by a test, or says why none can run it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from botocore.session import Session

from tests.guides import GUIDES, TESTS, Block, all_blocks, blocks, blocks_of, matches
from tidegate.aws.events import KINDS
from tidegate.aws.queue_url import parse_queue_url
from tidegate.images.reference import parse_reference
from tidegate.policy.match import any_scope_contains, image_matches
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_store_object import parse_trust_store

BLOCKS = all_blocks()
IDS = [f"{block.page}:{block.line}" for block in BLOCKS]
each_block = pytest.mark.parametrize("block", BLOCKS, ids=IDS)
LEAST_REASON = 10


@each_block
def test_it_names_a_test_or_a_reason(block: Block):
    assert block.test or len(block.reason) >= LEAST_REASON, f"the comment above is {block.marker!r}"


@each_block
def test_the_test_that_it_names_runs_it(block: Block):
    if not block.test:
        return
    path, _, name = block.test.partition("::")
    source = (TESTS / path).read_text()
    functions = [
        ast.get_source_segment(source, one) for one in ast.parse(source).body if getattr(one, "name", "") == name
    ]
    assert functions, f"{block.test} is not there"
    assert "blocks_of(request)" in str(functions[0]), f"{block.test} does not read its blocks"


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.name)
def test_no_comment_stands_without_its_block(page: Path):
    markers = re.findall(r"^ *<!-- (?:not )?run: .*-->$", page.read_text(), re.MULTILINE)
    assert len(markers) == len([block for block in blocks(page) if block.marker])


@each_block
def test_objects_in_yaml_are_what_tidegate_reads(block: Block):
    if block.language != "yaml":
        return
    for document in yaml.safe_load_all(block.text):
        if document.get("kind") == "ImagePolicy":
            parse_policy(document)
        if document.get("kind") == "TrustStore":
            parse_trust_store(document)


MODELS = {"signer": "signer-data"}
"""Where the API of a service has a model of its own."""


def operations(service: str) -> frozenset[str]:
    """Return the operations of an API of AWS, by the prefix of its actions in IAM."""
    model = Session().get_service_model(MODELS.get(service, service))
    return frozenset(model.operation_names)


def test_the_iam_documents_are_read_only_and_name_actions_of_aws(request: pytest.FixtureRequest):
    for block in blocks_of(request):
        document = json.loads(block.text)
        assert sorted(document) == ["Statement", "Version"]
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                service, _, operation = action.partition(":")
                assert re.match(
                    "BatchGet|Describe|Get|List|AssumeRole|TagSession|ReceiveMessage|DeleteMessage", operation
                ), action
                # TagSession is a permission, not a call.
                assert operation in operations(service) | {"TagSession"}, action


def test_the_queue_and_the_rule_of_events(request: pytest.FixtureRequest, tmp_path: Path):
    """The commands are calls of AWS as its models say, and they connect what the page says."""
    (tmp_path / "aws").write_text(f'#!/bin/bash\nexec {sys.executable} {TESTS}/aws_command.py "$@"\n')
    (tmp_path / "aws").chmod(0o755)
    script = "export REGION=eu-west-1 ACCOUNT=111122223333\n"
    for block in blocks_of(request):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        else:
            script += block.text
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AWS_COMMAND_CALLS": "calls"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    dead, queue, policy, rule, targets = (json.loads(line) for line in (tmp_path / "calls").read_text().splitlines())
    arn = parse_queue_url(policy["QueueUrl"]).arn
    assert json.loads(queue["Attributes"]["RedrivePolicy"]) == {
        "deadLetterTargetArn": arn.replace(queue["QueueName"], dead["QueueName"]),
        "maxReceiveCount": 5,
    }
    assert [each["Arn"] for each in targets["Targets"]] == [arn]
    assert targets["Rule"] == rule["Name"]
    (statement,) = json.loads(policy["Attributes"]["Policy"])["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "events.amazonaws.com"}, "sqs:SendMessage")
    assert statement["Resource"] == arn
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:events:eu-west-1:111122223333:rule/{rule['Name']}"}
    }
    pattern = json.loads(rule["EventPattern"])
    assert pattern["source"] == ["aws.ecr", "aws.inspector2"]
    # Events of CloudTrail need a trail, and the page says so.
    assert set(pattern["detail-type"]) == KINDS - {"AWS API Call via CloudTrail"}


OURS = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
MIGRATED = {
    "shop-signed-from-kyverno": (f"{OURS}/shop/web", f"{OURS}/shop/a/b"),
    "acme-from-connaisseur": (f"{OURS}/shop/web", "docker.io/library/nginx"),
    "acme-from-ratify": (f"{OURS}/shop/web",),
    "built-by-ci-from-policy-controller": (f"{OURS}/shop/web", f"{OURS}/shop/a/b"),
}
"""The images that each example of migrate.md is about."""


def test_a_migrated_policy_is_about_the_images_of_the_old_one():
    """The match of a policy only selects: what it leaves out is not verified."""
    documents = [one for block in BLOCKS if block.page == "migrate.md" for one in yaml.safe_load_all(block.text)]
    policies = [parse_policy(one) for one in documents if one.get("kind") == "ImagePolicy"]
    assert {policy.name for policy in policies} == set(MIGRATED)
    for policy in policies:
        assert all(image_matches(policy.match, parse_reference(image)) for image in MIGRATED[policy.name]), policy.name
        assert policy.signatures or policy.attestations
    (connaisseur,) = [policy for policy in policies if policy.name == "acme-from-connaisseur"]
    allowed = [
        any_scope_contains(connaisseur.registries or (), parse_reference(one)) for one in MIGRATED[connaisseur.name]
    ]
    assert allowed == [True, False]


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("digest sha256:0123456789ab\n", "digest sha256:ba9876543210\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nb\nc\n", False),
    ],
)
def test_an_output_is_compared_apart_from_what_changes(expected: str, output: str, same: bool):
    assert matches(expected, output) is same


def test_a_block_without_a_comment_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n<!-- not run: needs an AWS account -->\n\n    aws a\n\nText.\n\n    aws b\n\n```console\n$ c \\\n  d\ne\n```\n"
    )
    first, second, third = blocks(page)
    assert (first.reason, first.text) == ("needs an AWS account", "aws a\n")
    assert (second.reason, second.test, second.text) == ("", "", "aws b\n")
    assert list(third.steps()) == [("c \\\n  d\n", "e\n")]
