"""Writes ImageVerdict objects where they say something new. Every write names the version that it replaces.

Where only the Pods that run an image have changed, its object is written once a minute at most. Where nothing has changed but
that the facts were looked up again, it is written if the change feed had a break in between: facts from before it count as older
and older.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from tidegate.background.counts import Counts
from tidegate.background.running import ImageInUse
from tidegate.background.stored import VERDICTS_PATH, VerdictHead, VerdictHeads, fingerprints
from tidegate.checks.result import Outcome
from tidegate.cluster.api import CONFLICT, INVALID, NOT_FOUND, ApiError, KubernetesApi
from tidegate.evidence.clock import Clock
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.encode import encode
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.verdict_input import VerdictInput

WRITES_AT_ONCE: Final = 4
"""Fewer than the API client has threads, so that reads never wait for them."""
MAX_ENCODED: Final = 100
"""Encoded objects that wait. Further ones are encoded again when their turn comes: 10,000 of them would take 100 MiB."""
USAGE_SECONDS: Final = 60.0
"""Shortest time between two writes of an object of which only the Pods that run the image have changed."""
CONFLICT_SECONDS: Final = 1.0
"""Wait after a refused write: the watch brings what another client wrote."""
FAILED_SECONDS: Final = 30.0
"""Wait after a write that failed, also where the CRD is missing."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A verdict that turned bad: ``before`` is the stored one, ``status`` the new one as plain data."""

    given: VerdictInput
    before: StoredVerdict
    status: Mapping[str, Any]


