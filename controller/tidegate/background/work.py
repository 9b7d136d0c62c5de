"""The leader's work: every running image judged when something about it changes, and its verdict offered to the writer.

An image is judged again when its Pods, the policies, the labels of a namespace or the platforms of the nodes change, when
its evidence changes, and when time alone changes a verdict.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from tidegate.background.counts import Counts
from tidegate.background.ended import LINGER_SECONDS, EndedImages
from tidegate.background.events import Events
from tidegate.background.evidence import HeldEvidence, reference_to
from tidegate.background.judging import PlannedUse, UsesJudge, needs_of, united
from tidegate.background.looks import LAST_RETRY_SECONDS, LOOK_AT_PODS_SECONDS, Looks
from tidegate.background.owners import Owners
from tidegate.background.reads import Reads
from tidegate.background.running import ImageInUse, ImageUses, PodTable
from tidegate.background.schedule import Schedule
from tidegate.background.starts import Starts
from tidegate.background.stored import VerdictHead, VerdictHeads
from tidegate.background.writer import Turn, VerdictWriter
from tidegate.evidence.change import Change
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.needs import Needs
from tidegate.images.repository import EcrRegistry
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.usage import Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput

SLICE_SECONDS: Final = 0.02
"""How long images are judged before the event loop runs other work: longer than the 16 writes of one turn take, which follow."""
MIN_WAIT_SECONDS: Final = 1.0
"""Shortest wait for the moment when time changes a verdict: at that very moment it may be as before."""
MAX_GAP: Final = timedelta(seconds=LINGER_SECONDS)
"""After a longer time without a leader at work, stored starts are not used: an image may have ended and begun again."""
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
    """Judges; see the module.

    ``beside`` is what else the leader runs; ``sinks`` take each image's verdicts. ``gap`` is how long no leader has been at work,
    or None if that is unknown. ``silence_seconds`` is how long the API server has said nothing about Pods.
    """

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
        gap: Callable[[], timedelta | None] = lambda: None,
        silence_seconds: Callable[[], float] = lambda: 0.0,
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
        self._gap = gap
        self._silence_seconds = silence_seconds
        self._reads = Reads(evidence=evidence, owners=owners, schedule=schedule, clock=clock, counts=counts)
        self._ended = EndedImages(stored=stored, writer=writer, schedule=schedule, clock=clock, forget=self._forget)
        self._starts = Starts(stored=stored, schedule=schedule, clock=clock)
        self._looks = Looks(
            pods=pods, judge=judge, evidence=evidence, owners=owners, events=events, schedule=schedule, clock=clock
        )
        pods.on_touch = self.touched
        stored.on_change = self.stored_changed
        writer.on_turn = self.turned
        self.considered = asyncio.Event()
        """Set when every image was considered once since this process leads: from then on changes can be followed."""
        self.rejudged_seconds = 0.0
        """How long it took to judge every image of the namespaces whose policies changed last."""

    @property
    def unanswered(self) -> int:
        """Return of how many images the last look-up failed."""
        return self._reads.unanswered

    @property
    def unread_registries(self) -> set[EcrRegistry]:
        """Return the registries of which reported changes have not been read and written yet."""
        return self._reads.unread_registries | self._writer.unwritten_registries

    @property
    def registries(self) -> set[EcrRegistry]:
        """Return the registries whose changes are of use: of images whose evidence is held or is looked up."""
        return self._reads.registries

    @property
    def is_watching(self) -> bool:
        """Whether every image was considered once since this process leads, and changes of its Pods are seen."""
        return self.considered.is_set() and self._silence_seconds() < LINGER_SECONDS

    @property
    def _leads(self) -> bool:
        """Whether the work runs."""
        return self._reads.group is not None

    async def run(self) -> None:
        """Work until cancelled. Everything is judged once at the beginning."""
        self._reset()
        self._stored.is_written_here = True
        try:
            async with asyncio.TaskGroup() as group:
                self._reads.group = group
                for work in (
                    self._judge_due,
                    self._looks.at_policies,
                    self._looks.at_pods,
                    self._forget_unwatched,
                    self._writer.run,
                    self._events.run,
                    *self._beside,
                ):
                    group.create_task(work())
        finally:
            self._reads.group = None
            self._stored.is_written_here = False
            self.considered.clear()

    def changed(self, changes: Iterable[Change]) -> None:
        """Look up again what may have changed at AWS: images, images that an index lists, or all of a repository."""
        self._reads.changed(changes)

    def touched(self, image: ImageInUse) -> None:
        """Judge an image whose Pods have changed; a process that does not lead yet judges all when it begins to."""
        if self._leads:
            self._schedule.add(image)

    def judge_all(self) -> None:
        """Judge every image again, for example after a jump of the wall clock."""
        if self._leads:
            self._schedule.add_all(self._pods.all_images())

    def stored_changed(self, name: str, head: VerdictHead | None) -> None:
        """Judge the image of an object that another client wrote or deleted; remove an invalid one of no running image."""
        if not self._leads:
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
        return self.considered.is_set() and not self._reads.collecting and not len(self._schedule)

    async def _forget_unwatched(self) -> None:
        """Forget the starts of images whose end would not have been seen."""
        while True:
            if self._silence_seconds() >= LINGER_SECONDS:
                self._stored.forget_starts()
            await asyncio.sleep(LOOK_AT_PODS_SECONDS)

    def _reset(self) -> None:
        self.considered.clear()
        gap = self._gap()
        if gap is None or abs(gap) > MAX_GAP:
            self._stored.forget_starts()
        for sink in self._sinks:
            sink.clear()
        self._writer.clear()
        self._schedule.clear()
        for part in (self._reads, self._looks, self._ended, self._starts):
            part.clear()
        # An image that changed and does not run any more is put away, or its registry would count as unread for ever.
        self._schedule.add_all([*self._pods.all_images(), *self._reads.changed_images])
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
            self._starts.continued(image, Usage())
            self._ended.put_away(image)
            return
        ended_at = self._ended.runs_again(image)
        uses = self._pods.uses(image, self._owners.known)
        uses = replace(uses, usage=self._starts.continued(image, uses.usage))
        planned = self._judge.plan(uses)
        wanted = needs_of(planned)
        if not wanted:
            self._reads.unwanted(image)
        elif not self._evidence.holds(image) and self._ended.was_away(image, ended_at):
            self._reads.distrust(image)
        known = self._reads.known(image, wanted)
        unread = self._owners.unread(
            (name, one) for name, usage in uses.usage.namespaces.items() for one in usage.workloads
        )
        if self._reads.begin(image, unread=unread, wanted=wanted, known=frozenset(known), tags=uses.usage.tags):
            return
        self._finish(image, uses, planned, known)

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

    def _forget(self, image: ImageInUse) -> None:
        """Drop all that is known of an image that does not run any more."""
        self._reads.forget(image)
        for sink in self._sinks:
            sink.judged(image, ())
