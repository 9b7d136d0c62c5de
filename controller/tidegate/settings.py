"""The controller's configuration file: one strict YAML document, read once at start.

Unknown keys, wrong types and values out of range are errors with their path, so that a typo never means a default. All
defaults are here; docs/reference/configuration.md and the chart's values.yaml describe each key.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from tidegate.errors import ConfigurationError

MAX_FILE_BYTES = 1024 * 1024

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Account = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}$")]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+$", max_length=2048)]

ListedHost = Annotated[str, msgspec.Meta(pattern=r"^(\*\.)?[a-z0-9.\-\[\]:]+$", max_length=300)]
"""A host, ``host:port``, or ``*.domain`` for all its subdomains; egress.hosts has the exact rules."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A section. Unknown keys are errors."""


class Server(_Section, frozen=True, kw_only=True):
    """Addresses and limits of the webhook and metrics servers. Port 0 takes a free one.

    ``webhook_timeout_seconds`` is used if the API server does not send its own. ``max_connections`` limits the webhook's
    connections. With ``client_ca_file``, clients need a certificate of a CA in that PEM file.
    """

    host: str = "0.0.0.0"  # noqa: S104 - a Pod is reached on its own address
    port: Port = 9443
    metrics_port: Port = 8080
    webhook_timeout_seconds: Annotated[float, msgspec.Meta(ge=1, le=30)] = 10.0
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 10.0
    max_connections: Annotated[int, msgspec.Meta(ge=64, le=20_000)] = 2_048
    client_ca_file: str | None = None


class CertificateSettings(_Section, frozen=True, kw_only=True):
    """The serving certificate: ``self`` issues one and shares it in a Secret; ``files`` reads files that others renew."""

    mode: Literal["self", "files"] = "self"
    cert_file: str = "/etc/tidegate/tls/tls.crt"
    key_file: str = "/etc/tidegate/tls/tls.key"
    secret_name: str = "tidegate-webhook-certificate"  # noqa: S105 - a name
    service_name: str = "tidegate"
    dns_names: tuple[str, ...] = ()
    webhook_configuration_name: str = "tidegate"


class RegistryAccountSettings(_Section, frozen=True, kw_only=True):
    """The role for one AWS account's registry, and the scanner that it uses."""

    account: Account
    role_arn: str | None = None
    external_id: str | None = None
    scanner: Literal["auto", "inspector", "basic"] = "auto"


class Endpoints(_Section, frozen=True, kw_only=True):
    """Service endpoints that replace AWS's own, for interface VPC endpoints and for tests."""

    ecr: Url | None = None
    inspector2: Url | None = None
    kms: Url | None = None
    signer: Url | None = None
    sts: Url | None = None


class Aws(_Section, frozen=True, kw_only=True):
    """Access to AWS. ``rate_per_second`` and ``burst`` apply to each API, account and region."""

    region: str | None = None
    endpoints: Endpoints = Endpoints()
    accounts: Annotated[tuple[RegistryAccountSettings, ...], msgspec.Meta(max_length=1000)] = ()
    rate_per_second: Annotated[float, msgspec.Meta(gt=0, le=2000)] = 20.0
    burst: Annotated[int, msgspec.Meta(ge=1, le=4000)] = 40


class OtherRegistrySettings(_Section, frozen=True, kw_only=True):
    """Access to a registry other than Amazon ECR. tidegate contacts it only if a policy lists it.

    ``host`` is as in image references. ``pull_secret_file`` is a dockerconfigjson file; ``ca_file`` has CAs beside the
    system's. ``token_hosts`` may receive the pull secret. ``blob_hosts`` are the only other hosts for content; without
    them, any public host is allowed.
    """

    host: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.\-\[\]:]+$", max_length=300)]
    pull_secret_file: str | None = None
    ca_file: str | None = None
    private_addresses: bool = False
    token_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=20)] = ()
    blob_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=50)] = ()


class Revocation(_Section, frozen=True, kw_only=True):
    """Hosts of OCSP responders and CRLs for revocation checks over HTTP.

    tidegate contacts only these hosts, whatever a certificate names; the revocation status at any other host is unknown.
    ``private_hosts`` may have private addresses.
    """

    allowed_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()
    private_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()


class TrustStoreSettings(_Section, frozen=True, kw_only=True):
    """Trusted roots of Sigstore that TrustStores fetch from TUF repositories.

    ``cache_folder`` has the last ones, so that a restarted process does not wait for a repository. ``private_hosts`` may
    have private addresses.
    """

    cache_folder: Annotated[str, msgspec.Meta(min_length=1)] = "/tmp/tidegate-trust-stores"  # noqa: S108 - verified anew
    private_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()


class Cache(_Section, frozen=True, kw_only=True):
    """``images`` limits the entries of each cache, and ``memory_mebibytes`` the memory of all caches together."""

    images: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 50_000
    memory_mebibytes: Annotated[int, msgspec.Meta(ge=16, le=65_536)] = 96


class Log(_Section, frozen=True, kw_only=True):
    """Level and format of the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file. ``namespace`` defaults to the environment's POD_NAMESPACE.

    ``digest_pinning`` serves the mutating webhook.
    """

    namespace: str | None = None
    audit_only: bool = False
    digest_pinning: bool = False
    server: Server = Server()
    certificate: CertificateSettings = CertificateSettings()
    aws: Aws = Aws()
    registries: Annotated[tuple[OtherRegistrySettings, ...], msgspec.Meta(max_length=100)] = ()
    revocation: Revocation = Revocation()
    trust_stores: TrustStoreSettings = TrustStoreSettings()
    cache: Cache = Cache()
    log: Log = Log()


def parse_settings(text: str, *, source: str = "configuration") -> Settings:
    """Return the settings of a YAML text; raise ConfigurationError with the path of the first problem."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as problem:
        # PyYAML raises Python's own errors for a date such as 2001-13-01, and for a thousand brackets.
        raise ConfigurationError(f"{source} is not YAML: {problem}") from problem
    try:
        settings = msgspec.convert({} if document is None else document, Settings)
    except msgspec.ValidationError as problem:
        raise ConfigurationError(f"{source}: {problem}; see docs/reference/configuration.md") from problem
    _refuse_twins([one.account for one in settings.aws.accounts], f"{source}: aws.accounts")
    _refuse_twins([one.host for one in settings.registries], f"{source}: registries")
    return settings


def _refuse_twins(names: list[str], where: str) -> None:
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ConfigurationError(f"{where} has {', '.join(twice)} more than once; keep one")


def load_settings(path: Path) -> Settings:
    """Return the settings of a file; raise ConfigurationError if it cannot be read or is invalid."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return parse_settings(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem}") from problem
