"""Base64 in its one canonical form. Python's decoders drop what they do not know, so that many texts mean one value."""

import base64
import binascii

from tidegate.errors import VerificationError


def decode_base64url(text: object, what: str, *, maximum: int | None = None) -> bytes:
    """Return the bytes of unpadded base64url (RFC 7515, section 2); raise VerificationError for any other text.

    ``maximum`` bounds the bytes; what has more is not decoded.
    """
    return _canonical(text, what, altchars=b"-_", padded=False, maximum=maximum)


def decode_base64(text: object, what: str, *, maximum: int | None = None) -> bytes:
    """Return the bytes of padded standard base64 (RFC 4648, section 4); raise VerificationError for any other text.

    ``maximum`` bounds the bytes; what has more is not decoded.
    """
    return _canonical(text, what, altchars=b"+/", padded=True, maximum=maximum)


def _canonical(text: object, what: str, *, altchars: bytes, padded: bool, maximum: int | None) -> bytes:
    """Decode, encode again and compare: what does not come back as it was is refused."""
    if not isinstance(text, str) or not text.isascii():
        raise VerificationError(f"{what}: illegal base64 data, expected ASCII text")
    if maximum is not None and len(text) * 3 // 4 > maximum + 2:
        raise VerificationError(f"{what}: {len(text)} characters of base64, too many for {maximum} bytes")
    given = text.encode("ascii")
    try:
        content = base64.b64decode(given if padded else given + b"=" * (-len(given) % 4), altchars)
    except (binascii.Error, ValueError) as exception:
        raise VerificationError(f"{what}: illegal base64 data") from exception
    again = base64.b64encode(content, altchars)
    if (again if padded else again.rstrip(b"=")) != given:
        raise VerificationError(f"{what}: illegal base64 data, not in canonical form")
    return content
