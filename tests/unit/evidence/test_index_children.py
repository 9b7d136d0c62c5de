"""Every image of an index that a node may run is judged, whatever the variant of its processor and its containerd."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.builders import platforms
from tidegate.evidence.image import PlatformImage
from tidegate.evidence.index_children import images_within, index_children, select_platforms
from tidegate.images.digest import Digest, digest_of
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest


def image(name: str, platform: str | None = None, **more: Any) -> dict[str, Any]:
    """An entry for an image, whose digest is that of its name."""
    return entry(digest_of(name.encode()), OCI_MANIFEST, platform, more)


def entry(digest: str, media_type: str, platform: str | None, more: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": 500}
    if platform is not None:
        named = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        described["platform"] = named | dict(more)
    return described


class Indexes:
    """Indexes in the making; the last one that is made holds the others."""

    def __init__(self) -> None:
        self.manifests: dict[Digest, Manifest] = {}

    def index(self, *entries: dict[str, Any]) -> Digest:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        content = json.dumps(document).encode()
        digest = digest_of(content)
        self.manifests[digest] = parse_manifest(content, digest=digest, media_type=OCI_INDEX)
        return digest

    def within(self, platform: str | None, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An entry for an index of these entries."""
        return entry(self.index(*entries), OCI_INDEX, platform, more)


NAMES = ("clean", "critical", "other", "third")


def judged(indexes: Indexes, entries: tuple[dict[str, Any], ...], *wanted: str) -> list[str]:
    names = {digest_of(name.encode()): name for name in NAMES}
    children = index_children(indexes.index(*entries), indexes.manifests)
    return [names[one.digest] for one in select_platforms(children, platforms(*wanted))]


AMD64, ARM64 = "linux/amd64", "linux/arm64"
CASES = [
    pytest.param(AMD64, [("clean", AMD64), ("critical", ARM64)], ["clean"], id="its-own-architecture-alone"),
    pytest.param(AMD64, [("clean", AMD64), ("critical", "linux/386")], ["clean"], id="nothing-lesser-beside-its-own"),
    pytest.param(
        AMD64, [("clean", "linux/amd64/v1"), ("critical", "linux/386")], ["clean"], id="the-first-variant-is-its-own"
    ),
    pytest.param(AMD64, [("critical", "linux/386")], ["critical"], id="386-on-amd64-without-its-own"),
    pytest.param(
        AMD64,
        [("clean", "linux/amd64/v4"), ("critical", "linux/386")],
        ["clean", "critical"],
        id="386-beside-a-variant-that-some-nodes-lack",
    ),
    pytest.param(
        AMD64, [("clean", AMD64), ("critical", "linux/amd64/v2")], ["clean", "critical"], id="any-variant-of-amd64"
    ),
    pytest.param(ARM64, [("clean", ARM64), ("critical", "linux/arm/v7")], ["clean"], id="no-arm-beside-arm64"),
    pytest.param(ARM64, [("clean", "linux/arm64/v8"), ("critical", "linux/arm/v7")], ["clean"], id="arm64-v8-is-arm64"),
    pytest.param(
        ARM64,
        [("clean", "linux/arm64/v9"), ("critical", "linux/arm/v8")],
        ["clean", "critical"],
        id="arm-v8-beside-arm64-v9",
    ),
    pytest.param(
        ARM64,
        [("clean", "linux/arm64/v8.0"), ("critical", "linux/arm/v8")],
        ["clean", "critical"],
        id="arm64-v8.0-is-not-arm64-to-containerd-1.7",
    ),
    pytest.param(ARM64, [("critical", "linux/arm/8")], ["critical"], id="arm-8-on-arm64"),
    pytest.param(
        "linux/arm/v7",
        [("clean", "linux/arm/v7"), ("other", "linux/arm"), ("critical", "linux/armel")],
        ["clean", "other", "critical"],
        id="every-variant-of-arm",
    ),
    pytest.param("linux/arm", [("critical", ARM64)], [], id="no-arm64-on-arm"),
    pytest.param(
        "linux/arm64/v8", [("critical", "linux/arm64/8")], ["critical"], id="a-policy-with-v8-and-an-image-with-8"
    ),
    pytest.param("linux/arm64/8", [("critical", ARM64)], ["critical"], id="a-policy-with-8"),
    pytest.param("linux/aarch64", [("critical", ARM64)], ["critical"], id="a-policy-with-an-alias"),
    pytest.param(
        "linux/amd64/v3",
        [("clean", "linux/amd64/v3"), ("critical", AMD64)],
        ["clean", "critical"],
        id="a-variant-in-a-policy-leaves-nothing-out",
    ),
    pytest.param("linux/s390x", [("clean", AMD64), ("critical", None)], ["critical"], id="no-platform-is-any"),
    pytest.param(
        AMD64, [("clean", None), ("critical", "linux/386")], ["clean", "critical"], id="no-platform-comes-last"
    ),
    pytest.param("windows/amd64", [("clean", AMD64), ("other", "linux/386")], [], id="another-operating-system"),
    pytest.param("linux/s390x", [("clean", AMD64), ("other", ARM64)], [], id="nothing-fits"),
]


