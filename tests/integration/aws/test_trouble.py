"""Trouble with AWS, over HTTP: each kind has its cause, none is an answer, and no call is made where none may be."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.integration.aws.conftest import APP, OTHER, OWN, TROUBLE, Aws
from tests.simulator import World
from tests.simulator.identity import BASE_ACCESS_KEY, BASE_SECRET_KEY
from tidegate.aws import clients as clients_module
from tidegate.aws.accounts import RegistryAccount
from tidegate.errors import ConfigurationError
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

V1 = ImageId.of_tag("v1")
READER = "arn:aws:iam::444455556666:role/tidegate-reader"
DIGEST = Digest(World().add_image("team/app", "v1", content="one"))
ASK = {
    "ecr:DescribeImages": lambda aws: aws.ecr.describe_images(APP, [V1]),
    "ecr:BatchGetImage": lambda aws: aws.ecr.get_manifests(APP, [DIGEST]),
    "ecr:DescribeRepositories": lambda aws: aws.ecr.describe_repositories(OWN, ["team/app"]),
    "ecr:GetRegistryScanningConfiguration": lambda aws: aws.ecr.scan_type(OWN),
    "ecr:DescribeImageScanFindings": lambda aws: aws.ecr.basic_report(APP, DIGEST),
    "inspector2:ListCoverage": lambda aws: aws.inspector.coverage(OWN, [("team/app", DIGEST)]),
    "inspector2:ListFindings": lambda aws: aws.inspector.findings(OWN, [("team/app", DIGEST)]),
    "sts:GetCallerIdentity": lambda aws: aws.identity.caller_arn(),
}
CUT_XML = Cause.UNEXPECTED_ANSWER
"""The SDK itself sees that XML is cut, but not why."""


def trouble(ask, *arguments):
    with pytest.raises(SourceUnavailableError) as raised:
        ask(*arguments)
    return raised.value


@pytest.mark.parametrize("source", ASK)
@pytest.mark.parametrize("kind", TROUBLE)
def test_every_trouble_of_every_call_has_its_cause(sim, world, kind, source):
    service, operation = source.split(":")
    assert world.add_image("team/app", "v1", content="one") == DIGEST
    aws = Aws(sim, attempts=1, read_timeout_seconds=0.2)
    sim.inject(kind, service=service, operation=operation, seconds=30.0)
    error = trouble(ASK[source], aws)
    assert (error.cause, error.source) == (
        CUT_XML if source.startswith("sts") and kind == "drop" else TROUBLE[kind],
        source,
    )


@pytest.mark.parametrize("kind", ["throttle", "server_error", "down"])
def test_a_trouble_that_passes_is_tried_once_more(aws, sim, kind):
    fault = sim.inject(kind, operation="DescribeImages", times=1)
    aws.ecr.describe_images(APP, [V1])
    assert fault.hits == 1
    assert sim.calls("ecr", "DescribeImages") == 2


def test_a_trouble_that_stays_is_tried_twice(aws, sim):
    sim.inject("server_error", operation="DescribeImages")
    trouble(aws.ecr.describe_images, APP, [V1])
    assert sim.calls("ecr", "DescribeImages") == 2


def test_a_denial_is_tried_once_and_says_who_was_denied_what(aws, sim):
    sim.world.add_account(OTHER.account)
    error = trouble(aws.ecr.describe_images, EcrRepository(OTHER, "team/app"), [V1])
    assert error.cause is Cause.ACCESS_DENIED
    assert "arn:aws:sts::111122223333:assumed-role/tidegate/simulator" in error.detail
    assert "ecr:DescribeImages" in error.detail
    assert sim.calls("ecr", "DescribeImages") == 1


def test_a_wait_that_inspector_asks_for_is_kept(sim):
    aws = Aws(sim, attempts=1)
    sim.inject("throttle", operation="ListFindings")
    assert trouble(ASK["inspector2:ListFindings"], aws).retry_after_seconds == 1.0


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("DescribeImages", "imageDigest"),
        ("DescribeImages", "repositoryName"),
        ("BatchGetImage", "repositoryName"),
        ("DescribeRepositories", "registryId"),
    ],
)
def test_an_answer_about_something_else_is_no_answer(aws, sim, world, operation, field):
    digest = world.add_image("team/app", "v1")
    sim.inject("unknown_enum", operation=operation, field=field)
    asked = {
        "DescribeImages": lambda: aws.ecr.describe_images(APP, [V1]),
        "BatchGetImage": lambda: aws.ecr.get_manifests(APP, [digest]),
        "DescribeRepositories": lambda: aws.ecr.describe_repositories(OWN, ["team/app"]),
    }
    assert trouble(asked[operation]).cause is Cause.UNEXPECTED_ANSWER


# Regions


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(EcrRegistry("aws", "111122223333", "xx-nowhere-1"), id="a region that nobody has"),
        pytest.param(EcrRegistry("aws", "111122223333", "eu-west-1-evil"), id="a region with a tail"),
        pytest.param(EcrRegistry("aws", "111122223333", "cn-north-1"), id="a region of another partition"),
        pytest.param(EcrRegistry("aws-cn", "111122223333", "eu-west-1"), id="the other way round"),
        pytest.param(EcrRegistry("aws-mars", "111122223333", "eu-west-1"), id="a partition that nobody has"),
        pytest.param(EcrRegistry("aws", "111122223333", ""), id="no region"),
    ],
)
def test_an_unknown_region_is_refused_before_anything_is_contacted(sim, registry, monkeypatch):
    aws = Aws(sim, accounts=(RegistryAccount(account="111122223333", role_arn=READER),))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    repository = EcrRepository(registry, "team/app")
    for ask in (
        lambda: aws.ecr.describe_images(repository, [V1]),
        lambda: aws.ecr.describe_images(EcrRepository(registry, "Not A Name"), []),
        lambda: aws.ecr.get_manifests(repository, [DIGEST]),
        lambda: aws.ecr.describe_repositories(registry, ["team/app"]),
        lambda: aws.ecr.scan_type(registry),
        lambda: aws.ecr.basic_report(repository, DIGEST),
        lambda: aws.inspector.coverage(registry, [("team/app", DIGEST)]),
        lambda: aws.inspector.findings(registry, [("team/app", DIGEST)]),
    ):
        with pytest.raises(UnknownRegionError):
            ask()
    assert sim.calls() == 0


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1")],
)
def test_regions_of_every_partition_are_asked_in_their_own_region(aws, sim, partition, region):
    registry = EcrRegistry(partition, "111122223333", region)
    aws.ecr.describe_images(EcrRepository(registry, "team/app"), [V1])
    assert sim.calls("ecr", "DescribeImages", region=region) == 1


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


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        pytest.param(None, "https://api.ecr.us-east-1.amazonaws.com", id="as usual"),
        pytest.param("AWS_USE_FIPS_ENDPOINT", "https://api.ecr-fips.us-east-1.amazonaws.com", id="FIPS"),
        pytest.param("AWS_USE_DUALSTACK_ENDPOINT", "https://ecr.us-east-1.api.aws", id="dual-stack"),
    ],
)
def test_endpoints_are_the_sdks_own_where_none_are_set(sim, environment, variable, host):
    if variable is not None:
        environment.setenv(variable, "true")
    aws = Aws(sim, endpoint_urls={})
    client = aws.clients._client("ecr", None, "us-east-1").sdk
    seen = []

    def stop(request, **_):
        seen.append(request.url)
        raise _StopError

    client.meta.events.register("before-send.ecr", stop)
    with pytest.raises(_StopError):
        getattr(client, "describe_registry")()  # noqa: B009 - the operations of a client are not typed
    assert [url.rstrip("/") for url in seen] == [host]


class _StopError(Exception):
    """Ends a call before anything is sent."""


def test_calls_are_bounded_in_time_and_tries_and_say_who_makes_them(aws):
    config = aws.clients._client("ecr", None, "eu-west-1").sdk.meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.0, 2.0, 32)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 2)
    assert config.tcp_keepalive
    assert config.user_agent_extra.startswith("tidegate/")


# The gate


class Gate:
    """Notes every call, and stops those that it is told to."""

    def __init__(self, closed=None):
        self.closed = closed
        self.entered = []
        self.left = []
        self.found = []

    def enter(self, source, registry):
        self.entered.append((source, registry))
        if self.closed is not None:
            raise SourceUnavailableError(self.closed, source)

    def leave(self, source, registry, *, seconds, cause, found):
        assert seconds >= 0
        self.left.append((source, registry, cause))
        self.found.append(found)


def test_every_single_call_passes_the_gate(sim, world):
    world.add_image("team/app", "v1")
    gate = Gate()
    Aws(sim, gate=gate).ecr.describe_images(APP, [V1, ImageId.of_tag("gone")])
    # Both together, then each alone, then whether the missing one may still be cached.
    assert sorted(gate.found) == [False, False, True, True]
    described = ("ecr:DescribeImages", OWN)
    rules = ("ecr:DescribePullThroughCacheRules", OWN)
    assert sorted(gate.entered) == sorted([described] * 3 + [rules])
    assert {cause for _, _, cause in gate.left} == {None}
    assert len(gate.left) == len(gate.entered)


def test_a_closed_gate_lets_no_call_through(sim):
    gate = Gate(closed=Cause.CIRCUIT_OPEN)
    assert trouble(Aws(sim, gate=gate).ecr.describe_images, APP, [V1]).cause is Cause.CIRCUIT_OPEN
    assert sim.calls() == 0
    assert gate.left == []


def test_the_gate_learns_what_went_wrong(sim):
    gate = Gate()
    sim.inject("throttle", service="ecr")
    trouble(Aws(sim, gate=gate).ecr.describe_images, APP, [V1])
    assert gate.left == [("ecr:DescribeImages", OWN, Cause.THROTTLED)]
