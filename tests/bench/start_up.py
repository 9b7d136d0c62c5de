"""What the command line costs before it does anything: processor time of ``tidegate --help``, imports for the most part."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys


def run(*, rounds: int) -> dict[str, float]:
    """Return medians in seconds by name, each run in a process of its own."""
    return {"tidegate --help, processor time, s": statistics.median(_seconds("--help") for _ in range(rounds))}


def _seconds(*arguments: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-m", "tidegate", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system
