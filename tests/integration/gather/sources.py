"""A source of changes with the real SDK against a simulated AWS, and what it passed on."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

from tests.distribution import patient
from tests.integration.gather.gate import OWN, REGION, SharedClock
from tests.simulator import Simulator
from tidegate.app.engine import build_engine
from tidegate.app.event_source import build_event_source
from tidegate.aws.inspector_changes import InspectorChanges
from tidegate.evidence.change import Change, ImageChange, ScanChange
from tidegate.evidence.inspection import ImageKey
from tidegate.gather.change_feed import ChangeFeed
from tidegate.gather.reread import Reread
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry
from tidegate.settings import Aws, Endpoints, Settings

REGISTRY = EcrRegistry("aws", OWN, REGION)
WAIT_SECONDS = patient(30.0)


class Sources:
    """The feed, the re-read and the events of one process; ``in_use`` is what runs."""

    def __init__(self, sim: Simulator, *, queue_url: str | None = None) -> None:
        self.clock = SharedClock(sim.clock)
        endpoints = Endpoints(ecr=sim.url, inspector2=sim.url, signer=sim.url, sqs=sim.url, sts=sim.url)
        access = Aws(region=REGION, endpoints=endpoints, event_queue_url=queue_url, rate_per_second=500.0, burst=1_000)
        self.engine = build_engine(Settings(aws=access), clock=self.clock)
        self.in_use: dict[EcrRegistry, Collection[ImageKey]] = {REGISTRY: ()}
        self.changed: list[frozenset[Change]] = []
        self.reread = Reread(
            clock=self.clock,
            registries=lambda: list(self.in_use),
            images=lambda registry: self.in_use[registry],
            basic=lambda registry: self.feed.is_without_delta(registry),  # noqa: PLW0108 - the feed is made below
            changed=self._note,
        )
        self.feed = ChangeFeed(
            source=InspectorChanges(self.engine.identity._clients),
            limiters=self.engine.limiters,
            clock=self.clock,
            registries=lambda: list(self.in_use),
            scan_type=self.engine.facts.scan_types.get,
            changed=self._note,
            everything=self.reread.everything,
        )
        self._task: asyncio.Task[None] | None = None
        self.indexes: dict[Digest, list[Digest]] = {}
        self.events = build_event_source(
            self.engine,
            registries=lambda: list(self.in_use),
            changed=self._note,
            everything=self.reread.everything,
            indexes=lambda _, digest: self.indexes.get(digest, ()),
        )

    def _note(self, changes: frozenset[Change]) -> None:
        """Keep the images, whatever of them has changed."""
        self.changed.append(
            frozenset(
                ImageChange(one.repository, one.digest) if isinstance(one, ScanChange) else one for one in changes
            )
        )

    def said(self) -> set[Change]:
        """Return all that was passed on."""
        return set().union(*self.changed)

    async def until(self, condition: Callable[[], object]) -> None:
        """Receive events until a condition holds."""
        assert self.events is not None
        if self._task is None:
            self._task = asyncio.create_task(self.events.run())
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():  # noqa: ASYNC110 - what is waited for is at AWS
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """End the receiver and the engine."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.engine.close()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum over all series of a metric that have these labels."""
        return sum(
            sample.value
            for family in self.engine.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
