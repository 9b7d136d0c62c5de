"""How long a signature that was proved counts: no longer than its certificates, its own expiry, and what the policy allows."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.gather.gate import Gate, image
from tests.integration.gather.test_signatures import OWN_CA, signed_by
from tests.integration.gather.trust import trust_of
from tests.simulator import World
from tests.simulator.artifacts import descriptor
from tests.simulator.pki.certificates import issue
from tests.simulator.pki.envelopes import sign

LIFE = timedelta(minutes=30)


@pytest.fixture
def app(world: World) -> str:
    world.add_image("team/app", "v1")
    return image()


@pytest.fixture
def start_signed(world, start, app):
    """Start a controller beside an image that is signed, and let it prove that; options may name moments from now."""

    async def make(*, lives: timedelta | None = None, expires: timedelta | None = None, **more: Any) -> Gate:
        ca = world.authorities.authority("acme")
        gate: Gate = start(signed_by(OWN_CA) | more, trust=trust_of(world))
        now = gate.clock.now().replace(microsecond=0)
        signer = issue("signer", ca, not_after=now + (lives or timedelta(days=300)))
        expiry = None if expires is None else now + expires
        target = descriptor(world.image("team/app", "v1").manifest)
        world.add_signature("team/app", "v1", sign(signer, target=target, signing_time=now, expiry=expiry))
        assert (await gate.review(app)).allowed
        return gate

    return make


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lives": LIFE}, "the signing certificate expired on 20"),
        ({"expires": LIFE}, "the signature expired on 20"),
    ],
    ids=["its certificate", "its own expiry"],
)
async def test_a_signature_counts_until_its_time_is_over(start_signed, app, options: Mapping[str, Any], words: str):
    gate = await start_signed(**options)

    gate.clock.advance(LIFE.total_seconds() - 60)
    assert (await gate.review(app)).allowed
    gate.clock.advance(61)

    answer = await gate.review(app)
    assert not answer.allowed
    assert words in answer.message


async def test_nor_does_it_when_the_registry_is_out_of_reach(start_signed, app, sim, impatient):
    gate = await start_signed(expires=LIFE)
    sim.inject("server_error", service="ecr")

    gate.clock.advance(LIFE.total_seconds() + 1)

    assert "the signature expired on 20" in (await gate.review(app)).message


@pytest.mark.parametrize(
    ("allowed", "minutes"), [(True, 14), (False, 16)], ids=["within what the policy allows", "beyond that"]
)
async def test_found_signatures_are_as_stale_as_the_policy_allows(
    start_signed, app, sim, impatient, allowed: bool, minutes: int
):
    gate = await start_signed(maxStale="15m")
    sim.inject("server_error", service="ecr")

    gate.clock.advance(minutes * 60)

    answer = await gate.review(app)
    assert answer.allowed is allowed
    assert ("judged by evidence" in answer.warnings) is allowed
