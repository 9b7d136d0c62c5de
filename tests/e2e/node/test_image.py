"""The controller's image as it was built: what is in it, what isn't, and that nothing is compiled at each start."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.chart.render import NAMESPACE
from tests.cluster.node import controller_image
from tests.e2e.node.conftest import Node, require_node

SETUID_OR_SETGID = 0o6000
MAX_BYTES = 230_000_000
MAX_COMPRESSED_BYTES = 80_000_000
UNCHECKED = 0b01
"""The flags of a compiled file that is taken as it is; with other flags Python compares times or contents."""
HEAD_BYTES = 16
READ = {"etc/os-release", "var/lib/dpkg/status"}
IMPORT_ALL = """
import importlib, pkgutil, sys, tidegate
names = [found.name for found in pkgutil.walk_packages(tidegate.__path__, "tidegate.")]
for name in names: importlib.import_module(name)
print(len(names))
"""

SURROUNDINGS = """
import ssl, tempfile
from pathlib import Path
with tempfile.NamedTemporaryFile() as file: print(Path(file.name).parent)
print(len(ssl.create_default_context().get_ca_certs()))
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the image has at a path; ``content`` is that of some files, and the head of a compiled one."""

    mode: int
    size: int
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the topmost layer has at each path, and the bytes of the layers as they are pulled."""

    entries: dict[str, Entry]
    compressed_bytes: int


@pytest.fixture(scope="module")
def image(pytestconfig: pytest.Config) -> Image:
    """Give what is in the image."""
    require_node(pytestconfig)
    layout = controller_image()

    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    (named,) = json.loads((layout / "index.json").read_text())["manifests"]
    layers = json.loads(blob(named["digest"]).read_text())["layers"]
    found = {path: entry for layer in layers for path, entry in entries(blob(layer["digest"]))}
    assert "opt/tidegate/bin/tidegate" in found, "the files were not found"
    return Image(entries=found, compressed_bytes=sum(layer["size"] for layer in layers))


def entries(layer: Path) -> Iterator[tuple[str, Entry]]:
    with tarfile.open(layer) as archive:
        for each in archive:
            path = each.name.removeprefix("./")
            read = archive.extractfile(each) if each.isfile() and (path in READ or path.endswith(".pyc")) else None
            content = read.read(-1 if path in READ else HEAD_BYTES) if read else b""
            yield path, Entry(mode=each.mode, size=each.size, content=content)


def test_no_program_but_python_and_tidegate_can_be_run(image: Image) -> None:
    """No shell, no package manager, no perl: what breaks into a Pod finds none of them."""
    folders = re.compile(r"((usr/)?(local/)?s?bin|opt/tidegate/bin)/([^/]+)")
    programs = {name[4] for path in image.entries if (name := folders.fullmatch(path)) and name[4] != "__pycache__"}
    assert {name for name in programs if not re.fullmatch(r"tidegate|python(3(\.\d+)?)?", name)} == set()
    assert "python3" in programs


def test_no_file_gives_the_rights_of_another_user(image: Image) -> None:
    assert [path for path, entry in image.entries.items() if entry.mode & SETUID_OR_SETGID] == []


def test_it_stays_small(image: Image) -> None:
    """485 MB with a whole system, the Kubernetes client's models and those of all of AWS; 210 without."""
    assert sum(entry.size for entry in image.entries.values()) < MAX_BYTES
    assert image.compressed_bytes < MAX_COMPRESSED_BYTES


def test_scanners_find_which_packages_it_is_made_of(image: Image) -> None:
    """Amazon Inspector reads both files; without them it calls the operating system unsupported."""
    assert b"VERSION_ID=" in image.entries["etc/os-release"].content
    listed = re.findall(rb"^Package: (\S+)$", image.entries["var/lib/dpkg/status"].content, re.MULTILINE)
    assert set(listed) >= {b"libc6", b"libssl3", b"libstdc++6", b"ca-certificates"}


def test_the_kubernetes_client_and_botocore_have_what_is_used_of_them(image: Image) -> None:
    models = [path for path in image.entries if re.search(r"/kubernetes/(client/(api|models)|aio)/.*\.py$", path)]
    assert len(models) < 10
    services = {name[1] for path in image.entries if (name := re.search(r"/botocore/data/([^/]+)/", path))}
    assert services == {"ecr", "inspector2", "kms", "signer-data", "signin", "sqs", "sso", "sso-oidc", "sts"}


def test_every_module_of_tidegate_can_be_imported_in_a_pod(node: Node) -> None:
    """Nothing that one of them imports was left out of the image."""
    assert int(run_in_a_pod(node, IMPORT_ALL)) > 100


def test_a_pod_can_write_temporary_files_without_a_volume_and_trusts_public_authorities(node: Node) -> None:
    folder, authorities = run_in_a_pod(node, SURROUNDINGS).split()
    assert folder == "/dev/shm"
    assert int(authorities) > 50


def run_in_a_pod(node: Node, code: str) -> str:
    """Return what Python prints in a Pod."""
    pod = node.tidegate.pods()[0]["metadata"]["name"]
    command = ("exec", pod, f"--namespace={NAMESPACE}", "--", "/opt/tidegate/bin/python", "-c", code)
    return node.cluster.kubectl(*command, timeout_seconds=60).stdout


def test_python_compiles_nothing_at_a_start(image: Image) -> None:
    """On a read-only root file system it would do so at each start.

    What holds by the times of the files counts as stale: a build, a registry or a copy may change them.
    """
    sources = {path for path in image.entries if path.endswith(".py") and "/python3" in path}
    assert len([path for path in sources if path.startswith("opt/")]) > 1000, "the files were not found"
    # Templates and examples among them aren't Python at all.
    stale = [path for path in map(compiled, sources) if path in image.entries and flags(image, path) != UNCHECKED]
    assert stale == []
    bare = [path for path in sources if compiled(path) not in image.entries]
    assert [path for path in bare if "/site-packages/tidegate/" in path] == []
    assert len(bare) < len(sources) / 100, bare


def compiled(source: str) -> str:
    """Return where what Python makes of a source lies; the version stands in its folder's name."""
    path = PurePosixPath(source)
    (version,) = re.findall(r"/python3\.(\d+)/", source)
    return str(path.parent / "__pycache__" / f"{path.stem}.cpython-3{version}.pyc")


def flags(image: Image, path: str) -> int:
    """Return the flags in the head of a compiled file."""
    return int.from_bytes(image.entries[path].content[4:8], "little")
