"""Before and after in one run: ``make bench ARGS="--against REVISION"``.

A git worktree of the other revision gets an environment of its own, and both products run side by side as whole
processes, each with its own control plane and simulated AWS of 30 ms a call. They are driven over their sockets in turns,
by the same client, so that a noisy minute hurts both. The figures are for comparing: they go to the screen alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

from tests.bench.asking import ask, fill
from tests.bench.bursts import COUNTS, burst
from tests.bench.http_layer import CONNECTIONS, wrk
from tests.bench.reviews import ECR, review_of, write_wrk_script, write_wrk_script_of_images

ROOT = Path(__file__).resolve().parents[2]
WORKTREES = ROOT / ".bench" / "worktrees"
IMAGES = 103_000
"""In the simulated registry; those from ``FIRST_COLD`` on are new to each cold round."""
FIRST_COLD = 100_000
COLD = 21
"""New images that are asked for one after the other, in each round."""
MANY = 20_000
REQUESTS = 1_000_000
FILLED = (10_000, MANY, 100_000)
WRK_SECONDS = 10


class Product:
    """One revision's product, running."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process
        self.next_cold = FIRST_COLD
        self._hear()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} did not start")
        ready = json.loads(line)
        self.port, self.seconds = ready["port"], ready["seconds"]
        self.process = SimpleNamespace(pid=ready["pid"])

    def restart(self) -> float:
        """Start its controller anew, with nothing known; return the seconds until it was ready."""
        assert self._process.stdin is not None
        self._process.stdin.write("restart\n")
        self._process.stdin.flush()
        self._hear()
        return float(self.seconds)

    def resident_mib(self) -> float:
        """Return the resident memory of its controller."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def compare(revision: str, parts: Sequence[str] = (), *, rounds: int, seconds: int, quick: bool) -> list[str]:
    """Return a table in Markdown of the other revision's figures, this one's, and their ratio; of all ``PARTS`` by default."""
    parts = parts or PARTS
    samples: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checkouts = {revision: checkout(revision), "now": ROOT}
        products = [stack.enter_context(running(name, path)) for name, path in checkouts.items()]
        scripts = _scripts(folder)

        def take(product: Product, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                samples.setdefault(name, {}).setdefault(product.name, []).append(value)

        for number in range(rounds):
            for step in (step for part, step in _STEPS.items() if part in parts):
                for product in products if number % 2 == 0 else products[::-1]:
                    print(
                        f"  round {number + 1}/{rounds}: {step.__name__[1:]} of {product.name}",
                        file=sys.stderr,
                        flush=True,
                    )
                    take(product, step(product, scripts, seconds))
        for product in products if "memory" in parts else ():
            print(f"  memory of {product.name}", file=sys.stderr, flush=True)
            take(product, _memory(product, FILLED[:1] if quick else FILLED, REQUESTS // 100 if quick else REQUESTS))
    return table(samples, before=revision)


def table(samples: Mapping[str, Mapping[str, Sequence[float]]], *, before: str) -> list[str]:
    """Return the medians beside each other."""
    lines = [f"| figure | {before} | now | now / before |", "|---|---|---|---|"]
    for name, sides in samples.items():
        old, new = (statistics.median(sides[side]) for side in (before, "now"))
        lines.append(f"| {name} | {old:,.4g} | {new:,.4g} | {new / old if old else float('nan'):.2f} |")
    return lines


def checkout(revision: str) -> Path:
    """Return a worktree of the revision with an environment of its own."""
    commit = subprocess.run(
        ["git", "rev-parse", "--verify", f"{revision}^{{commit}}"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    folder = WORKTREES / commit
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), commit], cwd=ROOT, check=True)
    subprocess.run(["make", "--silent", "setup"], cwd=folder, check=True, stdout=sys.stderr)
    return folder


@contextmanager
def running(name: str, folder: Path) -> Iterator[Product]:
    """Run a checkout's product by its own harness."""
    python = folder / ".venv" / "bin" / "python"
    process = subprocess.Popen(
        [str(python), "-P", str(ROOT / "tests" / "bench" / "product.py"), str(IMAGES)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Product(name, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _scripts(folder: Path) -> dict[str, Path]:
    made: dict[str, Path] = {}
    for name in ("allowed", "refused", "1,000 images", f"{MANY:,} images"):
        (own := folder / name.replace(" ", "-")).mkdir()
        if name.endswith("images"):
            made[name] = write_wrk_script_of_images(own, int(name.split()[0].replace(",", "")))
        else:
            image = f"{ECR}/bench/app:v0" if name == "allowed" else f"{ECR}/bench/bad:v1"
            made[name] = write_wrk_script(own, [review_of(image, image)])
    return made


def _start(product: Product, _scripts: Mapping[str, Path], _seconds: int) -> dict[str, float]:
    taken = product.restart()
    time.sleep(2)
    return {"start to ready, s": taken, "resident MiB with 0 images": product.resident_mib()}


def _cold(product: Product, _scripts: Mapping[str, Path], _seconds: int) -> dict[str, float]:
    """Ask for images that nobody asked for, one after the other; the first is not counted, since it connects to AWS."""
    first, product.next_cold = product.next_cold, product.next_cold + COLD + 1
    bodies = [review_of(f"{ECR}/bench/app:v{number}") for number in range(first, product.next_cold)]
    _, taken = ask(product.port, bodies)
    return {"a new image by tag, ms": statistics.median(taken[1:]) * 1e3}


def _serving(product: Product, scripts: Mapping[str, Path], seconds: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, script in scripts.items():
        images = int(name.split()[0].replace(",", "")) if name.endswith("images") else 1
        fill(product.port, 0, images)
        wrk(product, script, max(CONNECTIONS), max(1, images // 4_000))
        for connections in CONNECTIONS:
            sample = wrk(product, script, connections, seconds if images == 1 else 2 * seconds)
            figures[f"{name}, {connections} connections, requests/s"] = sample["rps"]
            figures[f"{name}, {connections} connections, requests/CPU s"] = 1e6 / sample["cpu_us"]
            figures[f"{name}, {connections} connections, p99 ms"] = sample["p99_ms"]
    return figures


def _bursts(product: Product, _scripts: Mapping[str, Path], _seconds: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in COUNTS:
        figures |= {f"burst of {count:,}, {name}": value for name, value in burst(product.port, count).items()}
    return figures


_STEPS = {"start_up": _start, "cold": _cold, "serving": _serving, "bursts": _bursts}
PARTS = (*_STEPS, "memory")
"""What can be compared: these parts of the benchmark."""


def _memory(product: Product, filled: Sequence[int], requests: int) -> dict[str, float]:
    product.restart()
    figures: dict[str, float] = {}
    done = 0
    for count in filled:
        fill(product.port, done, count)
        done = count
        figures[f"resident MiB with {count:,} images"] = product.resident_mib()
    product.restart()
    fill(product.port, 0, MANY)
    asked = 0.0
    with tempfile.TemporaryDirectory() as folder:
        script = write_wrk_script_of_images(Path(folder), MANY)
        while asked < requests:
            asked += WRK_SECONDS * wrk(product, script, max(CONNECTIONS), WRK_SECONDS)["rps"]
    figures[f"resident MiB after {requests:,} requests over {MANY:,} images"] = product.resident_mib()
    return figures
