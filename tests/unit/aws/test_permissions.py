"""The table of IAM actions, compared with the calls in the source and with the policy of the installation guide."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import tidegate
from tidegate.aws import permissions
from tidegate.aws.clients import Api
from tidegate.aws.permissions import PERMISSIONS, WITHOUT_PERMISSION, Need, iam_policy

SOURCES = Path(tidegate.__file__).parent
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "install.md"
ACCOUNT, READER = "111122223333", "arn:aws:iam::444455556666:role/tidegate-reader"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:tidegate-events"
STS = {xform_name(name): name for name in botocore.session.Session().get_service_model("sts").operation_names}
"""The operations of STS, by the name of their method."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        if path != Path(permissions.__file__):
            yield str(path.relative_to(SOURCES)), ast.parse(path.read_text())


def calls_in(tree: ast.Module) -> Iterator[str]:
    """The calls of a module: each ``Api("service", "Operation")``, and each operation of STS as a method."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Api"), args=arguments, keywords=[]):
                service, operation = (ast.literal_eval(each) for each in arguments)
                yield Api(service, operation).source
            case ast.Attribute(attr=name) if name in STS:
                yield f"sts:{STS[name]}"


def test_every_call_in_the_source_is_in_the_table_and_the_other_way_round():
    called = {call for _, tree in sources() for call in calls_in(tree)}
    in_table = {permission.api.source for permission in PERMISSIONS}
    assert called == in_table | WITHOUT_PERMISSION


def test_a_call_without_the_table_would_be_found():
    assert list(calls_in(ast.parse('Api("ecr", "PutImage"); client.get_session_token()'))) == [
        "ecr:PutImage",
        "sts:GetSessionToken",
    ]


def test_clients_of_the_sdk_are_made_in_one_place():
    """Elsewhere, a call could be made that is no Api."""
    made = {name for name, tree in sources() for node in ast.walk(tree) if is_client(node)}
    assert made == {"aws/clients.py"}


def is_client(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client"


@pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda each: each.api.source)
def test_each_call_is_an_operation_of_the_sdk(permission):
    model = botocore.session.Session().get_service_model(permission.api.service)
    assert permission.api.operation in model.operation_names


def test_the_policy_of_the_guide_is_the_one_of_the_table():
    (shown, *_) = re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert json.loads(shown) == iam_policy(Need, account=ACCOUNT, roles=(READER,), queue=QUEUE), (
        "write it as iam_policy gives it"
    )


def test_the_guide_explains_each_statement():
    guide = GUIDE.read_text()
    for statement in iam_policy(Need, account=ACCOUNT)["Statement"]:
        assert f"\n| {statement['Sid']} |" in guide


def test_no_action_writes_but_to_take_messages_from_the_queue_of_events():
    read = re.compile(
        r"[a-z0-9]+:(Describe|BatchGet|Get|List)[A-Z]\w+|sts:(AssumeRole|TagSession)|sqs:(ReceiveMessage|DeleteMessage)"
    )
    assert all(read.fullmatch(action) for permission in PERMISSIONS for action in permission.actions)


def test_only_what_is_needed_is_in_the_policy():
    statements = {one["Sid"]: one for one in iam_policy([Need.SCANS], account=ACCOUNT)["Statement"]}
    assert list(statements) == ["Images", "Registry", "Findings"]
    assert statements["Images"]["Action"] == [
        "ecr:BatchGetImage",
        "ecr:DescribeImageScanFindings",
        "ecr:DescribeImages",
    ]


def test_messages_are_taken_from_one_queue():
    *_, events = iam_policy([Need.EVENTS], account=ACCOUNT, queue=QUEUE)["Statement"]
    assert events["Action"] == ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    assert events["Resource"] == [QUEUE]


def test_images_are_always_needed_and_partitions_and_roles_are_in_the_arns():
    (images, registry) = iam_policy([], account=ACCOUNT, partition="aws-cn")["Statement"]
    assert images["Resource"] == [f"arn:aws-cn:ecr:*:{ACCOUNT}:repository/*"]
    assert registry["Action"] == ["ecr:DescribePullThroughCacheRules"]
    *_, others = iam_policy([Need.OTHER_ACCOUNTS], account=ACCOUNT, roles=(READER,))["Statement"]
    assert (others["Action"], others["Resource"]) == (["sts:AssumeRole", "sts:TagSession"], [READER])
