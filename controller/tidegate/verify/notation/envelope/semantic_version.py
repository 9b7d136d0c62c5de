"""Semantic versions, as far as one must know which of two is newer."""

import re

from tidegate.errors import VerificationError

MAX_VERSION_CHARACTERS = 256

_NUMBER = r"(?:0|[1-9]\d*+)"
_IDENTIFIER = r"(?:0|[1-9]\d*+|\d*+[a-zA-Z-][0-9a-zA-Z-]*+)"
_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*+))?+"
    r"(?:\+[0-9a-zA-Z-]++(?:\.[0-9a-zA-Z-]++)*+)?+",
    re.ASCII,
)

_Part = tuple[int, int, str]
Precedence = tuple[tuple[int, int, int], int, tuple[_Part, ...]]
"""What versions are compared by; build metadata is no part of it."""


def precedence(text: str) -> Precedence:
    """Return what to compare a version by; raise VerificationError when the text is no semantic version.

    Source: Semantic Versioning 2.0.0, section 11.
    """
    found = _VERSION.fullmatch(text) if len(text) <= MAX_VERSION_CHARACTERS else None
    if found is None:
        raise VerificationError("is not a valid SemVer")
    release = (int(found[1]), int(found[2]), int(found[3]))
    if found[4] is None:
        return release, 1, ()
    return release, 0, tuple(_part(identifier) for identifier in found[4].split("."))


def _part(identifier: str) -> _Part:
    """Numbers come before words, and among themselves by value."""
    return (0, int(identifier), "") if identifier.isdigit() else (1, 0, identifier)
