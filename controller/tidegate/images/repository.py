"""Amazon ECR registries and repositories as one identity for all their host names.

The standard, FIPS and dual-stack hosts of one account and region are one registry. Host forms: the table of the Amazon
ECR credential helper and the kubelet's ECR credential provider. Which registries are allowed is up to the policies.
"""

import re

import msgspec

_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr[.\-]ecr(?:-fips)?\.(?P<region>[a-z0-9][a-z0-9\-_]{0,62})\."
    r"(?P<suffix>amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)"
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)",
    re.ASCII,
)
_PARTITIONS = {
    "amazonaws.com": "aws",
    "on.aws": "aws",
    "amazonaws.com.cn": "aws-cn",
    "on.amazonwebservices.com.cn": "aws-cn",
    "amazonaws.eu": "aws-eusc",
    "c2s.ic.gov": "aws-iso",
    "sc2s.sgov.gov": "aws-iso-b",
    "cloud.adc-e.uk": "aws-iso-e",
    "csp.hci.ic.gov": "aws-iso-f",
}
_STANDARD_SUFFIXES = {partition: suffix for suffix, partition in reversed(_PARTITIONS.items())} | {
    "aws-us-gov": "amazonaws.com"
}
PARTITIONS = frozenset(_STANDARD_SUFFIXES)
"""The partitions of AWS."""


class EcrRegistry(msgspec.Struct, frozen=True, gc=False):
    """One account's private registry in one region."""

    partition: str
    account: str
    region: str

    @property
    def host(self) -> str:
        """Return the standard host."""
        return f"{self.account}.dkr.ecr.{self.region}.{_STANDARD_SUFFIXES[self.partition]}"

    def __str__(self) -> str:
        """Return ``account/region``, as messages name a registry."""
        return f"{self.account}/{self.region}"


class EcrRepository(msgspec.Struct, frozen=True, gc=False):
    """One repository of an ECR registry."""

    registry: EcrRegistry
    name: str

    @property
    def arn(self) -> str:
        """Return the repository's ARN."""
        registry = self.registry
        return f"arn:{registry.partition}:ecr:{registry.region}:{registry.account}:repository/{self.name}"

    def __str__(self) -> str:
        """Return ``account/region/name``."""
        return f"{self.registry}/{self.name}"


class OciRegistry(msgspec.Struct, frozen=True, gc=False):
    """A registry that is not Amazon ECR: its host, with a port where it has one."""

    host: str

    def __str__(self) -> str:
        """Return the host."""
        return self.host


class OciRepository(msgspec.Struct, frozen=True, gc=False):
    """One repository of a registry that is not Amazon ECR; ``name`` is its path."""

    registry: OciRegistry
    name: str

    def __str__(self) -> str:
        """Return ``host/path``."""
        return f"{self.registry}/{self.name}"


Registry = EcrRegistry | OciRegistry
Repository = EcrRepository | OciRepository


def repository_text(repository: Repository) -> str:
    """Return a repository with its registry's standard host, as signatures and ``spec.repository`` name it."""
    return f"{repository.registry.host}/{repository.name}"


def parse_ecr_host(host: str) -> EcrRegistry | None:
    """Return the registry that a host without a port names, or None when it is not Amazon ECR. Case does not matter."""
    # Lower-casing would turn the Kelvin sign into the letter k, and a look-alike host into one of Amazon's.
    found = _HOST.fullmatch(host.lower()) if host.isascii() else None
    if found is None:
        return None
    partition = _PARTITIONS[found["suffix"]]
    if partition == "aws" and found["region"].startswith("us-gov-"):
        partition = "aws-us-gov"
    return EcrRegistry(partition, found["account"], found["region"])
