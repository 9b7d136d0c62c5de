"""Which addresses may be connected to."""

from ipaddress import ip_address

import pytest

from tidegate.egress.addresses import MAX_ADDRESSES, refusal, resolve, system_look_up
from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.hosts import Reach

PUBLIC = ["8.8.8.8", "52.94.0.1", "2600:1f18::1", "64:ff9b::808:808"]
PRIVATE = ["127.0.0.1", "10.0.0.1", "172.20.0.10", "192.168.1.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"]
PRIVATE += ["64:ff9b::a00:1", "198.18.0.1", "2001:db8::1", "fec0::1"]
NEVER = ["169.254.169.254", "169.254.170.23", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23", "fe80::1", "0.0.0.0"]
NEVER += ["::", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001::1", "224.0.0.1", "ff02::1"]
NEVER += ["255.255.255.255", "240.0.0.1", "192.0.0.192", "::169.254.169.254", "64:ff9b:1::1"]


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address(text):
    assert refusal(ip_address(text), Reach.PUBLIC) is None
    assert refusal(ip_address(text), Reach.PRIVATE) is None


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_address_only_where_the_operator_says_so(text):
    assert "not a public address" in str(refusal(ip_address(text), Reach.PUBLIC))
    assert refusal(ip_address(text), Reach.PRIVATE) is None


@pytest.mark.parametrize("text", NEVER)
def test_an_address_that_is_never_connected_to(text):
    assert refusal(ip_address(text), Reach.PUBLIC) is not None
    assert refusal(ip_address(text), Reach.PRIVATE) is not None


def test_of_several_addresses_those_that_are_allowed_are_left():
    found = resolve("host.test", Reach.PUBLIC, lambda _: ["169.254.169.254", "8.8.8.8", "10.0.0.1", "2600:1f18::1"])
    assert list(map(str, found)) == ["8.8.8.8", "2600:1f18::1"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (["169.254.169.254"], "host.test: 169.254.169.254 is an address of the node or of instance metadata"),
        (["10.0.0.1"], "10.0.0.1 is not a public address"),
        ([], "it has no address"),
        (["10.0.0.1"] * MAX_ADDRESSES + ["8.8.8.8"], "not a public address"),
    ],
)
def test_without_an_allowed_address_nothing_is_connected_to(answer, problem):
    with pytest.raises(EgressError, match=problem) as caught:
        resolve("host.test", Reach.PUBLIC, lambda _: answer)
    assert caught.value.problem is Problem.FORBIDDEN_ADDRESS


def test_an_address_in_place_of_a_name_is_checked_and_not_looked_up():
    def look_up(host):
        raise AssertionError(host)

    assert list(map(str, resolve("8.8.8.8", Reach.PUBLIC, look_up))) == ["8.8.8.8"]
    with pytest.raises(EgressError):
        resolve("169.254.169.254", Reach.PRIVATE, look_up)


@pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("label too long"), ValueError("odd")])
def test_a_name_that_cannot_be_resolved(error):
    def look_up(host):
        raise error

    with pytest.raises(EgressError, match=r"host\.test could not be resolved") as caught:
        resolve("host.test", Reach.PUBLIC, look_up)
    assert caught.value.problem is Problem.NO_ADDRESS


@pytest.mark.parametrize(("host", "asked"), [("acme.com", "acme.com."), ("localhost", "localhost")])
def test_a_name_is_complete(monkeypatch, host, asked):
    """In a Pod, acme.com could else be the Service acme of a namespace com."""
    answers = {asked: [(0, 0, 0, "", ("8.8.8.8", 0)), (0, 0, 0, "", ("2600:1f18::1", 0, 0, 0))]}
    monkeypatch.setattr("socket.getaddrinfo", lambda name, *_, **__: answers[name])
    assert system_look_up(host) == ["8.8.8.8", "2600:1f18::1"]
