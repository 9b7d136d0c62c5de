"""ImageVerdicts and the state of the change feed, written by a user who should not be able to."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import msgspec

from tests.attack.scenario import Outcome, Scenario
from tests.integration.gather.gate import NO_CRITICAL, Gate, image
from tests.simulator import Simulator, World
from tests.stored_verdicts import clean, stored_verdict
from tidegate.cluster.change_feed import read_state
from tidegate.cluster.image_verdicts import InvalidObject, WatchedVerdicts, read_object
from tidegate.images.digest import digest_of
from tidegate.images.reference import parse_reference
from tidegate.verdicts.shape import object_name

BAD = image("team/bad")
REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
MANY = 10_000
MANY_MIB, LOOP_MS = 160, 1_000
"""What so many objects may take more, and how long 500 of them may keep the event loop, in seconds of processor time."""
BATCH = 500


@contextmanager
def _simulated() -> Iterator[Simulator]:
    world = World()
    for name in ("bad", "good"):
        world.add_image(f"team/{name}", "v1", pushed_at="-10d")
    world.add_finding("team/bad", "v1", severity="CRITICAL", at="-5d")
    with Simulator(world) as aws, TemporaryDirectory() as home:
        none = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials"}
        with mock.patch.dict(os.environ, aws.environment() | none):
            yield aws


def _take(gate: Gate, obj: dict[str, Any]) -> bool:
    """Hand an object over as the watch does; return whether it counts."""
    read = read_object(msgspec.Raw(msgspec.json.encode(obj)))
    if isinstance(read, InvalidObject):
        return False
    gate.engine.facts.offer(read)
    return True


async def _forged(writer: Gate, text: str = BAD, *, ahead: timedelta = timedelta(0)) -> dict[str, Any]:
    return await stored_verdict(writer, text, change=clean, observed_at=writer.clock.now() + ahead)


async def _attack(aws: Simulator) -> tuple[int, int]:
    """Return how many requests were made and how many of them were allowed."""
    writer, allowed, asked = Gate(aws, NO_CRITICAL), 0, 0
    other = await _forged(writer)
    other["spec"]["digest"] = digest_of(b"another")
    huge = await _forged(writer)
    huge["metadata"]["annotations"] = {"long": "x" * 3_000_000}
    objects = [
        await _forged(writer),
        await _forged(writer, ahead=timedelta(minutes=4)),
        await _forged(writer, ahead=timedelta(days=300)),
        other,
        huge,
    ]
    try:
        for obj in objects:
            gate = Gate(aws, NO_CRITICAL)
            for seconds in (0, 301, 301):
                gate.clock.advance(seconds)
                _take(gate, obj)
                allowed += (await gate.review(BAD)).allowed
                asked += 1
            gate.engine.close()
    finally:
        writer.engine.close()
    return asked, allowed


def forged_verdicts() -> Outcome:
    """Write clean evidence about a vulnerable image, of now, of a clock ahead, of next year, as another's, and of 3 MB."""
    with _simulated() as aws:
        asked, allowed = asyncio.run(_attack(aws))
    return Outcome(measured=f"{allowed} of {asked} requests allowed", bound="none", held=allowed == 0)


def edited_change_feed() -> Outcome:
    """Edit the ConfigMap so that evidence of last week counts as new."""
    now = datetime.fromisoformat("2026-11-28T10:00:00Z")
    written = {"managedFields": [{"time": "2026-11-20T10:00:00Z"}]}

    def state(since: str, confirmed_at: str) -> str:
        return json.dumps({REGISTRY: {"since": since, "confirmedAt": confirmed_at}})

    texts = [
        (state("2026-11-01T00:00:00Z", "2027-11-28T10:00:00Z"), {}),
        (state("2026-11-01T00:00:00Z", "2026-11-28T10:00:00Z"), written),
        (state("2026-11-28T10:00:00Z", "2026-11-01T00:00:00Z"), {}),
        (state("2026-11-01T00:00:00", "2026-11-28T10:00:00"), {}),
        ('{"evil.example": {"since": "2026-11-01T00:00:00Z", "confirmedAt": "2026-11-02T00:00:00Z"}}', {}),
        ("[" * 100_000, {}),
        ("x" * 2_000_000, {}),
        ('{"a": 1, ', {}),
    ]
    taken = sum(bool(read_state({"data": {"state": text}, "metadata": metadata}, now)[0]) for text, metadata in texts)
    return Outcome(measured=f"{taken} of {len(texts)} edits counted", bound="none", held=taken == 0)


def _resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _copies(obj: dict[str, Any]) -> Iterator[bytes]:
    """Give the object as that of many images."""
    repository = parse_reference(BAD).ecr
    assert repository is not None
    before = obj["spec"]["digest"]
    plain = gzip.decompress(base64.b64decode(obj["status"]["evidence"]["data"])).decode()
    for number in range(MANY):
        digest, one = digest_of(str(number).encode()), copy.deepcopy(obj)
        one["spec"]["digest"] = digest
        one["metadata"]["name"] = object_name(repository, digest)
        content = gzip.compress(plain.replace(before, digest).encode(), compresslevel=1)
        one["status"]["evidence"]["data"] = base64.b64encode(content).decode()
        yield msgspec.json.encode(one)


async def _many(aws: Simulator) -> tuple[float, float, int]:
    """Return the memory that the objects take, the longest time that a batch took on the event loop, and their number."""
    gate = Gate(aws, NO_CRITICAL)
    try:
        texts = list(_copies(await stored_verdict(gate, BAD)))
        watched = WatchedVerdicts(mock.Mock(), offer=gate.engine.facts.offer, forget=gate.engine.facts.stored.drop)
        before, longest = _resident_mib(), 0.0
        for start in range(0, MANY, BATCH):
            objects = [read_object(msgspec.Raw(text)) for text in texts[start : start + BATCH]]
            began = time.thread_time()
            for one in objects:
                watched.put(getattr(one, "name", ""), one)
            longest = max(longest, time.thread_time() - began)
        return _resident_mib() - before, longest, len(watched)
    finally:
        gate.engine.close()


def many_verdicts() -> Outcome:
    """Start with ten thousand objects."""
    with _simulated() as aws:
        mib, seconds, count = asyncio.run(_many(aws))
    return Outcome(
        measured=f"{count} objects take {mib:.0f} MiB, and {BATCH} of them the event loop for {seconds * 1000:.0f} ms",
        bound=f"{MANY} objects, {MANY_MIB} MiB, {LOOP_MS} ms",
        held=count == MANY and mib <= MANY_MIB and seconds * 1000 <= LOOP_MS,
    )


SCENARIOS = (
    Scenario(
        name="forged-verdicts",
        attack="write ImageVerdicts with clean evidence about a vulnerable image, while AWS answers",
        run=forged_verdicts,
    ),
    Scenario(
        name="edited-change-feed",
        attack="edit the state of the change feed, so that old evidence counts as new",
        run=edited_change_feed,
    ),
    Scenario(
        name="many-verdicts",
        attack=f"have a replica start with {MANY} ImageVerdicts",
        run=many_verdicts,
    ),
)
