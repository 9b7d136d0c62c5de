"""trusted_root.json: the trusted certificate authorities, logs and timestamp authorities, each with its validity.

The validity (``validFor``) of every key and chain is compared with the time of a signature, never with the present: a
retired log key still proves what it signed before. This module does not fetch a root.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tidegate.errors import PolicyError, VerificationError
from tidegate.strict.base64_text import decode_base64
from tidegate.strict.json_text import strict_object
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.strict.typed import prepare

MAX_TRUST_ROOT_BYTES = 1 << 20
"""Bytes of one trusted_root.json; the public instance's has 7 KiB."""
MAX_TRUST_ROOT_VALUES = 100_000
"""JSON values of one; the operator wrote it."""
MAX_INSTANCES = 64
"""Logs or authorities of one kind; the public instance has two of each."""
MAX_CHAIN = 10
"""Certificates of one authority."""

MEDIA_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)

KEY_DETAILS: dict[str, type] = {
    "PKCS1_RSA_PKCS1V5": rsa.RSAPublicKey,
    "PKIX_RSA_PKCS1V15_2048_SHA256": rsa.RSAPublicKey,
    "PKIX_RSA_PKCS1V15_3072_SHA256": rsa.RSAPublicKey,
    "PKIX_RSA_PKCS1V15_4096_SHA256": rsa.RSAPublicKey,
    "PKIX_ECDSA_P256_SHA_256": ec.SECP256R1,
    "PKIX_ECDSA_P384_SHA_384": ec.SECP384R1,
    "PKIX_ECDSA_P521_SHA_512": ec.SECP521R1,
    "PKIX_ED25519": ed25519.Ed25519PublicKey,
}
"""Kinds of log keys that can be used: each kind's curve or class. A key of a kind that isn't here is ignored, so that a
root may announce new ones early.
"""
MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A period of validity, both ends included; without ``end`` it does not end."""

    start: datetime | None
    end: datetime | None

    def contains(self, time: datetime) -> bool:
        """Return whether the time is inside."""
        return (self.start is None or self.start <= time) and (self.end is None or time <= self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """The public key of a log: DER of its SubjectPublicKeyInfo, and its kind in Sigstore's words."""

    url: str
    der: bytes
    details: str
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedAuthority:
    """A chain of certificates, its last one the root, as DER."""

    chain: tuple[bytes, ...]
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """A whole trusted root. ``ignored`` lists what cannot be used, as ``field.path: sentence``."""

    logs: tuple[LogKey, ...]
    certificate_logs: tuple[LogKey, ...]
    authorities: tuple[TrustedAuthority, ...]
    timestamp_authorities: tuple[TrustedAuthority, ...]
    ignored: tuple[str, ...] = ()


_Windowed = TypeVar("_Windowed", LogKey, TrustedAuthority)


def valid_at(items: Iterable[_Windowed], *times: datetime) -> tuple[_Windowed, ...]:
    """Return the items whose window contains every one of the times."""
    return tuple(item for item in items if all(item.window.contains(time) for time in times))


def parse_trust_root(content: bytes) -> TrustRoot:
    """Parse trusted_root.json; raise PolicyError with the field path of everything that is wrong with it.

    Source: sigstore_trustroot.proto of sigstore/protobuf-specs, in its JSON form; unknown fields are ignored.
    """
    if len(content) > MAX_TRUST_ROOT_BYTES:
        raise PolicyError((f"trustedRoot: {len(content)} bytes, more than {MAX_TRUST_ROOT_BYTES}",))
    try:
        fields = strict_object(content, "trustedRoot", max_values=MAX_TRUST_ROOT_VALUES)
        wire = msgspec.convert(fields, _TrustedRoot)
    except VerificationError as error:
        raise PolicyError((str(error),)) from error
    except msgspec.ValidationError as error:
        raise PolicyError((f"trustedRoot: {quoted(error)}",)) from error
    if wire.media_type not in MEDIA_TYPES:
        raise PolicyError((f"mediaType: {quoted(wire.media_type)} is not the media type of a trusted root",))
    return _RootReader().root(wire)


