"""Trouble with AWS, over HTTP: each kind has its cause, none is an answer, and no call is made where none may be."""

import pytest

from tests.distribution import patient
from tests.integration.aws.conftest import APP, OTHER, OWN, READER, TROUBLE, V1, Aws, trouble
from tests.simulator import World
from tidegate.aws.accounts import RegistryAccount
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

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


@pytest.mark.parametrize("source", ASK)
@pytest.mark.parametrize("kind", TROUBLE)
def test_every_trouble_of_every_call_has_its_cause(sim, world, kind, source):
    service, operation = source.split(":")
    assert world.add_image("team/app", "v1", content="one") == DIGEST
    aws = Aws(sim, attempts=1, read_timeout_seconds=patient(0.5) if kind == "hang" else 10.0)
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


def test_the_gate_learns_that_a_role_is_denied(sim, world):
    world.add_account(OTHER.account, roles=())
    gate = Gate()
    accounts = (RegistryAccount(account=OTHER.account, role_arn=READER),)
    trouble(Aws(sim, gate=gate, accounts=accounts).ecr.describe_images, EcrRepository(OTHER, "team/app"), [V1])
    assert gate.left == [("ecr:DescribeImages", OTHER, Cause.ROLE_DENIED)]
