"""The challenge of a registry's 401: how it wants requests to be authorized. Pure.

Source: RFC 9110, section 11.6.1, and the token authentication of the distribution project.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHARACTERS = 4096
"""Longest header that is read."""
MAX_SERVICE = 256

_SCHEME = re.compile(r"(?:^|,)\s*(?P<scheme>bearer|basic)\s+", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(
    r'\s*(?P<name>[a-z]+)\s*=\s*(?:"(?P<quoted>[^"\\]*)"|(?P<bare>[^\s",]+))\s*(?:,|$)', re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A token of the ``realm`` is required, or a user name and password if the realm is None."""

    realm: str | None
    service: str = ""


def read_challenge(headers: Iterable[str]) -> Challenge | None:
    """Return what is required, a token rather than a password; None for unknown challenges.

    The scope of a challenge is not read: each token request names its own.
    """
    found: list[Challenge] = []
    for header in headers:
        if len(header) > MAX_CHARACTERS or not header.isascii() or not header.isprintable():
            continue
        for scheme in _SCHEME.finditer(header):
            if scheme["scheme"].lower() == "basic":
                found.append(Challenge(realm=None))
                continue
            values = _parameters(header, scheme.end())
            if realm := values.get("realm"):
                found.append(Challenge(realm=realm, service=values.get("service", "")[:MAX_SERVICE]))
    return max(found, key=lambda each: each.realm is not None, default=None)


def _parameters(header: str, at: int) -> dict[str, str]:
    values: dict[str, str] = {}
    while (found := _PARAMETER.match(header, at)) is not None:
        quoted, bare = found["quoted"], found["bare"]
        values.setdefault(found["name"].lower(), bare if quoted is None else quoted)
        at = found.end()
    return values
