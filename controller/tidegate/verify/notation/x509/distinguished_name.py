"""Distinguished names as Notation's trust policies write them, and as certificates hold them.

RFC 4514 with spaces around the commas, each attribute at most once, no multi-valued RDN, C, ST and O present.
Python's ``x509.Name.from_rfc4514_string`` refuses the specification's own examples and decodes ``#hex``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted

MANDATORY: Final = ("C", "ST", "O")
SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""Attribute types and their short names (RFC 4514, section 3)."""
ALIASES: Final = {"S": "ST", **SHORT_NAMES}
"""How attributes may be written, beside their own names."""
MAX_NAME_CHARACTERS = 2048
"""Characters of one distinguished name in a policy."""
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+", re.ASCII)
_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|([ \"#+,;<=>\\]))", re.DOTALL)
_NEVER_BARE = re.compile(r'["<>\x00]')


class DistinguishedNameError(VerificationError):
    """A text that is not a distinguished name. ``expected`` and ``do`` are for the author of the policy."""

    def __init__(self, message: str, *, expected: str, do: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.do = do


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A name whose attribute types are unique; ``attributes`` is sorted, so that equal names are equal values."""

    attributes: tuple[tuple[str, str], ...]

    def is_subset_of(self, other: "DistinguishedName") -> bool:
        """Tell whether the other name has every attribute of this one with the same value, character by character."""
        theirs = dict(other.attributes)
        return all(theirs.get(kind) == value for kind, value in self.attributes)

    def __str__(self) -> str:
        """Return the attributes for a person's eye."""
        return ",".join(f"{kind}={value}" for kind, value in self.attributes)


def parse_distinguished_name(text: str) -> DistinguishedName:
    """Return the name that a policy's text means; raise DistinguishedNameError in notation-go's words.

    Source: Notary Project trust store and trust policy specification, "Trusted Identities Constraints".
    """
    if len(text) > MAX_NAME_CHARACTERS:
        raise DistinguishedNameError(
            f"a distinguished name (DN) of {len(text)} characters, more than {MAX_NAME_CHARACTERS}",
            expected=f"at most {MAX_NAME_CHARACTERS} characters",
            do="name fewer attributes",
        )
    if "=#" in text:
        raise _encoded(text)
    return _unique(text, [_attribute(text, part) for part in _split(text)])


def first_overlap(names: Sequence[DistinguishedName]) -> tuple[int, int] | None:
    """Return the positions of two names of which the first is contained in the second: the second then adds nothing.

    Source: Notary Project trust store and trust policy specification, "Trusted Identities Constraints" (N10).
    """
    for index, name in enumerate(names):
        for position, other in enumerate(names):
            if index != position and name.is_subset_of(other):
                return index, position
    return None


def distinguished_name_of(name: x509.Name, text: str) -> DistinguishedName:
    """Return a certificate's name from its decoded attributes; ``text`` is how messages show it.

    Attribute types without a short name keep their dotted number, as decoded values are compared, not printed ones.
    """
    with reading(f"distinguished name (DN) {quoted(text)} cannot be decoded"):
        if any(len(list(rdn)) != 1 for rdn in name.rdns):
            raise _multi_valued(text)
        pairs = [(attribute.oid.dotted_string, attribute.value) for attribute in name]
    plain: list[tuple[str, str]] = []
    for kind, value in pairs:
        if not isinstance(value, str):
            raise VerificationError(f"distinguished name (DN) {quoted(text)} has a value that is no text")
        plain.append((SHORT_NAMES.get(kind, kind), value))
    return _unique(text, plain)


def _unique(text: str, pairs: Iterable[tuple[str, str]]) -> DistinguishedName:
    """Return the name; each type once and the mandatory ones present."""
    found: dict[str, str] = {}
    for kind, value in pairs:
        if kind in found:
            raise DistinguishedNameError(
                f"distinguished name (DN) {quoted(text)} has duplicate RDN attribute for {quoted(kind)}, DN can only"
                " have unique RDN attributes",
                expected=f"{kind} once",
                do="remove one of the two",
            )
        found[kind] = value
    for kind in MANDATORY:
        if not found.get(kind):
            raise DistinguishedNameError(
                f"distinguished name (DN) {quoted(text)} has no mandatory RDN attribute for {quoted(kind)}, it must"
                " contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum",
                expected="a distinguished name with at least C, ST and O",
                do=f"add {kind}",
            )
    return DistinguishedName(tuple(sorted(found.items())))


def _split(text: str) -> list[str]:
    """Return the RDNs; commas and semicolons separate them unless escaped by a backslash."""
    parts, start, index = [], 0, 0
    while index < len(text):
        character = text[index]
        if character == "+":
            raise _multi_valued(text)
        if character in ",;":
            parts.append(text[start:index])
            start = index + 1
        index += 2 if character == "\\" else 1
    return [*parts, text[start:]]


def _attribute(text: str, part: str) -> tuple[str, str]:
    """Return type and value of one RDN. Spaces around them do not count, unless escaped."""
    kind, equals, value = part.partition("=")
    kind, value = kind.strip(" "), _trimmed(value)
    kind = ALIASES.get(kind, kind)
    if value.startswith("#"):
        raise _encoded(text)
    empty = not value and kind not in MANDATORY
    if not equals or not _TYPE.fullmatch(kind) or empty or _NEVER_BARE.search(_without_escapes(value)):
        raise _unparsable(text)
    try:
        plain = _ESCAPED.sub(_unescaped, value.encode("utf-8")).decode("utf-8")
    except UnicodeError as error:
        raise _unparsable(text) from error
    if "\\" in _without_escapes(value):
        raise _unparsable(text)
    return kind, plain


def _trimmed(value: str) -> str:
    """Return the value without outer spaces; a last space behind an odd number of backslashes belongs to it."""
    trimmed = value.strip(" ")
    backslashes = len(trimmed) - len(trimmed.rstrip("\\"))
    return trimmed + " " if backslashes % 2 and value.endswith(" ") else trimmed


def _unescaped(found: "re.Match[bytes]") -> bytes:
    return bytes.fromhex(found[1].decode("ascii")) if found[1] else found[2]


def _without_escapes(value: str) -> str:
    return _ESCAPED.sub(b"", value.encode("utf-8", errors="replace")).decode("utf-8", errors="replace")


def _encoded(text: str) -> DistinguishedNameError:
    return DistinguishedNameError(
        f'unsupported distinguished name (DN) {quoted(text)}: x509.subject identities containing "=#" are not supported',
        expected="no value that begins with #",
        do="write the value as text",
    )


def _multi_valued(text: str) -> DistinguishedNameError:
    return DistinguishedNameError(
        f"distinguished name (DN) {quoted(text)} has multi-valued RDN attributes, remove multi-valued RDN attributes as"
        " they are not supported",
        expected="a comma between attributes",
        do="write a comma for the plus sign, or a backslash before it where it belongs to a value",
    )


def _unparsable(text: str) -> DistinguishedNameError:
    return DistinguishedNameError(
        f"parsing distinguished name (DN) {quoted(text)} failed. A valid DN must contain 'C', 'ST' or 'S', and 'O' RDN"
        " attributes at a minimum, and follow RFC 4514 standard",
        expected="a distinguished name such as C=US, ST=WA, O=Acme",
        do="see RFC 4514 for escapes",
    )
