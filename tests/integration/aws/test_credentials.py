"""Who asks AWS: roles in other accounts, expired credentials, web identities and the Pod Identity agent."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.integration.aws.conftest import APP, OTHER, OWN, READER, V1, Aws, trouble
from tests.simulator.identity import BASE_ACCESS_KEY, BASE_SECRET_KEY
from tidegate.aws import clients as clients_module
from tidegate.aws.accounts import RegistryAccount
from tidegate.errors import ConfigurationError
from tidegate.evidence.fact import Cause
from tidegate.images.repository import EcrRepository


# Roles
def reader(sim, **role):
    return Aws(sim, accounts=(RegistryAccount(account=OTHER.account, role_arn=READER, **role),))


@pytest.fixture
def theirs(world):
    world.add_account(OTHER.account)
    world.add_image("team/app", "v1", account=OTHER.account)
    return EcrRepository(OTHER, "team/app")


def test_another_account_is_read_with_its_role_assumed_once(sim, theirs):
    aws = reader(sim)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(aws.ecr.describe_images, theirs, [V1]) for _ in range(8)]
        digests = {each.result(30)[V1].digest for each in asked}
    aws.inspector.coverage(OTHER, [("team/app", digests.pop())])
    assert sim.calls("sts", "AssumeRole") == 1
    assert not digests


def test_the_own_account_is_read_without_a_role(sim, world, theirs):
    world.add_image("team/app", "v1")
    assert V1 in reader(sim).ecr.describe_images(APP, [V1])
    assert sim.calls("sts") == 0


def test_an_external_id_opens_the_role_that_asks_for_it(sim, world, theirs):
    world.add_account(OTHER.account, roles={"tidegate-reader": "secret-handshake"})
    assert reader(sim, external_id="secret-handshake").ecr.describe_images(theirs, [V1])[V1].digest
    error = trouble(reader(sim).ecr.describe_images, theirs, [V1])
    assert (error.cause, error.source) == (Cause.ROLE_DENIED, "sts:AssumeRole")


def test_a_denied_role_is_asked_for_once_and_names_the_role(sim, world):
    world.add_account(OTHER.account, roles=())
    aws = reader(sim)
    theirs = EcrRepository(OTHER, "team/app")
    for _ in range(3):
        error = trouble(aws.ecr.describe_images, theirs, [V1])
        assert (error.cause, error.source) == (Cause.ROLE_DENIED, "sts:AssumeRole")
        assert READER in error.detail
    assert sim.calls("sts", "AssumeRole") == 1


def test_credentials_that_aws_calls_expired_are_renewed_and_the_call_made_again(sim, theirs):
    aws = reader(sim)
    aws.ecr.describe_images(theirs, [V1])
    sim.expire_sessions()
    assert aws.ecr.describe_images(theirs, [V1])[V1].digest
    assert sim.calls("sts", "AssumeRole") == 2


def test_credentials_that_stay_expired_are_an_error_and_not_a_loop(sim, theirs):
    aws = reader(sim)
    sim.inject("expired_token", service="ecr")
    assert trouble(aws.ecr.describe_images, theirs, [V1]).cause is Cause.CREDENTIALS
    assert sim.calls("ecr") == 2
    assert sim.calls("sts", "AssumeRole") == 2


def test_trouble_with_sts_has_its_cause(sim, theirs):
    sim.inject("throttle", service="sts")
    error = trouble(reader(sim).ecr.describe_images, theirs, [V1])
    assert (error.cause, error.source) == (Cause.THROTTLED, "sts:AssumeRole")


# Credentials and clients
def test_the_caller_is_known(aws, sim):
    assert aws.identity.caller_arn() == "arn:aws:sts::111122223333:assumed-role/tidegate/simulator"
    assert aws.identity.account() == "111122223333"
    assert sim.calls("sts", "GetCallerIdentity") == 1


def test_the_caller_is_asked_for_again_after_trouble(aws, sim):
    fault = sim.inject("access_denied", service="sts")
    trouble(aws.identity.caller_arn)
    sim.clear(fault)
    assert aws.identity.account() == "111122223333"


def test_without_credentials_nothing_is_asked_and_later_ones_are_found(sim, environment, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clients_module, "monotonic", lambda: now[0])
    environment.delenv("AWS_ACCESS_KEY_ID")
    aws = Aws(sim)
    error = trouble(aws.ecr.describe_images, APP, [V1])
    assert (error.cause, error.source) == (Cause.CREDENTIALS, "credentials")
    for name, value in sim.environment().items():
        if name.startswith("AWS_ACCESS"):
            environment.setenv(name, value)
    trouble(aws.ecr.describe_images, APP, [V1])
    assert sim.calls() == 0
    now[0] += clients_module.NO_CREDENTIALS_SECONDS
    assert V1 in aws.ecr.describe_images(APP, [V1])


def test_a_key_that_nobody_issued_is_told(sim, environment):
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    assert trouble(Aws(sim).ecr.describe_images, APP, [V1]).cause is Cause.CREDENTIALS


def test_a_profile_that_is_not_there_is_an_error_of_configuration(sim, environment):
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="nobody"):
        Aws(sim)


def test_a_web_identity_gives_credentials_as_on_eks(sim, environment, tmp_path, world):
    world.add_account(OTHER.account)
    token = tmp_path / "token"
    token.write_text("a token of the cluster")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    environment.setenv("AWS_ROLE_ARN", READER)
    environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    environment.setenv("AWS_ENDPOINT_URL_STS", sim.url)
    assert Aws(sim).identity.account() == OTHER.account
    environment.setenv("AWS_ROLE_ARN", READER + "-of-nobody")
    error = trouble(Aws(sim).ecr.describe_images, APP, [V1])
    assert (error.cause, error.source) == (Cause.ROLE_DENIED, "sts:AssumeRoleWithWebIdentity")


class Agent(BaseHTTPRequestHandler):
    """The EKS Pod Identity agent: gives credentials to who shows the Pod's token."""

    def do_GET(self):
        known = self.headers["Authorization"] == "the Pod's token"
        credentials = {
            "AccessKeyId": BASE_ACCESS_KEY,
            "SecretAccessKey": BASE_SECRET_KEY,
            "Token": "session",
            "Expiration": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
        }
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(credentials if known else {"message": "who are you"}).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def pod_identity(sim, environment, tmp_path):
    """Point the SDK at an agent, as EKS does; give the file with the Pod's token."""
    environment.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    token = tmp_path / "eks-pod-identity-token"
    token.write_text("the Pod's token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    with HTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/v1/credentials"
        )
        environment.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        yield token
        server.shutdown()


