"""Configurations of a repository and its registry, and statements of policies, for tests."""

import json
from dataclasses import replace
from typing import Any

from tidegate.evidence.fact import Cause
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    RegistryConfiguration,
    RegistryPolicyScope,
    RegistryScanning,
    RepositoryConfiguration,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

ACCOUNT, OTHER = "111122223333", "444455556666"
REGISTRY = EcrRegistry("aws", ACCOUNT, "eu-west-1")
REPOSITORY = EcrRepository(REGISTRY, "team/app")
CI = f"arn:aws:iam::{ACCOUNT}:role/ci-push"
ORGANIZATION = "o-a1b2c3d4e5"
DENIED = SourceUnavailableError(Cause.ACCESS_DENIED, "ecr:GetRepositoryPolicy", "not authorized")

PUSH_ACTIONS = ["ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]
PULL_ACTIONS = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def deny_push(*allowed: str, **changed: Any) -> dict[str, Any]:
    """Return the canonical statement that restricts pushes, with elements changed; None drops one."""
    statement = {
        "Sid": "OnlyCiMayPush",
        "Effect": "Deny",
        "Principal": "*",
        "Action": PUSH_ACTIONS,
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": list(allowed or (CI,))}},
    }
    return {name: value for name, value in (statement | changed).items() if value is not None}


def allow(principal: Any, actions: Any = None, **more: Any) -> dict[str, Any]:
    """Return a statement that allows pulls, or other actions."""
    return {"Effect": "Allow", "Principal": principal, "Action": actions or PULL_ACTIONS, **more}


def policy(*statements: Any) -> str:
    """Return the text of a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def repository(text: Any = None, **changed: Any) -> RepositoryConfiguration:
    """Return the configuration of a repository with a policy, else well configured."""
    found = RepositoryConfiguration(
        repository=REPOSITORY,
        settings=RepositorySettings(mutability=TagMutability.IMMUTABLE),
        encryption=Encryption(type=EncryptionType.KMS),
        policy=text,
        lifecycle=None,
        scanning=RepositoryScanning(frequency=ScanFrequency.CONTINUOUS_SCAN),
    )
    return replace(found, **changed)


def registry(text: Any = None, **changed: Any) -> RegistryConfiguration:
    """Return the configuration of a registry with a policy."""
    found = RegistryConfiguration(
        registry=REGISTRY,
        policy=text,
        policy_scope=RegistryPolicyScope.V2,
        scanning=RegistryScanning(type=ScanType.ENHANCED),
        pull_through=(),
        replication=(),
        signing=(),
    )
    return replace(found, **changed)
