"""Queues as a consumer sees them, and the events that changes of the world send."""

import json
import time
import urllib.request

import pytest

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import OTHER

ATTRIBUTES = ["ApproximateReceiveCount", "SentTimestamp"]


@pytest.fixture
def url(world):
    world.clock.freeze("2026-01-01T00:00:00Z")
    return world.add_queue(max_receives=2)


@pytest.fixture
def receive(client, url):
    sqs = client("sqs")

    def ask(most=10, **more):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, **more)
        return answer.get("Messages", [])

    return ask


@pytest.fixture
def delete(client, url):
    def ask(*messages):
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
        return client("sqs").delete_message_batch(QueueUrl=url, Entries=entries)

    return ask


def events(messages):
    return [json.loads(each["Body"]) for each in messages]


def test_a_message_is_hidden_after_a_receive_and_comes_back_with_a_count(world, receive):
    world.add_message("a")
    assert [each["Body"] for each in receive()] == ["a"]
    assert receive() == []
    world.clock.advance(30)
    (again,) = receive(MessageSystemAttributeNames=ATTRIBUTES)
    assert again["Attributes"] == {"ApproximateReceiveCount": "2", "SentTimestamp": "1767225600000"}


def test_a_message_that_was_deleted_does_not_come_back(world, receive, delete):
    world.add_message("a")
    assert len(delete(*receive())["Successful"]) == 1
    world.clock.advance(60)
    assert receive() == []


def test_a_message_that_is_received_too_often_goes_to_the_dead_letters(world, receive):
    world.add_message("a")
    for _ in range(3):
        receive()
        world.clock.advance(30)
    assert not world.queue().messages
    assert len(world.queue("tidegate-events-dead").messages) == 1


def test_no_more_than_ten_are_received_at_once(world, receive, client, url):
    for _ in range(12):
        world.add_message("a")
    assert len(receive()) == 10
    refused = code_of(client("sqs").receive_message, QueueUrl=url, MaxNumberOfMessages=11)
    assert refused == "InvalidParameterValue"


def test_a_long_poll_ends_with_the_message_that_comes(world, sim, receive):
    began = time.monotonic()
    assert receive(WaitTimeSeconds=1) == []
    assert time.monotonic() - began > 0.9
    sim.inject("latency", service="sqs", seconds=0.1, times=1)
    world.add_message("a")
    assert len(receive(WaitTimeSeconds=20)) == 1
    assert sim.calls("sqs", "ReceiveMessage") == 2


def test_a_queue_that_is_not_there_and_one_of_another_account(client, world):
    sqs = client("sqs")
    missing = "https://sqs.eu-west-1.amazonaws.com/111122223333/absent"
    assert code_of(sqs.receive_message, QueueUrl=missing) == "AWS.SimpleQueueService.NonExistentQueue"
    foreign = world.add_queue("theirs", account=OTHER)
    assert code_of(sqs.receive_message, QueueUrl=foreign) == "AccessDenied"
    shared = world.add_queue("shared", account=OTHER, users=[world.account])
    assert "Messages" not in sqs.receive_message(QueueUrl=shared)


def test_changes_send_events(world, receive, delete):
    image = ("team/app", world.add_image("team/app", "v1"))
    world.add_finding(*image, id="CVE-1")
    world.set_findings(*image, [])
    world.set_coverage(*image, "INACTIVE", "SCAN_ELIGIBILITY_EXPIRED")
    world.remove_image(*image)
    found = events(receive())
    assert [(each["source"], each["detail-type"]) for each in found] == [
        ("aws.ecr", "ECR Image Action"),
        ("aws.inspector2", "Inspector2 Finding"),
        ("aws.inspector2", "Inspector2 Finding"),
        ("aws.inspector2", "Inspector2 Coverage"),
        ("aws.ecr", "ECR Image Action"),
    ]
    push, *findings, coverage, removal = (each["detail"] for each in found)
    assert (push["action-type"], push["image-tag"], removal["action-type"]) == ("PUSH", "v1", "DELETE")
    assert [each["status"] for each in findings] == ["ACTIVE", "CLOSED"]
    assert coverage["scanStatus"] == {"reason": "SCAN_ELIGIBILITY_EXPIRED", "statusCodeValue": "INACTIVE"}


def test_what_is_told_in_advance_sends_no_event(world, receive):
    image = ("team/app", world.add_image("team/app", None))
    receive()
    world.add_finding(*image, at=60)
    assert receive() == []


def test_an_event_can_be_sent_by_another_process(world, sim, receive):
    body = {"detail_type": "ECR Referrer Action", "detail": {"repository-name": "team/app"}}
    request = urllib.request.Request(f"{sim.url}/_control/world/add_event", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert [each["detail-type"] for each in events(receive())] == ["ECR Referrer Action"]
