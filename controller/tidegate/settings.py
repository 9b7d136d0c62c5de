"""The controller's configuration file: one strict YAML document, read once at start.

Unknown keys, wrong types and values out of range are errors with their path, so that a typo never means a default. All
defaults are here, with what each key means; docs/reference/configuration.md is made from it.
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
    """Addresses and limits of the webhook and metrics servers. Port 0 takes a free one."""

    host: str = "0.0.0.0"  # noqa: S104 - a Pod is reached on its own address
    """Address to listen on."""
    port: Port = 9443
    """HTTPS: `/validate`, `/healthz`, `/readyz`."""
    metrics_port: Port = 8080
    """Plain HTTP: `/metrics`, and `/healthz` and `/readyz` too."""
    webhook_timeout_seconds: Annotated[float, msgspec.Meta(ge=1, le=30)] = 10.0
    """Used if the API server does not send its own timeout; a response takes at most 1.25 seconds less."""
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 10.0
    """How long running requests may take after SIGTERM."""
    max_connections: Annotated[int, msgspec.Meta(ge=64, le=20_000)] = 2_048
    """Maximum number of connections to the webhook; each takes about 80 KiB of memory."""
    client_ca_file: str | None = None
    """PEM certificates of the CA that issued the API server's client certificate; clients without a certificate are
    rejected."""


class CertificateSettings(_Section, frozen=True, kw_only=True):
    """The serving certificate: ``self`` issues one and shares it in a Secret; ``files`` reads files that others renew."""

    mode: Literal["self", "files"] = "self"
    """`self`: the controller creates the certificate and shares it in a Secret; `files`: it reads the files, and reads
    them again when they change."""
    cert_file: str = "/etc/tidegate/tls/tls.crt"
    """For `files`: the certificate chain, PEM."""
    key_file: str = "/etc/tidegate/tls/tls.key"
    """For `files`: the private key, PEM."""
    secret_name: str = "tidegate-webhook-certificate"  # noqa: S105 - a name
    """For `self`: the Secret that the replicas share. The chart creates it; without the chart, create it yourself: type
    `Opaque`, label `tidegate.dev/certificate: self`, no data."""
    service_name: str = "tidegate"
    """For `self`: the Service that the certificate is valid for."""
    dns_names: Annotated[tuple[str, ...], msgspec.Meta(max_length=49)] = ()
    """For `self`: additional DNS names."""
    webhook_configuration_name: str = "tidegate"
    """For `self`: the webhook configuration whose `caBundle` the controller updates; with `digestPinning` also the
    mutating one of that name."""


class RegistryAccountSettings(_Section, frozen=True, kw_only=True):
    """The role for one AWS account's registry, and the scanner that it uses."""

    account: Account
    """The account's twelve digits."""
    role_arn: str | None = None
    """The role to assume in that account."""
    external_id: str | None = None
    """The external ID that the role asks for."""
    scanner: Literal["auto", "inspector", "basic"] = "auto"
    """Which scanner the registry uses: `auto`, `inspector`, `basic`."""


class Endpoints(_Section, frozen=True, kw_only=True):
    """Service endpoints that replace AWS's own, for interface VPC endpoints and for tests."""

    ecr: Url | None = None
    """The URL of another endpoint, for interface VPC endpoints without private DNS."""
    inspector2: Url | None = None
    """The same for Amazon Inspector."""
    kms: Url | None = None
    """The same for AWS KMS."""
    signer: Url | None = None
    """The same for AWS Signer."""
    sqs: Url | None = None
    """The same for Amazon SQS."""
    sts: Url | None = None
    """The same for AWS STS."""


class Aws(_Section, frozen=True, kw_only=True):
    """Access to AWS. ``rate_per_second`` and ``burst`` apply to each API, account and region."""

    region: str | None = None
    """Region for calls to STS."""
    endpoints: Endpoints = Endpoints()
    accounts: Annotated[tuple[RegistryAccountSettings, ...], msgspec.Meta(max_length=1000)] = ()
    """Registries of other AWS accounts."""
    rate_per_second: Annotated[float, msgspec.Meta(gt=0, le=2000)] = 20.0
    """Calls per second for each API, account and region."""
    burst: Annotated[int, msgspec.Meta(ge=1, le=4000)] = 40
    """Calls allowed at once before the rate applies."""
    event_queue_url: Annotated[str, msgspec.Meta(max_length=2048)] | None = None
    """URL of an Amazon SQS queue with the events of Amazon ECR and Amazon Inspector, which the background role receives.
    It names the account and the region of the queue."""


