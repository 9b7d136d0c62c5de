"""The blocks of docs/guides, and a shell that runs them word for word.

The comment above a block says which test runs it, or why none can:

    <!-- run: e2e/test_guides.py::test_images_in_ci -->
    <!-- run: e2e/node/test_guides.py::test_the_install_guide as values.yaml -->    the block is saved as this file
    <!-- not run: needs an AWS account -->

A test takes its blocks with ``blocks_of(request)``. tests/unit/test_guides.py checks that each block has such a comment.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import ControlPlane

TESTS = Path(__file__).resolve().parent
GUIDES = TESTS.parent / "docs" / "guides"
MARKER = re.compile(r"<!-- (?:run: (?P<test>\S+?)(?: as (?P<file>\S+))?|not run: (?P<reason>.+?)) -->")
COMMAND_SECONDS = 240
CHANGING = re.compile(
    r"sha256:[0-9a-f]{12,64}|\b[0-9a-f]{64}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} [+]0000"
)
"""Digests and times: what differs from run to run in the output that a page shows."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a page: its text without fence and indentation, and what its marker says."""

    page: str
    line: int
    language: str
    text: str
    marker: str
    test: str = ""
    file: str = ""
    reason: str = ""

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield each command with the output that the page shows below it; a block without ``$`` is one script."""
        if self.language != "console":
            yield self.text, ""
            return
        for step in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            found = re.match(r"(?:.*\\\n)*.*(?:\n|$)", step)
            assert found
            yield found[0], step[found.end() :]


def blocks(page: Path) -> list[Block]:
    """Return every block of a page: fenced ones, and those indented by four spaces."""
    lines = page.read_text().splitlines()
    found: list[Block] = []
    number, comment = 0, ""
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if fence := re.match(r"( *)```(\w*)$", line):
            end = next(n for n in range(number, len(lines)) if lines[n].strip() == "```")
            text, number = [one[len(fence[1]) :] for one in lines[number:end]], end + 1
        elif line.startswith("    ") and not lines[start - 1].strip():
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            text = "\n".join(one[4:] for one in lines[start:number]).rstrip().splitlines()
        else:
            comment = line.strip() or comment
            continue
        marked = MARKER.fullmatch(comment)
        fields = {name: value or "" for name, value in marked.groupdict().items()} if marked else {}
        shown = "\n".join(text) + "\n"
        language = fence[2] if fence else ""
        found.append(Block(page=page.name, line=start + 1, language=language, text=shown, marker=comment, **fields))
        comment = ""
    return found


def all_blocks() -> list[Block]:
    """Return the blocks of every guide, page by page."""
    return [block for page in sorted(GUIDES.glob("*.md")) for block in blocks(page)]


def blocks_of(request: pytest.FixtureRequest) -> list[Block]:
    """Return the blocks that name the present test, in their order; fail where there is none."""
    name = f"{request.path.relative_to(TESTS)}::{request.function.__name__}"
    found = [block for block in all_blocks() if block.test == name]
    assert found, f"no block of docs/guides names {name}"
    return found


class Shell:
    """A terminal in a folder of its own, from which a cluster is reached with the real kubectl, helm and tidegate."""

    def __init__(self, folder: Path, cluster: ControlPlane, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._reach = cluster.reach
        self._exports = ""
        self._bin = folder / ".bin"
        self._bin.mkdir()
        for name in ("deploy", "LICENSE"):
            (folder / name).symlink_to(TESTS.parent / name)
        self._environment = {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "HOME": str(folder),
            "KUBECONFIG": str(cluster.admin_kubeconfig),
            **(environment or {}),
        }

    def put(self, name: str, *command: str, before: str = "") -> None:
        """Put a program into PATH; ``before`` is a script that may change its arguments."""
        program = self._bin / name
        program.write_text(f'#!/bin/bash\n{before}\nexec {shlex.join(self._reach(list(command)))} "$@"\n')
        program.chmod(0o755)

    def run(self, block: Block) -> str:
        """Save the block's file, or run its commands and compare their output with the page; return all output."""
        if block.file:
            (self.folder / block.file).write_text(block.text)
            return ""
        said = ""
        for command, expected in block.steps():
            output = self.command(command, where=f"{block.page}:{block.line}")
            if expected:
                assert matches(expected, output), f"{block.page}:{block.line}: {command}\n{output}"
            said += output
        return said

    def command(self, command: str, *, where: str = "") -> str:
        """Run a script of bash; return its output, also where a command ends with 1, as ``tidegate`` does for a refusal."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", self._exports + command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0 or "tidegate " in command, f"{where}: {command}\n{done.stdout}"
        self._exports += "".join(f"{line}\n" for line in command.splitlines() if line.startswith("export "))
        return done.stdout


def matches(expected: str, output: str) -> bool:
    """Tell whether an output is what a page shows, apart from digests and times; ``...`` stands for any text."""
    pattern = re.escape(_masked(expected)).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, _masked(output), re.DOTALL) is not None


def _masked(text: str) -> str:
    return re.sub(r"[ \t]+", " ", CHANGING.sub("#", text)).strip()
