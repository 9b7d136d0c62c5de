"""An ImagePolicy with the section ``repository``, from the answers of ECR to the answer to the API server."""

import json
from typing import Any

import pytest

from tests.integration.gather.gate import OTHER, OWN, image
from tests.simulator import Simulator, World
from tests.simulator.registry import Repository
from tidegate.gather.lifetimes import CONFIGURATION_SECONDS, PARTLY_CONFIGURED_SECONDS

CI = f"arn:aws:iam::{OWN}:role/ci-push"
SECRET = f"arn:aws:iam::{OTHER}:role/quite-secret"
PUSH = {"repository": {"push": {"restrictedTo": [CI]}}}
PULL: dict[str, Any] = {"repository": {"pull": {}}}
DENY = {
    "Sid": "OnlyCi",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "ecr:PutImage",
    "Condition": {"ArnNotLike": {"aws:PrincipalArn": CI}},
}
ALLOW = {"Effect": "Allow", "Principal": {"AWS": SECRET}, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}


def text(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def repository(world: World, app: str) -> Repository:
    """The repository of the good image."""
    return world.registry().repositories["team/app"]


async def test_a_deny_of_the_repository_admits_and_none_refuses(repository, app, start):
    """The refusal says what is wrong and how to correct it."""
    gate = start(PUSH)
    refused = await gate.review(app)
    assert not refused.allowed
    assert "PushNotRestricted" in refused.message
    assert "no policy keeps other principals of the account from pushing to the repository" in refused.message
    repository.policy = text(DENY)
    gate.clock.advance(CONFIGURATION_SECONDS + 1)
    assert (await gate.review(app)).allowed


async def test_a_deny_of_the_registry_admits_in_scope_v2_alone(world, repository, app, start):
    """In V1 it is not applied to pushes."""
    registry = world.registry()
    registry.policy = text(DENY | {"Resource": f"arn:aws:ecr:eu-west-1:{OWN}:repository/*"})
    registry.policy_scope = "V1"
    assert "PushNotRestricted" in (await start(PUSH).review(app)).message
    registry.policy_scope = "V2"
    assert (await start(PUSH).review(app)).allowed


async def test_names_of_principals_are_for_operators_alone(repository, app, start):
    """They are in the cause, and in no answer."""
    repository.policy = text(ALLOW)
    answer = await start(PULL).review(app)
    assert "PullNotRestricted" in answer.message
    assert "quite-secret" not in answer.message + answer.warnings
    assert SECRET in answer.causes


async def test_what_is_not_understood_is_refused_and_never_restricted(repository, app, start):
    """As undetermined: the policy says what to do then."""
    repository.policy = text(DENY | {"Condition": {"ForAllValues:ArnNotLike": {"aws:PrincipalArn": CI}}})
    refused = await start(PUSH).review(app)
    assert not refused.allowed
    assert "ConfigurationUndecided" in refused.message
    tolerated = await start(PUSH | {"onUndetermined": "Allow"}).review(app)
    assert tolerated.allowed
    assert "ConfigurationUndecided" in tolerated.warnings


async def test_a_call_that_aws_denies_leaves_only_what_needs_it_undetermined(sim: Simulator, repository, app, start):
    """It is asked for again within a minute or so, when the permission was granted."""
    repository.policy = text(DENY)
    fault = sim.inject("access_denied", operation="GetLifecyclePolicy")
    both = start({"repository": {"lifecycle": "KeepsRunningImages", "push": PUSH["repository"]["push"]}})
    refused = await both.review(app)
    assert not refused.allowed
    assert "tidegate lacks the permission ecr:GetLifecyclePolicy" in refused.message
    assert "PushNotRestricted" not in refused.message
    assert (await start(PUSH).review(app)).allowed
    sim.clear(fault)
    both.clock.advance(PARTLY_CONFIGURED_SECONDS + 1)
    assert (await both.review(app)).allowed


async def test_an_outage_leaves_what_was_known_until_it_is_too_old(sim: Simulator, repository, app, start):
    """Then nothing is known of it, and what was known is not forgotten."""
    repository.policy = text(DENY)
    gate = start(PUSH | {"maxStale": "6h"})
    assert (await gate.review(app)).allowed
    fault = sim.inject("server_error", operation="GetRepositoryPolicy")
    gate.clock.advance(CONFIGURATION_SECONDS + 1)
    stale = await gate.review(app)
    assert stale.allowed
    assert "old" in stale.warnings
    gate.clock.advance(CONFIGURATION_SECONDS + 1)
    too_old = await gate.review(app)
    assert not too_old.allowed
    sim.clear(fault)
    gate.clock.advance(30)
    assert (await gate.review(app)).allowed


async def test_a_configuration_is_read_once_for_many_images(sim: Simulator, world, repository, app, start):
    """Of one repository, and for hours."""
    repository.policy = text(DENY)
    for number in range(5):
        world.add_image("team/app", f"v1.{number}")
    gate = start(PUSH)
    for number in range(5):
        assert (await gate.review(image(tag=f"v1.{number}"))).allowed
    assert sim.calls("ecr", "GetRepositoryPolicy") == 1
    assert sim.calls("ecr", "GetRegistryPolicy") == 1
