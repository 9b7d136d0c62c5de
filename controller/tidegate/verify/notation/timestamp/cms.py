"""RFC 3161 timestamp tokens: CMS SignedData around a TSTInfo, as far as Notation's rules require.

Public timestamp authorities do not sort the set of certificates as DER requires, so that strict parsers refuse their
tokens; asn1crypto reads them, and is imported with the first token: it takes 2 MiB. Every field is read while parsing.
Trust and time are not judged here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import new as new_hash
from typing import Any

from tidegate.errors import VerificationError
from tidegate.strict.der_values import check_values
from tidegate.strict.parsing import reading
from tidegate.verify.notation.x509.authority_signature import HASHES, verify_authority_signature
from tidegate.verify.notation.x509.certificate import Certificate, load_certificate

MAX_TOKEN_BYTES = 64 * 1024
"""Bytes of a token; real ones have 3 to 10 KB."""
MAX_TOKEN_CERTIFICATES = 16
MAX_ATTRIBUTES = 32
"""Signed attributes of a token."""
MAX_ACCURACY_SECONDS = 24 * 60 * 60
"""Seconds of inaccuracy that an authority may state for its clock."""

MAX_IDENTIFIER = 80
"""Characters of an object identifier that a message repeats."""

_SIGNED_DATA_VERSION = 3
_BASELINE_POLICY = "0.4.0.2023.1.1"
_SET_TAG = 17
_HASHLESS = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})
_PARSE = "failed to parse timestamp countersignature with error"
_INFO = "failed to get the timestamp TSTInfo with error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """The hash of what was timestamped; ``hash_name`` may be one that does not count."""

    hash_name: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampInfo:
    """What the authority says: a moment, how exactly, and of what."""

    moment: datetime
    accuracy: timedelta
    imprint: Imprint


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedToken:
    """A parsed token; the authority's signature is checked by ``verify_signer``."""

    content: bytes
    certificates: tuple[Certificate, ...]
    signer: Any


def parse_signed_token(token: bytes) -> SignedToken:
    """Return the token's parts; raise VerificationError when it is no SignedData around a TSTInfo."""
    from asn1crypto import cms  # noqa: PLC0415 - see the module

    # N59
    if len(token) > MAX_TOKEN_BYTES:
        raise VerificationError(f"{_PARSE}: {len(token)} bytes, more than {MAX_TOKEN_BYTES}")
    check_values(token, _PARSE)
    with reading(f"{_PARSE}: malformed"):
        info = cms.ContentInfo.load(token, strict=True)
        if info["content_type"].native != "signed_data":
            raise VerificationError(f"{_PARSE}: content type is not signed-data")
        signed = info["content"]
        if int(signed["version"]) != _SIGNED_DATA_VERSION:
            raise VerificationError(f"{_PARSE}: unsupported signed data version: want {_SIGNED_DATA_VERSION}")
        encapsulated = signed["encap_content_info"]
        kind = encapsulated["content_type"]
        if kind.native != "tst_info":
            raise VerificationError(
                f"{_PARSE}: unexpected content type: {kind.dotted[:MAX_IDENTIFIER]}. Expected to be id-ct-TSTInfo"
                " (1.2.840.113549.1.9.16.1.4)"
            )
        content = bytes(encapsulated["content"])
        certificates = _certificates(signed["certificates"])
        signers = signed["signer_infos"]
        # N60: a token has one signer (RFC 3161, section 2.4.2); of several, any might be the one that is looked at.
        if len(signers) != 1:
            raise VerificationError(f"{_PARSE}: {len(signers)} signer infos, expected one")
        return SignedToken(content=content, certificates=certificates, signer=signers[0])


def read_timestamp_info(token: SignedToken) -> TimestampInfo:
    """Return what the authority says; raise VerificationError when it is no TSTInfo of version 1."""
    from asn1crypto import tsp  # noqa: PLC0415 - see the module

    # N59
    check_values(token.content, _INFO)
    with reading(f"{_INFO}: malformed"):
        info = tsp.TSTInfo.load(token.content, strict=True)
        if info["version"].native != "v1":
            raise VerificationError(f"{_INFO}: timestamp token info version must be 1")
        if any(extension["critical"].native for extension in info["extensions"] or ()):
            raise VerificationError(f"{_INFO}: unsupported critical extension")
        moment = info["gen_time"].native
        if moment.tzinfo is None:
            raise VerificationError(f"{_INFO}: the time has no zone")
        imprint = info["message_imprint"]
        return TimestampInfo(
            moment=moment,
            accuracy=_accuracy(info),
            imprint=Imprint(
                hash_name=str(imprint["hash_algorithm"]["algorithm"].native),
                digest=bytes(imprint["hashed_message"]),
            ),
        )


def check_imprint(imprint: Imprint, message: bytes) -> None:
    """Return when the imprint is the hash of the message, by a hash that counts."""
    # N59
    if imprint.hash_name not in HASHES:
        raise VerificationError(f"invalid TSTInfo: unrecognized hash algorithm: {imprint.hash_name[:40]!a}")
    if new_hash(imprint.hash_name, message).digest() != imprint.digest:
        raise VerificationError("invalid TSTInfo: mismatched message")


