"""Statements about pushes, and who may push by them."""

from typing import Any

from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    deny_push,
    policy,
    registry,
    repository,
)
from tidegate.posture.push_access import PushAccess, PushAnswer, push_access

A = PushAnswer
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"


def condition(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {operator: {key: list(values)}}


def ci_unless(operator: str, key: str = "aws:PrincipalArn", *values: str) -> dict[str, Any]:
    return deny_push(Condition=condition(operator, key, *(values or (CI,))))


def outcome(*statements: Any) -> PushAccess:
    return push_access(repository(policy(*statements)), registry())
