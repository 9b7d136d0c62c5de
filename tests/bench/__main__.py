"""Measure everything and write docs/reference/performance.md and scale.md: ``make bench``, or ``make bench ARGS=--quick`` to try it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import ssl
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import (
    against,
    apiserver,
    bursts,
    cold,
    memory,
    node,
    scale,
    scale_page,
    serving,
    start_up,
    verification,
    walk,
)
from tests.bench.page import read, render

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / ".bench" / "figures.json"
PAGE = ROOT / "docs" / "reference" / "performance.md"
SCALE_PAGE = PAGE.with_name("scale.md")


def main() -> int:
    """Run the parts asked for and write the page from all that was measured so far."""
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "serving": lambda options: serving.run(rounds=options.rounds, seconds=options.seconds),
        "bursts": lambda options: bursts.run(rounds=options.rounds),
        "cold": lambda _: cold.run(),
        "walk": lambda _: walk.run(),
        "verification": lambda options: verification.run(rounds=options.rounds),
        "memory": lambda _: memory.run(),
        "start_up": lambda options: start_up.run(rounds=options.rounds),
        "apiserver": lambda options: apiserver.run(rounds=options.rounds),
        "node": lambda options: node.run(rounds=options.rounds),
        "scale": lambda options: scale.run(quick=options.quick),
    }
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(parts)} (all by default)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one short round, and the page stays as it is")
    parser.add_argument("--against", metavar="REVISION", help="compare with another revision in turns; writes no page")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"unknown part {', '.join(unknown)}; known: {', '.join(parts)}")
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            print(f"{tool} is missing: install it (Debian: apt-get install {package})", file=sys.stderr)
            return 1
    if options.quick:
        options.rounds = options.seconds = 1
    if options.against is not None:
        if alone := set(options.parts) - set(against.PARTS):
            parser.error(
                f"cannot compare {', '.join(alone)} with another revision; can compare: {', '.join(against.PARTS)}"
            )
        rows = against.compare(
            options.against, options.parts, rounds=options.rounds, seconds=options.seconds, quick=options.quick
        )
        print("\n".join(rows))
        return 0
    figures: dict[str, Any] = {}
    for part in options.parts or parts:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        figures[part] = parts[part](options) | {"_machine": machine()}
    print(json.dumps(figures, indent=1))
    if not options.quick:
        RECORD.parent.mkdir(exist_ok=True)
        # A part that was measured elsewhere stays as the page has it.
        known = read(PAGE.read_text()) | (json.loads(RECORD.read_text()) if RECORD.exists() else {})
        RECORD.write_text(json.dumps(known | figures, indent=1) + "\n")
        PAGE.write_text(render(known | figures))
        print(f"written to {PAGE.relative_to(ROOT)}", file=sys.stderr)
        if "scale" in figures:
            SCALE_PAGE.write_text(scale_page.render(figures["scale"]))
            print(f"written to {SCALE_PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0


def machine() -> str:
    """Return where the figures come from."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    day = datetime.now(UTC).date().isoformat()
    load = f"load average {os.getloadavg()[2]:.0f} over 15 minutes"
    return (
        f"{day}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {load}"
    )


if __name__ == "__main__":
    sys.exit(main())
