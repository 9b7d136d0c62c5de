"""The IAM actions for each AWS call, what needs the call, and the IAM policy made of them. Data and text only.

A test compares the table with the calls in the source, and the policy with the one in docs/guides/install.md.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tidegate.aws.clients import Api

VERSION: Final = "2012-10-17"
"""The version of the language of IAM policies."""


class Need(StrEnum):
    """What needs a call: every image, or a field of a policy or of the settings."""

    IMAGES = "every image"
    TAGS = "tags.immutable"
    SCANS = "scan and vulnerabilities"
    SIGNATURES = "signatures and attestations"
    SIGNER = "signers of AWS Signer"
    KMS = "keys in AWS KMS"
    REPOSITORY = "repository, and tidegate posture"
    EVENTS = "aws.eventQueueUrl"
    OTHER_ACCOUNTS = "aws.accounts[].roleArn"
    PREFLIGHT = "tidegate preflight"


@dataclass(frozen=True, slots=True)
class Arns:
    """What the ARNs of a policy are made of; ``queue`` is that of the queue with events."""

    partition: str
    account: str
    roles: tuple[str, ...]
    queue: str


@dataclass(frozen=True, slots=True)
class IamStatement:
    """A statement of the IAM policy. ``resources`` makes its ARNs."""

    sid: str
    resources: Callable[[Arns], list[str]]


_ANY: Final = ["*"]
IMAGES: Final = IamStatement("Images", lambda of: [f"arn:{of.partition}:ecr:*:{of.account}:repository/*"])
REGISTRY: Final = IamStatement("Registry", lambda _: _ANY)
FINDINGS: Final = IamStatement("Findings", lambda _: _ANY)
"""The list actions of Amazon Inspector do not support resource-level permissions."""
REVOCATION: Final = IamStatement("Revocation", lambda _: _ANY)
PUBLIC_KEYS: Final = IamStatement("PublicKeys", lambda of: [f"arn:{of.partition}:kms:*:{of.account}:key/*"])
EVENTS: Final = IamStatement("Events", lambda of: [of.queue])
OTHER_ACCOUNTS: Final = IamStatement("OtherAccounts", lambda of: list(of.roles))


@dataclass(frozen=True, slots=True)
class Permission:
    """One call, what needs it, and its statement.

    ``more`` are the actions beside the one of the call's own name; ``action`` is that name where IAM has another. ``also``
    are further needs.
    """

    api: Api
    need: Need
    statement: IamStatement
    more: tuple[str, ...] = ()
    action: str = ""
    also: tuple[Need, ...] = ()

    def serves(self, needs: Collection[Need]) -> bool:
        """Tell whether one of the needs needs the call."""
        return self.need in needs or not set(self.also).isdisjoint(needs)

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the IAM actions that the call needs."""
        return (self.action or self.api.source, *self.more)


PERMISSIONS: Final = (
    Permission(Api("ecr", "DescribeImages"), Need.IMAGES, IMAGES),
    Permission(Api("ecr", "BatchGetImage"), Need.IMAGES, IMAGES),
    Permission(Api("ecr", "DescribePullThroughCacheRules"), Need.IMAGES, REGISTRY),
    Permission(Api("ecr", "DescribeRepositories"), Need.TAGS, IMAGES, also=(Need.REPOSITORY,)),
    Permission(Api("ecr", "GetRegistryScanningConfiguration"), Need.SCANS, REGISTRY, also=(Need.REPOSITORY,)),
    Permission(Api("ecr", "DescribeImageScanFindings"), Need.SCANS, IMAGES),
    Permission(Api("inspector2", "BatchGetAccountStatus"), Need.PREFLIGHT, FINDINGS),
    Permission(Api("inspector2", "ListCoverage"), Need.SCANS, FINDINGS),
    Permission(Api("inspector2", "ListFindings"), Need.SCANS, FINDINGS),
    # The Service Authorization Reference has no action of this name and names ecr:BatchGetImage instead.
    Permission(Api("ecr", "ListImageReferrers"), Need.SIGNATURES, IMAGES, more=("ecr:BatchGetImage",)),
    Permission(Api("ecr", "GetDownloadUrlForLayer"), Need.SIGNATURES, IMAGES),
    Permission(Api("ecr", "DescribeImageSigningStatus"), Need.SIGNATURES, IMAGES),
    Permission(Api("ecr", "GetRepositoryPolicy"), Need.REPOSITORY, IMAGES),
    Permission(Api("ecr", "GetLifecyclePolicy"), Need.REPOSITORY, IMAGES),
    Permission(Api("ecr", "BatchGetRepositoryScanningConfiguration"), Need.REPOSITORY, IMAGES),
    Permission(Api("ecr", "GetRegistryPolicy"), Need.REPOSITORY, REGISTRY),
    Permission(Api("ecr", "GetAccountSetting"), Need.REPOSITORY, REGISTRY),
    Permission(Api("ecr", "DescribeRegistry"), Need.REPOSITORY, REGISTRY),
    Permission(Api("ecr", "GetSigningConfiguration"), Need.REPOSITORY, REGISTRY),
    Permission(Api("signer-data", "GetRevocationStatus"), Need.SIGNER, REVOCATION),
    Permission(Api("kms", "GetPublicKey"), Need.KMS, PUBLIC_KEYS),
    Permission(Api("sqs", "ReceiveMessage"), Need.EVENTS, EVENTS),
    # The Service Authorization Reference has no action for a batch.
    Permission(Api("sqs", "DeleteMessageBatch"), Need.EVENTS, EVENTS, action="sqs:DeleteMessage"),
    Permission(Api("sqs", "GetQueueAttributes"), Need.EVENTS, EVENTS),
    # EKS Pod Identity passes on its session tags.
    Permission(Api("sts", "AssumeRole"), Need.OTHER_ACCOUNTS, OTHER_ACCOUNTS, more=("sts:TagSession",)),
)
"""Every call that needs a permission."""

WITHOUT_PERMISSION: Final = frozenset({"sts:GetCallerIdentity"})
"""Calls that AWS allows to every identity."""


def iam_policy(
    needs: Iterable[Need], *, account: str, partition: str = "aws", roles: tuple[str, ...] = (), queue: str = "*"
) -> dict[str, Any]:
    """Return the IAM policy document for some needs.

    ``roles`` are the ARNs of roles in other accounts, and ``queue`` is that of the queue with events.
    """
    wanted, arns = {*needs, Need.IMAGES}, Arns(partition, account, roles, queue)
    actions: dict[IamStatement, set[str]] = {}
    for permission in PERMISSIONS:
        if permission.serves(wanted):
            actions.setdefault(permission.statement, set()).update(permission.actions)
    order = {permission.statement: at for at, permission in reversed(list(enumerate(PERMISSIONS)))}
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": statement.sid,
                "Effect": "Allow",
                "Action": sorted(actions[statement]),
                "Resource": statement.resources(arns),
            }
            for statement in sorted(actions, key=order.__getitem__)
        ],
    }
