"""Compiles the content of a trust store: certificates by Notation's rules, trusted roots by Sigstore's.

Content that is invalid here would fail every verification; here the status can report it. Pure: it makes no calls.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy.objects import bounded, fault
from tidegate.policy.trust_store_object import (
    BuiltIn,
    ConfigMapSource,
    InlineCertificates,
    InlineTrustedRoot,
    Source,
    StoreObject,
)
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType, TrustStore
from tidegate.verify.notation.trust_store.aws_signer_roots import (
    AWS_GOVCLOUD_SIGNER_STORE,
    AWS_SIGNER_STORE,
    aws_signer_store,
)
from tidegate.verify.notation.trust_store.store import StoreFile, StoreKind, StoreName, build_certificate_store
from tidegate.verify.notation.x509.certificate import Certificate
from tidegate.verify.sigstore.trust_root import TrustRoot, parse_trust_root

TRUSTED_ROOT_KEY: Final = "trusted_root.json"
"""The ConfigMap key of a trusted root, if the source names no key and there are several."""

_BUILT_IN: Final = {BuiltIn.AWS_SIGNER: AWS_SIGNER_STORE, BuiltIn.AWS_SIGNER_GOV_CLOUD: AWS_GOVCLOUD_SIGNER_STORE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The files of a trust store's source by name, in order.

    ``refreshed_at`` is the time of the last fetch, for sources that are fetched at intervals.
    """

    files: tuple[tuple[str, bytes], ...]
    refreshed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStore:
    """A trust store and the details for its status."""

    store: TrustStore | BrokenTrustStore
    certificates: tuple[Certificate, ...] = ()
    root: TrustRoot | None = None
    refreshed_at: datetime | None = None


def inline_content(source: Source) -> Content | None:
    """Return the content that is in the source itself, or None if it must be fetched."""
    if isinstance(source, InlineCertificates):
        named = tuple((f"certificates[{index}]", text.encode()) for index, text in enumerate(source.texts))
        return Content(files=named)
    if isinstance(source, InlineTrustedRoot):
        return Content(files=(("trustedRoot", source.text.encode()),))
    if isinstance(source, BuiltIn):
        store = aws_signer_store(_BUILT_IN[source])
        assert store is not None
        return Content(files=tuple((source.value, certificate.der) for certificate in store.certificates))
    return None


def config_map_content(found: Mapping[str, Any], source: ConfigMapSource, what: str) -> Content:
    """Return the keys that the source names, or all keys; raise PolicyError if one is missing.

    ``what`` names the object in errors.
    """
    data = dict(_data(found, what))
    if not data:
        raise PolicyError((f"{what} is empty",))
    missing = [key for key in source.keys if key not in data]
    if missing:
        raise PolicyError(tuple(f"{what} has no key {key}" for key in missing))
    return Content(files=tuple((key, data[key]) for key in source.keys or sorted(data)))


def compile_store(obj: StoreObject, content: Content) -> CompiledStore:
    """Return the trust store with its content, or a broken one with all its problems. Never raises."""
    try:
        if obj.type is StoreType.SIGSTORE:
            return _with_root(obj, content)
        return _with_certificates(obj, content)
    except PolicyError as error:
        return broken_store(obj, error.problems, content.refreshed_at)
    except Exception as error:  # noqa: BLE001 - a bug must not break the other trust stores
        return broken_store(obj, fault(error), content.refreshed_at)


def broken_store(
    obj: StoreObject | BrokenTrustStore, problems: Iterable[str], refreshed_at: datetime | None = None
) -> CompiledStore:
    """Return an unusable trust store with its problems."""
    said = bounded(tuple(problems))
    store = BrokenTrustStore(name=obj.name, uid=obj.uid, generation=obj.generation, problems=said)
    return CompiledStore(store=store, refreshed_at=refreshed_at)


def _data(found: Mapping[str, Any], what: str) -> Iterator[tuple[str, bytes]]:
    """Yield the keys of ``data`` and ``binaryData`` with their bytes."""
    for name, decode in (("data", str.encode), ("binaryData", partial(base64.b64decode, validate=True))):
        part = found.get(name)
        for key, value in part.items() if isinstance(part, Mapping) else ():
            try:
                yield str(key), decode(value)
            except (TypeError, ValueError, binascii.Error) as error:
                raise PolicyError((f"{what}: {name} has an unreadable value for key {key}",)) from error


def _with_certificates(obj: StoreObject, content: Content) -> CompiledStore:
    files = [StoreFile(name=name, content=data) for name, data in content.files]
    built = build_certificate_store(StoreName(StoreKind(obj.type.value), obj.name), files)
    store = TrustStore(
        name=obj.name,
        uid=obj.uid,
        generation=obj.generation,
        type=obj.type,
        certificates=tuple(data for _, data in content.files),
    )
    return CompiledStore(store=store, certificates=built.certificates, refreshed_at=content.refreshed_at)


def _with_root(obj: StoreObject, content: Content) -> CompiledStore:
    data = _root_file(content)
    root = parse_trust_root(data)
    if not root.authorities and not root.logs:
        raise PolicyError(("the trusted root names neither certificate authorities nor transparency logs",))
    store = TrustStore(name=obj.name, uid=obj.uid, generation=obj.generation, type=obj.type, trusted_root=data)
    return CompiledStore(store=store, root=root, refreshed_at=content.refreshed_at)


def _root_file(content: Content) -> bytes:
    files = dict(content.files)
    if len(files) == 1:
        return next(iter(files.values()))
    if TRUSTED_ROOT_KEY in files:
        return files[TRUSTED_ROOT_KEY]
    raise PolicyError(
        (f"got {len(files)} keys, expected one with the trusted root; name it in keys, or call it {TRUSTED_ROOT_KEY}",)
    )
