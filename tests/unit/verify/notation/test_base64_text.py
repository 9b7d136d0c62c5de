"""Base64 is decoded in its one form, and not at all where it is longer than it may be."""

import base64

import pytest

from tidegate.errors import VerificationError
from tidegate.strict.base64_text import decode_base64, decode_base64url

MAXIMUM = 3_000


@pytest.mark.parametrize("size", range(MAXIMUM - 3, MAXIMUM + 1))
def test_what_is_not_too_long_is_decoded(size: int):
    content = bytes(size)
    assert decode_base64(base64.b64encode(content).decode(), "it", maximum=MAXIMUM) == content
    text = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    assert decode_base64url(text, "it", maximum=MAXIMUM) == content


@pytest.mark.parametrize("decode", [decode_base64, decode_base64url])
def test_what_is_too_long_is_not_decoded(decode):
    """Not even looked at: these are no base64."""
    with pytest.raises(VerificationError, match=f"it: 5000 characters of base64, too many for {MAXIMUM} bytes"):
        decode("!" * 5_000, "it", maximum=MAXIMUM)
