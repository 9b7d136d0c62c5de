"""Which addresses may be connected to, and the one DNS look-up of a host.

Connections go to an address that was checked here: no other code gets a name that it would look up again.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.hosts import Reach

MAX_ADDRESSES = 16
"""Most addresses of one host that are checked."""

Address: TypeAlias = IPv4Address | IPv6Address
LookUp: TypeAlias = Callable[[str], Sequence[str]]
"""Returns the addresses of a fully qualified host name; raises OSError if there is none."""

_NEVER = tuple(
    ip_network(each)
    for each in (
        "169.254.0.0/16",  # instance metadata, Pod Identity agent, time, DNS
        "fe80::/10",
        "fd00:ec2::/32",  # the same of AWS over IPv6
        "0.0.0.0/8",
        "192.0.0.0/24",  # addresses of protocols, metadata of another cloud among them
        "::/128",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4: either would carry packets to an IPv4 address
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def refusal(address: Address, reach: Reach) -> str | None:
    """Return why an address may not be connected to, or None."""
    inner = _inner(address)
    if any(inner in each for each in _NEVER):
        return f"{address} is an address of the node or of instance metadata, which is never connected to"
    if inner.is_multicast or inner.is_unspecified or (inner.is_reserved and not inner.is_loopback):
        return f"{address} is not the address of a host"
    if reach is Reach.PUBLIC and (not inner.is_global or (isinstance(inner, IPv6Address) and inner.is_site_local)):
        return f"{address} is not a public address"
    return None


def resolve(host: str, reach: Reach, look_up: LookUp) -> tuple[Address, ...]:
    """Return the addresses of a host that may be connected to; raise EgressError if there is none."""
    try:
        found = [ip_address(each) for each in _addresses(host, look_up)[:MAX_ADDRESSES]]
    except (OSError, ValueError) as exc:
        raise EgressError(Problem.NO_ADDRESS, f"the name {host} could not be resolved") from exc
    refused = {each: refusal(each, reach) for each in found}
    allowed = tuple(each for each, problem in refused.items() if problem is None)
    if not allowed:
        problem = next((each for each in refused.values() if each), "it has no address")
        raise EgressError(Problem.FORBIDDEN_ADDRESS, f"refused to connect to {host}: {problem}")
    return allowed


def system_look_up(host: str) -> Sequence[str]:
    """Ask the system's resolver, which has its own time limits.

    The name is fully qualified: with the search domains of a Pod, ``acme.com`` could also be the Service ``acme`` of a
    namespace ``com``.
    """
    complete = host if host == "localhost" else f"{host}."
    found = socket.getaddrinfo(complete, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _addresses(host: str, look_up: LookUp) -> Sequence[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        return look_up(host)


def _inner(address: Address) -> Address:
    """Return the IPv4 address within an IPv4-mapped or NAT64 IPv6 address; any other address as it is."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
