"""Images that are not known to be clean, and names that a Pod makes up."""

import asyncio
import os
from tempfile import TemporaryDirectory
from unittest import mock

from tests.attack.scenario import Outcome, Scenario
from tests.integration.gather.gate import NO_CRITICAL, Gate, image
from tests.simulator import Simulator, World
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry
from tidegate.telemetry.counters import MAX_SERIES
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.observer import Observer

STEP_SECONDS, STEPS = 10, 24
API = "ecr:DescribeImages"


def late_first_scan() -> Outcome:
    """Ask for an image again and again, while the findings of a first scan ten days after the push arrive."""
    world = World()
    world.add_image("team/app", "v1", pushed_at="-10d", scanned=False)
    world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at="-5s")
    world.add_finding("team/app", "v1", severity="LOW", at="-3s")
    world.add_finding("team/app", "v1", severity="CRITICAL", at=100)
    with Simulator(world) as aws, TemporaryDirectory() as home:
        none = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials"}
        with mock.patch.dict(os.environ, aws.environment() | none):
            allowed = asyncio.run(_ask(aws))
    return Outcome(measured=f"{allowed} of {STEPS} requests allowed", bound="none", held=allowed == 0)


async def _ask(aws: Simulator) -> int:
    gate, allowed = Gate(aws, NO_CRITICAL), 0
    try:
        for _ in range(STEPS):
            allowed += (await gate.review(image())).allowed
            gate.clock.advance(STEP_SECONDS)
    finally:
        gate.engine.close()
    return allowed


def made_up_accounts() -> Outcome:
    """Have more accounts asked than a metric has series, and then a real one."""
    metrics = Metrics()
    observer = Observer(metrics)
    denied = SourceUnavailableError(Cause.ACCESS_DENIED, API, "not authorized")
    for number in range(2 * MAX_SERIES):
        observer.called(API, EcrRegistry("aws", f"{number:012}", "eu-west-1"), 0.01, denied, found=True)
    observer.called(API, EcrRegistry("aws", "111122223333", "eu-west-1"), 0.01, None, found=True)
    (family,) = metrics.calls.collect()
    series = len([one for one in family.samples if one.labels["registry"] != "other"])
    named = any(one.labels["registry"] == "111122223333/eu-west-1" for one in family.samples)
    return Outcome(
        measured=f"{series} series of registries, the real one {'named' if named else 'not named'}",
        bound="1 series, the real one named",
        held=series == 1 and named,
    )


SCENARIOS = (
    Scenario(
        name="late-first-scan",
        attack="deploy an image ten days after its push, while the findings of its first scan are still arriving",
        run=late_first_scan,
    ),
    Scenario(
        name="made-up-accounts",
        attack=f"name {2 * MAX_SERIES} accounts that do not exist, so that real ones lose their metrics",
        run=made_up_accounts,
    ),
)
