"""Platforms are compared in the names that containerd compares."""

import pytest

from tidegate.images.platform import InvalidPlatformError, Platform, normalise, parse_platform

NAMES = {
    "linux/amd64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v4": "linux/amd64/v4",
    "linux/x86_64/v1": "linux/amd64",
    "linux/x86-64/v3": "linux/amd64/v3",
    "linux/i386/sse2": "linux/386",
    "linux/386/sse2": "linux/386/sse2",
    "linux/aarch64": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/v8.0": "linux/arm64/v8.0",
    "linux/arm64/v9": "linux/arm64/v9",
    "linux/arm": "linux/arm/v7",
    "linux/arm/5": "linux/arm/v5",
    "linux/arm/6": "linux/arm/v6",
    "linux/arm/7": "linux/arm/v7",
    "linux/arm/8": "linux/arm/v8",
    "linux/armhf/v6": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "linux/s390x": "linux/s390x",
    "macos/arm64": "darwin/arm64",
}


@pytest.mark.parametrize("text", NAMES, ids=str)
def test_a_platform_has_one_name(text):
    """``arm64/v8.0`` stays, since containerd 1.7 does not take it for the plain arm64."""
    platform = parse_platform(text)
    assert str(platform) == text
    assert str(normalise(platform)) == NAMES[text]
    assert normalise(normalise(platform)) == normalise(platform)


LONGEST_PART = "a_.-" * 16


@pytest.mark.parametrize("text", [f"linux/{LONGEST_PART}", f"{LONGEST_PART}/arm/{LONGEST_PART}"])
def test_a_platform_has_two_or_three_parts_of_64_characters_at_most(text):
    assert str(parse_platform(text)) == text


INVALID = {
    "nothing": "",
    "one part": "linux",
    "four parts": "linux/arm/v7/x",
    "no architecture": "linux/",
    "no operating system": "/amd64",
    "an empty variant": "linux/arm/",
    "upper case": "linux/ARM",
    "a space": "linux/amd 64",
    "a newline": "linux/amd64\n",
    "a part of 65 characters": f"linux/{LONGEST_PART}a",
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_no_platform_is_refused_and_quoted(text):
    with pytest.raises(InvalidPlatformError) as refused:
        parse_platform(text)
    assert str(refused.value) == f"expected os/architecture such as linux/amd64, got {text!r}"


def test_of_a_long_text_80_characters_are_quoted():
    with pytest.raises(InvalidPlatformError) as refused:
        parse_platform("x" * 100)
    assert str(refused.value).endswith(f"got {'x' * 80!r}")


def test_a_platform_is_compared_in_lower_case():
    upper = Platform(os="MacOS", architecture="AArch64", variant="V8")
    assert normalise(upper) == parse_platform("darwin/arm64")
