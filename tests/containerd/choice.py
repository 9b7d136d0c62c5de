"""What the real containerd would run of an index, beside what tidegate judges of it."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.cluster.toolchain.build import program, ready
from tests.containerd.indexes import Images, Index
from tests.prerequisites import make_ready, require
from tidegate.errors import InvalidManifestError
from tidegate.evidence.index_children import index_children, select_platforms
from tidegate.images.digest import Digest
from tidegate.images.manifest import MAX_INDEX_DEPTH, Manifest, parse_manifest
from tidegate.images.platform import parse_platform

PROGRAMS = ("tidegate-containerd-1.7", "tidegate-containerd-2")
ANSWER_SECONDS = 120

WINDOWS = [{"os.version": version} for version in ("10.0.17763.1", "10.0.20348.1", "10.0.25398.1", "10.0.26100.1")]
BOTH: dict[str, list[dict[str, Any]]] = {
    "linux/amd64": [{"variant": variant} for variant in ("", "v1", "v2", "v3", "v4")],
    "linux/arm64": [{"variant": variant} for variant in ("", "v8")],
    "linux/arm": [{"variant": variant} for variant in ("", "v5", "v6", "v7", "v8")],
    "linux/386": [{}],
    "linux/s390x": [{}],
    "windows/amd64": [{}, *WINDOWS],
}
"""Nodes of each platform: at least what ``DefaultSpec`` of containerd can say that they are."""
SINCE_2: dict[str, list[dict[str, Any]]] = {
    "linux/amd64": [{"os.features": ["erofs"]}, {"os.features": ["a", "b", "erofs"], "variant": "v3"}],
    "linux/arm64": [{"variant": variant} for variant in ("v8.1", "v8.5", "v9", "v9.2")],
}
"""Nodes that are known to containerd 2 alone: 1.7 has no features, and no variant of arm64 but v8."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One index and one platform of nodes: every image of it, those that nodes run, and those that are judged.

    ``judged`` is None where the index is refused altogether.
    """

    index: Index
    platform: str
    run: frozenset[Digest]
    judged: frozenset[Digest] | None

    def shown(self) -> str:
        content = [text.decode() for _, text in self.index.indexes.values()]
        return f"on {self.platform} nodes may run {set(self.run)}, judged {set(self.judged or ())}: {content}"


def programs() -> list[str]:
    """Return the paths of the programs; skip where they cannot be built, or fail in CI."""
    require("containerd", make_ready(lambda: ready(PROGRAMS)))
    return [str(program(name)) for name in PROGRAMS]


def compare(indexes: Iterable[Index], images: Images, chance: Random) -> list[Comparison]:
    """Compare each index on nodes of one platform, chosen by chance."""
    asked = [(index, chance.choice((*BOTH, *("linux/amd64", "linux/arm64") * 4))) for index in indexes]
    old, new = programs()
    answers = zip(
        _ask(old, images, [(index, platform, BOTH[platform]) for index, platform in asked]),
        _ask(new, images, [(index, platform, BOTH[platform] + SINCE_2.get(platform, [])) for index, platform in asked]),
        strict=True,
    )
    return [
        Comparison(
            index=index,
            platform=platform,
            run=frozenset(images.by_config[config] for answer in both for config in answer if config),
            judged=judged(index, platform),
        )
        for (index, platform), both in zip(asked, answers, strict=True)
    ]


def judged(index: Index, platform: str) -> frozenset[Digest] | None:
    """Return what tidegate judges for nodes of the platform, as ``gather/manifests.py`` expands an index."""
    manifests: dict[Digest, Manifest] = {}
    level = [index.digest]
    try:
        for _ in range(MAX_INDEX_DEPTH):
            for digest in level:
                media_type, content = index.indexes[digest]
                manifests[digest] = parse_manifest(content, digest=digest, media_type=media_type)
            level = [child.digest for digest in level for child in manifests[digest].children if child.is_index]
    except InvalidManifestError:
        return None
    if level:
        return None
    children = index_children(index.digest, manifests)
    return frozenset(one.digest for one in select_platforms(children, (parse_platform(platform),)))


def _ask(program: str, images: Images, asked: Sequence[tuple[Index, str, list[dict[str, Any]]]]) -> list[list[str]]:
    """Return for each index the config that each of the nodes would run."""
    lines: list[dict[str, Any]] = []
    for index, platform, nodes in asked:
        system, architecture = platform.split("/")
        described = {"mediaType": index.media_type, "digest": index.digest, "size": index.size}
        blobs = {digest: content.decode() for digest, (_, content) in index.indexes.items()}
        lines.append(
            {
                "root": described,
                "blobs": blobs if lines else blobs | images.blobs,
                "nodes": [{"os": system, "architecture": architecture} | node for node in nodes],
            }
        )
    done = subprocess.run(
        [program],
        check=False,
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