def test_the_pod_identity_agent_gives_credentials_as_on_eks(sim, pod_identity):
    assert V1 in Aws(sim).ecr.describe_images(APP, [V1])


def test_an_agent_that_refuses_is_told_and_asked_again_later(sim, pod_identity, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clients_module, "monotonic", lambda: now[0])
    aws = Aws(sim)
    pod_identity.write_text("another token")
    for _ in range(2):
        assert trouble(aws.ecr.describe_images, APP, [V1]).cause is Cause.CREDENTIALS
    pod_identity.write_text("the Pod's token")
    now[0] += clients_module.NO_CREDENTIALS_SECONDS
    assert V1 in aws.ecr.describe_images(APP, [V1])


@pytest.mark.parametrize(
    ("settings", "variables", "region"),
    [
        pytest.param({"region": "us-east-1"}, {"AWS_REGION": "us-west-2"}, "us-east-1", id="the settings come first"),
        pytest.param({}, {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "sa-east-1"}, "us-west-2", id="AWS_REGION"),
        pytest.param({}, {"AWS_DEFAULT_REGION": "sa-east-1"}, "sa-east-1", id="AWS_DEFAULT_REGION"),
        pytest.param({}, {}, "us-east-1", id="none at all"),
    ],
)
def test_sts_is_asked_in_the_region_of_the_cluster(sim, environment, settings, variables, region):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        environment.delenv(name)
    for name, value in variables.items():
        environment.setenv(name, value)
    Aws(sim, **settings).identity.account()
    assert sim.calls("sts", "GetCallerIdentity", region=region) == 1


def test_accounts_without_a_role_share_their_clients(aws, sim, world):
    world.add_account(OTHER.account)
    world.add_repository("team/app", account=OTHER.account, readers=[OWN.account])
    aws.ecr.describe_images(APP, [V1])
    aws.ecr.describe_images(EcrRepository(OTHER, "team/app"), [V1])
    assert len(aws.clients._clients) == 1