class VerdictWriter:
    """Writes what is offered, as long as this process leads.

    ``again`` is called with an image that has to be judged again after so many seconds, and ``on_turn`` with each verdict
    that turned bad, before it is written.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        stored: VerdictHeads,
        clock: Clock,
        counts: Counts,
        leads: Callable[[], bool],
        again: Callable[[ImageInUse, float], None],
        unbroken_since: Callable[[EcrRegistry], datetime | None] = lambda _: None,
    ) -> None:
        self._api = api
        self._stored = stored
        self._clock = clock
        self._counts = counts
        self._leads = leads
        self._again = again
        self._unbroken_since = unbroken_since
        self.on_turn: Callable[[Turn], None] = lambda _: None
        self._pending: dict[str, tuple[VerdictInput, Mapping[str, Any] | None]] = {}
        self._removals: dict[str, VerdictHead] = {}
        self._unwritten: dict[str, EcrRegistry] = {}
        self._wake = asyncio.Event()
        self._problem = ""

    @property
    def waiting(self) -> int:
        """Return how many writes wait."""
        return len(self._pending) + len(self._removals)

    @property
    def unwritten_registries(self) -> set[EcrRegistry]:
        """Return the registries whose newest facts are not stored yet: their writes wait or failed."""
        return set(self._unwritten.values())

    def offer(self, given: VerdictInput) -> None:
        """Have the object of an image written, unless the stored one says the same."""
        name = object_name(given.repository, given.digest)
        head = self._stored.head(name)
        before = None if head is None else head.verdict
        self._removals.pop(name, None)
        if before is not None and _keeps_stored(given):
            self._put(name, given, None)
            return
        obj = encode(given, self._clock.now(), before=before)
        if head is not None:
            content, judged = fingerprints(obj)
            if content == head.content and not self._confirms(given, before, obj):
                self._pending.pop(name, None)
                self._unwritten.pop(name, None)
                return
            if (
                content != head.content
                and before is not None
                and judged == head.judged
                and (wait := self._usage_wait(before)) > 0
            ):
                self._again((given.repository, given.digest), wait)
                return
            if judged != head.judged and isinstance(given.repository, EcrRepository):
                self._unwritten[name] = given.repository.registry
        self._put(name, given, obj)

    def remove(self, head: VerdictHead) -> None:
        """Have an object deleted."""
        self._pending.pop(head.name, None)
        self._unwritten.pop(head.name, None)
        self._removals[head.name] = head
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITES_AT_ONCE):
                group.create_task(self._work())

    def clear(self) -> None:
        """Forget what waits, when another process leads."""
        self._pending.clear()
        self._removals.clear()
        self._unwritten.clear()

    def _put(self, name: str, given: VerdictInput, obj: Mapping[str, Any] | None) -> None:
        self._pending[name] = given, obj if len(self._pending) < MAX_ENCODED else None
        self._wake.set()

    def _confirms(self, given: VerdictInput, before: StoredVerdict | None, obj: Mapping[str, Any]) -> bool:
        """Tell whether the facts are from after the last break of the change feed, and the stored ones from before it."""
        stored, new = None if before is None else before.status.evidence, obj["status"].get("evidence")
        if stored is None or new is None or not isinstance(given.repository, EcrRepository):
            return False
        since = self._unbroken_since(given.repository.registry)
        return since is not None and stored.observed_at < since <= datetime.fromisoformat(new["observedAt"])

    def _usage_wait(self, before: StoredVerdict) -> float:
        passed = (self._clock.now() - before.status.written_at).total_seconds()
        return USAGE_SECONDS - passed if 0 <= passed < USAGE_SECONDS else 0.0

    async def _work(self) -> None:
        while True:
            if not self._leads() or not self.waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            if self._removals:
                await self._remove(self._removals.pop(next(iter(self._removals))))
                continue
            name = next(iter(self._pending))
            given, obj = self._pending.pop(name)
            image = given.repository, given.digest
            try:
                await self._write(name, given, obj)
            except ApiError as error:
                self._again(image, self._note(name, error))
            except Exception:  # noqa: BLE001 - the other objects have to be written all the same
                self._counts.writes.add("failed")
                _log.exception("writing an ImageVerdict failed unexpectedly", name=name)
                self._again(image, FAILED_SECONDS)

    async def _write(self, name: str, given: VerdictInput, obj: Mapping[str, Any] | None) -> None:
        """1. Encode what was not encoded yet. 2. Tell a turn. 3. Create or replace the object."""
        head = self._stored.head(name)
        before = None if head is None else head.verdict
        if obj is None:
            keeps = before is not None and _keeps_stored(given)
            before = await self._whole(name) if keeps else before
            obj = encode(given, self._clock.now(), before=before)
            if keeps and head is not None and fingerprints(obj)[0] == head.content:
                self._unwritten.pop(name, None)
                return
        if before is not None and _turns_bad(before, obj["status"]):
            self.on_turn(Turn(given=given, before=before, status=obj["status"]))
        if head is None:
            made: Mapping[str, Any] = await self._api.create(VERDICTS_PATH, dict(obj))
            self._counts.writes.add("created")
        else:
            metadata = {**obj["metadata"], "resourceVersion": head.resource_version}
            made = await self._replace(head, {**obj, "metadata": metadata})
            self._counts.writes.add("replaced")
        self._stored.wrote(made)
        if name not in self._pending:
            self._unwritten.pop(name, None)
        self._problem = ""

    async def _replace(self, head: VerdictHead, obj: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._api.replace(f"{VERDICTS_PATH}/{head.name}", dict(obj))
        except ApiError as error:
            if error.status == INVALID and head.verdict is None:
                # The object is about another image than its name says, which cannot be changed.
                await self._delete(head)
                metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
                return await self._api.create(VERDICTS_PATH, {**obj, "metadata": metadata})
            raise

    async def _whole(self, name: str) -> StoredVerdict | None:
        try:
            return decode(await self._api.get(f"{VERDICTS_PATH}/{name}"))
        except InvalidVerdictError:
            return None
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    async def _remove(self, head: VerdictHead) -> None:
        try:
            await self._delete(head)
        except ApiError as error:
            self._note(head.name, error)
        else:
            self._counts.writes.add("deleted")

    async def _delete(self, head: VerdictHead) -> None:
        await self._api.delete(f"{VERDICTS_PATH}/{head.name}", uid=head.uid, resource_version=head.resource_version)
        self._stored.deleted(head.name)

    def _note(self, name: str, error: ApiError) -> float:
        """Log and count a failure, and return the seconds until the next attempt."""
        if error.status == CONFLICT:
            self._counts.writes.add("conflict")
            return CONFLICT_SECONDS
        self._counts.writes.add("failed")
        if error.status == NOT_FOUND:
            self._stored.deleted(name)
        said, self._problem = self._problem, f"{error.status}"
        if said != self._problem:
            _log.warning("cannot write an ImageVerdict", name=name, error=str(error))
        return FAILED_SECONDS


def _keeps_stored(given: VerdictInput) -> bool:
    """Tell whether what could not be looked up stays as it is stored, which has to be read first."""
    return not (given.evidence.is_whole and given.usage.pods)


def _turns_bad(before: StoredVerdict, status: Mapping[str, Any]) -> bool:
    fails = status["outcome"] == Outcome.FAIL.value and before.status.outcome is not Outcome.FAIL
    return fails or (bool(status["refused"]) and not before.status.refused)
