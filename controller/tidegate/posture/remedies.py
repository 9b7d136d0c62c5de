"""What mends a failure: the line of the AWS CLI to run, and the resource and attribute of Terraform. Nothing is run here.

A line that replaces a policy holds the whole new policy, the present statements among it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import RepositoryConfiguration
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.posture.iam_policy import parse_policy_text
from tidegate.posture.principals import PrincipalKind, PrincipalSet

PUSH_ACTIONS: Final = ("ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload")
GUARD_ACTIONS: Final = ("ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy", "ecr:DeleteRepository")
_SID_PUSH, _SID_GUARD = "OnlyListedPrincipalsMayPush", "OnlyListedPrincipalsMayReplaceThePolicy"
_KEYS = {
    PrincipalKind.PRINCIPAL: ("ArnNotLike", "aws:PrincipalArn"),
    PrincipalKind.ACCOUNT: ("StringNotEquals", "aws:PrincipalAccount"),
    PrincipalKind.ORGANIZATION: ("StringNotEquals", "aws:PrincipalOrgID"),
}

TERRAFORM_POLICY: Final = "aws_ecr_repository_policy: policy"
TERRAFORM_REGISTRY_POLICY: Final = "aws_ecr_registry_policy: policy"
TERRAFORM_TAGS: Final = 'aws_ecr_repository: image_tag_mutability = "IMMUTABLE"'
TERRAFORM_SCANNING: Final = (
    'aws_ecr_registry_scanning_configuration: scan_type = "ENHANCED", rule.scan_frequency = "CONTINUOUS_SCAN"'
)
TERRAFORM_ENCRYPTION: Final = 'aws_ecr_repository: encryption_configuration.encryption_type = "KMS"'
TERRAFORM_LIFECYCLE: Final = "aws_ecr_lifecycle_policy: policy"
TERRAFORM_PULL_THROUGH: Final = "aws_ecr_pull_through_cache_rule: ecr_repository_prefix"


def command(operation: str, registry: EcrRegistry, *arguments: str) -> str:
    """Return a line of the AWS CLI, quoted for a shell; ``arguments`` are names and values in turn."""
    where = ("--region", registry.region)
    return shlex.join(("aws", "ecr", operation, *where, *arguments))


def of_repository(operation: str, repository: EcrRepository, *arguments: str) -> str:
    """Return a line of the AWS CLI about one repository."""
    place = ("--registry-id", repository.registry.account, "--repository-name", repository.name)
    return command(operation, repository.registry, *place, *arguments)


def restrict_push(
    configuration: RepositoryConfiguration, pushers: Sequence[PrincipalSet], *, guarded: bool = False
) -> str:
    """Return the line that adds a Deny of pushes to the repository's policy, for all but the pushers.

    Without any, it names a role whose name only the user knows: a Deny for everyone would lock out the owner too.
    ``guarded`` adds the Deny of ``guard_policy`` too.
    """
    left_out = pushers or (_role(configuration.repository, "YOUR-CI-ROLE"),)
    statements = [_deny(_SID_PUSH, PUSH_ACTIONS, left_out)]
    if guarded:
        statements.append(_guard(configuration.repository))
    return _with_statements(configuration, statements)


def guard_policy(configuration: RepositoryConfiguration) -> str:
    """Return the line that adds a Deny of changes to the policy, for all but an administrator whose name the user knows."""
    return _with_statements(configuration, [_guard(configuration.repository)])


def _guard(repository: EcrRepository) -> Mapping[str, Any]:
    return _deny(_SID_GUARD, GUARD_ACTIONS, (_role(repository, "YOUR-ADMIN-ROLE"),))


def _role(repository: EcrRepository, name: str) -> PrincipalSet:
    registry = repository.registry
    return PrincipalSet(PrincipalKind.PRINCIPAL, f"arn:{registry.partition}:iam::{registry.account}:role/{name}")


def _deny(sid: str, actions: Sequence[str], left_out: Sequence[PrincipalSet]) -> Mapping[str, Any]:
    conditions: dict[str, dict[str, list[str]]] = {}
    for one in left_out:
        operator, key = _KEYS[one.kind]
        conditions.setdefault(operator, {}).setdefault(key, []).append(one.value)
    return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": list(actions), "Condition": conditions}


def _with_statements(configuration: RepositoryConfiguration, statements: Sequence[Mapping[str, Any]]) -> str:
    """Return the line that sets the policy with more statements, or the one that shows a policy that is not understood."""
    repository, written = configuration.repository, configuration.policy
    document: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    if written is not None:
        try:
            parse_policy_text(str(written))
        except VerificationError:
            return of_repository("get-repository-policy", repository)
        document = json.loads(str(written))
    present, added = document.get("Statement", []), {one["Sid"] for one in statements}
    kept = [one for one in (present if isinstance(present, list) else [present]) if one.get("Sid") not in added]
    policy = json.dumps(document | {"Statement": [*kept, *statements]}, separators=(",", ":"))
    return of_repository("set-repository-policy", repository, "--policy-text", policy)
