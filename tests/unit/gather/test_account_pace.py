"""All calls to one account keep to one rate, whatever they ask."""

import pytest

from tests.unit.gather.fakes import OTHER, REGISTRY
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.account_pace import BURST, MAX_WAIT_SECONDS, AccountPace, by_api
from tidegate.images.repository import EcrRegistry, OciRegistry


class Gate:
    def __init__(self, **more):
        self.now = 1_000.0
        self.entered, self.left = [], []
        self.pace = AccountPace(self, per_second=2.0, monotonic=lambda: self.now, sleep=self.pass_time, **more)

    def pass_time(self, seconds):
        self.now += seconds

    def enter(self, source, registry):
        self.entered.append((source, registry))

    def leave(self, source, registry, *, seconds, cause, found=True):
        self.left.append((source, registry, seconds, cause, found))


@pytest.fixture
def gate():
    return Gate()


def test_calls_of_all_apis_and_regions_share_the_rate(gate):
    began = gate.now
    registries = [REGISTRY, EcrRegistry("aws", REGISTRY.account, "us-east-1")]
    for number in range(BURST + 20):
        gate.pace.enter(f"ecr:{number % 3}", registries[number % 2])
    assert gate.now - began == pytest.approx(20 / 2.0)


def test_each_api_of_a_registry_can_have_a_rate_of_its_own():
    gate = Gate(key=by_api)
    began = gate.now
    for number in range(2 * (BURST + 20)):
        gate.pace.enter(f"ecr:{number % 2}", REGISTRY)
    assert gate.now - began == pytest.approx(20 / 2.0, abs=0.5)


def test_another_account_does_not_wait(gate):
    for _ in range(BURST):
        gate.pace.enter("ecr:DescribeImages", REGISTRY)
    began = gate.now
    gate.pace.enter("ecr:DescribeImages", OTHER)
    assert gate.now == began


@pytest.mark.parametrize(
    ("source", "registry"),
    [
        pytest.param("sqs:ReceiveMessage", REGISTRY, id="a queue"),
        pytest.param("oci:manifests", OciRegistry("quay.io"), id="another registry"),
    ],
)
def test_calls_that_cost_the_registries_nothing_are_not_paced(gate, source, registry):
    began = gate.now
    for _ in range(10 * BURST):
        gate.pace.enter(source, registry)
    assert (gate.now, len(gate.entered)) == (began, 10 * BURST)


def test_a_pause_allows_no_more_than_the_burst(gate):
    gate.pace.enter("ecr:DescribeImages", REGISTRY)
    gate.now += 3_600
    began = gate.now
    for _ in range(BURST + 2):
        gate.pace.enter("ecr:DescribeImages", REGISTRY)
    assert gate.now - began == pytest.approx(1.0)


def test_a_call_that_would_wait_too_long_is_refused_and_takes_no_turn(gate):
    gate.pace._sleep = lambda _: None
    for _ in range(BURST + round(MAX_WAIT_SECONDS * 2)):
        gate.pace.enter("ecr:DescribeImages", REGISTRY)
    with pytest.raises(SourceUnavailableError) as raised:
        gate.pace.enter("ecr:DescribeImages", REGISTRY)
    assert raised.value.cause is Cause.OVERLOADED
    gate.now += 1.0
    gate.pace.enter("ecr:DescribeImages", REGISTRY)


def test_the_gate_behind_sees_every_call(gate):
    gate.pace.enter("ecr:DescribeImages", REGISTRY)
    gate.pace.leave("ecr:DescribeImages", REGISTRY, seconds=1.0, cause=Cause.THROTTLED, found=False)
    assert gate.entered == [("ecr:DescribeImages", REGISTRY)]
    assert gate.left == [("ecr:DescribeImages", REGISTRY, 1.0, Cause.THROTTLED, False)]
