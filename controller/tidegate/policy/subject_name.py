"""Which distinguished names a trusted identity of Notation may be written with; who verifies parses them again.

RFC 4514 with spaces around the commas, each attribute once, one attribute an RDN, and C, ST and O present. A test holds
this to the parser of ``verify.notation``: it takes every name that is taken here.
"""

import re
from typing import Final

from tidegate.strict.objection import Objection, quote
from tidegate.verify.notation.x509.attribute_types import ALIASES, MANDATORY

PREFIX: Final = "x509.subject:"

_TYPE = r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+"
_ESCAPED = r"\\[0-9A-Fa-f]{2}|\\[ \"#+,;<=>\\]"
_PLAIN = r'[^\\,;+"<>\x00]'
_RDN = re.compile(rf" *({_TYPE}) *= *((?:{_ESCAPED}|{_PLAIN})+?) *(?:[,;]|\Z)", re.ASCII)
_ONE = re.compile(rb'\\(?:([0-9A-Fa-f]{2})|([ "#+,;<=>\\]))')
# RFC 4514, section 3, and the two names that Go prints beyond it.

Attributes = dict[str, str]


def read_subject(identity: str) -> Attributes | Objection:
    """Return the attributes of an identity that begins with ``x509.subject:``, or what is wrong with it."""
    text = identity.removeprefix(PREFIX)
    found: Attributes = {}
    position = 0
    while position < len(text) or not found:
        rdn = _RDN.match(text, position)
        if rdn is None or rdn[2].startswith("#") or "=#" in text:
            return _objection(identity, "a distinguished name such as C=US, ST=WA, O=Acme", "see RFC 4514 for escapes")
        kind, value = ALIASES.get(rdn[1], rdn[1]), _plain(rdn[2])
        if value is None:
            return _objection(identity, "escapes that are UTF-8", "write the characters themselves")
        if kind in found:
            return _objection(identity, f"{kind} once", "remove one of the two")
        found[kind] = value
        position = rdn.end()
    if text.rstrip(" ").endswith((",", ";")) or any(not found.get(kind) for kind in MANDATORY):
        return _objection(identity, "a distinguished name with at least C, ST and O", "add what is missing")
    return found


def _objection(identity: str, expected: str, do: str) -> Objection:
    return Objection(quote(identity), expected, do)


def _plain(value: str) -> str | None:
    """Return the value without its escapes."""
    try:
        return _ONE.sub(lambda one: bytes.fromhex(one[1].decode()) if one[1] else one[2], value.encode()).decode()
    except UnicodeError:
        return None


def overlap(subjects: list[Attributes]) -> bool:
    """Tell whether one of the names is contained in another: the narrower one demands nothing then (N10)."""
    return any(
        one.items() <= other.items()
        for index, one in enumerate(subjects)
        for position, other in enumerate(subjects)
        if index != position
    )
