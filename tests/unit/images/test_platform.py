"""Platforms are compared in the names that containerd compares."""

import pytest

from tidegate.images.platform import normalise, parse_platform

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
