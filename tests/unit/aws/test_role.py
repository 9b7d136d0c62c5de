"""Credentials of a role: assumed once for all threads, renewed in time, and a refusal asked for once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.aws import role as role_module
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.role import RoleCredentials
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

ACCOUNT = RegistryAccount(account="444455556666", role_arn="arn:aws:iam::444455556666:role/reader", external_id="x1")
THREADS = 8
USER = {"AssumedRoleUser": {"Arn": "arn:aws:sts::444455556666:assumed-role/reader/tidegate"}}


class Sts:
    """Hands out numbered credentials, or fails."""

    def __init__(self, *, lifetime=timedelta(hours=1), error=None, answer=None, user=None):
        self.lifetime = lifetime
        self.error = error
        self.answer = answer
        self.user = USER if user is None else user
        self.requests = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def assume_role(self, **request):
        self.requests.append(request)
        self.entered.set()
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        number = len(self.requests)
        return {
            "Credentials": {
                "AccessKeyId": f"key{number}",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": datetime.now(UTC) + self.lifetime,
            },
            **self.user,
        }


def credentials(sts):
    return RoleCredentials(ACCOUNT, sts.assume_role)


def denied(code="AccessDenied"):
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    return ClientError(response, "AssumeRole")


def key(one):
    return one.get_frozen_credentials().access_key


def test_nothing_is_assumed_before_it_is_needed():
    sts = Sts()
    credentials(sts)
    assert sts.requests == []


def test_the_role_is_assumed_with_its_external_id_and_a_session_name():
    sts = Sts()
    assert key(credentials(sts)) == "key1"
    assert sts.requests == [
        {
            "RoleArn": ACCOUNT.role_arn,
            "RoleSessionName": "tidegate",
            "DurationSeconds": 3600,
            "ExternalId": "x1",
        }
    ]


def test_an_external_id_that_is_not_set_is_not_sent():
    sts = Sts()
    plain = RegistryAccount(account=ACCOUNT.account, role_arn=ACCOUNT.role_arn)
    key(RoleCredentials(plain, sts.assume_role))
    assert "ExternalId" not in sts.requests[0]


def test_many_threads_assume_the_role_once():
    sts = Sts()
    one = credentials(sts)
    sts.go.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(key, one) for _ in range(THREADS)]
        assert sts.entered.wait(10)
        sts.go.set()
        assert {each.result(10) for each in waiting} == {"key1"}
    assert len(sts.requests) == 1


def test_credentials_near_their_end_are_renewed():
    sts = Sts(lifetime=timedelta(minutes=5))
    one = credentials(sts)
    assert [key(one), key(one)] == ["key1", "key2"]


def test_credentials_far_from_their_end_are_kept():
    sts = Sts()
    one = credentials(sts)
    assert [key(one), key(one)] == ["key1", "key1"]


def test_a_refusal_is_asked_for_once_by_threads_that_wait_for_it(monkeypatch):
    monkeypatch.setattr(role_module, "monotonic", lambda: 100.0)
    sts = Sts(error=denied())
    one = credentials(sts)
    errors = []
    for _ in range(3):
        with pytest.raises(SourceUnavailableError) as raised:
            key(one)
        errors.append(raised.value)
    assert len(sts.requests) == 1
    assert {each.cause for each in errors} == {Cause.ROLE_DENIED}
    assert len({id(each) for each in errors}) == 3


def test_a_refusal_is_asked_for_again_when_its_time_is_over(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(role_module, "monotonic", lambda: clock[0])
    sts = Sts(error=denied())
    one = credentials(sts)
    for moment in (100.0, 100.0 + role_module.REFUSAL_SECONDS - 0.01):
        clock[0] = moment
        with pytest.raises(SourceUnavailableError):
            key(one)
    assert len(sts.requests) == 1
    sts.error = None
    clock[0] = 100.0 + role_module.REFUSAL_SECONDS
    assert key(one) == "key2"


def test_rejected_credentials_are_renewed_once():
    sts = Sts()
    one = credentials(sts)
    key(one)
    used = one.generation
    one.reject(used)
    assert key(one) == "key2"
    one.reject(used)
    assert key(one) == "key2", "a late report about the old credentials throws the new ones away"


def test_rejected_credentials_that_cannot_be_renewed_are_not_used_again():
    sts = Sts()
    one = credentials(sts)
    key(one)
    one.reject(one.generation)
    sts.error = denied()
    with pytest.raises(SourceUnavailableError):
        key(one)


@pytest.mark.parametrize(
    ("sts", "cause"),
    [
        pytest.param(Sts(error=denied()), Cause.ROLE_DENIED, id="the role does not trust us"),
        pytest.param(Sts(error=denied("ExpiredToken")), Cause.CREDENTIALS, id="our own credentials are expired"),
        pytest.param(Sts(error=denied("Throttling")), Cause.THROTTLED, id="STS throttles"),
        pytest.param(Sts(user={}), Cause.UNEXPECTED_ANSWER, id="credentials of nobody knows whom"),
        pytest.param(Sts(user={"AssumedRoleUser": "x"}), Cause.UNEXPECTED_ANSWER, id="credentials of something else"),
        pytest.param(
            Sts(user={"AssumedRoleUser": {"Arn": "arn:aws:sts::999999999999:assumed-role/reader/tidegate"}}),
            Cause.UNEXPECTED_ANSWER,
            id="credentials of another account",
        ),
        pytest.param(Sts(answer={}), Cause.UNEXPECTED_ANSWER, id="an answer without credentials"),
        pytest.param(Sts(answer=USER | {"Credentials": "x"}), Cause.UNEXPECTED_ANSWER, id="credentials that are none"),
        pytest.param(
            Sts(answer=USER | {"Credentials": {"AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t"}}),
            Cause.UNEXPECTED_ANSWER,
            id="credentials without an end",
        ),
        pytest.param(Sts(lifetime=timedelta(0)), Cause.CREDENTIALS, id="credentials that are over"),
    ],
)
def test_a_failure_has_its_cause(sts, cause):
    with pytest.raises(SourceUnavailableError) as raised:
        key(credentials(sts))
    assert (raised.value.cause, raised.value.source) == (cause, "sts:AssumeRole")


def test_a_refusal_is_raised_and_not_logged_by_every_thread(caplog):
    with pytest.raises(SourceUnavailableError):
        key(credentials(Sts(error=denied())))
    assert caplog.records == []
