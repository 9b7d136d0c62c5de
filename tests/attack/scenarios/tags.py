"""Tags that Amazon Inspector learns late, or lists for another image."""

import asyncio
import os
from tempfile import TemporaryDirectory
from unittest import mock

from tests.attack.scenario import Outcome, Scenario
from tests.integration.gather.gate import NO_CRITICAL, Gate, image
from tests.simulator import Simulator, World

TAGS = 8


def _retag(world: World, number: int) -> str:
    """Push a vulnerable image, have it scanned, give it a new tag, and return what is deployed at once."""
    repository, old, new = f"team/app{number}", "scanned", "new"
    digest = world.add_image(repository, old)
    world.add_finding(repository, old, severity="LOW", first_observed_at="-1d")
    bad = world.add_finding(repository, old, severity="CRITICAL", first_observed_at="-1d")
    world.move_tag(repository, new, digest)
    if number % 2:  # The tag of the scan goes to another image, and all findings are late.
        world.move_tag(repository, old, world.add_image(repository, "clean"))
        world.delay_tags(repository, digest, old, coverage=number % 4 == 1)
    else:
        world.delay_tags(repository, digest, old, coverage=number % 4 == 0, findings=[bad.id])
    return image(repository, new)


async def _deploy(aws: Simulator, texts: list[str]) -> int:
    gate = Gate(aws, NO_CRITICAL)
    try:
        await gate.review(image("team/known"))
        return sum(each.allowed for each in await gate.review_all(texts))
    finally:
        gate.engine.close()


def new_tags() -> Outcome:
    """Deploy vulnerable images under tags that Inspector lists beside some or none of their findings."""
    world = World()
    world.add_image("team/known", "v1")
    texts = [_retag(world, number) for number in range(TAGS)]
    with Simulator(world) as aws, TemporaryDirectory() as home:
        none = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials"}
        with mock.patch.dict(os.environ, aws.environment() | none):
            allowed = asyncio.run(_deploy(aws, texts))
    return Outcome(measured=f"{allowed} of {TAGS} Pods allowed", bound="none", held=allowed == 0)


SCENARIOS = (
    Scenario(
        name="new-tags",
        attack="give a vulnerable image a new tag and deploy it before Inspector lists the tag beside its findings",
        run=new_tags,
    ),
)
