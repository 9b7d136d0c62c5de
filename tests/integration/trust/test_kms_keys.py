"""Public keys that policies name, read in the background from a simulated AWS KMS."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.simulator import Simulator, World
from tests.simulator.faults import FaultKind
from tests.waiting import until
from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.kms import Kms
from tidegate.trust import kms_keys as trust_keys
from tidegate.trust.kms_keys import NOT_YET, TOO_MANY, KmsKeys


@pytest.fixture
async def keys(sim: Simulator) -> AsyncIterator[KmsKeys]:
    settings = AwsSettings(endpoint_urls=dict.fromkeys(("kms", "sts"), sim.url), attempts=1)
    keys = KmsKeys(Kms(Clients(settings)))
    task = asyncio.create_task(keys.run())
    yield keys
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def read(keys: KmsKeys, *arns: str) -> Mapping[str, bytes | str]:
    """Say which keys are wanted, and return what became of them."""
    keys.answers(arns)
    await keys.wait(20)
    return keys.answers(arns)


def answer_of(keys: KmsKeys, arn: str) -> bytes | str:
    return keys.answers([arn])[arn]


async def test_keys_are_read_once_they_are_wanted(keys, world, sim):
    one, two = world.add_kms_key("1"), world.add_kms_key("2")
    for _ in range(2):
        assert await read(keys, one.arn, two.arn) == {one.arn: one.public_pem, two.arn: two.public_pem}
    assert sim.calls(service="kms") == 2


async def test_nothing_waits_for_a_key_and_its_news_are_told(keys, world):
    """A key that is not read yet is no reason to hold up policies."""
    key, told = world.add_kms_key(), []
    keys.notify(lambda: told.append("news"))
    assert keys.answers([key.arn]) == {key.arn: NOT_YET}
    assert not keys.is_answered()
    await until(lambda: told)
    assert answer_of(keys, key.arn) == key.public_pem
    assert keys.is_answered()


async def test_keys_that_aws_is_slow_about_hold_up_no_other(keys, world, sim):
    slow, quick = [world.add_kms_key(f"slow-{number}") for number in range(4)], world.add_kms_key("quick")
    for each in slow:
        sim.inject(FaultKind.LATENCY, service="kms", about=each.arn, seconds=1.5)
    keys.answers([*(each.arn for each in slow), quick.arn])
    await until(lambda: keys.answers([*(each.arn for each in slow), quick.arn])[quick.arn] == quick.public_pem)
    assert all(answer == NOT_YET for arn, answer in keys.answers([each.arn for each in slow]).items())


OTHER_KEY = base64.b64encode(World().add_kms_key().public_der).decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("PublicKey", OTHER_KEY),
        ("PublicKey", "AAAA"),
        ("PublicKey", None),
        ("KeyUsage", "SIMULATED_UNKNOWN"),
        ("KeyUsage", None),
        ("KeyId", "arn:aws:kms:eu-west-1:111122223333:key/other"),
        ("KeyId", None),
    ],
)
async def test_an_answer_that_cannot_be_right_leaves_the_last_good_key(keys, world, sim, monkeypatch, field, value):
    """The key behind an ARN never changes, so that another one is no answer either."""
    monkeypatch.setattr(trust_keys, "RENEW_SECONDS", 0.01)
    key = world.add_kms_key()
    await read(keys, key.arn)
    fault = sim.inject(FaultKind.MEMBER, service="kms", field=field, value=value)
    await until(lambda: fault.hits >= 3)
    assert answer_of(keys, key.arn) == key.public_pem


async def test_that_there_is_no_such_key_is_told_and_looked_at_again(keys, world):
    key = world.add_kms_key()
    world.set_kms_key_state(key.arn, "Disabled")
    assert "no usable key of this ARN" in str((await read(keys, key.arn))[key.arn])
    told: list[str] = []
    keys.notify(lambda: told.append("news"))
    world.set_kms_key_state(key.arn, "Enabled")
    await until(lambda: told)
    assert answer_of(keys, key.arn) == key.public_pem


async def test_what_aws_did_not_say_is_told_with_its_cause_and_tried_again(keys, world, sim):
    key = world.add_kms_key()
    sim.inject(FaultKind.ACCESS_DENIED, service="kms")
    assert (await read(keys, key.arn))[key.arn] == "it could not be read from AWS KMS (AccessDenied)"
    told: list[str] = []
    keys.notify(lambda: told.append("news"))
    sim.clear()
    await until(lambda: told)
    assert answer_of(keys, key.arn) == key.public_pem


async def test_while_aws_does_not_say_the_last_good_key_stays(keys, world, sim, monkeypatch):
    monkeypatch.setattr(trust_keys, "RENEW_SECONDS", 0.01)
    key = world.add_kms_key()
    await read(keys, key.arn)
    sim.inject(FaultKind.SERVER_ERROR, service="kms")
    asked = sim.calls(service="kms")
    await until(lambda: sim.calls(service="kms") >= asked + 3)
    assert answer_of(keys, key.arn) == key.public_pem


async def test_a_key_that_was_disabled_is_of_no_use_at_the_next_reading(keys, world, monkeypatch):
    monkeypatch.setattr(trust_keys, "RENEW_SECONDS", 0.01)
    key = world.add_kms_key()
    await read(keys, key.arn)
    told: list[str] = []
    keys.notify(lambda: told.append("news"))
    world.set_kms_key_state(key.arn, "Disabled")
    await until(lambda: told)
    assert "no usable key of this ARN" in str(answer_of(keys, key.arn))


async def test_an_unknown_region_is_told(keys):
    arn = "arn:aws:kms:evil-example-1:111122223333:key/1"
    assert "it cannot be read from AWS KMS: " in str((await read(keys, arn))[arn])


async def test_more_keys_than_can_be_are_not_read(keys, world, monkeypatch):
    monkeypatch.setattr(trust_keys, "MAX_KEYS", 1)
    one, two = world.add_kms_key("1"), world.add_kms_key("2")
    assert await read(keys, two.arn, one.arn) == {one.arn: one.public_pem, two.arn: TOO_MANY}


class Faulty:
    def public_key(self, arn: str) -> bytes:
        raise KeyError(arn)


async def test_a_fault_of_our_own_ends_nothing():
    keys = KmsKeys(Faulty())
    task = asyncio.create_task(keys.run())
    assert await read(keys, "a") == {"a": "it could not be read, because of an error inside tidegate"}
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
