"""Completion in the real shells: what ``tidegate completion`` prints is loaded, and a tab asks ``tidegate``."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.prerequisites import require

SECONDS = 60
BASH = """
source <(tidegate completion bash)
COMP_WORDS=(tidegate {words}) COMP_CWORD={number}
_tidegate_completion tidegate
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give a home without any configuration, and ``tidegate`` on PATH."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
    }


def shell(name: str) -> str:
    found = shutil.which(name)
    require(name, "" if found else f"install {name}")
    return str(found)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("exp", {"explain"}),
        ("'' ", {"check", "explain", "completion", "man"}),
        ("check --allow", {"--allow-not-judged"}),
        ("exception cr", {"create"}),
    ],
    ids=["a command", "every command", "an option", "a command of a group"],
)
def test_bash_completes(environment: dict[str, str], words: str, expected: set[str]):
    script = BASH.format(words=words, number=len(words.split()))
    done = subprocess.run(
        [shell("bash"), "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    found = {line.strip() for line in done.stdout.splitlines()}
    assert expected <= found
    assert done.stderr == ""


def test_fish_completes_with_descriptions(environment: dict[str, str]):
    script = 'tidegate completion fish | source; complete --do-complete "tidegate exp"'
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert done.stdout.splitlines() == ["explain\tShow the evidence for one image and the result of each check."]


def test_zsh_completes_at_a_tab(environment: dict[str, str], tmp_path: Path):
    """As a file in a folder of ``fpath``, and on a terminal: zsh completes nowhere else."""
    program = shell("zsh")
    functions = tmp_path / "functions"
    functions.mkdir()
    done = subprocess.run(["tidegate", "completion", "zsh"], env=environment, capture_output=True, check=True)
    (functions / "_tidegate").write_bytes(done.stdout)
    (tmp_path / ".zshrc").write_text(
        f"fpath=({functions} $fpath)\nautoload -Uz compinit && compinit -u -D\nPS1='ready> '\n"
    )
    pid, terminal = pty.fork()
    if not pid:
        os.execve(program, [program, "-i"], environment)
    try:
        _read_until(terminal, b"ready> ")
        os.write(terminal, b"tidegate expl\t")
        assert b"tidegate explain" in _read_until(terminal, b"explain")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _read_until(terminal: int, text: bytes) -> bytes:
    found, ends = b"", time.monotonic() + SECONDS
    while text not in found and time.monotonic() < ends:
        if select.select([terminal], [], [], 1)[0]:
            found += os.read(terminal, 4096)
    assert text in found, found
    return found


def test_completing_a_command_imports_none():
    """A tab is answered within a moment."""
    code = (
        "import sys; from tidegate.cli.root import main\n"
        "try: main(prog_name='tidegate')\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.endswith('.command')))"
    )
    environment = os.environ | {"_TIDEGATE_COMPLETE": "bash_complete", "COMP_WORDS": "tidegate ex", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["plain,exception", "plain,explain", "[]"]
