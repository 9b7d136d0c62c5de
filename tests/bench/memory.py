"""Memory: what a process holds with many images cached. `python -m tests.bench.memory COUNT [REQUESTS]` is measured.

Everything that the controller imports is imported; facts come from sources in memory instead of AWS, with ten findings an
image out of five hundred vulnerabilities, as images of one organisation share them.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tidegate.app.admission  # noqa: F401 - the controller's imports are part of its memory
from tests.bench.cold import Fixed
from tests.bench.reviews import ECR, review_of
from tidegate.admission.reviewer import Reviewer
from tidegate.evidence.image import ImageDetail, ImageStatus
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.scan import Coverage, Finding, ScanState, Severity, VulnerablePackage
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.clock import SystemClock
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.observer import Observer

COUNTS = (0, 10_000, 100_000)
IN_TURN, REQUESTS = 20_000, 1_000_000
TOGETHER = 32
FINDINGS = 10
VULNERABILITIES = [
    Finding(
        id=f"CVE-2025-{10_000 + number}",
        severity=Severity.MEDIUM,
        packages=(VulnerablePackage(name=f"package-{number}", installed="1.2.3-4", fixed_in="1.2.3-5"),),
        first_observed_at=datetime(2025, 1, 1, tzinfo=UTC),
    )
    for number in range(500)
]


class Memory:
    """Answers every question about any image."""

    def describe_images(self, _repository: Any, ids: Sequence[Any]) -> Mapping[Any, ImageDetail]:
        pushed = datetime.now(UTC) - timedelta(days=1)
        return {
            one: ImageDetail(
                digest=Digest(f"sha256:{hashlib.sha256(one.value.encode()).hexdigest()}"),
                media_type=OCI_MANIFEST,
                status=ImageStatus.ACTIVE,
                pushed_at=pushed,
            )
            for one in ids
        }

    def get_manifests(self, _repository: Any, _digests: Sequence[Digest]) -> Mapping[Digest, Any]:
        return {}

    def describe_repositories(self, _registry: Any, names: Sequence[str]) -> Mapping[str, RepositorySettings]:
        return {name: RepositorySettings(mutability=TagMutability.IMMUTABLE) for name in names}

    def scan_type(self, _registry: Any) -> ScanType:
        return ScanType.ENHANCED

    def basic_report(self, _repository: Any, _digest: Digest) -> Any:
        raise AssertionError("not asked")

    def coverage(self, _registry: Any, images: Sequence[ImageKey]) -> Mapping[ImageKey, Coverage]:
        scanned = datetime.now(UTC) - timedelta(hours=1)
        return {
            one: Coverage(state=ScanState.SCANNED, code="ACTIVE", reason="SUCCESSFUL", last_scanned_at=scanned)
            for one in images
        }

    def findings(self, _registry: Any, images: Sequence[ImageKey]) -> Mapping[ImageKey, FoundFindings]:
        return {
            one: FoundFindings(
                findings=tuple(VULNERABILITIES[(int(one[1][7:15], 16) + shift) % 500] for shift in range(FINDINGS))
            )
            for one in images
        }


async def _fill(count: int, requests: int = 0) -> None:
    clock, memory, fixed = SystemClock(), Memory(), Fixed()
    observer = Observer(Metrics())
    rate = RateLimit(per_second=1e9, burst=1_000_000_000)
    limiters = ApiLimiters(clock=clock, rate=rate, observer=observer, executor=ThreadPoolExecutor(8))
    # No policy here wants what these would tell.
    unasked: Any = SimpleNamespace(repository_configurations=None)
    sources = Sources(
        images=memory,
        manifests=memory,
        repositories=memory,
        scan_types=memory,
        basic_scans=memory,
        inspections=memory,
        signatures=unasked,
        signing=unasked,
        signer=unasked,
        other_registries=unasked,
        revocation_services=unasked,
        configurations=unasked,
    )
    facts = Lookups(sources=sources, limiters=limiters, clock=clock, limit=1_000_000, budget=Budget(1 << 34))
    gate = Reviewer(
        policies=fixed,
        namespaces=fixed,
        platforms=fixed,
        evidence=Collector(facts, clock),
        clock=clock,
        observer=observer,
    )
    for start in range(0, count, 500):
        answers = [gate.review(review_of(f"{ECR}/bench/app-{n % 200}:v{n}"), 30.0) for n in range(start, start + 500)]
        await asyncio.gather(*(answer for answer in answers if not isinstance(answer, bytes)))
    await _ask_in_turn(gate, count, requests)
    gc.collect()
    kept = len(facts.scans)
    if kept != count:
        raise SystemExit(f"expected {count} images in the cache, got {kept}")
    print(json.dumps({"images": count, "rss_mib": resident_mib(), "accounted_mib": facts.budget.used / 2**20}))
    limiters.close()


async def _ask_in_turn(gate: Reviewer, count: int, requests: int) -> None:
    """Send so many more requests about the images in turn, as many at once as a client sends on its connections."""
    before, after = review_of("IMAGE").split(b"IMAGE")
    for start in range(0, requests, TOGETHER):
        answers = [
            gate.review(before + f"{ECR}/bench/app-{n % 200}:v{n}".encode() + after, 30.0)
            for n in (number % count for number in range(start, start + TOGETHER))
        ]
        await asyncio.gather(*(answer for answer in answers if not isinstance(answer, bytes)))
        await asyncio.sleep(0)


def resident_mib() -> float:
    """Return the resident memory of this process in MiB."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def run() -> dict[str, float]:
    """Return MiB by number of images, each measured in a process of its own."""
    figures = {f"resident MiB with {count:,} images": _measure(count) for count in COUNTS}
    name = f"resident MiB after {REQUESTS:,} requests over {IN_TURN:,} images"
    return figures | {name: _measure(IN_TURN, REQUESTS)}


def _measure(*numbers: int) -> float:
    command = [sys.executable, "-m", "tests.bench.memory", *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["rss_mib"])


if __name__ == "__main__":
    asyncio.run(_fill(*map(int, sys.argv[1:])))
