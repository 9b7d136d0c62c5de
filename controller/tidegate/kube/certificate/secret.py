"""The Secret that replicas share the certificate in, as an object: written from and read into key pairs. It asks nobody.

Type kubernetes.io/tls with ``ca.crt`` and, since renewals are signed by the same authority, its key ``ca.key``. Whoever
may read it could serve in the webhook's place either way.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate.errors import ConfigurationError
from tidegate.kube.certificate.material import KeyPair, MaterialError, read_pair

OWNER_LABEL: Final = "tidegate.dev/certificate"
OWNER: Final = "self"
SECRET_TYPE: Final = "kubernetes.io/tls"  # noqa: S105 - a type
_SERVING: Final = ("tls.crt", "tls.key")
_AUTHORITY: Final = ("ca.crt", "ca.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What a Secret of ours holds; None for what is missing or cannot be read."""

    authority: KeyPair | None
    serving: KeyPair | None


def write_secret(
    name: str, namespace: str, *, authority: KeyPair, serving: KeyPair, resource_version: str | None = None
) -> dict[str, Any]:
    """Return the Secret; with a resourceVersion it replaces exactly that version and no other."""
    data = {
        "tls.crt": serving.certificate_pem,
        "tls.key": serving.key_pem,
        "ca.crt": authority.certificate_pem,
        "ca.key": authority.key_pem,
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {OWNER_LABEL: OWNER, "app.kubernetes.io/name": "tidegate"},
    }
    if resource_version is not None:
        metadata["resourceVersion"] = resource_version
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": metadata,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def read_secret(secret: Mapping[str, Any]) -> Shared:
    """Return what a Secret holds; raise ConfigurationError for one that is not ours, which is never touched."""
    metadata = secret.get("metadata") or {}
    if (metadata.get("labels") or {}).get(OWNER_LABEL) != OWNER:
        raise ConfigurationError(
            f"the Secret {metadata.get('namespace')}/{metadata.get('name')} lacks the label {OWNER_LABEL}={OWNER}, so it "
            "was not made by tidegate and is left as it is; delete it, or choose another certificate.secretName, or "
            "certificate.mode: files to serve what is in it"
        )
    if secret.get("type") != SECRET_TYPE:
        raise ConfigurationError(
            f"the Secret {metadata.get('namespace')}/{metadata.get('name')} is of the type {secret.get('type')!r}, which "
            f"cannot be changed to {SECRET_TYPE}; delete it"
        )
    data = secret.get("data") or {}
    return Shared(authority=_pair(data, *_AUTHORITY), serving=_pair(data, *_SERVING))


def _pair(data: Mapping[str, Any], certificate: str, key: str) -> KeyPair | None:
    try:
        return read_pair(*(base64.b64decode(data.get(name) or "", validate=True) for name in (certificate, key)))
    except (MaterialError, binascii.Error, TypeError):
        return None
