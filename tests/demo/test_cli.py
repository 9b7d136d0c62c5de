"""``make try`` as a person runs it on a machine where no program can be had: it ends well and shows what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.cli import TRIES, Try

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 200
SHOWN = {
    "Judge an image with CRITICAL findings": "REFUSED",
    "Judge the manifests of a shop": "1 allowed, 9 refused",
    "Judge an image in a namespace that no policy matches": "1 not judged",
    "See the evidence behind a verdict": "ScanExpired",
    "Verify a signature step by step": "VERIFIED: signature by arn:aws:signer:",
    "Verify an image that a stranger signed": "NOT VERIFIED: SignatureInvalid",
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run it with nothing on PATH, no folder for built programs, and another AWS in the environment."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "file").touch()
    bare = {"PATH": str(folder), "HOME": str(folder), "TIDEGATE_CACHE": str(folder / "file" / "cache")}
    command = [sys.executable, "-m", "tests.demo.cli"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=bare | {"AWS_PROFILE": "production"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("each", TRIES, ids=lambda each: each.title)
def test_each_command_is_shown_with_what_it_says(printed: str, each: Try) -> None:
    _, _, part = printed.partition(f"== {each.title}\n$ tidegate {each.arguments[0]} ")
    part = part.partition("\n== ")[0]
    assert SHOWN[each.title] in part
    assert part.rstrip().endswith(f"# exit code {each.code}")


def test_make_builds_no_program_for_it() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "try"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "tests.demo.cli" in told
    assert "toolchain" not in told
