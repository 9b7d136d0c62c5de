"""Notation's certificate profile: an ordered, complete chain from the leaf to a self-signed root.

This is not PKIX: only basic constraints, key usage and extended key usage count, every other extension is ignored even
when critical, and validity periods need not nest. Trust and time are not checked here, so that the result for a chain
never changes and can be cached by the SHA-256 of its bytes.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from threading import Lock

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.envelope.algorithm import algorithm_of
from tidegate.verify.notation.x509.certificate import Certificate

MAX_CHAIN_LENGTH = 10
"""Certificates of one chain; AWS Signer uses four."""
MAX_CA_RSA_BITS = 8192
"""Bits of an authority's RSA key: more costs milliseconds a signature."""
MIN_CA_RSA_BITS = 2048
MIN_CA_CURVE_BITS = 256
REMEMBERED_CHAINS = 2048
"""Chains whose verdict is kept, about 200 bytes each."""

_WEAK_HASHES = frozenset({"md5", "sha1", None})
_FORBIDDEN_USAGES = (
    "KeyEncipherment",
    "DataEncipherment",
    "KeyAgreement",
    "CertSign",
    "CRLSign",
    "EncipherOnly",
    "DecipherOnly",
)
_TIMESTAMPING = "1.3.6.1.5.5.7.3.8"
_FORBIDDEN_FOR_CODE_SIGNING = {
    "1.3.6.1.5.5.7.3.1": "ServerAuth",
    "1.3.6.1.5.5.7.3.2": "ClientAuth",
    "1.3.6.1.5.5.7.3.4": "EmailProtection",
    _TIMESTAMPING: "Timestamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "Any",
}


class Purpose(StrEnum):
    """What the leaf signs."""

    CODE_SIGNING = "codesign"
    TIMESTAMPING = "timestamp"


class _Verdicts:
    """The verdicts on chains already judged: None for a sound one, else what is wrong."""

    def __init__(self) -> None:
        self._known: dict[bytes, str | None] = {}
        self._lock = Lock()

    def judge(self, chain: Sequence[Certificate], purpose: Purpose) -> str | None:
        key = _key(chain, purpose)
        with self._lock:
            if key in self._known:
                return self._known[key]
        try:
            _check(chain, purpose)
            verdict = None
        except VerificationError as error:
            verdict = str(error)
        with self._lock:
            while len(self._known) >= REMEMBERED_CHAINS:
                del self._known[next(iter(self._known))]
            self._known[key] = verdict
        return verdict


_verdicts = _Verdicts()


def validate_chain(chain: Sequence[Certificate], purpose: Purpose) -> None:
    """Return when the chain has Notation's profile; raise VerificationError in notation-core-go's words.

    Source: Notary Project signature specification, "Certificate Requirements".
    """
    verdict = _verdicts.judge(chain, purpose)
    if verdict is not None:
        raise VerificationError(verdict)


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether the certificate names the issuer, and the issuer's key made its signature."""
    if certificate.issuer_der != issuer.subject_der or certificate.signature_hash in _WEAK_HASHES:
        return False
    try:
        with reading("not issued"):
            certificate.parsed.verify_directly_issued_by(issuer.parsed)
    except VerificationError:
        return False
    return True


def is_self_signed(certificate: Certificate) -> bool:
    """Tell whether the certificate is signed by its own key; an equal name alone proves nothing."""
    return is_issued_by(certificate, certificate)


def _key(chain: Sequence[Certificate], purpose: Purpose) -> bytes:
    """Return the SHA-256 of the purpose and the certificates, each behind its length."""
    digest = hashlib.sha256(purpose.encode())
    for certificate in chain:
        digest.update(len(certificate.der).to_bytes(8))
        digest.update(certificate.der)
    return digest.digest()


def _check(chain: Sequence[Certificate], purpose: Purpose) -> None:
    if not chain:
        raise VerificationError("certificate chain must contain at least one certificate")
    if len(chain) > MAX_CHAIN_LENGTH:
        raise VerificationError(f"certificate chain has {len(chain)} certificates, more than {MAX_CHAIN_LENGTH}")
    for certificate in chain:
        _check_strength(certificate)
    if len(chain) == 1:
        _check_alone(chain[0], purpose)
        return
    for index, certificate in enumerate(chain):
        _check_link(chain, index)
        if index == 0:
            _check_leaf(certificate, purpose)
        else:
            _check_ca(certificate, purpose, authorities_below=index - 1)


def _error(certificate: Certificate, problem: str) -> VerificationError:
    return VerificationError(f"certificate with subject {quoted(certificate.subject)}: {problem}")


def _check_alone(certificate: Certificate, purpose: Purpose) -> None:
    """Check a chain of one: a self-signed leaf. A root, which is a CA, is refused."""
    # N46
    subject = quoted(certificate.subject)
    if not is_self_signed(certificate):
        raise VerificationError(f"invalid self-signed certificate. subject: {subject}")
    try:
        _check_leaf(certificate, purpose)
    except VerificationError as error:
        raise VerificationError(f"invalid self-signed certificate. subject: {subject}. Error: {error}") from error


