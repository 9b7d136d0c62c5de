"""The controller's image as it was built: nothing in it is compiled at each start."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.cluster.node import controller_image
from tests.e2e.node.conftest import require_node

IMPORTED = re.compile(r"opt/tidegate/lib/python3|usr/lib/python3\.\d+/(?!(.*/)?(dist-packages|tests?|lib2to3)/)")
"""Both libraries, without Python's own tests."""
UNCHECKED = 0b01
"""The flags of a compiled file that is taken as it is; with other flags Python compares times or contents."""


@pytest.fixture(scope="module")
def layers(pytestconfig: pytest.Config) -> list[Path]:
    """Give the layers of the image, the lowest first."""
    require_node(pytestconfig)
    layout = controller_image()

    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    (named,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(named["digest"]).read_text())
    return [blob(layer["digest"]) for layer in manifest["layers"]]


def files(layer: Path) -> Iterator[tuple[str, bytes]]:
    """Give each Python file of a layer by its path, with the head of what is in it."""
    with tarfile.open(layer) as archive:
        for entry in archive:
            if entry.isfile() and entry.name.endswith((".py", ".pyc")) and (content := archive.extractfile(entry)):
                yield entry.name.removeprefix("./"), content.read(16)


def test_python_compiles_nothing_of_what_tidegate_imports(layers: list[Path]) -> None:
    """On a read-only root file system it would do so at each start.

    What holds by the times of the files counts as stale: a build, a registry or a copy may change them.
    """
    # What a file is in an upper layer is what Python sees.
    found = {name: head for layer in layers for name, head in files(layer) if IMPORTED.match(name)}
    sources = {name for name in found if name.endswith(".py")}
    assert len([name for name in sources if name.startswith("opt/")]) > 1000, "the files were not found"
    # Templates and examples among them aren't Python at all.
    stale = [name for name in map(compiled, sources) if name in found and flags(found[name]) != UNCHECKED]
    assert stale == []
    bare = [name for name in sources if compiled(name) not in found]
    assert [name for name in bare if "/site-packages/tidegate/" in name] == []
    assert len(bare) < len(sources) / 100, bare


def compiled(source: str) -> str:
    """Return where what Python makes of a source lies; the version stands in its folder's name."""
    path = PurePosixPath(source)
    (version,) = re.findall(r"/python3\.(\d+)/", source)
    return str(path.parent / "__pycache__" / f"{path.stem}.cpython-3{version}.pyc")


def flags(head: bytes) -> int:
    """Return the flags in the head of a compiled file."""
    return int.from_bytes(head[4:8], "little")
