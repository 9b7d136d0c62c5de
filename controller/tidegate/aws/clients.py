"""Clients of AWS services, one for each service, role and region, and the one way to make a call.

A call checks the region before anything is contacted, passes the gate, and returns an answer. It raises AnsweredError
for the error codes that its caller treats as answers, and SourceUnavailableError for every other failure.

One SDK session holds the service models, and clients without a role are made from it. Each role has a session that
shares the models: 10 ms and 0.6 MB with two clients, against 52 ms and 9 MB for an independent session. Clients of one
session with explicit keys would cost 7 ms, but such keys never renew themselves.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import SimpleNamespace
from typing import Any

import boto3.session
import botocore.session
from botocore import xform_name
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tidegate import __version__
from tidegate.aws.accounts import AwsSettings, RegistryAccount
from tidegate.aws.body import Bodies, require_whole_bodies
from tidegate.aws.errors import REJECTED_CODES, classify, error_code, error_message, is_clients_fault
from tidegate.aws.role import RoleCredentials
from tidegate.errors import ConfigurationError, without_frames
from tidegate.evidence.fact import Cause
from tidegate.evidence.noted_call import NotedCall, noted
from tidegate.evidence.ports import CallGate
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError, again
from tidegate.images.repository import EcrRegistry

NO_CREDENTIALS_SECONDS = 5.0
"""How long missing credentials are remembered: a search for them may take seconds, and they may appear later."""
LONG_POLL_SECONDS = 20
"""How long Amazon SQS waits for a message before it answers; it allows no more."""
FALLBACK_REGION = "us-east-1"
"""The region of STS if neither settings nor environment name one."""


@dataclass(frozen=True, slots=True)
class Api:
    """One operation of a service."""

    service: str
    operation: str

    @property
    def source(self) -> str:
        """The name in IAM policies and messages, such as ``ecr:DescribeImages``. IAM has no name for a data plane."""
        return f"{self.service.removesuffix('-data')}:{self.operation}"


class AnsweredError(Exception):
    """AWS answered with an error code that the caller treats as an answer. Never leaves this package."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class _Client:
    sdk: BaseClient
    role: RoleCredentials | None


