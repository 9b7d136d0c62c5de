"""A signature envelope of either format: parsed by its media type, opened by its signer's key.

An opened envelope is sound in itself. Whether its signer is trusted is judged elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tidegate.errors import VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.envelope.algorithm import algorithm_of, verify_signature
from tidegate.verify.notation.envelope.attributes import SignedAttributes, read_signed_attributes
from tidegate.verify.notation.envelope.content import EnvelopeContent
from tidegate.verify.notation.envelope.cose import COSE_MEDIA_TYPE, parse_cose
from tidegate.verify.notation.envelope.jws import JWS_MEDIA_TYPE, parse_jws
from tidegate.verify.notation.envelope.payload import check_payload_type
from tidegate.verify.notation.x509.certificate import Certificate, load_certificate

MAX_ENVELOPE_BYTES = 1024 * 1024
"""Bytes of an envelope; real ones have 1 to 10 KB."""

PARSERS: Mapping[str, Callable[[bytes], EnvelopeContent]] = MappingProxyType(
    {JWS_MEDIA_TYPE: parse_jws, COSE_MEDIA_TYPE: parse_cose}
)
"""The formats, by media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A well-formed envelope; its signature is verified by ``open_envelope``."""

    sealed: EnvelopeContent
    attributes: SignedAttributes


def parse_envelope(content: bytes, media_type: str) -> Envelope:
    """Return the envelope of the bytes; raise VerificationError when they are none of that media type."""
    if media_type not in PARSERS:
        raise VerificationError(f"signature envelope format with media type {quoted(media_type)} is not supported")
    if len(content) > MAX_ENVELOPE_BYTES:
        raise VerificationError(f"signature envelope of {len(content)} bytes, more than {MAX_ENVELOPE_BYTES}")
    sealed = PARSERS[media_type](content)
    attributes = read_signed_attributes(sealed.header)
    check_payload_type(attributes.content_type, sealed.payload)  # N32
    return Envelope(sealed=sealed, attributes=attributes)


def open_envelope(envelope: Envelope) -> tuple[Certificate, ...]:
    """Return the certificates when the first one's key made the signature; raise VerificationError otherwise."""
    sealed, claimed = envelope.sealed, envelope.attributes.algorithm
    leaf = load_certificate(sealed.chain[0], "malformed leaf certificate")  # N36
    derived = algorithm_of(leaf.public_key)  # N37
    if derived is not claimed:
        raise VerificationError(
            f"mismatch between signature algorithm derived from signing certificate ({derived}) and signing algorithm"
            f" specified ({claimed})"
        )
    verify_signature(leaf.public_key, sealed.signature, sealed.signed)  # N38
    return leaf, *(load_certificate(der) for der in sealed.chain[1:])
