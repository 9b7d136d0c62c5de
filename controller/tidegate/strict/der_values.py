"""How many values DER holds, counted without parsing it.

asn1crypto makes an object of each value, which is so slow that a limit of bytes does not limit the time. The parser decides
whether the bytes are well-formed.
"""

from tidegate.errors import VerificationError

MAX_VALUES = 4000
"""Values of a timestamp token, and again of what is signed in it; real ones have a few hundred."""

_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80


def check_values(content: bytes, what: str) -> None:
    """Return if the bytes hold at most MAX_VALUES values; else raise VerificationError that begins with ``what``.

    Source: ITU-T X.690, section 8.1: tag, length, and what follows unless it is made of values itself.
    """
    place = 0
    for _ in range(MAX_VALUES):
        if place + 1 >= len(content):
            return
        tag = content[place]
        place += 1
        while tag & _LONG_TAG == _LONG_TAG and content[place] & _LONG_LENGTH and place + 1 < len(content):
            place += 1
        place += tag & _LONG_TAG == _LONG_TAG
        size, place = _size(content, place)
        place += 0 if tag & _CONSTRUCTED else size
    if place < len(content):
        raise VerificationError(f"{what}: more than {MAX_VALUES} values")


def _size(content: bytes, place: int) -> tuple[int, int]:
    """Return the length that stands at the place, and the place behind it; an indefinite one counts as none."""
    first = content[place] if place < len(content) else 0
    place += 1
    if first < _LONG_LENGTH:
        return first, place
    count = first - _LONG_LENGTH
    return int.from_bytes(content[place : place + count]), place + count
