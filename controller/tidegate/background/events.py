"""Events on the workloads that run an image: once when its verdict turned bad, and once when it is not the admitted one.

An Event's name is computed from what it says, so that a repeated one is refused by the API server: by another leader, or
after a restart. Events are bounded in number: a policy that refuses everything is no reason to fill etcd.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from tidegate.background.counts import Counts
from tidegate.background.running import Difference
from tidegate.checks.messages import harmless
from tidegate.cluster.api import CONFLICT, FORBIDDEN, NOT_FOUND, ApiError, KubernetesApi
from tidegate.evidence.clock import Clock
from tidegate.gather.recent import Recent
from tidegate.strict.quotation import moment
from tidegate.verdicts.usage import OwningWorkload

COMPONENT: Final = "tidegate"
TURNED_BAD: Final = "ImageNotAllowed"
DIFFERENT: Final = "ImageDiffers"
MAX_NOTE: Final = 1_000
"""Characters of a message; the API server takes 1,024."""
MAX_A_MINUTE: Final = 300
"""Events posted in a minute; further ones are counted and logged only."""
MAX_OF_AN_IMAGE: Final = 100
"""Workloads that get an Event about one image."""
MAX_QUEUED: Final = 5_000
MAX_POSTED: Final = 20_000
"""Events that are remembered as posted."""
MAX_NAME: Final = 200
ATTEMPTS: Final = 3
RETRY_SECONDS: Final = 2.0
_UNSAFE: Final = re.compile(r"[^a-z0-9.-]+")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadEvent:
    """One Event to post. ``key`` is what makes it the same Event as another."""

    namespace: str
    workload: OwningWorkload
    reason: str
    note: str
    key: str

    @property
    def name(self) -> str:
        """Return the Event's name, the same for the same Event."""
        content = f"{self.workload.uid}\n{self.workload.kind}\n{self.workload.name}\n{self.reason}\n{self.key}"
        start = _UNSAFE.sub("-", self.workload.name.lower())[:MAX_NAME].strip("-.") or "workload"
        return f"{start}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"


class Events:
    """Posts Events, one after the other."""

    def __init__(self, api: KubernetesApi, *, clock: Clock, counts: Counts) -> None:
        self._api = api
        self._clock = clock
        self._counts = counts
        self._queue: asyncio.Queue[WorkloadEvent] = asyncio.Queue(MAX_QUEUED)
        self._posted = Recent[tuple[str, str], bool](MAX_POSTED)
        self._minute = (0.0, 0)

    def turned_bad(self, image: str, message: str, places: Iterable[tuple[str, OwningWorkload]], *, since: str) -> None:
        """Have an Event posted on each workload that runs an image whose verdict turned bad.

        ``since`` is when the verdict before this one began, so that each turn has Events of its own.
        """
        note = f"{image} does not pass any more; running Pods continue, new ones may be refused. {message}"
        for namespace, workload in list(places)[:MAX_OF_AN_IMAGE]:
            self._add(
                WorkloadEvent(
                    namespace=namespace, workload=workload, reason=TURNED_BAD, note=note, key=f"{image}\n{since}"
                )
            )

    def differs(self, found: Difference, owner: OwningWorkload) -> None:
        """Have an Event posted on the workload of a container that runs another digest than the admitted one."""
        names = "names a tag that meant" if found.by_tag else "names"
        note = f"{found.path} {names} {found.named}, but the container runs {found.runs}: {found.image}"
        self._add(
            WorkloadEvent(
                namespace=found.namespace,
                workload=owner,
                reason=DIFFERENT,
                note=note,
                key=f"{found.path}\n{found.named}\n{found.runs}",
            )
        )

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._post(await self._queue.get())

    def _add(self, event: WorkloadEvent) -> None:
        known = event.namespace, event.name
        if known in self._posted:
            return
        self._posted[known] = True
        if not event.workload.uid or not self._is_within_rate() or self._queue.full():
            self._counts.events.add("dropped")
            _log.warning("no Event posted", namespace=event.namespace, workload=event.workload.name, note=event.note)
            return
        self._queue.put_nowait(event)

    def _is_within_rate(self) -> bool:
        began, count = self._minute
        now = self._clock.monotonic()
        if now - began >= 60:  # noqa: PLR2004 - a minute
            began, count = now, 0
        self._minute = began, count + 1
        return count < MAX_A_MINUTE

    async def _post(self, event: WorkloadEvent) -> None:
        path = f"/api/v1/namespaces/{event.namespace}/events"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._api.create(path, event_object(event, self._clock.now()))
            except ApiError as error:
                if error.status == CONFLICT:
                    self._counts.events.add("repeated")
                    return
                if error.status not in (NOT_FOUND, FORBIDDEN) and attempt < ATTEMPTS:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                # A namespace that is gone or ends takes no Events.
                self._counts.events.add("failed")
                _log.warning("cannot post an Event", namespace=event.namespace, note=event.note, error=str(error))
            else:
                self._counts.events.add("posted")
            return


def event_object(event: WorkloadEvent, now: datetime) -> dict[str, Any]:
    """Return the Event of the core API, which kubectl describe shows."""
    at, workload = moment(now), event.workload
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": event.namespace},
        "type": "Warning",
        "reason": event.reason,
        "message": harmless(event.note, MAX_NOTE),
        "involvedObject": {
            "apiVersion": workload.api_version,
            "kind": workload.kind,
            "name": workload.name,
            "namespace": event.namespace,
            "uid": workload.uid,
        },
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
