"""Which children of an index nodes may run."""

import pytest

from tidegate.checks.subject import select_platforms
from tidegate.evidence.image import PlatformImage
from tidegate.images.digest import digest_of
from tidegate.images.platform import parse_platform, preferences


def _children(*texts: str | None) -> tuple[PlatformImage, ...]:
    return tuple(
        PlatformImage(digest=digest_of(str(text).encode()), platform=None if text is None else parse_platform(text))
        for text in texts
    )


@pytest.mark.parametrize(
    ("wanted", "offered", "run"),
    [
        pytest.param(["linux/amd64"], ["linux/amd64", "linux/arm64"], ["linux/amd64"], id="its-own-only"),
        pytest.param(["linux/amd64"], ["linux/amd64", "linux/386"], ["linux/amd64"], id="no-fallback-beside-its-own"),
        pytest.param(["linux/amd64"], ["linux/386", "linux/arm64"], ["linux/386"], id="386-on-amd64-without-its-own"),
        pytest.param(
            ["linux/amd64", "linux/arm64"],
            ["linux/386", "linux/arm64"],
            ["linux/386", "linux/arm64"],
            id="each-node-by-itself",
        ),
        pytest.param(
            ["linux/arm64"], ["linux/arm/v6", "linux/arm/v7"], ["linux/arm/v7"], id="best-arm-on-arm64-without-its-own"
        ),
        pytest.param(["linux/arm/v7"], ["linux/arm/v6", "linux/arm/v5"], ["linux/arm/v6"], id="lower-variant-of-arm"),
        pytest.param(["linux/arm/v6"], ["linux/arm/v7"], [], id="no-higher-variant"),
        pytest.param(
            ["linux/amd64"], ["linux/amd64/v3", "linux/amd64"], ["linux/amd64/v3", "linux/amd64"], id="any-variant"
        ),
        pytest.param(["windows/amd64"], ["linux/amd64", "linux/386"], [], id="another-system"),
        pytest.param(["linux/amd64"], [None, "linux/arm64"], [None], id="no-platform-runs-anywhere"),
        pytest.param([], ["linux/amd64", "linux/arm64"], ["linux/amd64", "linux/arm64"], id="nothing-wanted-is-all"),
    ],
)
def test_a_node_runs_the_best_that_the_index_offers_it(wanted, offered, run):
    chosen = select_platforms(_children(*offered), tuple(map(parse_platform, wanted)))

    assert chosen == _children(*run)


def test_the_own_platform_comes_first():
    for text in ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"):
        assert preferences(parse_platform(text))[0] == parse_platform(text)
