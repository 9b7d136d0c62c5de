"""The TrustStores of a cluster as values, with their content, and the public keys of keys in AWS KMS.

The content is complete, so that a verification fetches nothing. A store that could not be read is a BrokenTrustStore:
that is another problem than a store that does not exist.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_REVISION_DIGITS: Final = 32


class StoreType(StrEnum):
    """What a trust store is trusted for."""

    CA = "ca"
    SIGNING_AUTHORITY = "signingAuthority"
    TSA = "tsa"
    SIGSTORE = "sigstore"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrustStore:
    """One trust store with its content.

    ``certificates`` are texts in PEM or DER, one a source file, and empty for the type sigstore, which has a
    ``trusted_root`` instead: the JSON document of that name.
    """

    name: str
    uid: str
    generation: int
    type: StoreType
    certificates: tuple[bytes, ...] = ()
    trusted_root: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrokenTrustStore:
    """A trust store that could not be read. Signatures that rely on it are undetermined, neither valid nor invalid."""

    name: str
    uid: str
    generation: int
    problems: tuple[str, ...]


AnyTrustStore = TrustStore | BrokenTrustStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class TrustSnapshot:
    """All trust stores and keys at one moment; it hashes by identity.

    ``revision`` is a digest of all content: it changes with a certificate that an object only points to. ``stores`` are
    by name. ``keys`` are by ARN: the PEM of a public key as bytes, or why it could not be read, as a text.
    """

    revision: str
    stores: Mapping[str, AnyTrustStore]
    keys: Mapping[str, bytes | str]

    @classmethod
    def of(cls, stores: Iterable[AnyTrustStore], keys: Mapping[str, bytes | str] | None = None) -> "TrustSnapshot":
        """Return the snapshot of the stores and keys; NO_TRUST where there are none."""
        by_name = {store.name: store for store in sorted(stores, key=lambda store: (store.name, store.uid))}
        by_arn = dict(sorted((keys or {}).items()))
        if not by_name and not by_arn:
            return NO_TRUST
        return cls(
            revision=_revision(by_name, by_arn),
            stores=MappingProxyType(by_name),
            keys=MappingProxyType(by_arn),
        )


NO_TRUST: Final = TrustSnapshot(revision="", stores=MappingProxyType({}), keys=MappingProxyType({}))
"""No trust store and no key."""


def _revision(stores: Mapping[str, AnyTrustStore], keys: Mapping[str, bytes | str]) -> str:
    content = [[_content(store) for store in stores.values()], [[arn, _text(key)] for arn, key in keys.items()]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_REVISION_DIGITS]


def _content(store: AnyTrustStore) -> list[object]:
    """Return all of a store, as JSON can hold it."""
    known: list[object] = [store.name, store.uid, store.generation]
    if isinstance(store, BrokenTrustStore):
        return [*known, "broken", store.problems]
    root = None if store.trusted_root is None else hashlib.sha256(store.trusted_root).hexdigest()
    return [*known, store.type.value, [hashlib.sha256(text).hexdigest() for text in store.certificates], root]


def _text(key: bytes | str) -> list[str]:
    """Return a key, or the reason why it is missing, marked so that the two cannot be mixed up."""
    return ["key", key.hex()] if isinstance(key, bytes) else ["reason", key]
