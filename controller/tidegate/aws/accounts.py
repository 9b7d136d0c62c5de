"""Which registry accounts there are, how to become a reader of each, and how calls are made. Values only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.errors import ConfigurationError

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"arn:[a-z][a-z0-9-]{0,30}:iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]{1,576}", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


class ScannerChoice(StrEnum):
    """Which scanner to believe for an account; AUTO asks the registry how it scans."""

    AUTO = "auto"
    INSPECTOR = "inspector"
    BASIC = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccount:
    """One account that holds registries.

    Without ``role_arn`` its registries are read with the credentials the process has. The role may be in another
    account than the registry: Amazon Inspector's delegated administrator reads the findings of its members.
    """

    account: str
    role_arn: str | None = None
    external_id: str | None = None
    scanner: ScannerChoice = ScannerChoice.AUTO

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse later, in the middle of a request."""
        if not _ACCOUNT.fullmatch(self.account):
            raise ConfigurationError(f"expected an account id of 12 digits, got {self.account[:40]!r}")
        if self.role_arn is not None and not _ROLE.fullmatch(self.role_arn):
            raise ConfigurationError(
                f"account {self.account}: expected a role such as arn:aws:iam::{self.account}:role/tidegate-reader,"
                f" got {self.role_arn[:200]!r}"
            )
        if self.external_id is not None and self.role_arn is None:
            raise ConfigurationError(f"account {self.account}: an external id is of use with a role only")

    @property
    def role_account(self) -> str | None:
        """Return the account that the role is in, or None without a role."""
        found = _ROLE.fullmatch(self.role_arn or "")
        return found["account"] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """How AWS is called.

    ``endpoint_urls`` maps service names (``ecr``, ``inspector2``, ``sts``) to URLs that replace AWS's own: interface
    endpoints without private DNS, and simulators. ``region`` is where STS is asked, and None leaves it to the
    environment. FIPS and dual-stack endpoints are chosen by the SDK's own AWS_USE_FIPS_ENDPOINT and
    AWS_USE_DUALSTACK_ENDPOINT, proxies by HTTPS_PROXY.
    """

    accounts: tuple[RegistryAccount, ...] = ()
    endpoint_urls: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    role_session_name: str = "tidegate"
    connect_timeout_seconds: float = 1.0
    read_timeout_seconds: float = 2.0
    attempts: int = 2
    """Tries of one call in all; the deadline of an admission leaves no time for more."""
    connections: int = 32
    """Connections kept for each service, account and region: as many as there are threads that call."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        seen = [each.account for each in self.accounts]
        if twice := sorted({each for each in seen if seen.count(each) > 1}):
            raise ConfigurationError(f"registry accounts are listed twice: {', '.join(twice)}")
        if not _SESSION_NAME.fullmatch(self.role_session_name):
            raise ConfigurationError(f"not a role session name: {self.role_session_name[:80]!r}")
