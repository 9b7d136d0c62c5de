"""Forged events in the queue, from whom may send to it."""

import asyncio
import json
import os
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from unittest import mock

from tests.attack.scenario import Outcome, Scenario
from tests.integration.gather.sources import REGISTRY, Sources
from tests.simulator import Simulator, World
from tidegate.evidence.change import ImageChange
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository

FORGED = 3_000
MOST_REPORTS = 5


def forged_events() -> Outcome:
    """Fill the queue with events about one running image, about others' registries and about nothing, before a true one."""
    world = World()
    url = world.add_queue(max_receives=5)
    digest = Digest(world.add_image("team/app", "v1"))
    world.queue().messages.clear()
    for body in _forged(digest):
        world.add_message(body)
    late = Digest(world.add_image("team/late", None))
    with Simulator(world) as aws, TemporaryDirectory() as home:
        none = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials"}
        with mock.patch.dict(os.environ, aws.environment() | none):
            reports, seen = asyncio.run(_receive(aws, url, digest, late))
        calls = aws.calls("ecr") + aws.calls("inspector2")
    return Outcome(
        measured=f"{reports} re-reads of the image, {calls} calls, the true event {'seen' if seen else 'lost'}",
        bound=f"{MOST_REPORTS} re-reads, 0 calls, the true event seen",
        held=reports <= MOST_REPORTS and calls == 0 and seen,
    )


def _forged(digest: str) -> Iterator[str]:
    base = {"version": "0", "source": "aws.ecr", "account": REGISTRY.account, "region": REGISTRY.region}
    detail = {"result": "SUCCESS", "repository-name": "team/app", "image-digest": digest, "action-type": "PUSH"}
    for number in range(FORGED // 3):
        yield json.dumps(base | {"detail-type": "ECR Image Scan", "detail": detail})
        yield json.dumps(
            base | {"detail-type": "ECR Image Action", "detail": detail, "account": f"{number:012}", "resources": []}
        )
        yield '{"detail-type": "ECR Image Action", "source": "aws.ecr", "account": ' + "[" * number


async def _receive(aws: Simulator, url: str, digest: Digest, late: Digest) -> tuple[int, bool]:
    """Return how often the image was reported, and whether the event of the late one was seen."""
    sources = Sources(aws, queue_url=url)
    wanted = ImageChange(EcrRepository(REGISTRY, "team/late"), late)
    try:
        await sources.until(lambda: wanted in sources.said())
    finally:
        await sources.close()
    image = ImageChange(EcrRepository(REGISTRY, "team/app"), digest)
    return sum(image in each for each in sources.changed), wanted in sources.said()


SCENARIOS = (
    Scenario(
        name="forged-events",
        attack=f"send {FORGED} forged events to the queue: of a running image, of other registries, and broken ones",
        run=forged_events,
    ),
)
