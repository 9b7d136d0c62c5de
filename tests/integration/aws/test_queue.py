"""A queue asked through the real SDK."""

import pytest

from tests.distribution import patient
from tests.integration.aws.conftest import OTHER, OWN, READER, TROUBLE, Aws, trouble
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.clients import LONG_POLL_SECONDS
from tidegate.aws.queue import SqsQueue
from tidegate.aws.queue_url import parse_queue_url
from tidegate.evidence.fact import Cause


@pytest.fixture
def make(sim):
    def make(url, **settings):
        aws = Aws(sim, endpoint_urls=dict.fromkeys(("sqs", "sts"), sim.url), **settings)
        return SqsQueue(aws.clients, parse_queue_url(url))

    return make


@pytest.fixture
def queue(make, world):
    return make(world.add_queue(max_receives=3))


def test_messages_are_received_with_their_count_and_deleted(queue, world):
    world.clock.freeze()
    world.add_message("a")
    (first,) = queue.receive()
    assert (first.body, first.receives) == ("a", 1)
    world.clock.advance(30)
    (second,) = queue.receive()
    assert (second.id, second.receives) == (first.id, 2)
    assert queue.delete([second.receipt]) == 0
    assert not world.queue().messages


def test_messages_that_cannot_be_deleted_are_counted(queue, world):
    world.add_message("a")
    (message,) = queue.receive()
    assert queue.delete([message.receipt, "no receipt"]) == 1


def test_nothing_to_delete_is_no_call(queue, sim):
    assert queue.delete([]) == 0
    assert sim.calls("sqs") == 0


def test_no_more_than_asked_for_are_received(queue, world):
    for _ in range(3):
        world.add_message("a")
    assert len(queue.receive(2)) == 2


def test_the_wait_for_messages_is_longer_than_that_for_other_answers_and_made_once(queue):
    """The SDK would repeat a call that it takes for lost."""
    config = queue._clients._client("sqs", queue._clients.account(OWN.account), OWN.region).sdk.meta.config
    assert config.read_timeout > LONG_POLL_SECONDS
    assert config.retries["total_max_attempts"] == 1
    config = queue._clients._client("sts", None, OWN.region).sdk.meta.config
    assert config.read_timeout < LONG_POLL_SECONDS


def test_a_queue_is_described(queue, world):
    world.add_message("a")
    found = queue.describe()
    assert (found.arn, found.waiting, found.has_dead_letters) == (queue.queue.arn, 1, True)


def test_a_queue_of_another_account_is_asked_by_its_role(make, world):
    world.add_account(OTHER.account)
    url = world.add_queue("theirs", account=OTHER.account)
    world.queue("theirs", account=OTHER.account).send("a", 0.0)
    assert trouble(make(url).describe).cause is Cause.ACCESS_DENIED
    role = RegistryAccount(account=OTHER.account, role_arn=READER)
    assert [each.body for each in make(url, accounts=(role,)).receive()] == ["a"]


@pytest.mark.parametrize(("kind", "cause"), TROUBLE.items())
def test_trouble_has_its_cause(make, sim, world, kind, cause):
    queue = make(world.add_queue(), read_timeout_seconds=patient(0.5))
    world.add_message("a")
    sim.inject(kind, service="sqs", seconds=0.2)
    assert trouble(queue.receive).cause is cause


def test_a_queue_that_is_not_there_is_named(queue, world):
    world.remove_queue()
    problem = trouble(queue.receive)
    assert problem.cause is Cause.UNEXPECTED_ANSWER
    assert "arn:aws:sqs:eu-west-1:111122223333:tidegate-events does not exist" in problem.detail


@pytest.mark.parametrize("field", ["Body", "ReceiptHandle", "MessageId"])
def test_a_message_without_its_parts_makes_the_answer_unusable(queue, sim, world, field):
    world.add_message("a")
    sim.inject("missing", service="sqs", field=field)
    assert trouble(queue.receive).cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("value", ["many", "-1", ""])
def test_a_count_that_is_none_is_unknown(queue, sim, world, value):
    world.add_message("a")
    sim.inject("member", service="sqs", field="ApproximateReceiveCount", value=value)
    assert queue.receive()[0].receives == 0
