"""Public keys from a simulated AWS KMS: the key that was asked for, as PEM, or why there is none to verify by."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.simulator.faults import FaultKind
from tidegate.aws.accounts import AwsSettings, RegistryAccount
from tidegate.aws.clients import Clients
from tidegate.aws.kms import Kms
from tidegate.errors import PolicyError
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError


def kms_of(sim, **settings):
    return Kms(Clients(AwsSettings(endpoint_urls=dict.fromkeys(("kms", "sts"), sim.url), **settings)))


@pytest.fixture
def kms(sim):
    return kms_of(sim)


PRIVATE = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@pytest.mark.parametrize("kind", PRIVATE, ids=str)
def test_the_public_half_is_given_as_people_write_it(kms, world, kind):
    key = world.add_kms_key(private=PRIVATE[kind]())
    assert kms.public_key(key.arn) == key.public_pem


def test_a_key_is_asked_for_in_its_own_region(kms, world):
    here, there = world.add_kms_key(), world.add_kms_key(region="us-east-1")
    assert kms.public_key(there.arn) == there.public_pem != kms.public_key(here.arn)


def test_a_key_of_another_account_is_asked_for_with_the_role_for_it(sim, world):
    world.add_account("444455556666")
    key = world.add_kms_key(account="444455556666")
    with pytest.raises(SourceUnavailableError) as caught:
        kms_of(sim).public_key(key.arn)
    assert caught.value.cause is Cause.ACCESS_DENIED
    role = RegistryAccount(account="444455556666", role_arn="arn:aws:iam::444455556666:role/tidegate-reader")
    assert kms_of(sim, accounts=(role,)).public_key(key.arn) == key.public_pem


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_a_key_that_is_out_of_use_is_none(kms, world, state):
    key = world.add_kms_key()
    world.set_kms_key_state(key.arn, state)
    with pytest.raises(PolicyError, match="no usable key of this ARN"):
        kms.public_key(key.arn)
    world.set_kms_key_state(key.arn, "Enabled")
    assert kms.public_key(key.arn) == key.public_pem


def test_a_key_that_does_not_exist_is_none(kms):
    with pytest.raises(PolicyError, match="NotFoundException"):
        kms.public_key("arn:aws:kms:eu-west-1:111122223333:key/nobody")


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        pytest.param({"usage": "ENCRYPT_DECRYPT"}, "not for signing", id="for encryption"),
        pytest.param({"private": ec.generate_private_key(ec.SECP256K1())}, "another kind or size", id="another curve"),
    ],
)
def test_a_key_that_cannot_verify_signatures_is_refused(kms, world, made, problem):
    with pytest.raises(PolicyError, match=problem):
        kms.public_key(world.add_kms_key(**made).arn)


@pytest.mark.parametrize(
    "arn",
    [
        pytest.param("alias/release", id="an alias"),
        pytest.param("arn:aws:kms:eu-west-1:111122223333:alias/release", id="the ARN of an alias"),
        pytest.param("arn:aws:kms:eu-west-1:111122223333:key/../x", id="a path"),
        pytest.param("arn:aws:kms:eu-west-1:111122223333:key/1\n", id="a second line"),
    ],
)
def test_what_is_no_arn_of_a_key_is_asked_of_nobody(kms, sim, arn):
    with pytest.raises(PolicyError, match="not the ARN"):
        kms.public_key(arn)
    assert sim.calls() == 0


def test_an_unknown_region_is_asked_of_nobody(kms, sim):
    with pytest.raises(UnknownRegionError):
        kms.public_key("arn:aws:kms:evil-example-1:111122223333:key/1")
    assert sim.calls() == 0


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (FaultKind.THROTTLE, Cause.THROTTLED),
        (FaultKind.SERVER_ERROR, Cause.SERVER_ERROR),
        (FaultKind.ACCESS_DENIED, Cause.ACCESS_DENIED),
        (FaultKind.MALFORMED_JSON, Cause.UNEXPECTED_ANSWER),
    ],
)
def test_what_aws_could_not_say_is_not_an_answer(kms, sim, world, kind, cause):
    key = world.add_kms_key()
    sim.inject(kind, service="kms")
    with pytest.raises(SourceUnavailableError) as caught:
        kms.public_key(key.arn)
    assert caught.value.cause is cause
