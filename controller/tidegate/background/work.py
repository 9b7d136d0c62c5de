"""The leader's work: every running image judged when something about it changes, and its verdict offered to the writer.

An image is judged again when its Pods, the policies, the labels of a namespace or the platforms of the nodes change, when
its evidence changes, and when time alone changes a verdict. Only missing and changed evidence is looked up.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from tidegate.background.counts import Counts
from tidegate.background.events import Events
from tidegate.background.evidence import HeldEvidence, reference_to
from tidegate.background.judging import PlannedUse, UsesJudge, needs_of, united
from tidegate.background.looks import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, Looks
from tidegate.background.owners import Owners
from tidegate.background.running import ImageInUse, ImageUses, PodTable
from tidegate.background.schedule import Schedule
from tidegate.background.stored import VerdictHead, VerdictHeads
from tidegate.background.writer import Turn, VerdictWriter
from tidegate.evidence.change import Change, ScanChange
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.evidence.needs import Needs
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.trust.refresh import retry_seconds
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.usage import OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput

COLLECTIONS_AT_ONCE: Final = 200
"""Images whose evidence is looked up at once: two batches of the call that takes most ids."""
SLICE_SECONDS: Final = 0.02
"""How long images are judged before the event loop runs other work: longer than the 16 writes of one turn take, which follow."""
LINGER_SECONDS: Final = 300.0
"""How long an image without Pods still counts as running where it last ran, so that a rollout or a CronJob is no change."""
KEPT: Final = timedelta(hours=24)
"""How long the object of an image that does not run any more stays."""
MIN_WAIT_SECONDS: Final = 1.0
"""Shortest wait for the moment when time changes a verdict: at that very moment it may be as before."""
MAX_TAGS_OF_AN_IMAGE: Final = 16
"""Tags of which the meaning is looked up with the evidence of an image."""
MAX_LOGGED: Final = 10
"""Namespaces in one log line."""

_log = structlog.get_logger(__name__)


class JudgedSink(Protocol):
    """Takes the verdicts on running images, such as reports."""

    def clear(self) -> None:
        """Forget everything: this process begins to lead."""
        ...

    def judged(self, image: ImageInUse, verdicts: Sequence[NamespaceVerdict]) -> None:
        """Take all verdicts on an image; none where it does not run any more."""
        ...


class Work:
    """Judges; see the module. ``beside`` is what else the leader runs; ``sinks`` take each image's verdicts."""

    def __init__(
        self,
        *,
        pods: PodTable,
        stored: VerdictHeads,
        judge: UsesJudge,
        evidence: HeldEvidence,
        owners: Owners,
        writer: VerdictWriter,
        events: Events,
        schedule: Schedule,
        clock: Clock,
        counts: Counts,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        sinks: Sequence[JudgedSink] = (),
    ) -> None:
        self._pods = pods
        self._stored = stored
        self._judge = judge
        self._evidence = evidence
        self._owners = owners
        self._writer = writer
        self._events = events
        self._schedule = schedule
        self._clock = clock
        self._counts = counts
        self._beside = beside
        self._sinks = sinks
        self._collecting: set[ImageInUse] = set()
        self._missing: set[ImageInUse] = set()
        """Images of which evidence is looked up for the first time, or will be when the wait after a failure is over."""
        self._changed: dict[ImageInUse, float] = {}
        self._only_scans: set[ImageInUse] = set()
        """Changed images of which nothing but the scans has to be looked up again."""
        self._failures: dict[ImageInUse, tuple[int, float]] = {}
        self._ended: dict[ImageInUse, float] = {}
        self._looks = Looks(
            pods=pods, judge=judge, evidence=evidence, owners=owners, events=events, schedule=schedule, clock=clock
        )
        pods.on_touch = self.touched
        stored.on_change = self.stored_changed
        writer.on_turn = self.turned
        self._places = asyncio.Semaphore(COLLECTIONS_AT_ONCE)
        self._group: asyncio.TaskGroup | None = None
        self.considered = asyncio.Event()
        """Set when every image was considered once since this process leads: from then on changes can be followed."""
        self.rejudged_seconds = 0.0
        """How long it took to judge every image of the namespaces whose policies changed last."""

    @property
    def unanswered(self) -> int:
        """Return of how many images the last look-up failed."""
        return len(self._failures)

    @property
    def unread_registries(self) -> set[EcrRegistry]:
        """Return the registries of which reported changes have not been read and written yet."""
        unread = {one[0].registry for one in self._changed if isinstance(one[0], EcrRepository)}
        return unread | self._writer.unwritten_registries

    @property
    def registries(self) -> set[EcrRegistry]:
        """Return the registries whose changes are of use: of images whose evidence is held or is looked up."""
        missing = {one[0].registry for one in self._missing if isinstance(one[0], EcrRepository)}
        return missing | self._evidence.in_ecr().keys()

    @property
    def collecting(self) -> int:
        """Return of how many images the evidence is being looked up."""
        return len(self._collecting)

    async def run(self) -> None:
        """Work until cancelled. Everything is judged once at the beginning."""
        self._reset()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for work in (
                    self._judge_due,
                    self._looks.at_policies,
                    self._looks.at_pods,
                    self._writer.run,
                    self._events.run,
                    *self._beside,
                ):
                    group.create_task(work())
        finally:
            self._group = None

    def changed(self, changes: Iterable[Change]) -> None:
        """Look up again what may have changed at AWS: images, images that an index lists, or all of a repository."""
        reported, now = list(changes), self._clock.monotonic()
        for image in self._evidence.possibly_affected(reported, self._missing):
            # Its look-up is repeated when the one under way ends, or begins later anyway: a wait after a failure stays.
            self._changed[image] = now
            self._only_scans.discard(image)
        wholly = self._evidence.affected(one for one in reported if not isinstance(one, ScanChange))
        scans = self._evidence.affected(one for one in reported if isinstance(one, ScanChange)) - wholly
        for image in wholly | scans:
            if image in wholly:
                self._only_scans.discard(image)
            elif image not in self._changed:
                self._only_scans.add(image)
            self._evidence.expire(image, scans_only=image in self._only_scans)
            self._changed[image] = now
            self._failures.pop(image, None)
            self._schedule.add(image)

    def touched(self, image: ImageInUse) -> None:
        """Judge an image whose Pods have changed; a process that does not lead yet judges all when it begins to."""
        if self._group is not None:
            self._schedule.add(image)

    def judge_all(self) -> None:
        """Judge every image again, for example after a jump of the wall clock."""
        if self._group is not None:
            self._schedule.add_all(self._pods.all_images())

    def stored_changed(self, name: str, head: VerdictHead | None) -> None:
        """Judge the image of an object that another client wrote or deleted; remove an invalid one of no running image."""
        if self._group is None:
            return
        if head is not None and head.image is not None:
            self._schedule.add(head.image)
            return
        image = next((one for one in self._pods.all_images() if object_name(*one) == name), None)
        if image is not None:
            self._schedule.add(image)
        elif head is not None:
            self._writer.remove(head)

    def turned(self, turn: Turn) -> None:
        """Count and report a verdict that turned bad; the writer calls this before it writes it."""
        given, status = turn.given, turn.status
        self._counts.turned.add(next(iter(status.get("reasons", ())), ""))
        image = str(reference_to((given.repository, given.digest)))
        places = [(name, one) for name, usage in given.usage.namespaces.items() for one in usage.workloads]
        message = str(status.get("message", ""))
        _log.warning(
            "a running image does not pass any more",
            image=image,
            outcome=status["outcome"],
            refused=status["refused"],
            namespaces=sorted(given.usage.namespaces)[:MAX_LOGGED],
            found=message,
        )
        self._events.turned_bad(image, message, places, since=turn.before.status.since.isoformat())

    def is_complete(self) -> bool:
        """Tell whether every running image was judged, or could not be, since this process leads."""
        return self.considered.is_set() and not self._collecting and not len(self._schedule)

    def _reset(self) -> None:
        self.considered.clear()
        for sink in self._sinks:
            sink.clear()
        self._writer.clear()
        self._schedule.clear()
        # Another leader may have seen changes since this process led last: they are in what is stored.
        self._evidence.clear()
        self._looks.clear()
        for each in (self._collecting, self._missing, self._failures, self._ended):
            each.clear()
        # An image that changed and does not run any more is put away, or its registry would count as unread for ever.
        self._schedule.add_all([*self._pods.all_images(), *self._changed])
        names: dict[str, ImageInUse] | None = None
        for head in self._stored.heads():
            if head.image is not None:
                self._schedule.add(head.image)
                continue
            names = names or {object_name(*image): image for image in self._pods.all_images()}
            if head.name not in names:
                self._writer.remove(head)

    async def _judge_due(self) -> None:
        slice_ends = time.monotonic() + SLICE_SECONDS
        while True:
            if not len(self._schedule):
                self._writer.release()
                self.considered.set()
                if self._looks.changed_at is not None:
                    self.rejudged_seconds = time.monotonic() - self._looks.changed_at
                    self._looks.changed_at = None
            image = await self._schedule.next()
            if len(self._schedule):
                self._writer.hold()
            try:
                self.consider(image)
            except Exception:  # noqa: BLE001 - the other images have to be judged all the same
                _log.exception("judging a running image failed unexpectedly", image=str(reference_to(image)))
                self._schedule.add_later(image, LAST_RETRY_SECONDS)
            if time.monotonic() >= slice_ends:
                await asyncio.sleep(0)
                slice_ends = time.monotonic() + SLICE_SECONDS

    def consider(self, image: ImageInUse) -> None:
        """Judge one image that is due.

        1. An image that does not run is put away. 2. Owners of its Pods and evidence that is missing are read first; then it
        is considered again. 3. It is judged, and its verdict offered to the writer.
        """
        if not self._pods.runs(image):
            self._put_away(image)
            return
        ended_at = self._ended.pop(image, None)
        uses = self._pods.uses(image, self._owners.known)
        planned = self._judge.plan(uses)
        wanted = needs_of(planned)
        if wanted and not self._evidence.holds(image) and self._was_away(image, ended_at):
            self._changed.setdefault(image, self._clock.monotonic())
            self._only_scans.discard(image)
        if not wanted and image in self._changed:
            # It is not looked up now, and anew when a policy wants it again. Until then its object has no facts.
            self._evidence.forget(image)
            self._settled(image)
        known = {
            needs: found
            for needs in wanted
            if (found := self._evidence.known(image, needs, uses_stored=image not in self._changed)) is not None
        }
        unread = self._owners.unread(
            (name, one) for name, usage in uses.usage.namespaces.items() for one in usage.workloads
        )
        is_missing = len(known) < len(wanted)
        (self._missing.add if is_missing else self._missing.discard)(image)
        if unread or is_missing or (image in self._changed and wanted):
            is_asked = self._prepare(image, unread, wanted, frozenset(known), uses.usage.tags)
            if is_asked and (unread or is_missing):
                return
        self._finish(image, uses, planned, known)

    def _was_away(self, image: ImageInUse, ended_at: float | None) -> bool:
        """Tell whether facts are stored from before a time in which the image did not run: its changes were not followed."""
        head = self._stored.head(object_name(*image))
        if head is None or head.verdict is None or head.verdict.status.evidence is None:
            return False
        has_ended = ended_at is not None and ended_at + LINGER_SECONDS <= self._clock.monotonic()
        return has_ended or head.verdict.status.runs.last_seen is not None

    def _prepare(
        self,
        image: ImageInUse,
        unread: list[tuple[str, OwningWorkload]],
        wanted: list[Needs],
        known: frozenset[Needs],
        tags: Sequence[str],
    ) -> bool:
        """Have what is missing read, unless that failed a moment ago; return whether it is being read."""
        if image in self._collecting:
            return True
        _, not_before = self._failures.get(image, (0, 0.0))
        if self._group is None or self._clock.monotonic() < not_before:
            return False
        self._collecting.add(image)
        self._group.create_task(self._collect(image, unread, wanted, known, tags))
        return True

    async def _collect(
        self,
        image: ImageInUse,
        unread: list[tuple[str, OwningWorkload]],
        wanted: list[Needs],
        known: frozenset[Needs],
        tags: Sequence[str],
    ) -> None:
        """Read owners and evidence, then have the image judged. What is known is read again only if it has changed."""
        try:
            if unread:
                await self._owners.read(unread)
            async with self._places:
                since, answer = self._changed.get(image, 0.0), None
                if since:
                    # Again: a look-up that was under way when the change came may have stored older facts since.
                    self._evidence.expire(image, scans_only=True)
                    if image in self._only_scans:
                        answer = await self._evidence.collect_scans(image, wanted, since=since)
                    if answer is None:
                        self._only_scans.discard(image)
                        self._evidence.expire(image)
                else:
                    wanted = [needs for needs in wanted if needs not in known]
                if answer is None:
                    answer = await self._collect_all(image, wanted, tags, since)
            if wanted:
                self._note(image, since, is_answered=answer)
        except Exception:  # noqa: BLE001 - one image must not end the work on all others
            _log.exception("reading about a running image failed unexpectedly", image=str(reference_to(image)))
            self._note(image, 0.0, is_answered=False)
        finally:
            self._collecting.discard(image)
        self._schedule.add(image)

    async def _collect_all(self, image: ImageInUse, wanted: list[Needs], tags: Sequence[str], since: float) -> bool:
        named = [(image[0], tag) for tag in tags[:MAX_TAGS_OF_AN_IMAGE] if isinstance(image[0], EcrRepository)]
        asked = [self._evidence.collect(image, needs, since=since) for needs in wanted]
        answers, *_ = await asyncio.gather(
            asyncio.gather(*asked), *(self._evidence.tag(one) for one in named if wanted)
        )
        return all(answers)

    def _settled(self, image: ImageInUse) -> None:
        """Take note that what changed of an image is read, or not wanted any more."""
        self._changed.pop(image, None)
        self._only_scans.discard(image)

    def _note(self, image: ImageInUse, since: float, *, is_answered: bool) -> None:
        self._counts.collected.add("answered" if is_answered else "failed")
        if is_answered:
            self._failures.pop(image, None)
            if self._changed.get(image, 0.0) <= since:
                self._settled(image)
            return
        count = self._failures.get(image, (0, 0.0))[0] + 1
        wait = retry_seconds(count, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
        self._failures[image] = count, self._clock.monotonic() + wait
        self._schedule.add_later(image, wait)

    def _finish(
        self, image: ImageInUse, uses: ImageUses, planned: list[PlannedUse], known: Mapping[Needs, ImageEvidence]
    ) -> None:
        """Judge the image and offer the verdict."""
        wanted = needs_of(planned)
        if missing := [needs for needs in wanted if needs not in known]:
            # AWS did not answer. A verdict that is stored stays; an image without one is undetermined.
            head = self._stored.head(object_name(*image))
            if head is not None and head.verdict is not None:
                return
            known = {**known, **{needs: self._evidence.partial(image, needs) for needs in missing}}
        self._evidence.keep_only(image, wanted)
        verdicts, until = self._judge.judge(planned, known)
        self._counts.judged.add()
        if until is not None:
            self._schedule.add_later(image, max(MIN_WAIT_SECONDS, (until - self._clock.now()).total_seconds()))
        meanings = ((tag, self._evidence.tag_at_once((image[0], tag))) for tag in uses.usage.tags)
        self._writer.offer(
            VerdictInput(
                repository=image[0],
                digest=image[1],
                evidence=united([known[needs] for needs in wanted]),
                judged=verdicts,
                usage=uses.usage,
                tags={tag: means[1] for tag, means in meanings if means is not None and means[0] == image[1]},
            )
        )
        for sink in self._sinks:
            sink.judged(image, verdicts)

    def _put_away(self, image: ImageInUse) -> None:
        """1. Wait whether the image runs again soon. 2. Write that it does not run. 3. Delete its object a day later."""
        began = self._ended.setdefault(image, self._clock.monotonic())
        if (left := began + LINGER_SECONDS - self._clock.monotonic()) > 0:
            self._schedule.add_later(image, left)
            return
        self._evidence.forget(image)
        self._missing.discard(image)
        self._settled(image)
        self._failures.pop(image, None)
        for sink in self._sinks:
            sink.judged(image, ())
        head = self._stored.head(object_name(*image))
        if head is None or head.verdict is None:
            self._ended.pop(image, None)
            return
        seen = head.verdict.status.runs.last_seen
        if seen is None:
            self._writer.offer(
                VerdictInput(repository=image[0], digest=image[1], evidence=nothing_asked(), judged=(), usage=Usage())
            )
            self._schedule.add_later(image, KEPT.total_seconds())
        elif (rest := seen + KEPT - self._clock.now()) > timedelta(0):
            self._schedule.add_later(image, rest.total_seconds())
        else:
            self._ended.pop(image, None)
            self._writer.remove(head)
