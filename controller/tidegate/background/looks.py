"""What the leader looks at regularly: policies in force, tags of containers that have not started, digests that differ."""

import asyncio
import time
from typing import Final

from tidegate.background.events import Events
from tidegate.background.evidence import HeldEvidence
from tidegate.background.judging import UsesJudge, needs_of
from tidegate.background.owners import Owners
from tidegate.background.running import NamedTag, PodTable
from tidegate.background.schedule import Schedule
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Known
from tidegate.evidence.image import ImageDetail
from tidegate.images.platform import Platform
from tidegate.policy.snapshot import PolicySet
from tidegate.trust.refresh import retry_seconds

LOOK_AT_POLICIES_SECONDS: Final = 0.5
LOOK_AT_PODS_SECONDS: Final = 2.0
MAX_TAGS_AT_ONCE: Final = 1_000
FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 300.0
"""Longest wait between attempts to look up the evidence of an image, or the meaning of a tag."""


class Looks:
    """Has images judged whose policies have changed, and asks and reports about Pods."""

    def __init__(
        self,
        *,
        pods: PodTable,
        judge: UsesJudge,
        evidence: HeldEvidence,
        owners: Owners,
        events: Events,
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        self._pods = pods
        self._judge = judge
        self._evidence = evidence
        self._owners = owners
        self._events = events
        self._schedule = schedule
        self._clock = clock
        self._in_force: dict[str, tuple[PolicySet, tuple[Platform, ...]]] = {}
        self._tag_tries: dict[NamedTag, tuple[int, float]] = {}
        self.changed_at: float | None = None
        """When policies were last seen to have changed (of the clock that measures), until their images are judged."""

    def clear(self) -> None:
        """Begin anew."""
        self._in_force.clear()
        self._tag_tries.clear()
        self.changed_at = None

    async def at_policies(self) -> None:
        """Judge the images of each namespace whose policies, or the platforms for them, have changed."""
        while True:
            snapshot, platforms = self._judge.snapshot, self._judge.platforms
            in_force = {
                name: (snapshot.for_namespace(name, self._judge.labels(name)), platforms)
                for name in self._pods.namespaces()
            }
            changed = {
                name
                for name, found in in_force.items()
                if name in self._in_force
                and (self._in_force[name][0] is not found[0] or self._in_force[name][1] is not platforms)
            }
            self._in_force = in_force
            if changed:
                self.changed_at = time.monotonic()
                self._schedule.add_all(self._pods.images_in(changed))
            await asyncio.sleep(LOOK_AT_POLICIES_SECONDS)

    async def at_pods(self) -> None:
        """Ask what the tags of containers mean that have not started, and report digests that differ."""
        while True:
            for found in self._pods.different():
                self._events.differs(found, self._owners.known(found.workload))
            asked = [
                named
                for named, namespace, text in self._pods.unresolved()
                if self._clock.monotonic() >= self._tag_tries.get(named, (0, 0.0))[1]
                and needs_of([self._judge.plan_one(namespace, text)])
            ]
            for start in range(0, len(asked), MAX_TAGS_AT_ONCE):
                await asyncio.gather(*(self._resolve(named) for named in asked[start : start + MAX_TAGS_AT_ONCE]))
            await asyncio.sleep(LOOK_AT_PODS_SECONDS)

    async def _resolve(self, named: NamedTag) -> None:
        fact = await self._evidence.tag(named)
        if isinstance(fact, Known) and isinstance(fact.value, ImageDetail):
            self._tag_tries.pop(named, None)
            self._pods.resolve(named, fact.value.digest)
            return
        count = self._tag_tries.get(named, (0, 0.0))[0] + 1
        wait = retry_seconds(count, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
        self._tag_tries[named] = count, self._clock.monotonic() + wait
