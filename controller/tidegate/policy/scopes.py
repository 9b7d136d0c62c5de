"""Registry scopes as policies write them: an AWS account, or the host of a registry that is not ECR.

An ECR registry is never named by its host: one registry has several hosts, and a rule about one of them would let the
others through, or refuse them. ``match`` tells whether a reference is in a scope.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from tidegate.policy.model import EcrScope, Glob, HostScope, RegistryScope
from tidegate.policy.shape import Constraint, Field, ListOf, Section, Text, exactly_one
from tidegate.strict.objection import describe

MAX_SCOPES = 100
MAX_REPOSITORIES = 50
MAX_REPOSITORY_GLOB = 256
"""What Amazon ECR allows for a repository name."""
MAX_HOST = 260

ACCOUNT_PATTERN = "^[0-9]{12}$"
PARTITION_PATTERN = "^aws(-[a-z0-9]{1,12}){0,3}$"
REGION_PATTERN = "^[a-z]{2,8}(-[a-z0-9]{1,16}){1,4}$"
HOST_PATTERN = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$"
ECR_HOST_PATTERN = r"^[0-9]{12}\.dkr[.-]ecr"
"""No ``host`` may start like this: it is an Amazon ECR host, or looks like one."""
REPOSITORY_PATTERN = r"^\*{0,2}([a-z0-9._/-]\*{0,2})*$"

_PARTITION_OF_PREFIX: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}
_COMMERCIAL = "aws"
_HTTPS = ":443"
_SAME_REGISTRY = {
    "ecr-public.aws.com": "public.ecr.aws",
    "index.docker.io": "docker.io",
}


def partition_of(region: str | None) -> str:
    """Return the AWS partition of a region; ``aws`` where no region is given. Source: botocore's partitions.json."""
    for prefix, partition in _PARTITION_OF_PREFIX.items():
        if region is not None and region.startswith(prefix):
            return partition
    return _COMMERCIAL


def canonical_host(host: str) -> str:
    """Return the one spelling of a registry host: lower case, without the port of HTTPS, dual-stack names folded."""
    plain = host.lower().removesuffix(_HTTPS)
    return _SAME_REGISTRY.get(plain, plain)


def make_glob(text: str) -> Glob:
    """Return the glob that the text is."""
    return Glob(text=text)


def _make_host(text: str) -> str | None:
    return None if re.match(ECR_HOST_PATTERN, text) else canonical_host(text)


def _fields_of_ecr(written: Mapping[str, Any]) -> str | None:
    stray = [name for name in ("region", "partition") if name in written and "host" in written]
    return f"{' and '.join(stray)} beside host" if stray else None


def _partition_misfit(written: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a region outside of the partition: such a scope would never match."""
    region, partition = written.get("region"), written.get("partition")
    if not isinstance(region, str) or not isinstance(partition, str) or partition_of(region) == partition:
        return None
    return f"partition {describe(partition)} with region {describe(region)}, which is in {partition_of(region)}"


_PARTITION_IN_CEL = " : ".join(
    (*(f"self.region.startsWith('{at}') ? '{name}'" for at, name in _PARTITION_OF_PREFIX.items()), f"'{_COMMERCIAL}'")
)


def _build(
    *,
    account: str | None = None,
    host: str | None = None,
    region: str | None = None,
    partition: str | None = None,
    **repositories: tuple[Glob, ...],
) -> RegistryScope:
    if host is not None:
        return HostScope(host=host, **repositories)
    assert account is not None
    return EcrScope(partition=partition or partition_of(region), account=account, region=region, **repositories)


_REPOSITORY = Text(
    expected="a repository name or a glob of lower-case letters, digits and . _ - / * **",
    do="write it without the registry and the tag, such as team/* or team/**",
    make=make_glob,
    maximum=MAX_REPOSITORY_GLOB,
    pattern=REPOSITORY_PATTERN,
    by_rule=True,
)


def registry_scope(max_repositories: int) -> Section[RegistryScope]:
    """Return the shape of one scope. Absent repositories mean every repository; an absent region every region."""
    return Section(
        build=_build,
        description="Repositories of one Amazon ECR account (account) or of another registry (host).",
        checks=(
            exactly_one("account", "host", do="use account for Amazon ECR, host for any other registry"),
            Constraint(
                expected="region and partition only with account",
                do="remove them",
                got=_fields_of_ecr,
                rule="!has(self.host) || (!has(self.region) && !has(self.partition))",
            ),
            Constraint(
                expected="the partition that the region is in",
                do="remove partition; the region implies it",
                got=_partition_misfit,
                rule=f"!has(self.region) || !has(self.partition) || self.partition == ({_PARTITION_IN_CEL})",
            ),
        ),
        fields=(
            Field(
                "account",
                Text(
                    expected="an AWS account id of 12 digits",
                    do='write all 12 digits, such as "012345678901"',
                    make=str,
                    minimum=12,
                    maximum=12,
                    pattern=ACCOUNT_PATTERN,
                ),
                "The AWS account that owns the ECR registry: 12 digits, in quotes (YAML reads unquoted digits as a"
                " number). Wildcards are not allowed, because every AWS account has an ECR registry. Standard, FIPS and"
                " dual-stack hosts of the account are the same registry.",
            ),
            Field(
                "partition",
                Text(
                    expected="an AWS partition such as aws, aws-cn or aws-us-gov",
                    do="leave it out when a region is given",
                    make=str,
                    maximum=32,
                    pattern=PARTITION_PATTERN,
                ),
                "The AWS partition; by default that of the region, or `aws`. Set it only for accounts outside of the"
                " commercial partition, if no region is given.",
            ),
            Field(
                "region",
                Text(
                    expected="an AWS region such as eu-west-1",
                    do="write one region without wildcards, or leave it out for every region",
                    make=str,
                    maximum=32,
                    pattern=REGION_PATTERN,
                ),
                "One region of the account, such as eu-west-1; by default every region.",
            ),
            Field(
                "host",
                Text(
                    expected="a lower-case registry host, with its port if any, that is not an Amazon ECR host",
                    do="write the host alone, such as ghcr.io; name an Amazon ECR registry by account and region",
                    make=_make_host,
                    maximum=MAX_HOST,
                    pattern=HOST_PATTERN,
                    rule=f"!self.matches(r'{ECR_HOST_PATTERN}')",
                ),
                "The host of a registry other than private ECR, in lower case, with its port if it has one. Compared"
                " exactly; port 443 is the same as no port, and `ecr-public.aws.com` the same as `public.ecr.aws`. Hosts"
                " of private ECR are refused, because one registry has several hosts; use `account`.",
            ),
            Field(
                "repositories",
                ListOf(item=_REPOSITORY, minimum=1, maximum=max_repositories),
                "Repository names without the host, or globs: `*` stands for any characters but a slash, `**` for any"
                " characters. One must match. Short names of Docker Hub are below `library/`.",
                default=["**"],
            ),
        ),
    )


REGISTRY_SCOPE: Final = registry_scope(MAX_REPOSITORIES)