class Clients:
    """Make calls. Safe to share between threads; nothing is contacted before the first call.

    Raise ConfigurationError if the SDK's own configuration cannot be used, for example if its profile is missing.
    """

    def __init__(self, settings: AwsSettings, *, gate: CallGate | None = None) -> None:
        self.settings = settings
        """How AWS is called."""
        self._gate = gate
        self._accounts = {each.account: each for each in settings.accounts}
        self._session = botocore.session.Session()
        self._regions = _regions(self._session)
        self._creating = threading.RLock()
        self._bodies = Bodies()
        self._clients: dict[tuple[str, str | None, str], _Client] = {}
        self._roles: dict[str, tuple[botocore.session.Session, RoleCredentials]] = {}
        self._no_credentials: tuple[float, SourceUnavailableError] | None = None

    @property
    def home_region(self) -> str | None:
        """The region of the settings, else AWS_REGION, which the SDK ignores, else the SDK's own, if any."""
        configured = self.settings.region or os.environ.get("AWS_REGION")
        region = configured or self._session.get_config_variable("region")
        return str(region) if region else None

    @property
    def ca_bundle(self) -> str | None:
        """The file of certificates that replaces the system's, from the environment or profile."""
        found = self._session.get_config_variable("ca_bundle")
        return str(found) if found else None

    def account(self, account: str) -> RegistryAccount:
        """Return the settings of an account."""
        return self._accounts.get(account) or RegistryAccount(account=account)

    def ecr_url(self, registry: EcrRegistry) -> str:
        """Return the URL at which ECR is called about a registry."""
        return str(self._client("ecr", self.account(registry.account), registry.region).sdk.meta.endpoint_url)

    def check_region(self, registry: EcrRegistry) -> None:
        """Raise UnknownRegionError unless the SDK knows ECR in the registry's region and partition.

        The region comes from an image reference, which any user can write, and becomes part of a host name.
        """
        if registry.region not in self._regions.get(registry.partition, frozenset()):
            raise UnknownRegionError(
                f"unknown region {registry.region[:64]!r} in partition {registry.partition!r}: "
                "expected a region where Amazon ECR is known to be"
            )

    def call(
        self,
        api: Api,
        registry: EcrRegistry,
        parameters: Mapping[str, Any],
        *,
        answers: frozenset[str] = frozenset(),
    ) -> Mapping[str, Any]:
        """Make one call in the registry's region, with the credentials for its account.

        Raise AnsweredError for the codes in ``answers``, UnknownRegionError before any contact, and
        SourceUnavailableError for every other failure.
        """
        self.check_region(registry)
        with noted(self._gate, api.source, registry, monotonic) as call:
            try:
                client = self._client(api.service, self.account(registry.account), registry.region)
                with self._bodies.parsing():
                    return self._send(client, api, parameters)
            except Exception as exc:  # noqa: BLE001 - classified
                # The SDK's retries keep the error in a reference cycle, with the frames of everyone who called it.
                raise self._failure(call, api, exc, answers) from without_frames(exc)

    @staticmethod
    def _failure(call: NotedCall, api: Api, exc: Exception, answers: frozenset[str]) -> Exception:
        """Return the error of a call to raise, and note it."""
        if isinstance(exc, ClientError) and (code := error_code(exc)) in answers and is_clients_fault(exc):
            call.found = False
            return AnsweredError(code, error_message(exc))
        if isinstance(exc, SourceUnavailableError):
            source = exc.source or api.source
            exc = SourceUnavailableError(exc.cause, source, exc.detail, retry_after_seconds=exc.retry_after_seconds)
        return call.failed(classify(exc, api.source))

    def sts(self, region: str | None = None) -> BaseClient:
        """Return the STS client of the process's own credentials, regional."""
        return self._client("sts", None, self.home_region or region or FALLBACK_REGION).sdk

    @staticmethod
    def _send(client: _Client, api: Api, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one call, and again with renewed credentials if AWS rejects a role's."""
        operation: Callable[..., Mapping[str, Any]] = getattr(client.sdk, xform_name(api.operation))
        if client.role is None:
            return operation(**parameters)
        generation = client.role.current()
        try:
            return operation(**parameters)
        except ClientError as exc:
            if error_code(exc) not in REJECTED_CODES:
                raise
            client.role.reject(generation)
        return operation(**parameters)

    def _client(self, service: str, account: RegistryAccount | None, region: str) -> _Client:
        role = account.account if account is not None and account.role_arn is not None else None
        key = (service, role, region)
        found = self._clients.get(key)
        if found is None:
            # Sessions are not safe to use from several threads; clients are.
            with self._creating:
                found = self._clients.get(key)
                if found is None:
                    found = self._clients[key] = self._create(service, account if role else None, region)
        return found

    def _create(self, service: str, account: RegistryAccount | None, region: str) -> _Client:
        if account is None:
            self._require_credentials()
            return _Client(self._make(self._session, service, region), None)
        if account.account not in self._roles:
            sts: Any = self.sts(region)
            credentials = RoleCredentials(account, sts.assume_role)
            session = botocore.session.Session()
            session.register_component("data_loader", self._session.get_component("data_loader"))
            only = SimpleNamespace(load_credentials=lambda: credentials)
            session.register_component("credential_provider", only)
            self._roles[account.account] = (session, credentials)
        session, credentials = self._roles[account.account]
        return _Client(self._make(session, service, region), credentials)

    def _make(self, session: botocore.session.Session, service: str, region: str) -> BaseClient:
        settings, polls = self.settings, service == "sqs"
        made: BaseClient = boto3.session.Session(botocore_session=session).client(
            service,  # type: ignore[call-overload]  # its stubs know each service's name as a type of its own
            region_name=region,
            endpoint_url=settings.endpoint_urls.get(service),
            config=Config(
                connect_timeout=settings.connect_timeout_seconds,
                read_timeout=settings.read_timeout_seconds + (LONG_POLL_SECONDS if polls else 0),
                # The receiver of a queue repeats a failed call itself.
                retries={"mode": "standard", "total_max_attempts": 1 if polls else settings.attempts},
                max_pool_connections=settings.connections,
                tcp_keepalive=True,
                user_agent_extra=f"tidegate/{__version__}",
            ),
        )
        require_whole_bodies(made, self._bodies)
        return made

    def _require_credentials(self) -> None:
        """Raise unless the SDK finds credentials: a client made without credentials never gets any."""
        known = self._no_credentials
        if known is not None and monotonic() - known[0] < NO_CREDENTIALS_SECONDS:
            raise again(known[1])
        try:
            if self._session.get_credentials() is not None:
                self._no_credentials = None
                return
            error = SourceUnavailableError(
                Cause.CREDENTIALS,
                "credentials",
                "no AWS credentials found: neither IRSA, EKS Pod Identity, environment, profile nor instance role",
            )
        except Exception as exc:  # noqa: BLE001 - classified, and remembered like their absence
            error = classify(exc, "credentials")
        self._no_credentials = (monotonic(), error)
        raise error


def _regions(session: botocore.session.Session) -> Mapping[str, frozenset[str]]:
    """Return the regions of Amazon ECR in each partition."""
    try:
        return {
            partition: frozenset(session.get_available_regions("ecr", partition_name=partition))
            for partition in session.get_available_partitions()
        }
    except BotoCoreError as exc:
        raise ConfigurationError(f"the AWS configuration of the environment cannot be used: {exc}") from exc
