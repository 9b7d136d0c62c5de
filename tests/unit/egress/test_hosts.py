"""Hosts in URLs and lists: one spelling, and nothing that a resolver might read as another host."""

import pytest

from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.hosts import HostList, Reach, Target, parse_url
from tidegate.errors import ConfigurationError

BOTH = frozenset({"http", "https"})


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://ocsp.example.com", Target("http", "ocsp.example.com", 80, "/")),
        ("HTTP://OCSP.Example.com/a?b=c", Target("http", "ocsp.example.com", 80, "/a?b=c")),
        ("https://example.com:8443/x#part", Target("https", "example.com", 8443, "/x")),
        ("http://10.1.2.3:5000/", Target("http", "10.1.2.3", 5000, "/")),
        ("http://[2600:1F18::1]/", Target("http", "2600:1f18::1", 80, "/")),
    ],
)
def test_a_url_names_a_host(url, target):
    assert parse_url(url, schemes=BOTH) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ocsp.example.com",
        "ftp://ocsp.example.com/",
        "file:///etc/passwd",
        "ldap://ldap.example.com/",
        "http://",
        "http:///x",
        "http://user@ocsp.example.com/",
        "http://user:password@ocsp.example.com/",
        "http://@ocsp.example.com/",
        "http://ocsp.example.com:0/",
        "http://ocsp.example.com:99999/",
        "http://ocsp.example.com:x/",
        "http://ocsp.example.com./",
        "http://ocsp..example.com/",
        "http://-ocsp.example.com/",
        "http://ocsp_.example.com/",
        "http://ocsp.example.com\\@169.254.169.254/",
        "http://ocsp.example.com /",
        "http://ocsp.example.com\r\nHost: other/",
        "http://ocsp.exa\tmple.com/",
        "http://öcsp.example.com/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://1.2.3.4.5/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://[127.0.0.1]x/",
        "http://" + "a." * 127 + "com/",
        "http://ocsp.example.com/" + "x" * 8192,
    ],
)
def test_what_could_be_read_as_another_host_is_no_url(url):
    with pytest.raises(EgressError) as caught:
        parse_url(url, schemes=BOTH)
    assert caught.value.problem is Problem.BAD_URL


def test_only_https_is_meant_where_nothing_else_is_said():
    with pytest.raises(EgressError, match="expected https://HOST"):
        parse_url("http://example.com/")


@pytest.mark.parametrize(
    ("listed", "host", "port", "allowed"),
    [
        ("ocsp.example.com", "ocsp.example.com", 80, True),
        ("ocsp.example.com", "ocsp.example.com", 443, True),
        ("ocsp.example.com", "ocsp.example.com", 8080, False),
        ("ocsp.example.com:8080", "ocsp.example.com", 8080, True),
        ("ocsp.example.com:8080", "ocsp.example.com", 80, False),
        ("ocsp.example.com", "other.example.com", 80, False),
        ("ocsp.example.com", "x.ocsp.example.com", 80, False),
        ("*.example.com", "ocsp.example.com", 80, True),
        ("*.example.com", "a.b.example.com", 80, True),
        ("*.example.com", "example.com", 80, False),
        ("*.example.com", "badexample.com", 80, False),
        ("*.example.com", "example.com.evil.test", 80, False),
        ("*.example.com:81", "a.example.com", 81, True),
        ("10.0.0.7:81", "10.0.0.7", 81, True),
        ("[fd12::7]", "fd12::7", 443, True),
    ],
)
def test_a_list_allows_what_it_names_and_nothing_else(listed, host, port, allowed):
    assert HostList([listed]).reach(host, port) is (Reach.PUBLIC if allowed else None)
    assert HostList([], [listed]).reach(host, port) is (Reach.PRIVATE if allowed else None)


def test_an_empty_list_allows_nothing():
    assert HostList([]).reach("ocsp.example.com", 80) is None


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "*",
        "*.com",
        "*.*.example.com",
        "a.*.com",
        "*.10.0.0.1",
        "http://example.com",
        "example.com/",
        "example.com:0",
        "example.com:70000",
        "example.com:",
        "127.1",
        "fd12::7",
        "[fd12::x]",
        "exa mple.com",
        "a@b.com",
        "*.[fd12::7]",
    ],
)
def test_a_list_with_something_that_is_no_host_ends_the_start(listed):
    with pytest.raises(ConfigurationError, match=r"revocation\.allowedHosts"):
        HostList([listed], settings=("revocation.allowedHosts", "private"))
