"""Leader election by a Lease, as Kubernetes' own clients do it (client-go's leaderelection), so that one replica writes.

A candidate never compares its clock with another's: it measures, by its own monotonic clock, how long the Lease has not
changed. Every write names the resourceVersion that was read, so that of two candidates one write is refused. A leader that
cannot renew in time stops leading before another may begin. That is measured from before its last renewal was sent.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.cluster.objects import utc_now
from tidegate.trust.refresh import shortened

MAX_LEASE_SECONDS: Final = 60
"""How long a Lease holds at most, also one that another client wrote with a longer time."""
MAX_IDENTITY: Final = 250
WORKED: Final = "tidegate.dev/worked-at"
"""The annotation of the Lease that says when a leader was last at work."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Seconds: how long a Lease holds, within which a leader must have renewed it, between two attempts, and of one call.

    A leader that is killed is followed after ``lease`` and twice ``retry`` at the latest: its last renewal may be seen that late.
    A call without an answer adds ``call``.
    """

    lease: int = 8
    renew: float = 6.0
    retry: float = 1.25
    call: float = 2.5


class LeaderLease:
    """One candidate for the Lease ``name``.

    ``changed`` is called when it begins or ends to lead. ``works`` tells whether it is at work: a new leader may have to read
    policies and Pods first. Each renewal of a leader at work writes the time into the Lease, for the next leader.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        name: str,
        candidate: str,
        times: LeaseTimes | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        changed: Callable[[bool], None] = lambda _: None,
        works: Callable[[], bool] = lambda: False,
    ) -> None:
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._name = name
        self._times = times or LeaseTimes()
        self._monotonic = monotonic
        self._now = now
        self._changed = changed
        self._works = works
        self.identity = f"{candidate[:MAX_IDENTITY]}_{uuid.uuid4().hex[:8]}"
        """The holder that this candidate writes; unique to the process, as a restarted Pod keeps its name."""
        self._seen: tuple[str, float] = ("", 0.0)
        """The resourceVersion of the Lease that was last read, and when it was first read (monotonic seconds, after the answer)."""
        self._held: Json | None = None
        """The Lease as this candidate wrote it last, until it is seen to have changed: it is renewed without a read."""
        self._renewed_at: float | None = None
        """Just before the last renewal was sent (monotonic seconds)."""
        self._was_leading = False
        self.problem = ""
        """Why the last attempt failed; empty after one that worked."""
        self.holder = ""
        """Who holds the Lease, as last read or written."""
        self._worked_at: datetime | None = None
        """When a leader was last at work, as the Lease says that was last written here; None if it does not."""

    @property
    def leads(self) -> bool:
        """Tell whether this candidate leads now. False as soon as the last renewal is too old, even while a call hangs."""
        return self._renewed_at is not None and self._monotonic() - self._renewed_at < self._times.renew

    @property
    def gap(self) -> timedelta | None:
        """Return how long no leader has been at work, by the clocks of both; None if the Lease does not say that."""
        return None if self._worked_at is None else self._now() - self._worked_at

    async def run(self) -> None:
        """Try to lead until cancelled; then release the Lease."""
        try:
            while True:
                began = self._monotonic()
                await self.attempt()
                self._tell()
                await self._pause(began)
        finally:
            if self._renewed_at is not None:
                await self._release()

    async def attempt(self) -> None:
        """Take or renew the Lease once, if it may be taken."""
        try:
            self._renewed_at = await self._take()
        except (ApiError, TimeoutError) as error:
            # A lost race, or no answer. A leader leads on until its renewal is too old.
            if not isinstance(error, ApiError) or error.status != CONFLICT:
                self._note(str(error) or "no answer in time")
            return
        self.problem = ""

    async def _take(self) -> float | None:
        """Write the Lease unless another candidate holds it; return when the write was sent, None if there was none."""
        if self._held is not None:
            try:
                return await self._write(self._held)
            except ApiError as error:
                if error.status not in (CONFLICT, NOT_FOUND):
                    raise
                self._held = None
        try:
            lease = await self._answered(self._api.get(self._path))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return await self._write(None)
        version, spec = _text(lease.get("metadata"), "resourceVersion"), _mapping(lease.get("spec"))
        holder = _text(spec, "holderIdentity")
        if version != self._seen[0]:
            # Seen to change now, when the answer is here: its leader may have renewed it while the request was under way. How old
            # it is by the clock of its writer does not matter.
            self._seen = version, self._monotonic()
        if holder not in ("", self.identity) and self._monotonic() - self._seen[1] < _lease_seconds(spec):
            self.holder = holder
            return None
        return await self._write(lease)

    async def _write(self, stored: Json | None) -> float:
        """Take or renew the Lease as it was read, and return when that was sent; ApiError if it has changed since."""
        wanted, sent = self._lease(stored or {}), self._monotonic()
        is_new = stored is None
        call = self._api.create(self._collection, wanted) if is_new else self._api.replace(self._path, wanted)
        self._held = await self._answered(call)
        self._worked_at = _worked_at(self._held)
        self._seen = _text(self._held.get("metadata"), "resourceVersion"), self._monotonic()
        self.holder = self.identity
        return sent

    async def _answered(self, call: Awaitable[Json]) -> Json:
        """Wait for the answer to a call, for a leader no longer than it leads; raise TimeoutError without one."""
        left = self._times.call
        if self._renewed_at is not None and self.leads:
            left = min(left, self._renewed_at + self._times.renew - self._monotonic())
        async with asyncio.timeout(left):
            return await call

    def _lease(self, stored: Json, *, holder: str | None = None) -> Json:
        """Return the Lease to write, with the resourceVersion of the one that was read."""
        spec = _mapping(stored.get("spec"))
        wanted = self.identity if holder is None else holder
        same = _text(spec, "holderIdentity") == wanted
        transitions = spec.get("leaseTransitions")
        count = transitions if isinstance(transitions, int) else 0
        now = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = stored.get("metadata") or {"name": self._name}
        if self._works():
            metadata = {**metadata, "annotations": {**_mapping(metadata.get("annotations")), WORKED: now}}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                **spec,
                "holderIdentity": wanted,
                "leaseDurationSeconds": self._times.lease if wanted else 1,
                "acquireTime": spec.get("acquireTime") if same and spec.get("acquireTime") else now,
                "renewTime": now,
                "leaseTransitions": count if same or not stored else count + 1,
            },
        }

    async def _pause(self, began: float) -> None:
        """Wait until it is time for the attempt after the one that ``began``, and note the end of leading at its moment.

        An attempt that took longer than the time between two is followed by the next at once.
        """
        pause = max(0.0, began + shortened(self._times.retry) - self._monotonic())
        if self._renewed_at is not None:
            left = self._renewed_at + self._times.renew - self._monotonic()
            if 0 < left < pause:
                await asyncio.sleep(left)
                self._tell()
                pause -= left
        await asyncio.sleep(pause)

    def _tell(self) -> None:
        """Call ``changed`` if leading began or ended."""
        leads = self.leads
        if leads == self._was_leading:
            return
        self._was_leading = leads
        if leads:
            _log.info("leading now", lease=self._name, identity=self.identity)
        else:
            _log.warning("not leading any more", lease=self._name, holder=self.holder, problem=self.problem)
        self._changed(leads)

    async def _release(self) -> None:
        """Let another candidate lead at once."""
        self._renewed_at = None
        if self._was_leading:
            self._was_leading = False
            _log.info("leading ends with this process", lease=self._name, identity=self.identity)
            self._changed(False)
        try:
            async with asyncio.timeout(self._times.call):
                while not await self._give_up():
                    self._held = None
        except (ApiError, TimeoutError) as error:
            _log.warning("cannot release the lease; it ends by itself", error=str(error) or "no answer in time")

    async def _give_up(self) -> bool:
        """Write the Lease without a holder; False if it has changed, for example by a renewal that was under way."""
        stored = self._held or await self._api.get(self._path)
        if _text(stored.get("spec"), "holderIdentity") != self.identity:
            return True
        try:
            await self._api.replace(self._path, self._lease(stored, holder=""))
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            return False
        self.holder = ""
        return True

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning("cannot take or renew the lease", lease=self._name, error=problem)
        self.problem = problem


def _lease_seconds(spec: Json) -> float:
    seconds = spec.get("leaseDurationSeconds")
    return min(seconds, MAX_LEASE_SECONDS) if isinstance(seconds, int) and seconds > 0 else MAX_LEASE_SECONDS


def _worked_at(lease: Json) -> datetime | None:
    """Return when the leader was last at work, or None where the Lease does not say that."""
    try:
        found = datetime.fromisoformat(_text(_mapping(lease.get("metadata")).get("annotations"), WORKED))
    except ValueError:
        return None
    return None if found.tzinfo is None else found


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object, name: str) -> str:
    found = _mapping(value).get(name)
    return found if isinstance(found, str) else ""
