"""Signatures that another process verified: they count while AWS cannot be reached, under the same requirement alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.gather.gate import Gate, image
from tests.integration.gather.test_signatures import AWS_SIGNER, CI, OWN_CA, PROFILE, signed_by
from tests.integration.gather.trust import trust_of
from tests.stored_verdicts import stored_verdict
from tidegate.policy.trust_stores import TrustSnapshot, TrustStore
from tidegate.verdicts.decode import decode

APP = image()


@pytest.fixture
def trust(world):
    world.authorities.authority("acme")
    return trust_of(world)


@pytest.fixture
def signed(world):
    world.add_image("team/app", "v1")
    world.signing.sign_with_aws_signer("team/app", "v1")
    return world


async def offered(sim, gate: Gate, writer: Gate, **more: Any) -> Gate:
    """Give a new controller what another one found, and end all contact with AWS."""
    obj = await stored_verdict(writer, APP, **more)
    sim.inject("down")
    gate.engine.facts.offer(decode(obj))
    return gate


async def test_an_image_that_was_signed_is_admitted_while_aws_is_unreachable(sim, signed, start, trust):
    spec = signed_by(AWS_SIGNER)
    gate = await offered(sim, start(spec, trust=trust), start(spec, trust=trust))
    answer = await gate.review(APP)
    assert answer.allowed
    assert "AWS could not be reached" in answer.warnings
    gate.clock.advance(61 * 60)
    assert not (await gate.review(APP)).allowed


async def test_one_of_several_authorities_is_enough(sim, signed, start, trust):
    spec = signed_by(CI, AWS_SIGNER)
    gate = await offered(sim, start(spec, trust=trust), start(spec, trust=trust))
    assert (await gate.review(APP)).allowed


@pytest.mark.parametrize(
    "other",
    [
        {**AWS_SIGNER, "notation": {**AWS_SIGNER["notation"], "trustedIdentities": [f"{PROFILE}2"]}},
        {**AWS_SIGNER, "name": "another"},
        OWN_CA,
    ],
)
async def test_another_authority_is_not_met_by_it(sim, signed, start, trust, other):
    gate = await offered(sim, start(signed_by(other), trust=trust), start(signed_by(AWS_SIGNER), trust=trust))
    answer = await gate.review(APP)
    assert not answer.allowed
    assert "could not check" in answer.message


async def test_another_content_of_a_trust_store_is_not_met_by_it(sim, signed, start, trust):
    spec = signed_by(AWS_SIGNER)
    stores = [one for one in trust.stores.values() if isinstance(one, TrustStore)]
    other = TrustSnapshot.of([replace(stores[0], generation=2), *stores[1:]])
    gate = await offered(sim, start(spec, trust=other), start(spec, trust=trust))
    assert not (await gate.review(APP)).allowed


async def test_the_same_requirement_of_another_process_has_the_same_fingerprint(sim, signed, start, world):
    """Trust stores and policies are read anew there."""
    spec = signed_by(AWS_SIGNER, CI, OWN_CA)
    found = [decode(await stored_verdict(start(spec, trust=trust_of(world)), APP)).facts.verified for _ in range(2)]
    ((digest, met),) = found[0].items()
    assert len(met) == 1
    assert found[1][digest].keys() == met.keys()


async def test_an_unsigned_image_is_not_admitted_by_a_stored_signature_while_aws_answers(sim, world, start, trust):
    spec = signed_by(AWS_SIGNER)
    world.add_image("team/app", "v1", content="the same")
    world.signing.sign_with_aws_signer("team/app", "v1")
    obj = await stored_verdict(start(spec, trust=trust), APP)
    sim.inject("member", operation="ListImageReferrers", field="referrers", value=[])
    gate = start(spec, trust=trust)
    gate.engine.facts.offer(decode(obj))
    assert not (await gate.review(APP)).allowed
    gate.clock.advance(400)
    assert not (await gate.review(APP)).allowed


async def test_a_certificate_that_ends_ends_the_stored_result(sim, signed, start, trust):
    spec = signed_by(AWS_SIGNER) | {"maxStale": "7d"}
    gate = await offered(sim, start(spec, trust=trust), start(spec, trust=trust))
    stored = gate.engine.facts.stored
    (kept,) = stored._kept.values()
    facts = stored._facts(kept)
    ends = gate.clock.now() + timedelta(minutes=10)
    limited = {
        digest: {name: replace(one, good_until=ends) for name, one in met.items()}
        for digest, met in facts.verified.items()
    }
    facts.verified.clear()
    facts.verified.update(limited)
    assert (await gate.review(APP)).allowed
    gate.clock.advance(9 * 60)
    assert (await gate.review(APP)).allowed
    gate.clock.advance(2 * 60)
    assert not (await gate.review(APP)).allowed
