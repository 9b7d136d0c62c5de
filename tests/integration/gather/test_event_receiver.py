"""Messages are deleted after they were passed on; what is no event stays out of the way; without the queue the rest goes on."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from tests.unit.gather.fakes import APP, OTHER, REGISTRY, unavailable
from tidegate.errors import InvalidEventError
from tidegate.evidence.change import ImageChange, RepositoryChange
from tidegate.evidence.fact import Cause
from tidegate.evidence.message import AwsEvent, QueuedMessage
from tidegate.evidence.ports import MAX_MESSAGES
from tidegate.gather import event_queue
from tidegate.gather.event_queue import MAX_RECEIVES, EventReceiver
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRepository

IMAGE = ImageChange(APP, digest_of(b"image"))
FOREIGN = ImageChange(EcrRepository(OTHER, "team/app"), digest_of(b"image"))


class Queue:
    """A queue without hiding: what is not deleted comes again at once. ``problems`` are raised first."""

    def __init__(self):
        self.bodies, self.receives, self.asked, self.deletions = [], {}, [], 0
        self.problems, self.failing_deletes = [], 0

    def receive(self, most=MAX_MESSAGES):
        self.asked.append(most)
        if self.problems:
            raise self.problems.pop(0)
        found = list(enumerate(self.bodies))[:most]
        for number, _ in found:
            self.receives[number] = self.receives.get(number, 0) + 1
        return [QueuedMessage(id=f"m{n}", body=body, receipt=body, receives=self.receives[n]) for n, body in found]

    def delete(self, receipts):
        self.deletions += 1
        if self.failing_deletes:
            self.failing_deletes -= 1
            raise unavailable(Cause.THROTTLED, "sqs:DeleteMessageBatch")
        for each in receipts:
            self.bodies.remove(each)
        return 0


class Desk:
    def __init__(self):
        self.queue = Queue()
        self.events = {"ours": frozenset({IMAGE}), "theirs": frozenset({FOREIGN}), "nothing": frozenset()}
        self.changed: list[set[object]] = []
        self.counted: list[tuple[str, str]] = []
        self.receiver = EventReceiver(
            self.queue,
            read=self.read,
            in_use=lambda: [REGISTRY],
            changed=lambda changes: self.changed.append(set(changes)),
            observer=self,
        )

    def read(self, body):
        if body in self.events:
            return AwsEvent(kind="Inspector2 Finding", changes=self.events[body])
        if body == "broken":
            raise ZeroDivisionError
        raise InvalidEventError("not strict JSON")

    def event(self, kind, outcome):
        self.counted.append((kind, outcome))


@pytest.fixture
def desk():
    return Desk()


async def test_a_message_is_deleted_after_its_changes_were_passed_on(desk):
    desk.queue.bodies = ["ours"]
    passed = desk.receiver._changed

    def changed(changes):
        assert desk.queue.bodies == ["ours"]
        passed(changes)

    desk.receiver._changed = changed
    assert await desk.receiver.receive_once() == 1
    assert (desk.changed, desk.queue.bodies) == ([{IMAGE}], [])
    assert desk.counted == [("Inspector2 Finding", "used")]


async def test_changes_that_cannot_be_passed_on_leave_their_message(desk):
    desk.queue.bodies = ["ours"]
    desk.receiver._changed = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await desk.receiver.receive_once()
    assert desk.queue.bodies == ["ours"]


async def test_a_batch_is_one_change(desk):
    desk.queue.bodies = ["ours"] * 25
    for left in (15, 5, 0):
        await desk.receiver.receive_once()
        assert len(desk.queue.bodies) == left
    assert desk.changed == [{IMAGE}] * 3


@pytest.mark.parametrize("body", ["theirs", "nothing"])
async def test_what_is_about_nothing_in_use_is_ignored_and_deleted(desk, body):
    desk.queue.bodies = [body]
    await desk.receiver.receive_once()
    assert (desk.changed, desk.queue.bodies) == ([], [])
    assert desk.counted == [("Inspector2 Finding", "ignored")]


async def test_of_an_event_about_several_registries_those_in_use_count(desk):
    desk.events["both"] = frozenset({IMAGE, FOREIGN, RepositoryChange(FOREIGN.repository)})
    desk.queue.bodies = ["both"]
    await desk.receiver.receive_once()
    assert desk.changed == [{IMAGE}]


async def test_an_event_right_after_its_registry_came_into_use_counts(desk):
    """Else the first image of a registry would keep an old verdict until the next poll."""
    registries: list[object] = []
    desk.receiver._in_use = lambda: list(registries)
    for _ in range(2):
        desk.queue.bodies = ["ours"]
        await desk.receiver.receive_once()
        registries.append(REGISTRY)
    assert desk.counted == [("Inspector2 Finding", "ignored"), ("Inspector2 Finding", "used")]
    assert desk.changed == [{IMAGE}]


async def test_what_is_in_use_is_not_asked_for_with_every_batch(desk):
    asked: list[int] = []

    def in_use():
        asked.append(1)
        return [REGISTRY]

    desk.receiver._in_use = in_use
    desk.queue.bodies = ["ours"] * 200
    while desk.queue.bodies:
        await desk.receiver.receive_once()
    assert len(asked) < 10
    desk.receiver._looked_at -= event_queue.IN_USE_SECONDS
    desk.receiver._in_use = list
    desk.queue.bodies = ["ours"]
    await desk.receiver.receive_once()
    assert desk.counted[-1] == ("Inspector2 Finding", "ignored")


class TestPoison:
    @pytest.mark.parametrize("body", ["poison", "broken"])
    async def test_it_is_counted_and_left_for_the_dead_letter_queue(self, desk, body):
        desk.queue.bodies = [body, "ours"]
        await desk.receiver.receive_once()
        assert desk.queue.bodies == [body]
        assert desk.counted == [("unknown", "malformed"), ("Inspector2 Finding", "used")]

    async def test_it_is_deleted_when_no_policy_takes_it_away(self, desk):
        desk.queue.bodies = ["poison"]
        for _ in range(MAX_RECEIVES - 1):
            await desk.receiver.receive_once()
        assert (desk.queue.bodies, desk.queue.deletions) == (["poison"], 0)
        await desk.receiver.receive_once()
        assert desk.queue.bodies == []

    async def test_lines_about_it_are_few(self, desk):
        desk.queue.bodies = ["poison"] * 10
        with capture_logs() as lines:
            for _ in range(5):
                await desk.receiver.receive_once()
        assert [each["event"] for each in lines] == ["a message of the event queue is no event of AWS"]


class TestTrouble:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(event_queue, "FIRST_RETRY_SECONDS", 0.001)
        monkeypatch.setattr(event_queue, "LAST_RETRY_SECONDS", 0.002)

    async def until(self, condition):
        for _ in range(10_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        pytest.fail("it did not happen")

    @pytest.mark.parametrize(
        "cause", [Cause.ACCESS_DENIED, Cause.THROTTLED, Cause.UNREACHABLE, Cause.UNEXPECTED_ANSWER, Cause.CREDENTIALS]
    )
    async def test_it_is_logged_once_and_then_things_go_on(self, desk, cause):
        desk.queue.problems = [unavailable(cause, "sqs:ReceiveMessage") for _ in range(10)]
        with capture_logs() as lines:
            task = asyncio.create_task(desk.receiver.run())
            await self.until(lambda: not desk.queue.problems)
            desk.queue.bodies.append("ours")
            await self.until(lambda: not desk.queue.bodies and desk.changed)
            task.cancel()
        assert [each["event"] for each in lines] == [
            "the event queue cannot be read; changes are found by polling until it can",
            "the event queue answers again",
        ]
        assert (desk.receiver.failures, desk.changed) == (0, [{IMAGE}])

    async def test_an_unforeseen_error_does_not_end_it(self, desk):
        desk.queue.problems = [ZeroDivisionError()]
        desk.queue.bodies = ["ours"]
        task = asyncio.create_task(desk.receiver.run())
        await self.until(lambda: not desk.queue.bodies)
        task.cancel()
        assert desk.changed == [{IMAGE}]

    async def test_a_deletion_that_fails_has_the_message_handled_again(self, desk):
        desk.queue.failing_deletes = 1
        desk.queue.bodies = ["ours"]
        task = asyncio.create_task(desk.receiver.run())
        await self.until(lambda: not desk.queue.bodies)
        task.cancel()
        assert desk.changed == [{IMAGE}] * 2

    async def test_after_an_unreadable_answer_messages_come_one_by_one(self, desk):
        desk.queue.problems = [unavailable(Cause.UNEXPECTED_ANSWER, "sqs:ReceiveMessage")]
        desk.queue.bodies = ["ours"] * 3
        task = asyncio.create_task(desk.receiver.run())
        await self.until(lambda: not desk.queue.bodies)
        task.cancel()
        assert desk.queue.asked[:4] == [MAX_MESSAGES, 1, 1, 1]
        desk.receiver._single_until = 0.0
        await desk.receiver.receive_once()
        assert desk.queue.asked[-1] == MAX_MESSAGES

    async def test_how_long_the_queue_has_not_answered_is_known(self, desk):
        desk.receiver._answered_at = time.monotonic() - 100
        assert desk.receiver.lag_seconds == pytest.approx(100, abs=10)
        await desk.receiver.receive_once()
        assert desk.receiver.lag_seconds < 50