def _check_link(chain: Sequence[Certificate], index: int) -> None:
    """Check that each certificate is issued by the next and only the last by itself."""
    # N47
    certificate, subject = chain[index], quoted(chain[index].subject)
    self_signed = is_self_signed(certificate)
    if index == len(chain) - 1:
        if not self_signed:
            raise VerificationError(
                f"root certificate with subject {subject} is not self-signed. Certificate chain must end with a valid"
                " self-signed root certificate"
            )
        return
    if self_signed:
        role = "leaf" if index == 0 else "intermediate"
        raise VerificationError(
            f"{role} certificate with subject {subject} is self-signed. Certificate chain must not contain self-signed"
            f" {role} certificate"
        )
    issuer = chain[index + 1]
    if not is_issued_by(certificate, issuer):
        raise VerificationError(f"certificate with subject {subject} is not issued by {quoted(issuer.subject)}")


def _check_strength(certificate: Certificate) -> None:
    """Check hash and key of one certificate of the chain, whatever its place."""
    # N48, N53
    if certificate.signature_hash in _WEAK_HASHES:
        raise _error(certificate, f"signature algorithm with hash {certificate.signature_hash} is not supported")
    key = certificate.public_key
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_CA_RSA_BITS <= key.key_size <= MAX_CA_RSA_BITS:
            raise _error(certificate, f"rsa key size {key.key_size} bits is not supported")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.key_size < MIN_CA_CURVE_BITS:
            raise _error(certificate, f"ecdsa key size {key.key_size} bits is not supported")
    else:
        raise _error(certificate, "unsupported public key type")


def _check_ca(certificate: Certificate, purpose: Purpose, *, authorities_below: int) -> None:
    """Check an authority's extensions."""
    # N49
    constraints = certificate.basic_constraints
    if constraints is None or not constraints.critical or not constraints.ca:
        raise _error(certificate, "ca field in basic constraints must be present, critical, and set to true")
    if constraints.path_length is not None and constraints.path_length < authorities_below:
        raise _error(
            certificate,
            f"expected path length of {authorities_below} but certificate has path length {constraints.path_length} instead",
        )
    if "CertSign" not in _usages(certificate, purpose):
        raise _error(certificate, "key usage must have the bit positions for key cert sign set")


def _check_leaf(certificate: Certificate, purpose: Purpose) -> None:
    """Check the extensions and the key of the certificate that signs."""
    # N50, N53
    subject = quoted(certificate.subject)
    if certificate.is_ca:
        raise _error(certificate, "if the basic constraints extension is present, the ca field must be set to false")
    usages = _usages(certificate, purpose)
    if "DigitalSignature" not in usages:
        raise VerificationError(
            f"the certificate with subject {subject} is invalid. The key usage must have the bit positions for"
            ' "Digital Signature" set'
        )
    forbidden = [f'"{name}"' for name in _FORBIDDEN_USAGES if name in usages]
    if forbidden:
        raise VerificationError(
            f'the certificate with subject {subject} is invalid. The key usage must be "Digital Signature" only, but'
            f" found {', '.join(forbidden)}"
        )
    if purpose is Purpose.CODE_SIGNING:
        _check_code_signing(certificate)
    else:
        _check_timestamping(certificate)
    try:
        algorithm_of(certificate.public_key)
    except VerificationError as error:
        raise _error(certificate, str(error)) from error


def _usages(certificate: Certificate, purpose: Purpose) -> frozenset[str]:
    """Return the key usages; the extension must be there, and be critical for code signing."""
    usage = certificate.key_usage
    if usage is None:
        raise _error(certificate, "key usage extension must be present")
    if purpose is Purpose.CODE_SIGNING and not usage.critical:
        raise _error(certificate, "key usage extension must be marked critical")
    return usage.names


def _check_code_signing(certificate: Certificate) -> None:
    """Check the purposes of a leaf that signs artifacts."""
    # N51
    usage = certificate.extended_key_usage
    for identifier in () if usage is None else usage.identifiers:
        if identifier in _FORBIDDEN_FOR_CODE_SIGNING:
            name = _FORBIDDEN_FOR_CODE_SIGNING[identifier]
            raise _error(certificate, f"extended key usage must not contain {name} eku")


def _check_timestamping(certificate: Certificate) -> None:
    """Check the one purpose of a leaf that signs timestamps (RFC 3161, section 2.3)."""
    # N52
    usage, subject = certificate.extended_key_usage, quoted(certificate.subject)
    if usage is None or usage.identifiers != (_TIMESTAMPING,):
        raise VerificationError(
            f"timestamp signing certificate with subject {subject} must have and only have Timestamping as extended key"
            " usage"
        )
    if not usage.critical:
        raise VerificationError(
            f"timestamp signing certificate with subject {subject} must have extended key usage extension marked as"
            " critical"
        )
