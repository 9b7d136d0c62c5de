"""The caBundle of the chart's webhook configuration: the authority is added to it, and nothing else is changed.

Valid certificates of other authorities stay, so that replicas with another certificate are still trusted. The field is
not kept as a field of this client, so that helm can set it when the certificate comes from elsewhere.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tidegate.cluster.api import CONFLICT, FIELD_MANAGER, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.errors import ConfigurationError

CONFIGURATIONS_PATH: Final = "/apis/admissionregistration.k8s.io/v1"
VALIDATING: Final = "validatingwebhookconfigurations"
MUTATING: Final = "mutatingwebhookconfigurations"
MAX_AUTHORITIES: Final = 8
"""Authorities of one caBundle; the oldest entries are removed."""
MAX_TRIES: Final = 5
_UNPROCESSABLE: Final = 422

_log = structlog.get_logger(__name__)


class CaBundle:
    """Keeps an authority in every webhook of one ValidatingWebhookConfiguration, or Mutating one."""

    def __init__(
        self,
        api: KubernetesApi,
        configuration_name: str,
        *,
        resource: str = VALIDATING,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._name = configuration_name
        self._resource = resource
        self._path = f"{CONFIGURATIONS_PATH}/{resource}/{configuration_name}"
        self._now = now
        self._unmet = "the caBundle of the webhook configuration has not been read yet"
        self.missing = False
        """Whether the configuration was missing when it was last read; then the API server calls no webhook of it."""

    def unmet(self) -> Sequence[str]:
        """Return why the API server would not trust this server.

        A missing configuration is no reason: without it, the API server does not call this server.
        """
        return [self._unmet] if self._unmet else []

    async def ensure(self, authority_pem: bytes) -> None:
        """Add the authority where it is missing; raise ApiError if that fails."""
        for _ in range(MAX_TRIES):
            try:
                configuration = await self._api.get(self._path)
            except ApiError as error:
                if error.status == NOT_FOUND:
                    self._note_missing()
                    return
                raise
            self.missing = False
            operations = bundle_patch(configuration, authority_pem, self._now())
            if operations:
                self._unmet = f"the caBundle of the webhook configuration {self._name} lacks the authority"
                if await self._patch(operations):
                    _log.info("authority added to the caBundle", configuration=self._name)
                continue
            self._unmet = ""
            if not (operations := ownership_patch(configuration)):
                return
            await self._patch(operations)
        raise ApiError(f"the caBundle of {self._name} is overwritten by another client; find out which one writes it")

    async def _patch(self, operations: Sequence[Json]) -> bool:
        """Patch the configuration; return False if it was changed meanwhile."""
        try:
            await self._api.json_patch(self._path, operations)
        except ApiError as error:
            # The test of the resourceVersion failed.
            if error.status not in (CONFLICT, _UNPROCESSABLE):
                raise
            return False
        return True

    def _note_missing(self) -> None:
        if not self.missing:
            _log.warning(
                "there is no webhook configuration, so the API server sends no requests",
                resource=self._resource,
                configuration=self._name,
            )
        self.missing, self._unmet = True, ""


def bundle_patch(configuration: Mapping[str, Any], authority_pem: bytes, now: datetime) -> list[Json]:
    """Return the JSON patch that adds the authority to every webhook without it; empty if none lacks it.

    The patch applies only to the version of the configuration that was read.
    """
    changes: list[Json] = []
    for index, webhook in enumerate(configuration.get("webhooks") or []):
        stored = (webhook.get("clientConfig") or {}).get("caBundle")
        bundle = extended(_decode(stored), authority_pem, now)
        if bundle is not None:
            value = base64.b64encode(bundle).decode()
            changes.append({"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": value})
    return _of_version(configuration, changes)


def ownership_patch(configuration: Mapping[str, Any]) -> list[Json]:
    """Return the JSON patch by which this client owns no field of the configuration; empty if it owns none.

    helm applies on the server's side, where a field of another owner can't be set to another value: the upgrade to
    ``certificate.mode: secret`` would fail.
    """
    owners = configuration["metadata"].get("managedFields") or []
    own = [index for index, owner in enumerate(owners) if owner.get("manager") == FIELD_MANAGER]
    if len(own) == len(owners):
        # The API server takes an empty list for none given.
        return []
    changes = [{"op": "remove", "path": f"/metadata/managedFields/{index}"} for index in reversed(own)]
    return _of_version(configuration, changes)


def _of_version(configuration: Mapping[str, Any], changes: Sequence[Json]) -> list[Json]:
    """Return a patch that fails if the configuration has changed since it was read; empty for no changes."""
    if not changes:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *changes]


def extended(bundle_pem: bytes, authority_pem: bytes, now: datetime) -> bytes | None:
    """Return a bundle with the authority added and expired certificates removed; None if it has the authority."""
    try:
        (authority,) = x509.load_pem_x509_certificates(authority_pem)
    except ValueError as exc:
        raise ConfigurationError(f"expected one PEM certificate of an authority: {exc}") from exc
    present = _certificates(bundle_pem)
    if authority in present:
        return None
    kept = [one for one in present if one.not_valid_after_utc > now][-(MAX_AUTHORITIES - 1) :]
    return b"".join(one.public_bytes(Encoding.PEM) for one in [*kept, authority])


def _certificates(bundle_pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle; none if it cannot be parsed, since the API server cannot parse it either."""
    try:
        return x509.load_pem_x509_certificates(bundle_pem)
    except ValueError:
        return []


def _decode(stored: object) -> bytes:
    try:
        return base64.b64decode(stored, validate=True) if isinstance(stored, str) else b""
    except binascii.Error:
        return b""
