"""STS: which roles may be assumed, and whose their credentials are."""

import pytest

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import OTHER


def role(name, account=OTHER):
    return {"RoleArn": f"arn:aws:iam::{account}:role/{name}", "RoleSessionName": "test"}


def test_the_base_credentials_belong_to_the_cluster_account(world, client):
    assert client("sts").get_caller_identity()["Account"] == world.account


def test_an_assumed_role_belongs_to_its_account(client, assumed):
    caller = client("sts", credentials=assumed).get_caller_identity()
    assert (caller["Account"], caller["Arn"]) == (OTHER, f"arn:aws:sts::{OTHER}:assumed-role/tidegate-reader/test")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(role("stranger"), "AccessDenied", id="a role that the account has not"),
        pytest.param(role("tidegate-reader", "999999999999"), "AccessDenied", id="an account that is not there"),
        pytest.param(role("careful"), "AccessDenied", id="no external id where one is asked for"),
        pytest.param(role("careful") | {"ExternalId": "wrong"}, "AccessDenied", id="the wrong external id"),
        pytest.param(role("careful") | {"ExternalId": "shibboleth"}, None, id="the right external id"),
        pytest.param(role("path/to/careful") | {"ExternalId": "shibboleth"}, None, id="a role with a path"),
        pytest.param(role("free") | {"DurationSeconds": 3600}, None, id="for an hour"),
        pytest.param(role("free") | {"DurationSeconds": 3601}, "ValidationError", id="for more than an hour"),
        pytest.param(
            {"RoleArn": "arn:aws:iam::1:user/somebody", "RoleSessionName": "test"}, "ValidationError", id="no role"
        ),
    ],
)
def test_who_may_assume(world, client, arguments, code):
    world.add_account(OTHER, roles={"careful": "shibboleth", "free": None})
    if code:
        assert code_of(client("sts").assume_role, **arguments) == code
    else:
        assert client("sts").assume_role(**arguments)["Credentials"]["SessionToken"]


def test_a_session_token_of_another_key_is_refused(client, assumed):
    keys = assumed | {"SessionToken": "forged"}
    assert code_of(client("sts", credentials=keys).get_caller_identity) == "UnrecognizedClientException"


def test_a_web_identity_needs_no_signature(world, client):
    arguments = role("tidegate-reader") | {"WebIdentityToken": "header.payload.signature"}
    keys = client("sts").assume_role_with_web_identity(**arguments)["Credentials"]
    assert client("sts", credentials=keys).get_caller_identity()["Account"] == OTHER