def verify_signer(token: SignedToken) -> Certificate:
    """Return the certificate whose key signed the token's content; raise VerificationError otherwise.

    Source: RFC 5652, sections 5.4 and 5.6; RFC 5035, section 4, for the certificate's hash among the signed attributes.
    """
    from asn1crypto import parser  # noqa: PLC0415 - see the module

    # N60
    signer = token.signer
    with reading("invalid signer info"):
        if signer["version"].native != "v1":
            raise VerificationError("invalid signer info version: only version 1 is supported")
        certificate = _find(token.certificates, signer["sid"].chosen)
        attributes = signer["signed_attrs"]
        if not attributes or len(attributes) > MAX_ATTRIBUTES:
            raise VerificationError("missing signed attributes")
        _check_certificate_hash(_single(attributes, "signing_certificate_v2"), certificate)
        _check_content(attributes, signer, token.content)
        hash_name, pss = _algorithm(signer)
        signed = parser.emit(0, 1, _SET_TAG, b"".join(sorted(attribute.dump() for attribute in attributes)))
        signature = bytes(signer["signature"])
    verify_authority_signature(certificate.public_key, signature, signed, hash_name, pss=pss)
    return certificate


def _certificates(choices: Any) -> tuple[Certificate, ...]:
    if not choices or len(choices) > MAX_TOKEN_CERTIFICATES:
        raise VerificationError(f"{_PARSE}: {len(choices or ())} certificates, expected 1 to {MAX_TOKEN_CERTIFICATES}")
    if any(choice.name != "certificate" for choice in choices):
        raise VerificationError(f"{_PARSE}: only X.509 certificates are supported")
    return tuple(load_certificate(choice.chosen.dump(), f"{_PARSE}: malformed certificate") for choice in choices)


def _find(certificates: Sequence[Certificate], sid: Any) -> Certificate:
    """Return the certificate that the signer's issuer and serial number name."""
    issuer, serial = sid["issuer"].dump(), sid["serial_number"].native
    for certificate in certificates:
        if certificate.serial == serial and certificate.issuer_der == issuer:
            return certificate
    raise VerificationError("signing certificate not found in the timestamp token")


def _single(attributes: Any, kind: str) -> Any:
    """Return the one value of the one attribute of that kind, or None when there is no such attribute."""
    found = [attribute for attribute in attributes if attribute["type"].native == kind]
    if not found:
        return None
    if len(found) > 1 or len(found[0]["values"]) != 1:
        raise VerificationError(f"repeated {kind} among the signed attributes")
    return found[0]["values"][0]


def _check_certificate_hash(value: Any, certificate: Certificate) -> None:
    """Check that the signed attributes name the certificate; the older attribute with SHA-1 alone does not count."""
    if value is None:
        raise VerificationError("failed to get SigningCertificateV2 from signed attributes: attribute not found")
    if not value["certs"]:
        raise VerificationError("signingCertificateV2 does not contain any certificate")
    identifier = value["certs"][0]
    hash_name = str(identifier["hash_algorithm"]["algorithm"].native)
    if hash_name not in HASHES:
        raise VerificationError("unsupported certificate hash algorithm in SigningCertificateV2 attribute")
    if new_hash(hash_name, certificate.der).digest() != bytes(identifier["cert_hash"]):
        raise VerificationError("signing certificate hash does not match CertHash in signed attribute")
    _check_issuer_serial(identifier["issuer_serial"], certificate)


def _check_issuer_serial(value: Any, certificate: Certificate) -> None:
    """Check issuer and serial number beside the hash, which are optional and must then be the certificate's."""
    if not value:
        return
    names = [name for name in value["issuer"] if name.name == "directory_name"]
    if len(names) != 1 or len(value["issuer"]) != 1:
        raise VerificationError("issuer name is missing in IssuerSerial")
    if names[0].chosen.untag().dump() != certificate.issuer_der or value["serial_number"].native != certificate.serial:
        raise VerificationError("signing certificate not found in the timestamp token")


def _check_content(attributes: Any, signer: Any, content: bytes) -> None:
    """Check that the signed attributes name the content's type and hold its hash."""
    kind, digest = _single(attributes, "content_type"), _single(attributes, "message_digest")
    if kind is None or kind.native != "tst_info":
        raise VerificationError("mismatch content type")
    hash_name = str(signer["digest_algorithm"]["algorithm"].native)
    if hash_name not in HASHES:
        raise VerificationError("unsupported digest algorithm")
    if digest is None or bytes(digest) != new_hash(hash_name, content).digest():
        raise VerificationError("mismatch message digest")


def _algorithm(signer: Any) -> tuple[str, bool]:
    """Return the hash of the signature, and whether it is RSA with PSS."""
    algorithm = signer["signature_algorithm"]
    name = str(algorithm["algorithm"].native)
    pss = name == "rsassa_pss"
    if name in _HASHLESS:
        return str(signer["digest_algorithm"]["algorithm"].native), pss
    return str(algorithm.hash_algo), pss


def _accuracy(info: Any) -> timedelta:
    """Return how far the moment may be off: as said, else a second under ETSI's baseline policy, else nothing."""
    # N62
    said = info["accuracy"].native or {}
    seconds, millis, micros = (int(said.get(unit) or 0) for unit in ("seconds", "millis", "micros"))
    if min(seconds, millis, micros) < 0 or seconds > MAX_ACCURACY_SECONDS or max(millis, micros) >= 1000:  # noqa: PLR2004
        raise VerificationError(f"{_INFO}: accuracy out of range")
    accuracy = timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)
    if not accuracy and info["policy"].dotted == _BASELINE_POLICY:
        return timedelta(seconds=1)
    return accuracy
