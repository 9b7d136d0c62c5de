"""AWS Signer asked through the real SDK: what is revoked, in whose region, and never "nothing" when it did not say."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from tests.distribution import patient
from tests.integration.aws.conftest import TROUBLE, Aws
from tests.integration.aws.storage import Storage
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.signer import MAX_CERTIFICATE_HASHES, MAX_REVOKED, Signer
from tidegate.errors import VerificationError
from tidegate.evidence.fact import Cause
from tidegate.evidence.revocation import SignerQuestion
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError

PROFILE = "arn:aws:signer:us-east-1:444455556666:/signing-profiles/release_1"
VERSION = f"{PROFILE}/AbCdEf1234"
JOB = "arn:aws:signer:us-east-1:444455556666:/signing-jobs/0f2b8f6e-6a55-4bd1-9b3c-2f2d4e6f8a10"
HASHES = ("ab" * 96, "cd" * 96, "ef" * 96, "01" * 96)
SIGNED_AT = datetime(2026, 1, 31, 12, 30, 15, tzinfo=UTC)
QUESTION = SignerQuestion(profile_version_arn=VERSION, job_arn=JOB, signed_at=SIGNED_AT, certificate_hashes=HASHES)


def signer(url, sim, **settings):
    endpoints = {"signer-data": url, "sts": sim.url}
    return Signer(Aws(sim, endpoint_urls=endpoints, **settings).clients)


def ask(sim, question=QUESTION, **changes):
    return signer(sim.url, sim, attempts=1).revocation_status(dataclasses.replace(question, **changes)).revoked


def test_nothing_is_revoked_in_the_region_of_the_profile(sim):
    assert ask(sim) == ()
    assert sim.calls() == sim.calls("signer", "GetRevocationStatus", region="us-east-1") == 1


@pytest.mark.parametrize("entity", [PROFILE, VERSION, JOB, HASHES[0], HASHES[3]])
def test_what_is_revoked_is_named(sim, world, entity):
    world.add_revocation(entity)
    assert ask(sim) == (entity,)
    world.remove_revocation(entity)
    assert ask(sim) == ()


def test_everything_that_is_revoked_is_named(sim, world):
    for entity in (*HASHES, JOB, VERSION):
        world.add_revocation(entity)
    assert set(ask(sim)) == {*HASHES, JOB, VERSION}


def test_another_profiles_revocation_is_not_this_ones(sim, world):
    world.add_revocation(PROFILE.replace("release_1", "other"))
    world.add_revocation("00" * 96)
    assert ask(sim) == ()


def test_a_revocation_counts_from_its_moment_on(sim, world):
    world.add_revocation(PROFILE, since="2026-01-31T12:30:16+00:00")
    assert ask(sim) == ()
    world.add_revocation(PROFILE, since="2026-01-31T12:30:15+00:00")
    assert ask(sim) == (PROFILE,)


@pytest.mark.parametrize("kind", TROUBLE)
def test_every_trouble_has_its_cause_and_is_never_nothing_revoked(sim, kind):
    sim.inject(kind, service="signer", seconds=30.0)
    asked = signer(sim.url, sim, attempts=1, read_timeout_seconds=patient(0.5) if kind == "hang" else 10.0)
    with pytest.raises(SourceUnavailableError) as raised:
        asked.revocation_status(QUESTION)
    assert (raised.value.cause, raised.value.source) == (TROUBLE[kind], "signer:GetRevocationStatus")


def test_a_refused_question_is_no_answer(sim):
    sim.inject("error", service="signer", code="ValidationException", message="no")
    with pytest.raises(SourceUnavailableError) as raised:
        ask(sim)
    assert raised.value.cause is Cause.INTERNAL


def test_the_credentials_are_those_for_the_profiles_account(sim, world):
    """Or for the account that is named, such as the one that the image is in."""
    world.add_account("444455556666")
    role = "arn:aws:iam::444455556666:role/tidegate-reader"
    asked = signer(sim.url, sim, accounts=(RegistryAccount(account="444455556666", role_arn=role),))
    asked.revocation_status(QUESTION, account="111122223333")
    assert sim.calls("sts", "AssumeRole") == 0
    asked.revocation_status(QUESTION)
    assert sim.calls("sts", "AssumeRole") == 1
    assert sim.calls("signer", "GetRevocationStatus", region="us-east-1") == 2


def test_a_profile_may_be_lent_to_another_account(sim, world):
    job = JOB.replace("444455556666", "777788889999")
    world.add_revocation(job)
    assert ask(sim, job_arn=job) == (job,)


@pytest.mark.parametrize("count", [1, MAX_CERTIFICATE_HASHES])
def test_as_many_certificates_as_a_chain_may_have_are_asked_about(sim, world, count):
    hashes = tuple(f"{number:02x}" * 96 for number in range(count))
    world.add_revocation(hashes[-1])
    assert ask(sim, certificate_hashes=hashes) == (hashes[-1],)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"certificate_hashes": ()}, id="no hash"),
        pytest.param({"certificate_hashes": HASHES[:1] * (MAX_CERTIFICATE_HASHES + 1)}, id="too many hashes"),
        pytest.param({"certificate_hashes": ("ab" * 95 + "a",)}, id="191 digits"),
        pytest.param({"certificate_hashes": ("ab" * 97,)}, id="194 digits"),
        pytest.param({"certificate_hashes": ("AB" * 96,)}, id="capital digits"),
        pytest.param({"certificate_hashes": ("ab" * 96 + "\n",)}, id="a line break"),
        pytest.param({"profile_version_arn": PROFILE}, id="a profile without version"),
        pytest.param({"profile_version_arn": f"{VERSION}/more"}, id="more than a version"),
        pytest.param({"profile_version_arn": VERSION.replace("signer", "s3")}, id="another service"),
        pytest.param({"profile_version_arn": VERSION.replace("us-east-1", "evil.example/")}, id="a host for a region"),
        pytest.param({"profile_version_arn": VERSION.replace("444455556666", "*")}, id="no account"),
        pytest.param({"profile_version_arn": f"{VERSION}\n"}, id="a line break after the version"),
        pytest.param({"profile_version_arn": ""}, id="no profile"),
        pytest.param({"job_arn": ""}, id="no job"),
        pytest.param({"job_arn": PROFILE}, id="a profile for a job"),
        pytest.param({"job_arn": JOB.replace("us-east-1", "eu-west-1")}, id="a job of another region"),
        pytest.param({"job_arn": JOB.replace("arn:aws:", "arn:aws-cn:")}, id="a job of another partition"),
    ],
)
def test_what_no_signature_of_aws_signer_says_is_not_asked(sim, changes):
    with pytest.raises(VerificationError):
        ask(sim, **changes)
    assert sim.calls() == 0


@pytest.mark.parametrize(
    "place", ["arn:aws:signer:us-east-99:", "arn:aws-cn:signer:us-east-1:", "arn:awsx:signer:us-east-1:"]
)
def test_a_region_that_the_partition_does_not_have_is_not_contacted(sim, place):
    own = "arn:aws:signer:us-east-1:"
    changes = {"profile_version_arn": VERSION.replace(own, place), "job_arn": JOB.replace(own, place)}
    with pytest.raises(UnknownRegionError):
        ask(sim, **changes)
    assert sim.calls() == 0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="an answer that does not say"),
        pytest.param(b'{"revokedEntities":null}', id="null for a list"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"revokedEntities":[', id="half an answer"),
        pytest.param(b'{"revokedEntities":"arn"}', id="a text for a list"),
        pytest.param(b'{"revokedEntities":""}', id="an empty text for a list"),
        pytest.param(b'{"revokedEntities": {} }', id="an empty object for a list"),
        pytest.param(b'{"revokedEntities":{"a":1}}', id="an object for a list"),
        pytest.param(b'{"revokedEntities":[7]}', id="a number for a text"),
        pytest.param(b'{"revokedEntities":[null]}', id="null for a text"),
        pytest.param(b'{"revokedEntities":[""]}', id="an empty text"),
        pytest.param(b"<html>sign in</html>", id="a page"),
    ],
)
def test_a_strange_answer_is_never_nothing_revoked(sim, body):
    with Storage(lambda handler: handler.give(200, body, content_length=str(len(body)))) as service:
        asked = signer(service.url, sim, attempts=1)
        with pytest.raises(SourceUnavailableError) as raised:
            asked.revocation_status(QUESTION)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


def test_an_empty_list_says_that_nothing_is_revoked(sim):
    body = b'{"revokedEntities":[]}'
    with Storage(lambda handler: handler.give(200, body, content_length=str(len(body)))) as service:
        assert signer(service.url, sim).revocation_status(QUESTION).revoked == ()


def test_very_many_revoked_entities_are_cut(sim):
    body = json.dumps({"revokedEntities": ["ab" * 96] * (MAX_REVOKED + 1)}).encode()
    with Storage(lambda handler: handler.give(200, body, content_length=str(len(body)))) as service:
        assert len(signer(service.url, sim).revocation_status(QUESTION).revoked) == MAX_REVOKED


def test_the_question_is_put_as_the_plugin_puts_it(sim):
    body = b'{"revokedEntities":[]}'
    with Storage(lambda handler: handler.give(200, body, content_length=str(len(body)))) as service:
        signer(service.url, sim).revocation_status(QUESTION)
    ((path, headers),) = service.seen
    assert path.startswith("/revocations?")
    assert "signatureTimestamp=2026-01-31T12%3A30%3A15Z" in path
    assert "platformId=Notation-OCI-SHA384-ECDSA" in path
    assert path.count("certificateHashes=") == len(HASHES)
    assert "/us-east-1/signer/aws4_request" in headers["authorization"]