class _RootReader:
    """Reads the parts, collecting all problems before it raises."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._ignored: list[str] = []

    def root(self, wire: "_TrustedRoot") -> TrustRoot:
        logs = self._each("tlogs", wire.tlogs, self._log)
        certificate_logs = self._each("ctlogs", wire.ctlogs, self._log)
        authorities = self._each("certificateAuthorities", wire.certificate_authorities, self._authority)
        stamps = self._each("timestampAuthorities", wire.timestamp_authorities, self._authority)
        if self._problems:
            raise PolicyError(tuple(self._problems))
        return TrustRoot(
            logs=logs,
            certificate_logs=certificate_logs,
            authorities=authorities,
            timestamp_authorities=stamps,
            ignored=tuple(self._ignored),
        )

    def _each(self, field: str, items: "list[_In]", read: "Callable[[str, _In], _Out | None]") -> "tuple[_Out, ...]":
        if len(items) > MAX_INSTANCES:
            self._problems.append(f"{field}: {len(items)} entries, more than {MAX_INSTANCES}")
            return ()
        found = []
        for index, item in enumerate(items):
            path = f"{field}[{index}]"
            try:
                with reading("unreadable"):
                    one = read(path, item)
            except VerificationError as error:
                self._problems.append(f"{path}: {error}")
            else:
                found += [one] if one is not None else []
        return tuple(found)

    def _log(self, path: str, wire: "_Log") -> LogKey | None:
        key = wire.public_key
        if key.key_details not in KEY_DETAILS:
            self._ignored.append(f"{path}.publicKey.keyDetails: {quoted(key.key_details)} cannot be used")
            return None
        der = decode_base64(key.raw_bytes, "publicKey.rawBytes")
        if not _is_of(load_der_public_key(der), key.key_details):
            raise VerificationError(f"publicKey: not a key of the kind {quoted(key.key_details)}")
        return LogKey(url=wire.base_url, der=der, details=key.key_details, window=_window(key.valid_for))

    def _authority(self, _path: str, wire: "_Authority") -> TrustedAuthority:
        certificates = wire.cert_chain.certificates
        if not 0 < len(certificates) <= MAX_CHAIN:
            raise VerificationError(f"certChain: {len(certificates)} certificates, expected 1 to {MAX_CHAIN}")
        chain = tuple(decode_base64(one.raw_bytes, "certChain") for one in certificates)
        for der in chain:
            _read_whole(x509.load_der_x509_certificate(der))
        if wire.valid_for is None:
            raise VerificationError("validFor is missing")
        return TrustedAuthority(chain=chain, window=_window(wire.valid_for))


def _read_whole(certificate: x509.Certificate) -> None:
    """Read every part once: broken ones raise only then, which would be in the middle of a request."""
    for part in ("version", "subject", "issuer", "extensions"):
        getattr(certificate, part)
    certificate.public_key()


def _is_of(key: object, details: str) -> bool:
    """Return whether the key is of the kind that it is said to be; its kind decides the hash."""
    wanted = KEY_DETAILS[details]
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, wanted)
    if isinstance(key, rsa.RSAPublicKey):
        return wanted is rsa.RSAPublicKey and key.key_size >= MIN_RSA_BITS
    return isinstance(key, wanted)


def _window(wire: "_Window | None") -> Window:
    if wire is None:
        return Window(start=None, end=None)
    if wire.start is None:
        raise VerificationError("validFor has no start")
    return Window(start=_aware(wire.start), end=_aware(wire.end) if wire.end else None)


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise VerificationError("validFor is a time without a zone")
    return time.astimezone(UTC)


class _RootWire(msgspec.Struct, rename="camel", frozen=True):
    """The form of the file; fields that this version doesn't know are left alone."""


class _Window(_RootWire, frozen=True):
    start: datetime | None = None
    end: datetime | None = None


class _Key(_RootWire, frozen=True):
    raw_bytes: str
    key_details: str
    valid_for: _Window | None = None


class _Log(_RootWire, frozen=True):
    public_key: _Key
    base_url: str = ""


class _Certificate(_RootWire, frozen=True):
    raw_bytes: str


class _RootChain(_RootWire, frozen=True):
    certificates: list[_Certificate]


class _Authority(_RootWire, frozen=True):
    cert_chain: _RootChain
    valid_for: _Window | None = None


class _TrustedRoot(_RootWire, frozen=True):
    media_type: str
    tlogs: list[_Log] = []
    certificate_authorities: list[_Authority] = []
    ctlogs: list[_Log] = []
    timestamp_authorities: list[_Authority] = []


_In = TypeVar("_In", _Log, _Authority)
_Out = TypeVar("_Out", LogKey, TrustedAuthority)


prepare(_TrustedRoot)
