"""Writes ImageVerdict objects where they say something new. Every write names the version that it replaces.

Where only the Pods that run an image have changed, its object is written once a minute at most, and five seconds after the last
write where the first of them started in a namespace: the grace for running images begins then. Where nothing has changed but
that the facts were looked up again, it is written if the change feed had a break in between: facts from before it count as older
and older.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from tidegate.background.counts import Counts
from tidegate.background.running import ImageInUse
from tidegate.background.stored import VerdictHead, VerdictHeads, fingerprints, started_in
from tidegate.checks.result import Outcome
from tidegate.cluster.api import CONFLICT, INVALID, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.evidence.clock import Clock
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.encode import encode
from tidegate.verdicts.judged import outcome_of
from tidegate.verdicts.shape import VERDICTS_PATH, object_name
from tidegate.verdicts.verdict_input import VerdictInput

WRITES_AT_ONCE: Final = 16
"""Of the seats that the API server's priority and fairness gives all service accounts together, about 245 by default, so that
others keep theirs. Each needs a thread of the API client."""
HOLD_SECONDS: Final = 5.0
"""How long writes wait at most for the images that are being judged: of all of these, those that turned bad are written first."""
SLICE_SECONDS: Final = 0.005
"""How long objects are encoded before the event loop runs other work."""
USAGE_SECONDS: Final = 60.0
"""Shortest time between two writes of an object of which only the Pods that run the image have changed."""
START_SECONDS: Final = 5.0
"""The same where the image started in a namespace."""
CONFLICT_SECONDS: Final = 1.0
"""Wait after a refused write: the watch brings what another client wrote."""
FAILED_SECONDS: Final = 30.0
"""Wait after a write that failed, also where the CRD is missing."""

SENT_SECONDS: Final = 3_600.0
"""How long an object counts as stored as it was sent. The API server prunes the fields that an older CRD does not have, and an
upgraded one has them."""

NO_FIELDS: Final[list[Json]] = [{}]
"""Has the API server note no owners of fields (Kubernetes, "Clearing managedFields"): nothing else writes these objects, and it
takes a tenth of the time of a write and a sixth of the bytes of an object."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A verdict that turned bad: ``before`` is the stored one, ``status`` the new one as plain data."""

    given: VerdictInput
    before: StoredVerdict
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """An object that was stored otherwise than it was sent: its fingerprints as sent, and until when they count (monotonic)."""

    resource_version: str
    content: bytes
    judged: bytes
    until: float


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
        self._turned: dict[str, VerdictInput] = {}
        self._pending: dict[str, VerdictInput] = {}
        self._removals: dict[str, VerdictHead] = {}
        self._unwritten: dict[str, EcrRegistry] = {}
        self._sent: dict[str, _Sent] = {}
        self._wake = asyncio.Event()
        self._hold: asyncio.TimerHandle | None = None
        self._is_held = False
        self._problem = ""

    @property
    def waiting(self) -> int:
        """Return how many writes wait."""
        return len(self._turned) + len(self._pending) + len(self._removals)

    @property
    def unwritten_registries(self) -> set[EcrRegistry]:
        """Return the registries whose newest facts are not stored yet: their writes wait or failed."""
        return set(self._unwritten.values())

    def offer(self, given: VerdictInput) -> None:
        """Have the object of an image written, unless the stored one says the same: it is compared when its turn comes.

        An encoded object has several times the bytes of its input, and ten thousand may wait.
        """
        name = object_name(given.repository, given.digest)
        self._drop(name)
        self._removals.pop(name, None)
        head = self._stored.head(name)
        before = None if head is None else head.verdict
        turns_bad = before is not None and _turns_bad(before, *outcome_of(given.judged))
        (self._turned if turns_bad else self._pending)[name] = given
        if head is not None and isinstance(given.repository, EcrRepository):
            self._unwritten[name] = given.repository.registry
        self._wake.set()

    def remove(self, head: VerdictHead) -> None:
        """Have an object deleted."""
        self._drop(head.name)
        self._unwritten.pop(head.name, None)
        self._sent.pop(head.name, None)
        self._removals[head.name] = head
        self._wake.set()

    def hold(self) -> None:
        """Have writes wait until ``release``, or for HOLD_SECONDS."""
        if self._hold is None:
            self._is_held = True
            self._hold = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._go_on)

    def release(self) -> None:
        """End the hold."""
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
            self._go_on()

    def _go_on(self) -> None:
        self._is_held = False
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITES_AT_ONCE):
                group.create_task(self._work())

    def clear(self) -> None:
        """Forget what waits, when another process leads."""
        self._turned.clear()
        self._pending.clear()
        self._removals.clear()
        self._unwritten.clear()
        self._sent.clear()

    def _drop(self, name: str) -> None:
        self._turned.pop(name, None)
        self._pending.pop(name, None)

    def _confirms(self, given: VerdictInput, before: StoredVerdict | None, obj: Mapping[str, Any]) -> bool:
        """Tell whether the facts are from after the last break of the change feed, and the stored ones from before it."""
        stored, new = None if before is None else before.status.evidence, obj["status"].get("evidence")
        if stored is None or new is None or not isinstance(given.repository, EcrRepository):
            return False
        since = self._unbroken_since(given.repository.registry)
        return since is not None and stored.observed_at < since <= datetime.fromisoformat(new["observedAt"])

    def _usage_wait(self, before: StoredVerdict, *, starts: bool) -> float:
        shortest = START_SECONDS if starts else USAGE_SECONDS
        passed = (self._clock.now() - before.status.written_at).total_seconds()
        return shortest - passed if 0 <= passed < shortest else 0.0

    async def _work(self) -> None:
        slice_ends = time.monotonic() + SLICE_SECONDS
        while True:
            if not self._leads() or self._is_held or not self.waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            if time.monotonic() >= slice_ends:
                await asyncio.sleep(0)
                slice_ends = time.monotonic() + SLICE_SECONDS
                continue
            if self._removals:
                await self._remove(self._removals.pop(next(iter(self._removals))))
                continue
            waiting = self._turned or self._pending
            name = next(iter(waiting))
            given = waiting.pop(name)
            image = given.repository, given.digest
            try:
                await self._write(name, given)
            except ApiError as error:
                self._again(image, self._note(name, error))
            except Exception:  # noqa: BLE001 - the other objects have to be written all the same
                self._counts.writes.add("failed")
                _log.exception("writing an ImageVerdict failed unexpectedly", name=name)
                self._again(image, FAILED_SECONDS)

    async def _write(self, name: str, given: VerdictInput) -> None:
        """1. Encode, and end here where nothing is new. 2. Tell a turn. 3. Create or replace the object."""
        head = self._as_sent(name)
        before = None if head is None else head.verdict
        if keeps := before is not None and _keeps_stored(given):
            before = await self._whole(name)
        obj = encode(given, self._clock.now(), before=before)
        content, judged = fingerprints(obj)
        if head is not None and before is not None:
            if content == head.content and (keeps or not self._confirms(given, before, obj)):
                self._stored.confirm(head, started_in(obj))
                self._is_written(name)
                return
            if judged == head.judged:
                self._is_written(name)
                wait = self._usage_wait(before, starts=not started_in(obj).keys() <= head.started.keys())
                if content != head.content and not keeps and wait > 0:
                    self._again((given.repository, given.digest), wait)
                    return
        status = obj["status"]
        if before is not None and _turns_bad(before, Outcome(status["outcome"]), status["refused"]):
            self.on_turn(Turn(given=given, before=before, status=status))
        if head is None:
            made: Mapping[str, Any] = await self._api.create(VERDICTS_PATH, dict(obj))
            self._counts.writes.add("created")
        else:
            metadata = {**obj["metadata"], "resourceVersion": head.resource_version, "managedFields": NO_FIELDS}
            made = await self._replace(head, {**obj, "metadata": metadata})
            self._counts.writes.add("replaced")
        stored = self._stored.wrote(made)
        if stored.content != content:
            until = self._clock.monotonic() + SENT_SECONDS
            self._sent[name] = _Sent(
                resource_version=stored.resource_version, content=content, judged=judged, until=until
            )
        self._is_written(name)
        self._problem = ""

    def _as_sent(self, name: str) -> VerdictHead | None:
        """Return an object's head with the fingerprints of what was sent, while the object is the one that was written here."""
        head, sent = self._stored.head(name), self._sent.get(name)
        if head is None or sent is None:
            return head
        if sent.resource_version != head.resource_version or self._clock.monotonic() >= sent.until:
            del self._sent[name]
            return head
        return replace(head, content=sent.content, judged=sent.judged)

    def _is_written(self, name: str) -> None:
        if name not in self._turned and name not in self._pending:
            self._unwritten.pop(name, None)

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


def _turns_bad(before: StoredVerdict, outcome: Outcome, is_refused: bool) -> bool:
    fails = outcome is Outcome.FAIL and before.status.outcome is not Outcome.FAIL
    return fails or (is_refused and not before.status.refused)
