"""Bodies are read in pieces: what is too long or too slow is no answer, and what is long is read by few at a time."""

import gc
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from tests import frames
from tests.attack.long_answers import TAGS, LongAnswers
from tidegate.aws import body as body_module
from tidegate.aws.accounts import AwsSettings
from tidegate.aws.body import LARGE_ANSWERS, LARGE_ANSWERS_OF_A_SHARE, MAX_ANSWER_BYTES, SMALL_ANSWER_BYTES, Bodies
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.identity import Identity
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.share import SHARE
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

OWN = EcrRegistry("aws", "111122223333", "eu-west-1")
APP = EcrRepository(OWN, "team/app")
LONG = 300 * 1024


@pytest.fixture
def aws():
    with LongAnswers() as aws:
        yield aws


@pytest.fixture
def ecr(aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    urls = dict.fromkeys(("ecr", "sts"), aws.url)
    clients = Clients(AwsSettings(region="eu-west-1", endpoint_urls=urls, attempts=1, read_timeout_seconds=10.0))
    return Ecr(clients, Identity(clients))


def tags(count):
    return [ImageId.of_tag(f"v{number}") for number in range(count)]


def test_an_answer_that_is_too_long_is_no_answer_and_its_end_is_not_waited_for(aws, ecr):
    aws.padding = 2 * MAX_ANSWER_BYTES
    with pytest.raises(SourceUnavailableError, match="longer than") as raised:
        ecr.describe_images(APP, tags(1))
    assert (raised.value.cause, raised.value.source) == (Cause.UNEXPECTED_ANSWER, "ecr:DescribeImages")


def test_what_was_read_of_answers_that_are_too_long_is_not_kept(aws, ecr):
    """The SDK keeps the error in a reference cycle, until the garbage collector runs."""
    aws.padding = 2 * MAX_ANSWER_BYTES
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            with pytest.raises(SourceUnavailableError, match="longer than"):
                ecr.describe_images(APP, tags(1))
        sizes = [each.size for each in tracemalloc.take_snapshot().traces]
    finally:
        tracemalloc.stop()
        gc.enable()
    # What the server in this process sends is longer than what is read of it.
    assert [size for size in sizes if SMALL_ANSWER_BYTES < size < 2 * MAX_ANSWER_BYTES] == []


def test_nor_is_what_its_callers_have(aws, ecr):
    """The frames of a traceback keep those that called them."""
    aws.padding = 2 * MAX_ANSWER_BYTES
    assert not frames.are_kept(lambda: ecr.describe_images(APP, tags(1)))
    assert not frames.are_kept(lambda: ecr.describe_images(APP, tags(2)))
    assert not frames.are_kept(lambda: ecr.describe_repositories(OWN, ["team/app", "team/web"]))
    aws.__exit__()
    assert not frames.are_kept(lambda: ecr.describe_images(APP, tags(1)))


def test_an_answer_of_the_most_bytes_is_one(aws, ecr):
    aws.padding = MAX_ANSWER_BYTES - len(TAGS) * 260
    assert isinstance(ecr.describe_images(APP, tags(1))[ImageId.of_tag("v0")], ImageDetail)


def test_images_whose_answer_is_too_long_are_asked_for_in_smaller_batches(ecr):
    answers = ecr.describe_images(APP, tags(50))
    assert sum(isinstance(one, ImageDetail) for one in answers.values()) >= 25
    left = [one for one in answers.values() if not isinstance(one, ImageDetail)]
    assert {one.cause for one in left if isinstance(one, SourceUnavailableError)} <= {Cause.OVERLOADED}


def test_connections_are_used_again(aws, ecr):
    for _ in range(5):
        ecr.describe_images(APP, tags(1))
    assert aws.connections == 1


def test_a_body_that_trickles_is_no_answer(aws, ecr, monkeypatch):
    monkeypatch.setattr(body_module, "MAX_BODY_SECONDS", 0.3)
    aws.pause_seconds = 0.1
    with pytest.raises(SourceUnavailableError) as raised:
        ecr.describe_images(APP, tags(2))
    assert raised.value.cause is Cause.UNREACHABLE


class TestLargeAnswers:
    """How many threads may hold a large answer at the same time, and of one namespace."""

    @pytest.fixture
    def bodies(self, monkeypatch):
        monkeypatch.setattr(body_module, "LARGE_WAIT_SECONDS", 0.05)
        return Bodies()

    def hold(self, bodies, pool, share, ended):
        """Hold a large answer in a thread until the event; return whether there was room for it."""
        held = threading.Event()

        def work():
            SHARE.set(share)
            with bodies.parsing():
                try:
                    bodies._check_size(SMALL_ANSWER_BYTES + 1)
                finally:
                    held.set()
                ended.wait(10)

        future = pool.submit(copy_context().run, work)
        held.wait(10)
        return future

    def test_one_namespace_leaves_room_for_another(self, bodies):
        ended = threading.Event()
        with ThreadPoolExecutor(8) as pool:
            held = [self.hold(bodies, pool, "flood", ended) for _ in range(LARGE_ANSWERS_OF_A_SHARE)]
            refused = self.hold(bodies, pool, "flood", ended)
            assert refused.exception(10).cause is Cause.OVERLOADED
            held.append(self.hold(bodies, pool, "other", ended))
            assert len(held) == LARGE_ANSWERS
            assert self.hold(bodies, pool, "third", ended).exception(10).cause is Cause.OVERLOADED
            ended.set()
            assert [one.exception(10) for one in held] == [None] * LARGE_ANSWERS
            assert self.hold(bodies, pool, "third", ended).exception(10) is None
        assert not bodies._large

    def test_small_ones_need_none(self, bodies):
        with bodies.parsing():
            bodies._check_size(SMALL_ANSWER_BYTES)
            assert not bodies._large

    def test_outside_of_a_call_only_small_ones_are_read(self, bodies):
        with pytest.raises(SourceUnavailableError, match="longer than"):
            bodies._check_size(SMALL_ANSWER_BYTES + 1)
