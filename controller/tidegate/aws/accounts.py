"""The accounts of registries, the role to assume for each, and how calls are made. Values only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.aws.queue_url import QueueUrl
from tidegate.errors import ConfigurationError

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"arn:[a-z][a-z0-9-]{0,30}:iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]{1,576}", re.ASCII)


class ScannerChoice(StrEnum):
    """The scanner of an account's registry; AUTO asks ECR."""

    AUTO = "auto"
    INSPECTOR = "inspector"
    BASIC = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccount:
    """One account with registries.

    Without ``role_arn`` its registries are read with the process's own credentials. The role may be in another account:
    a delegated administrator of Amazon Inspector reads the findings of its member accounts.
    """

    account: str
    role_arn: str | None = None
    external_id: str | None = None
    scanner: ScannerChoice = ScannerChoice.AUTO

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse later, during a request."""
        if not _ACCOUNT.fullmatch(self.account):
            raise ConfigurationError(f"expected an account id of 12 digits, got {self.account[:40]!r}")
        if self.role_arn is not None and not _ROLE.fullmatch(self.role_arn):
            raise ConfigurationError(
                f"account {self.account}: expected a role such as arn:aws:iam::{self.account}:role/tidegate-reader,"
                f" got {self.role_arn[:200]!r}"
            )
        if self.external_id is not None and self.role_arn is None:
            raise ConfigurationError(f"account {self.account}: an external id needs a role")

    @property
    def role_account(self) -> str | None:
        """The account of the role, or None without a role."""
        found = _ROLE.fullmatch(self.role_arn or "")
        return found["account"] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """How AWS is called.

    ``endpoint_urls`` replaces AWS's own endpoints by service name (``ecr``, ``inspector2``, ``sts``): interface
    endpoints without private DNS, and simulators. ``region`` is the one of STS; None means the environment's. The SDK
    reads AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT and HTTPS_PROXY itself. ``event_queue`` has AWS's events.
    """

    accounts: tuple[RegistryAccount, ...] = ()
    endpoint_urls: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    event_queue: QueueUrl | None = None
    connect_timeout_seconds: float = 1.0
    read_timeout_seconds: float = 2.0
    attempts: int = 2
    """Attempts of one call; the deadline of an admission request leaves no time for more."""
    connections: int = 32
    """Connections kept for each service, account and region: one for each thread that makes calls."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        seen = [each.account for each in self.accounts]
        if twice := sorted({each for each in seen if seen.count(each) > 1}):
            raise ConfigurationError(f"registry accounts are listed twice: {', '.join(twice)}")