@pytest.mark.parametrize(("node", "offered", "expected"), CASES)
def test_what_a_node_may_run_is_judged(node, offered, expected):
    assert judged(Indexes(), tuple(image(*one) for one in offered), node) == expected


@pytest.mark.parametrize(
    "restriction",
    [
        {"os.features": ["sse4"]},
        {"os.features": [""]},
        {"os.version": "10.0.20348.1"},
        {"variant": "v4"},
    ],
    ids=str,
)
@pytest.mark.parametrize("system", ["linux", "windows"])
def test_an_image_that_some_nodes_pass_over_hides_no_lesser_one(system, restriction):
    """containerd 2.4 passes over features that the node lacks, and every version over a Windows that is too new."""
    offered = image("clean", f"{system}/amd64", **restriction), image("critical", f"{system}/386")
    assert judged(Indexes(), offered, f"{system}/amd64") == ["clean", "critical"]


@pytest.mark.parametrize("unrestricted", [{}, {"os.features": []}, {"os.features": None}, {"os.version": ""}], ids=str)
def test_an_image_without_restrictions_comes_before_a_lesser_one(unrestricted):
    offered = image("clean", AMD64, **unrestricted), image("critical", "linux/386")
    assert judged(Indexes(), offered, AMD64) == ["clean"]


def test_each_node_is_looked_at_by_itself():
    offered = image("clean", ARM64), image("critical", "linux/386"), image("other", "windows/amd64")
    assert judged(Indexes(), offered, AMD64, ARM64) == ["clean", "critical"]


def test_nothing_wanted_is_every_image():
    indexes = Indexes()
    inner = indexes.within("plan9/mips", image("clean", AMD64), image("critical", "linux/s390x"))
    assert judged(indexes, (inner, image("other", ARM64))) == ["clean", "critical", "other"]


def test_an_inner_index_counts_by_its_own_platform():
    """containerd does not enter it on amd64, whatever it holds, and runs the lesser image."""
    indexes = Indexes()
    inner = indexes.within(ARM64, image("clean", AMD64))
    assert judged(indexes, (inner, image("critical", "linux/386")), AMD64) == ["critical"]


def test_an_inner_index_may_hide_nothing_behind_an_image_of_its_platform():
    """Of two entries that fit equally the first is entered, and what it holds for the node is run."""
    indexes = Indexes()
    inner = indexes.within(AMD64, image("critical", "linux/386"))
    assert judged(indexes, (inner, image("clean", AMD64)), AMD64) == ["critical", "clean"]


def test_an_inner_index_without_a_platform_may_be_entered():
    indexes = Indexes()
    inner = indexes.within(None, image("critical", AMD64), image("other", ARM64))
    assert judged(indexes, (inner, image("clean", AMD64)), AMD64) == ["critical", "clean"]


def test_an_inner_index_is_left_out_with_the_platforms_that_are_not_wanted():
    indexes = Indexes()
    linux = indexes.within(AMD64, image("clean", AMD64))
    windows = indexes.within("windows/amd64", image("critical", "windows/amd64", **{"os.version": "10.0.20348"}))
    assert judged(indexes, (linux, windows), AMD64) == ["clean"]


@pytest.mark.parametrize("platforms", [(AMD64, "plan9/mips"), ("plan9/mips", AMD64), (AMD64, AMD64)])
def test_an_image_that_is_listed_twice_is_judged_once_where_one_of_its_platforms_runs(platforms):
    offered = tuple(image("clean", platform) for platform in platforms)
    assert judged(Indexes(), offered, AMD64) == ["clean"]
    assert judged(Indexes(), offered, "linux/s390x") == []


def test_an_image_is_shown_with_the_platform_that_it_runs_for():
    indexes = Indexes()
    digest = indexes.index(image("clean", ARM64), image("clean", AMD64))
    chosen = select_platforms(index_children(digest, indexes.manifests), platforms(AMD64))
    assert [str(one.platform) for one in chosen] == [AMD64]


def test_the_images_of_a_tree_are_given_in_order():
    leaf = [PlatformImage(digest=digest_of(name.encode()), platform=None) for name in NAMES]
    inner = PlatformImage(digest=digest_of(b"inner"), platform=None, children=(leaf[1], leaf[2]))
    assert list(images_within((leaf[0], inner, leaf[3]))) == leaf
    assert select_platforms((), ()) == select_platforms((), platforms(AMD64)) == ()
