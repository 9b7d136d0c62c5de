"""Events from a real queue by the real SDK: what they change, and what is in their way."""

import json

import pytest
from structlog.testing import capture_logs

from tests.integration.gather.gate import OTHER
from tests.integration.gather.sources import REGISTRY, Sources
from tidegate.evidence.change import ImageChange, RegistryChange, RepositoryChange, TagChange
from tidegate.gather import event_queue
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository

APP = EcrRepository(REGISTRY, "team/app")
OUTCOMES = "tidegate_aws_events_total"


@pytest.fixture
def url(world):
    return world.add_queue(max_receives=2)


@pytest.fixture
async def sources(sim, url, monkeypatch):
    monkeypatch.setattr(event_queue, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(event_queue, "LAST_RETRY_SECONDS", 0.1)
    made = Sources(sim, queue_url=url)
    yield made
    await made.close()


def is_empty(world):
    return lambda: not world.queue().messages


def later(world, condition):
    """A condition that is looked at while time passes: a message that was received comes again after 30 seconds."""

    def found():
        world.clock.advance(1)
        return condition()

    return found


async def test_what_happens_at_aws_is_asked_for_again(sources, sim, world):
    digest = Digest(world.add_image("team/app", "v1"))
    world.add_finding("team/app", "v1")
    await sources.until(is_empty(world))
    assert sources.said() == {ImageChange(APP, digest), TagChange(APP, "v1")}
    assert (sim.calls("ecr"), sim.calls("inspector2")) == (0, 0)


async def test_an_event_that_comes_while_the_queue_is_waited_for_is_seen_at_once(sources, sim, world):
    digest = Digest(world.add_image("team/app", "v1"))
    await sources.until(is_empty(world))
    sources.changed.clear()
    calls = sim.calls("sqs", "ReceiveMessage")
    sent: list[object] = []

    def send_when_waited_for():
        if not sent and sim.calls("sqs", "ReceiveMessage") > calls:
            sent.append(world.add_finding("team/app", "v1", id="CVE-1"))
        return sources.changed

    sources.clock.advance(60)
    await sources.until(send_when_waited_for)
    assert ImageChange(APP, digest) in sources.said()


async def test_the_index_of_a_child_changes_with_it(sources, world):
    index, children = world.add_index("team/app", "v1", attestations=False)
    child = Digest(children["linux/arm64"])
    sources.indexes[child] = [Digest(index)]
    await sources.until(is_empty(world))
    sources.changed.clear()
    sources.clock.advance(60)
    world.add_finding("team/app", child)
    await sources.until(is_empty(world))
    assert sources.said() == {ImageChange(APP, child), ImageChange(APP, Digest(index))}


async def test_events_about_registries_that_are_not_in_use_are_ignored(sources, world):
    world.add_image("team/app", "v1", account=OTHER)
    world.add_image("team/app", "v1", region="us-east-1")
    await sources.until(is_empty(world))
    assert sources.changed == []
    assert sources.metric(OUTCOMES, outcome="ignored") == 2


async def test_the_same_message_twice_changes_no_more(sources, world):
    world.add_image("team/app", "v1")
    (message,) = world.queue().messages.values()
    for _ in range(20):
        world.add_message(message.body)
    await sources.until(is_empty(world))
    assert len(sources.changed) == 1


async def test_a_flood_about_one_repository_is_a_few_changes_and_no_call(sources, sim, world):
    digest = Digest(world.add_image("team/app", "v1"))
    detail = {"repository-name": "team/app", "image-digest": digest}
    for _ in range(1_000):
        world.add_event("ECR Referrer Action", detail)
        world.add_event("ECR Image Scan", detail)
    await sources.until(is_empty(world))
    assert sources.said() == {RepositoryChange(APP), ImageChange(APP, digest), TagChange(APP, "v1")}
    assert len(sources.changed) <= 20
    assert (sim.calls("ecr"), sim.calls("inspector2")) == (0, 0)


async def test_a_change_of_the_registry_has_everything_read_in_turn(sources, world):
    sources.in_use = {REGISTRY: [("team/app", Digest(world.add_image("team/app", None)))]}
    sources.reread.tick()
    await sources.until(is_empty(world))
    sources.changed.clear()
    call = {"eventSource": "ecr.amazonaws.com", "eventName": "PutRegistryScanningConfiguration"}
    world.add_event("AWS API Call via CloudTrail", call)
    await sources.until(is_empty(world))
    assert RegistryChange(REGISTRY) not in sources.said()
    sources.reread.tick()
    assert len(sources.said()) == 1


class TestPoison:
    @pytest.mark.parametrize(
        "body", ["no event", "{}", json.dumps({"detail-type": "x", "source": 1}), "\u00e9" * 1_000]
    )
    async def test_it_goes_to_the_dead_letter_queue_and_keeps_no_other_back(self, sources, world, body):
        world.add_message(body)
        digest = Digest(world.add_image("team/app", None))
        await sources.until(later(world, is_empty(world)))
        assert sources.said() == {ImageChange(APP, digest)}
        assert len(world.queue("tidegate-events-dead").messages) == 1
        assert sources.metric(OUTCOMES, outcome="malformed") == 2

    async def test_ten_of_the_longest_messages_keep_no_other_back(self, sources, world):
        for _ in range(10):
            world.add_message('"' * (1024 * 1024))
        digest = Digest(world.add_image("team/app", None))
        await sources.until(lambda: sources.changed)
        assert sources.said() == {ImageChange(APP, digest)}


class TestTrouble:
    @pytest.mark.parametrize("kind", ["throttle", "access_denied", "server_error", "down", "malformed_json", "half"])
    async def test_it_ends_and_no_event_is_lost(self, sources, sim, world, kind):
        sim.inject(kind, service="sqs", times=5)
        digest = Digest(world.add_image("team/app", None))
        with capture_logs() as lines:
            await sources.until(later(world, lambda: sources.changed))
        assert sources.said() == {ImageChange(APP, digest)}
        told = [each["event"] for each in lines if "queue" in each["event"]]
        assert told[:1] == ["the event queue cannot be read; changes are found by polling until it can"]
        assert told[1:] in ([], ["the event queue answers again"])

    async def test_a_queue_that_is_not_there_is_named_once_and_found_when_it_is(self, sources, world):
        world.remove_queue()
        with capture_logs() as lines:
            await sources.until(lambda: sources.events._receiver.failures > 5)
            world.add_queue()
            world.add_image("team/app", None)
            await sources.until(lambda: sources.changed)
        (line,) = [each for each in lines if each["log_level"] == "warning"]
        assert "tidegate-events does not exist; correct aws.eventQueueUrl" in line["detail"]

    async def test_polling_works_without_the_queue(self, sources, sim, world):
        sim.inject("access_denied", service="sqs")
        digest = Digest(world.add_image("team/app", "v1"))
        await sources.feed.poll()
        world.add_finding("team/app", "v1")
        sources.clock.advance(60)
        await sources.feed.poll()
        assert sources.said() == {ImageChange(APP, digest)}


async def test_without_a_queue_there_is_no_source(sim):
    made = Sources(sim)
    assert made.events is None
    await made.close()
