"""Platforms by the labels of nodes. Not known is empty, and makes every platform of an image be judged."""

import pytest

from tidegate.cluster.api import ObjectMetadata
from tidegate.cluster.platforms import MAX_PLATFORMS, platforms_of
from tidegate.images.platform import Platform

AMD64, ARM64 = Platform(os="linux", architecture="amd64"), Platform(os="linux", architecture="arm64")
WINDOWS = Platform(os="windows", architecture="amd64")


def node(os: str | None, architecture: str | None) -> ObjectMetadata:
    labels = {"kubernetes.io/os": os, "kubernetes.io/arch": architecture, "kubernetes.io/hostname": "n"}
    return ObjectMetadata(name="n", labels={key: value for key, value in labels.items() if value is not None})


@pytest.mark.parametrize(
    ("nodes", "platforms"),
    [
        pytest.param([], (), id="no node, nothing is known"),
        pytest.param([node("linux", "amd64")], (AMD64,), id="one node"),
        pytest.param([node("linux", "amd64")] * 3, (AMD64,), id="several of one platform are one"),
        pytest.param(
            [node("windows", "amd64"), node("linux", "arm64"), node("linux", "amd64")],
            (AMD64, ARM64, WINDOWS),
            id="several platforms, sorted",
        ),
        pytest.param([node("linux", "amd64"), node(None, "amd64")], (), id="a node that does not say its system"),
        pytest.param([node("linux", "amd64"), node("linux", None)], (), id="a node that does not say its processor"),
        pytest.param([node("linux", "amd64"), node("Linux/x", "amd64")], (), id="a node that says nonsense"),
        pytest.param([node("linux", f"a{n:02}") for n in range(MAX_PLATFORMS + 1)], (), id="more than can be"),
    ],
)
def test_platforms_of(nodes, platforms):
    assert platforms_of(nodes) == platforms


def test_as_many_as_can_be_are_known():
    assert len(platforms_of([node("linux", f"a{n:02}") for n in range(MAX_PLATFORMS)])) == MAX_PLATFORMS
