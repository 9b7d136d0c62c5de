"""The IAM actions for each AWS call, what needs the call, and the IAM policy made of them. Data and text only.

A test compares the table with the calls in the source, and the policy with the one in docs/guides/install.md.
"""

from collections.abc import Callable, Iterable
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
    OTHER_ACCOUNTS = "aws.accounts[].roleArn"
    PREFLIGHT = "tidegate preflight"


@dataclass(frozen=True, slots=True)
class IamStatement:
    """A statement of the IAM policy. ``resources`` makes its ARNs from partition, account, and roles in other accounts."""

    sid: str
    resources: Callable[[str, str, tuple[str, ...]], list[str]]


_ANY: Final = ["*"]
IMAGES: Final = IamStatement("Images", lambda partition, account, _: [f"arn:{partition}:ecr:*:{account}:repository/*"])
REGISTRY: Final = IamStatement("Registry", lambda *_: _ANY)
FINDINGS: Final = IamStatement("Findings", lambda *_: _ANY)
"""The list actions of Amazon Inspector do not support resource-level permissions."""
REVOCATION: Final = IamStatement("Revocation", lambda *_: _ANY)
PUBLIC_KEYS: Final = IamStatement(
    "PublicKeys", lambda partition, account, _: [f"arn:{partition}:kms:*:{account}:key/*"]
)
OTHER_ACCOUNTS: Final = IamStatement("OtherAccounts", lambda _partition, _account, roles: list(roles))


@dataclass(frozen=True, slots=True)
class Permission:
    """One call, what needs it, and its statement. ``more`` are the actions beside the one of the call's own name."""

    api: Api
    need: Need
    statement: IamStatement
    more: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the IAM actions that the call needs."""
        return (self.api.source, *self.more)


PERMISSIONS: Final = (
    Permission(Api("ecr", "DescribeImages"), Need.IMAGES, IMAGES),
    Permission(Api("ecr", "BatchGetImage"), Need.IMAGES, IMAGES),
    Permission(Api("ecr", "DescribePullThroughCacheRules"), Need.IMAGES, REGISTRY),
    Permission(Api("ecr", "DescribeRepositories"), Need.TAGS, IMAGES),
    Permission(Api("ecr", "GetRegistryScanningConfiguration"), Need.SCANS, REGISTRY),
    Permission(Api("ecr", "DescribeImageScanFindings"), Need.SCANS, IMAGES),
    Permission(Api("inspector2", "BatchGetAccountStatus"), Need.PREFLIGHT, FINDINGS),
    Permission(Api("inspector2", "ListCoverage"), Need.SCANS, FINDINGS),
    Permission(Api("inspector2", "ListFindings"), Need.SCANS, FINDINGS),
    # The Service Authorization Reference has no action of this name and names ecr:BatchGetImage instead.
    Permission(Api("ecr", "ListImageReferrers"), Need.SIGNATURES, IMAGES, more=("ecr:BatchGetImage",)),
    Permission(Api("ecr", "GetDownloadUrlForLayer"), Need.SIGNATURES, IMAGES),
    Permission(Api("ecr", "DescribeImageSigningStatus"), Need.SIGNATURES, IMAGES),
    Permission(Api("signer-data", "GetRevocationStatus"), Need.SIGNER, REVOCATION),
    Permission(Api("kms", "GetPublicKey"), Need.KMS, PUBLIC_KEYS),
    # EKS Pod Identity passes on its session tags.
    Permission(Api("sts", "AssumeRole"), Need.OTHER_ACCOUNTS, OTHER_ACCOUNTS, more=("sts:TagSession",)),
)
"""Every call that needs a permission."""

WITHOUT_PERMISSION: Final = frozenset({"sts:GetCallerIdentity"})
"""Calls that AWS allows to every identity."""


def iam_policy(
    needs: Iterable[Need], *, account: str, partition: str = "aws", roles: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the IAM policy document for some needs; ``roles`` are the ARNs of roles in other accounts."""
    wanted = {*needs, Need.IMAGES}
    actions: dict[IamStatement, set[str]] = {}
    for permission in PERMISSIONS:
        if permission.need in wanted:
            actions.setdefault(permission.statement, set()).update(permission.actions)
    order = {permission.statement: at for at, permission in reversed(list(enumerate(PERMISSIONS)))}
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": statement.sid,
                "Effect": "Allow",
                "Action": sorted(actions[statement]),
                "Resource": statement.resources(partition, account, roles),
            }
            for statement in sorted(actions, key=order.__getitem__)
        ],
    }
