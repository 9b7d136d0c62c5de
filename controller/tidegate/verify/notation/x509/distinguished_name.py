"""Distinguished names as Notation's trust policies write them, and as certificates hold them.

RFC 4514 with spaces around the commas, each attribute at most once, no multi-valued RDN, C, ST and O present.
Python's ``x509.Name.from_rfc4514_string`` refuses the specification's own examples and decodes ``#hex``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.x509.attribute_types import ALIASES, MANDATORY, SHORT_NAMES

MAX_NAME_CHARACTERS = 2048
"""Characters of one distinguished name in a policy."""
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+", re.ASCII)
_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|([ \"#+,;<=>\\]))", re.DOTALL)
_NEVER_BARE = re.compile(r'["<>\x00]')


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
    """Return the name that a policy's text means; raise VerificationError in notation-go's words.

    Source: Notary Project trust store and trust policy specification, "Trusted Identities Constraints".
    """
    if len(text) > MAX_NAME_CHARACTERS:
        raise VerificationError(f"a distinguished name (DN) of {len(text)} characters, more than {MAX_NAME_CHARACTERS}")
    if "=#" in text:
        raise VerificationError(
            f'unsupported distinguished name (DN) {quoted(text)}: x509.subject identities containing "=#" are not'
            " supported"
        )
    return _unique(text, [_attribute(text, part) for part in _split(text)])


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
            raise VerificationError(
                f"distinguished name (DN) {quoted(text)} has duplicate RDN attribute for {quoted(kind)}, DN can only"
                " have unique RDN attributes"
            )
        found[kind] = value
    for kind in MANDATORY:
        if not found.get(kind):
            raise VerificationError(
                f"distinguished name (DN) {quoted(text)} has no mandatory RDN attribute for {quoted(kind)}, it must"
                " contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum"
            )
    return DistinguishedName(tuple(sorted(found.items())))


def _split(text: str) -> list[str]:
    """Return the RDNs; commas and semicolons part them unless a backslash stands before."""
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


def _multi_valued(text: str) -> VerificationError:
    return VerificationError(
        f"distinguished name (DN) {quoted(text)} has multi-valued RDN attributes, remove multi-valued RDN attributes as"
        " they are not supported"
    )


def _unparsable(text: str) -> VerificationError:
    return VerificationError(
        f"parsing distinguished name (DN) {quoted(text)} failed. A valid DN must contain 'C', 'ST' or 'S', and 'O' RDN"
        " attributes at a minimum, and follow RFC 4514 standard"
    )
