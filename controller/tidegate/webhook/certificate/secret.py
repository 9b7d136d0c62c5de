"""The Secret with the certificate that replicas share, as an object: filled from and read into key pairs.

The chart creates the Secret without content, so that the controller needs no permission to create Secrets. Its type is
Opaque, and a Secret's type is immutable: the controller cannot turn it into a token of a ServiceAccount. It holds
``ca.crt`` and ``tls.crt`` with their keys: renewals are signed by the same authority.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.material import KeyPair, MaterialError, read_pair

OWNER_LABEL: Final = "tidegate.dev/certificate"
OWNER: Final = "self"
SECRET_TYPE: Final = "Opaque"  # noqa: S105 - a type
_SERVING: Final = ("tls.crt", "tls.key")
_AUTHORITY: Final = ("ca.crt", "ca.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The content of the Secret; None for what is missing or cannot be read."""

    authority: KeyPair | None
    serving: KeyPair | None


def fill_secret(stored: Mapping[str, Any], *, authority: KeyPair, serving: KeyPair) -> dict[str, Any]:
    """Return the stored Secret with new content; its resourceVersion makes it replace only that version."""
    content = (serving.certificate_pem, serving.key_pem, authority.certificate_pem, authority.key_pem)
    encoded = (base64.b64encode(value).decode() for value in content)
    return {**stored, "data": dict(zip((*_SERVING, *_AUTHORITY), encoded, strict=True))}


def read_secret(secret: Mapping[str, Any]) -> Shared:
    """Return the content of a Secret; raise ConfigurationError if it is not the chart's, which is never changed."""
    metadata = secret.get("metadata") or {}
    if (metadata.get("labels") or {}).get(OWNER_LABEL) != OWNER:
        raise ConfigurationError(
            f"the Secret {metadata.get('namespace')}/{metadata.get('name')} lacks the label {OWNER_LABEL}={OWNER}, so it "
            "was not made by tidegate's chart and is left as it is; delete it and run helm upgrade, or choose another "
            "certificate.secretName, or certificate.mode: files to serve what is in it"
        )
    if secret.get("type") != SECRET_TYPE:
        raise ConfigurationError(
            f"the Secret {metadata.get('namespace')}/{metadata.get('name')} is of the type {secret.get('type')!r}, which "
            f"cannot be changed to {SECRET_TYPE}; delete it and run helm upgrade"
        )
    data = secret.get("data") or {}
    return Shared(authority=_pair(data, *_AUTHORITY), serving=_pair(data, *_SERVING))


def _pair(data: Mapping[str, Any], certificate: str, key: str) -> KeyPair | None:
    try:
        return read_pair(*(base64.b64decode(data.get(name) or "", validate=True) for name in (certificate, key)))
    except (MaterialError, binascii.Error, TypeError):
        return None
