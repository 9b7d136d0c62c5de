"""Hosts of URLs, and lists of hosts in the configuration. Nothing is resolved here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from tidegate.egress.errors import EgressError, Problem
from tidegate.errors import ConfigurationError

MAX_URL_CHARACTERS = 8192
"""Signed URLs of storage services are long."""
MAX_HOST_CHARACTERS = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
# The C library reads 127.1, 0x7f000001 and 2130706433 as addresses, so no host name may look like that.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_LISTED = re.compile(r"(?P<below>\*\.)?(?P<host>\[[0-9a-f:.]+\]|[^:\[\]*]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_MAX_PORT = 65_535
_SHOWN = 100


class Reach(Enum):
    """Which addresses a host may have: public ones only, or private ones too."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL. ``host`` is lower case, an IPv6 address without brackets; ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials are sent to no other origin."""
        return self.scheme, self.host, self.port


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of a list: a host, or every host ``below`` a domain; ports 80 and 443 if it names none."""

    host: str
    below: bool
    port: int | None

    def matches(self, host: str, port: int) -> bool:
        """Tell whether the entry matches a host and port."""
        if port != self.port if self.port is not None else port not in DEFAULT_PORTS.values():
            return False
        return host.endswith(f".{self.host}") if self.below else host == self.host


class HostList:
    """The hosts that an operator listed. Hosts of ``private`` are listed too, and may have private addresses.

    Raise ConfigurationError for an invalid entry; ``settings`` are the names of the two lists.
    """

    def __init__(
        self, public: Iterable[str], private: Iterable[str] = (), *, settings: tuple[str, str] = ("hosts", "hosts")
    ) -> None:
        self._public = tuple(parse_pattern(each, setting=settings[0]) for each in public)
        self._private = tuple(parse_pattern(each, setting=settings[1]) for each in private)

    def reach(self, host: str, port: int) -> Reach | None:
        """Return which addresses a listed host may have, or None for one that is not listed."""
        if any(each.matches(host, port) for each in self._private):
            return Reach.PRIVATE
        return Reach.PUBLIC if any(each.matches(host, port) for each in self._public) else None


def parse_pattern(text: str, *, setting: str) -> HostPattern:
    """Return the entry of a list: ``host``, ``host:port``, ``*.domain`` or ``*.domain:port``."""
    found = _LISTED.fullmatch(text)
    host = None if found is None else parse_host(found["host"])
    port = int(found["port"]) if found is not None and found["port"] else None
    below = found is not None and found["below"] is not None
    if host is None or (below and ("." not in host or is_address(host))) or not (port is None or 0 < port <= _MAX_PORT):
        raise ConfigurationError(
            f"{setting}: {text[:_SHOWN]!a} is not a host: expected a lower-case name such as ocsp.example.com, with its "
            "port where that is neither 80 nor 443, or *.example.com for every host below a domain"
        )
    return HostPattern(host, below, port)


def parse_host(text: str) -> str | None:
    """Return a host in its canonical spelling, IPv6 without brackets, or None if it is invalid."""
    plain = text.lower()
    if plain.startswith("[") or _NUMERIC.fullmatch(plain):
        try:
            address = ip_address(plain.removeprefix("[").removesuffix("]"))
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and (address.scope_id is not None or not plain.startswith("[")):
            return None
        return str(address)
    return plain if len(plain) <= MAX_HOST_CHARACTERS and _NAME.fullmatch(plain) else None


def parse_url(url: str, *, schemes: frozenset[str] = frozenset({"https"})) -> Target:
    """Return the parts of a URL with one of the schemes; raise EgressError for anything else, also with a user name."""
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EgressError(Problem.BAD_URL, "the address is not a URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise EgressError(Problem.BAD_URL, f"{url[:_SHOWN]!a} is not a URL") from exc
    scheme = parts.scheme.lower()
    bracket = parts.netloc.startswith("[")
    host = parse_host(f"[{parts.hostname}]" if bracket else parts.hostname or "")
    if scheme not in schemes or host is None or "@" in parts.netloc or port == 0:
        wanted = " or ".join(sorted(schemes))
        raise EgressError(
            Problem.BAD_URL, f"refused the address {url[:_SHOWN]!a}: expected {wanted}://HOST without a user"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, path)


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
