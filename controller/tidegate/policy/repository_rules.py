"""The section ``repository`` of an ImagePolicy's spec as shapes: what is required of a repository's configuration."""

from typing import Final

from tidegate.policy.model import (
    PullRules,
    PushRules,
    RepositoryRules,
    RequiredEncryption,
    RequiredLifecycle,
    RequiredScanning,
)
from tidegate.policy.scopes import ACCOUNT_PATTERN
from tidegate.policy.shape import Choice, Field, ListOf, Section, Text

MAX_PRINCIPALS: Final = 50
MAX_ACCOUNTS: Final = 100
MAX_ORGANIZATIONS: Final = 10
MAX_SERVICES: Final = 10
MAX_ARN: Final = 256

PRINCIPAL_PATTERN: Final = (
    r"^arn:aws(-[a-z0-9]{1,12}){0,3}:iam::[0-9]{12}:(role|user)/[*/]*[A-Za-z0-9+=,.@_-][A-Za-z0-9+=,.@_/*-]*$"
)
"""A name that is not all wildcards: all principals of an account are that account."""
ORGANIZATION_PATTERN: Final = "^o-[a-z0-9]{10,32}$"
SERVICE_PATTERN: Final = r"^[a-z0-9]([a-z0-9.-]{0,100}[a-z0-9])?\.amazonaws\.(com|com\.cn|eu)$"

_PRINCIPAL = Text(
    expected="the ARN of an IAM role or user, with * in its name only",
    do="write arn:aws:iam::ACCOUNT:role/NAME; the ARN of a role's session (assumed-role) never matches, and a whole account"
    " belongs into accounts",
    make=str,
    minimum=20,
    maximum=MAX_ARN,
    pattern=PRINCIPAL_PATTERN,
    by_rule=True,
)
_ACCOUNTS = ListOf(
    item=Text(
        expected="an AWS account id of 12 digits",
        do='write all 12 digits, such as "012345678901"',
        make=str,
        minimum=12,
        maximum=12,
        pattern=ACCOUNT_PATTERN,
    ),
    maximum=MAX_ACCOUNTS,
    unique=True,
)
_ORGANIZATIONS = ListOf(
    item=Text(
        expected="the id of an organization such as o-a1b2c3d4e5",
        do="copy it from AWS Organizations",
        make=str,
        minimum=12,
        maximum=34,
        pattern=ORGANIZATION_PATTERN,
    ),
    maximum=MAX_ORGANIZATIONS,
    unique=True,
)

_PUSH: Final = Section(
    build=PushRules,
    minimum=1,
    fields=(
        Field(
            "restrictedTo",
            ListOf(item=_PRINCIPAL, minimum=1, maximum=MAX_PRINCIPALS, unique=True),
            "ARNs of IAM roles or users that may push. A star in a name stands for any characters. Write the role, not a"
            " session of it: `aws:PrincipalArn` is never the ARN of a session.",
        ),
        Field("accounts", _ACCOUNTS, "AWS accounts. All principals of these accounts may push."),
        Field(
            "organizations",
            _ORGANIZATIONS,
            "Organizations in AWS Organizations. All principals of these organizations may push.",
        ),
    ),
)

_PULL: Final = Section(
    build=PullRules,
    fields=(
        Field("accounts", _ACCOUNTS, "AWS accounts that may pull, in addition to the account of the repository."),
        Field(
            "organizations",
            _ORGANIZATIONS,
            "Organizations in AWS Organizations. All accounts of these organizations may pull.",
        ),
        Field(
            "services",
            ListOf(
                item=Text(
                    expected="a service principal such as lambda.amazonaws.com",
                    do="copy it from the repository's policy",
                    make=str,
                    maximum=116,
                    pattern=SERVICE_PATTERN,
                ),
                maximum=MAX_SERVICES,
                unique=True,
            ),
            "AWS services that may pull.",
        ),
    ),
)

REPOSITORY: Final = Section(
    build=RepositoryRules,
    minimum=1,
    fields=(
        Field(
            "push",
            _PUSH,
            "Who may push; the policies of the repository and its registry must deny it to everyone else. An Allow alone"
            " denies nothing within the account. Accounts that replicate images into the repository must be listed too, and"
            " no pull-through-cache rule may fill it. tidegate does not see what identity policies and service control"
            " policies deny.",
        ),
        Field(
            "pull",
            _PULL,
            "Who may pull beside the account of the repository, by the policies of the repository and its registry; no"
            " other may. An empty mapping allows no other account. A statement that lets others pull must not let them"
            " change the repository, unless `push` lists them.",
        ),
        Field(
            "scanning",
            Choice(words=RequiredScanning),
            "`Continuous` requires enhanced scanning that scans again with each new vulnerability; `OnPush` at least a scan"
            " of each push.",
        ),
        Field(
            "encryption",
            Choice(words=RequiredEncryption),
            "`KMS` requires encryption with a key of AWS KMS. It is fixed when a repository is created.",
        ),
        Field(
            "lifecycle",
            Choice(words=RequiredLifecycle),
            "`Required` requires a lifecycle policy. `KeepsRunningImages` requires that the lifecycle policy, if there is one,"
            " does not delete or archive an image with this tag within 90 days, or before 1,000 newer images are pushed.",
        ),
    ),
)
