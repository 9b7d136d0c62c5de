"""Named trust stores in memory: which certificates anchor which kind of chain.

This module has the rules for the content of a store, over the bytes of each file. It reads no directory.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.errors import PolicyError, UndeterminedError, VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.x509.certificate import Certificate, load_certificate
from tidegate.verify.notation.x509.chain import is_self_signed

MAX_STORE_FILES = 256
"""Files of one store."""
MAX_FILE_BYTES = 1024 * 1024
"""Bytes of one file of certificates."""
MAX_STORE_CERTIFICATES = 1000
"""Certificates of one store."""

_NAME = re.compile(r"[a-zA-Z0-9_.-]+", re.ASCII)
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_SEQUENCE_TAG = 0x30
_LONG_FORM = 0x80


class StoreKind(StrEnum):
    """What a store's certificates are trusted for."""

    CA = "ca"
    SIGNING_AUTHORITY = "signingAuthority"
    TSA = "tsa"


@dataclass(frozen=True, slots=True)
class StoreName:
    """A store as policies name it: ``kind:name``."""

    kind: StoreKind
    name: str

    def __str__(self) -> str:
        """Return the text of a policy."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFile:
    """One entry of a store's folder; ``content`` is None for what is not a regular file (a link, a folder)."""

    name: str
    content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStore:
    """The certificates of one named store."""

    name: StoreName
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class CertificateStores:
    """All stores that a policy may name."""

    stores: Mapping[StoreName, CertificateStore] = field(default_factory=dict)

    def certificates(self, names: Iterable[StoreName], kind: StoreKind) -> tuple[Certificate, ...]:
        """Return the certificates of the named stores of one kind, in order, never of another kind.

        Raise UndeterminedError when a named store does not exist.
        """
        found: dict[Certificate, None] = {}
        for name in dict.fromkeys(names):
            if name.kind is not kind:
                continue
            store = self.stores.get(name)
            if store is None:  # N17
                raise UndeterminedError(f"the trust store {quoted(name.name)} of type {quoted(kind)} does not exist")
            found.update(dict.fromkeys(store.certificates))
        return tuple(found)


def certificate_stores(stores: Iterable[CertificateStore]) -> CertificateStores:
    """Return the collection of the stores; of two with one name, the last."""
    return CertificateStores({store.name: store for store in stores})


def is_store_name(text: str) -> bool:
    """Tell whether the text may name a store."""
    return _NAME.fullmatch(text) is not None


def build_certificate_store(name: StoreName, files: Iterable[StoreFile]) -> CertificateStore:
    """Return the store of the files; raise PolicyError with every problem, in notation-go's words."""
    problems: list[str] = []
    certificates: list[Certificate] = []
    entries = list(files)
    if len(entries) > MAX_STORE_FILES:
        raise PolicyError((f"the trust store {quoted(name.name)} has more than {MAX_STORE_FILES} files",))
    for entry in entries:
        try:
            certificates += _certificates(name, entry)
        except VerificationError as error:
            problems.append(str(error))
    if len(certificates) > MAX_STORE_CERTIFICATES:
        problems.append(f"the trust store {quoted(name.name)} has more than {MAX_STORE_CERTIFICATES} certificates")
    if not certificates and not problems:
        # N17
        problems.append(
            f"no x509 certificates were found in trust store {quoted(name.name)} of type {quoted(name.kind)}"
        )
    if problems:
        raise PolicyError(tuple(problems))
    return CertificateStore(name=name, certificates=tuple(dict.fromkeys(certificates)))


def read_certificates(content: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of one file: PEM or DER, one or many; raise VerificationError for anything else."""
    # N14
    if len(content) > MAX_FILE_BYTES:
        raise VerificationError(f"{len(content)} bytes of certificates, more than {MAX_FILE_BYTES}")
    blocks = _pem_blocks(content) if b"-----BEGIN" in content else _der_blocks(content)
    if not blocks:
        raise VerificationError("no certificate found")
    return tuple(load_certificate(block) for block in blocks)


def _certificates(name: StoreName, entry: StoreFile) -> tuple[Certificate, ...]:
    """Return the certificates of one file, each fit for its kind of store."""
    where = f"in trust store {name.name} of type {name.kind}"
    if entry.content is None:
        # N13
        raise VerificationError(
            f"trusted certificate {quoted(entry.name)} {where} is not a regular file (directories or symlinks are not"
            " supported)"
        )
    try:
        certificates = read_certificates(entry.content)
    except VerificationError as error:
        raise VerificationError(
            f"failed to read the trusted certificate {quoted(entry.name)} {where}: {error}"
        ) from error
    for certificate in certificates:
        _check_anchor(name, entry, certificate)
    return certificates


def _check_anchor(name: StoreName, entry: StoreFile, certificate: Certificate) -> None:
    where = f"trusted certificate {quoted(entry.name)} in trust store {name.name} of type {name.kind}"
    subject = quoted(certificate.subject)
    self_signed = is_self_signed(certificate)
    if not certificate.is_ca and not self_signed:
        # N15
        raise VerificationError(
            f"failed to validate the {where}: certificate with subject {subject} is not a CA certificate or self-signed"
            " signing certificate"
        )
    if name.kind is StoreKind.TSA and not (certificate.is_ca and self_signed):
        # N16
        raise VerificationError(f"{where} is invalid: certificate with subject {subject} is not a root CA certificate")


def _pem_blocks(content: bytes) -> list[bytes]:
    """Return the DER of the PEM blocks. Other kinds of block, such as a key, do not belong in a trust store."""
    blocks = []
    for found in _PEM.finditer(content):
        if found[1] != b"CERTIFICATE":
            raise VerificationError("a PEM block that is not a certificate")
        with reading("malformed PEM"):
            blocks.append(base64.b64decode(b"".join(found[2].split()), validate=True))
    if len(blocks) != content.count(b"-----BEGIN"):
        raise VerificationError("malformed PEM")
    return blocks


def _der_blocks(content: bytes) -> list[bytes]:
    """Return the DER of certificates written one behind the other, parted by their lengths."""
    blocks = []
    rest = content
    with reading("malformed certificate"):
        while rest:
            size = _der_length(rest)
            blocks.append(rest[:size])
            rest = rest[size:]
    return blocks


def _der_length(content: bytes) -> int:
    """Return the bytes of the first DER sequence, its header included."""
    if content[0] != _SEQUENCE_TAG:
        raise VerificationError("malformed certificate")
    first = content[1]
    if first < _LONG_FORM:
        return 2 + first
    count = first - _LONG_FORM
    size = 2 + count + int.from_bytes(content[2 : 2 + count])
    if size > len(content) or not count:
        raise VerificationError("malformed certificate")
    return size
