"""A wall clock that jumps: evidence is as old as it was, and what rests on it is answered as before."""

import pytest

from tests.integration.gather.gate import IMMUTABLE, NO_CRITICAL
from tests.integration.gather.test_signatures import AWS_SIGNER, signed_by
from tests.integration.gather.trust import trust_of
from tidegate.gather.clock import ClockWatch

HOUR, DAY = 3_600.0, 86_400.0


def jump(gate, seconds: float) -> None:
    """Set the controller's wall clock, as NTP or a person does; it notices that."""
    watch = ClockWatch(gate.clock, jumped=gate.reviewer.forget)
    gate.clock.jump(seconds)
    watch.compare()
    assert watch.jumps == 1


@pytest.mark.parametrize("seconds", [HOUR + 240, 2 * DAY])
async def test_a_signed_image_that_is_known_stays_let_in_when_the_clock_jumps_forward(world, sim, start, app, seconds):
    """The answer of AWS Signer counts for an hour, and not for less by a clock that was set."""
    world.authorities.authority("acme")
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate = start(signed_by(AWS_SIGNER), trust=trust_of(world))
    assert (await gate.review(app)).allowed
    calls = sim.calls(operation="GetRevocationStatus")
    jump(gate, seconds)
    assert (await gate.review(app)).allowed
    assert sim.calls(operation="GetRevocationStatus") == calls


@pytest.mark.usefixtures("impatient")
async def test_an_answer_of_aws_signer_counts_no_longer_than_an_hour_when_the_clock_jumps_back(world, sim, start, app):
    world.authorities.authority("acme")
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate = start(signed_by(AWS_SIGNER), trust=trust_of(world))
    assert (await gate.review(app)).allowed
    sim.inject("server_error", operation="GetRevocationStatus")
    gate.clock.advance(HOUR - 60)
    jump(gate, -HOUR / 2)
    assert (await gate.review(app)).allowed
    gate.clock.advance(61)
    assert "SignatureUndecided" in (await gate.review(app)).message


async def test_an_image_that_is_known_stays_let_in_when_the_clock_jumps_back(start, app):
    """Its findings had settled when they were looked up."""
    gate = start(NO_CRITICAL | IMMUTABLE)
    assert (await gate.review(app)).allowed
    jump(gate, -2 * DAY)
    answer = gate.warm(app)
    assert (answer.allowed, answer.message) == (True, "")


@pytest.mark.parametrize("seconds", [2 * HOUR, -2 * DAY])
@pytest.mark.usefixtures("impatient")
async def test_evidence_gets_neither_older_nor_younger_by_a_jump(sim, start, app, seconds):
    gate = start(NO_CRITICAL)
    assert (await gate.review(app)).allowed
    sim.inject("down")
    gate.clock.advance(HOUR / 2)
    jump(gate, seconds)
    answer = await gate.review(app)
    assert answer.allowed
    assert "judged by evidence 30 min old" in answer.warnings
    gate.clock.advance(HOUR / 2 + 1)
    assert "EvidenceTooOld" in (await gate.review(app)).message