class OtherRegistrySettings(_Section, frozen=True, kw_only=True):
    """Access to a registry other than Amazon ECR. tidegate contacts it only if a policy lists it."""

    host: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.\-\[\]:]+$", max_length=300)]
    """The host as image references name it."""
    pull_secret_file: str | None = None
    """A dockerconfigjson file. Its entry for the host is used, and read again for each token. Without it, tokens are
    anonymous."""
    ca_file: str | None = None
    """PEM certificates of CAs, in addition to the system's."""
    private_addresses: bool = False
    """Whether the host, and the hosts of the next two lists, may have private addresses."""
    token_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=20)] = ()
    """Hosts of its token service, if that is another host and not a known one (such as `auth.docker.io`). They may
    receive the pull secret."""
    blob_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=50)] = ()
    """The only other hosts that content may be redirected to. If empty, all public hosts on port 443."""


class Revocation(_Section, frozen=True, kw_only=True):
    """Hosts of OCSP responders and CRLs for revocation checks over HTTP.

    tidegate contacts only these hosts, whatever a certificate names; the revocation status at any other host is unknown.
    """

    allowed_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()
    """OCSP responders and CRL hosts that tidegate may contact: `ocsp.example.com`, `*.example.com`, `host:port`;
    without a port 80 and 443. tidegate contacts no other host, and does not resolve its name."""
    private_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()
    """The same for hosts in your own network, which may have private addresses."""


class TrustStoreSettings(_Section, frozen=True, kw_only=True):
    """Trusted roots of Sigstore that TrustStores fetch from TUF repositories."""

    cache_folder: Annotated[str, msgspec.Meta(min_length=1)] = "/tmp/tidegate-trust-stores"  # noqa: S108 - verified anew
    """Folder for the last trusted roots from TUF repositories; tidegate verifies them each time it reads them. The
    chart sets `/dev/shm/tidegate-trust-stores`. On the command line, the default is the user's cache folder."""
    private_hosts: Annotated[tuple[ListedHost, ...], msgspec.Meta(max_length=200)] = ()
    """Hosts of TUF repositories that may have private addresses. You don't need to list other hosts, because
    TrustStores name them."""


class ImageVerdictSettings(_Section, frozen=True, kw_only=True):
    """What is known of images in use, stored in ImageVerdicts."""

    change_feed: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)] = (
        "tidegate-change-feed"
    )
    """The ConfigMap in `namespace` in which the background role stores up to which time it has read the changes of each
    registry. Facts of ImageVerdicts count as confirmed at that time."""


class Cache(_Section, frozen=True, kw_only=True):
    """``images`` limits the entries of each cache, and ``memory_mebibytes`` the memory of all caches together."""

    images: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 50_000
    """Maximum number of entries in each cache."""
    memory_mebibytes: Annotated[int, msgspec.Meta(ge=16, le=65_536)] = 96
    """Maximum memory of all caches of facts together. When it is reached, the largest cache evicts its least recently
    used entries."""


class Background(_Section, frozen=True, kw_only=True):
    """The background role, which judges the images that run."""

    calls_per_second: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 2.0
    """Calls per second to each AWS account, for all APIs and regions together."""
    lease_name: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "tidegate-background"
    """The Lease in `namespace` by which its replicas elect a leader."""
    exempt_namespaces: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    """Namespaces whose Pods it does not look at. The chart sets those that the webhook is not called for."""
    policy_reports: bool = True
    """Whether it writes a PolicyReport, and a Report of openreports.io, into each namespace, if the cluster has their CRDs."""
    repository_postures: bool = False
    """Whether it checks how the repositories of running images are configured, every three hours, and writes a
    RepositoryPosture for each."""
    report_port: Port = 0
    """The port on the loopback address on which it serves the report as a page; 0 serves none."""


class Log(_Section, frozen=True, kw_only=True):
    """Level and format of the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""
    format: Literal["json", "console"] = "json"
    """One JSON object a line, or text for a terminal."""


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    namespace: str | None = None
    """Namespace of the controller."""
    audit_only: bool = False
    """Every Deny becomes a warning and an audit record."""
    digest_pinning: bool = False
    """Serves `/mutate`, for digest pinning."""
    server: Server = Server()
    certificate: CertificateSettings = CertificateSettings()
    aws: Aws = Aws()
    registries: Annotated[tuple[OtherRegistrySettings, ...], msgspec.Meta(max_length=100)] = ()
    """How to reach a registry that is not Amazon ECR. Only registries that a policy lists are contacted."""
    revocation: Revocation = Revocation()
    trust_stores: TrustStoreSettings = TrustStoreSettings()
    image_verdicts: ImageVerdictSettings = ImageVerdictSettings()
    cache: Cache = Cache()
    background: Background = Background()
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
