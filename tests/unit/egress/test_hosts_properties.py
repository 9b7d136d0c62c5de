"""Whatever a URL, a list or a challenge says: our own errors, and never another host than the one that is compared."""

import contextlib
from ipaddress import ip_address

from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.egress.errors import EgressError
from tidegate.egress.hosts import HostList, parse_host, parse_url
from tidegate.errors import ConfigurationError
from tidegate.registry.access import RegistryAccess, RegistryHosts
from tidegate.registry.challenge import read_challenge

BOTH = frozenset({"http", "https"})
PIECES = st.sampled_from(
    (
        *("http", "https", "://", "//", "/", "\\", "@", ":", "?", "#", "[", "]", "%", ".", "..", "127.0.0.1", "0x7f"),
        *("1", "::1", "a.test", "ghcr.io", "169.254.169.254", "\t", "\r\n", " ", "\x00", "\u00f6", "xn--", "user:pw"),
    )
)
URLS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


@given(URLS)
@example("http://[::ffff:169.254.169.254]/")
@example("https://ghcr.io\\@evil.test/")
def test_a_url_is_one_host_or_none(url):
    try:
        target = parse_url(url, schemes=BOTH)
    except EgressError:
        return
    bracketed = f"[{target.host}]" if ":" in target.host else target.host
    assert parse_host(bracketed) == target.host, "the spelling that is compared is the only one"
    assert 0 < target.port <= 65_535
    assert target.path.startswith("/")
    assert (target.path + target.host).isascii()
    assert (target.path + target.host).isprintable()
    again = parse_url(f"{target.scheme}://{target.authority}{target.path}", schemes=BOTH)
    assert again == target
    if target.host.replace(".", "").isdigit() or ":" in target.host:
        ip_address(target.host)


@given(URLS)
def test_a_list_has_hosts_or_ends_the_start(text):
    with contextlib.suppress(ConfigurationError):
        HostList([text])


@given(URLS)
def test_a_registry_leads_to_itself_alone(url):
    place = RegistryHosts(RegistryAccess(host="ghcr.io"))
    try:
        target, _ = place.realm(url)
    except EgressError:
        return
    assert target.origin == ("https", "ghcr.io", 443)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_a_challenge_is_read_or_not(headers):
    for scheme in ("", "Bearer ", "Basic ", 'Bearer realm="', 'bearer realm="https://a/t",'):
        read_challenge([scheme + each for each in headers])
