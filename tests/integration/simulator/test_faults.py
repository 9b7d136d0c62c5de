"""Faults strike the calls that they are ordered for, as often as ordered, and show as boto3 shows AWS's own."""

import threading

import botocore.exceptions
import botocore.parsers
import msgspec
import pytest
from botocore.config import Config

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import OTHER
from tests.simulator import FaultKind

APP = {"repositoryName": "team/app"}
ANY_CALL = {"ecr": "describe_repositories", "inspector2": "list_findings", "sts": "get_caller_identity"}


@pytest.fixture
def app(world):
    return world.add_image("team/app", "v1")


@pytest.mark.parametrize(
    ("service", "kind", "answer"),
    [
        ("ecr", "throttle", ("ThrottlingException", 400)),
        ("ecr", "server_error", ("ServerException", 500)),
        ("ecr", "access_denied", ("AccessDeniedException", 400)),
        ("ecr", "expired_token", ("ExpiredTokenException", 400)),
        ("inspector2", "throttle", ("ThrottlingException", 429)),
        ("inspector2", "server_error", ("InternalServerException", 500)),
        ("inspector2", "access_denied", ("AccessDeniedException", 403)),
        ("inspector2", "expired_token", ("ExpiredTokenException", 403)),
        ("sts", "throttle", ("Throttling", 400)),
        ("sts", "server_error", ("InternalFailure", 500)),
        ("sts", "access_denied", ("AccessDenied", 403)),
        ("sts", "expired_token", ("ExpiredToken", 403)),
    ],
)
def test_every_service_words_its_errors(sim, client, service, kind, answer):
    sim.inject(kind, service=service)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client(service), ANY_CALL[service])()
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == answer


def test_a_fault_strikes_as_often_as_ordered_and_boto_retries(sim, client, app):
    fault = sim.inject("throttle", service="ecr", operation="DescribeImages", times=2)
    patient = Config(retries={"mode": "standard", "total_max_attempts": 4})
    ecr = client("ecr", config=patient)
    assert ecr.describe_images(**APP)["imageDetails"][0]["imageDigest"] == app
    assert (fault.hits, sim.calls("ecr", "DescribeImages")) == (2, 3)


@pytest.mark.parametrize(
    ("order", "struck"),
    [
        pytest.param({}, True, id="for any call"),
        pytest.param({"service": "ecr", "operation": "DescribeImages"}, True, id="for the operation"),
        pytest.param({"operation": "ListImages"}, False, id="for another operation"),
        pytest.param({"service": "inspector2"}, False, id="for another service"),
        pytest.param({"account": "111122223333"}, True, id="for the account asked about"),
        pytest.param({"account": OTHER}, False, id="for another account"),
        pytest.param({"region": "eu-west-1"}, True, id="for the region"),
        pytest.param({"region": "us-east-1"}, False, id="for another region"),
        pytest.param({"about": "team/app"}, True, id="for a body that holds a text"),
        pytest.param({"about": "team/other"}, False, id="for a body that holds another text"),
        pytest.param({"rate": 0.0}, False, id="at a rate of none"),
        pytest.param({"times": 0}, False, id="no more often"),
    ],
)
def test_a_fault_strikes_the_calls_that_it_is_for(sim, client, app, order, struck):
    fault = sim.inject("access_denied", **order)
    ecr = client("ecr")
    if struck:
        assert code_of(ecr.describe_images, **APP) == "AccessDeniedException"
    else:
        assert ecr.describe_images(**APP)["imageDetails"]
    assert fault.hits == struck


def test_the_account_of_a_fault_is_the_one_asked_about(sim, world, client):
    world.add_repository("team/app", account=OTHER, readers=[world.account])
    fault = sim.inject("throttle", account=OTHER)
    assert code_of(client("ecr").describe_images, **APP, registryId=OTHER) == "ThrottlingException"
    assert fault.hits == sim.calls(account=OTHER) == 1


def test_clear_withdraws_one_or_all(sim, client, app):
    first, _ = sim.inject("throttle"), sim.inject("access_denied")
    ecr = client("ecr")
    assert code_of(ecr.describe_images, **APP) == "ThrottlingException"
    sim.clear(first)
    assert code_of(ecr.describe_images, **APP) == "AccessDeniedException"
    sim.clear()
    assert ecr.describe_images(**APP)["imageDetails"]


def test_any_error_can_be_ordered(sim, client, app):
    sim.inject("error", service="ecr", code="KmsException", message="key is gone", status=400)
    with pytest.raises(botocore.exceptions.ClientError, match="key is gone"):
        client("ecr").describe_images(**APP)


@pytest.mark.parametrize("kind", ["drop", "malformed_json"])
@pytest.mark.parametrize(
    ("service", "call"),
    [("ecr", "describe_repositories"), ("inspector2", "list_findings"), ("inspector2", "list_coverage")],
)
def test_boto3_makes_an_empty_result_of_broken_json(sim, app, kind, service, call):
    """Half an answer raises nothing in boto3, so what is missing from a result must never count as nothing found."""
    sim.inject(kind, service=service)
    broken = sim.client(service)
    assert set(getattr(broken, call)()) == {"ResponseMetadata"}
    sim.clear()
    assert len(getattr(broken, call)()) > 1
    broken.close()


@pytest.mark.parametrize("service", ["ecr", "inspector2", "sts"])
def test_down_cuts_the_connection_before_any_answer(sim, service):
    sim.inject("down", service=service)
    client = sim.client(service)
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        getattr(client, ANY_CALL[service])()
    sim.clear()
    assert getattr(client, ANY_CALL[service])()
    client.close()


def test_half_an_xml_answer_is_an_error(sim):
    sim.inject("drop", service="sts")
    sts = sim.client("sts")
    with pytest.raises(botocore.parsers.ResponseParserError):
        sts.get_caller_identity()
    sts.close()


def test_a_hanging_call_holds_up_no_other(sim, client, app):
    sim.inject("hang", service="ecr", operation="DescribeImages", seconds=60)
    hanging = client("ecr", config=Config(read_timeout=30, retries={"total_max_attempts": 1}))
    ended = threading.Event()

    def hang():
        with pytest.raises(botocore.exceptions.ConnectionClosedError):
            hanging.describe_images(**APP)
        ended.set()

    thread = threading.Thread(target=hang)
    thread.start()
    ecr = client("ecr")
    while not sim.calls("ecr", "DescribeImages"):
        ecr.describe_repositories()
    assert ecr.describe_repositories()["repositories"]
    assert not ended.is_set()
    sim.__exit__(None, None, None)
    thread.join(10)
    assert ended.is_set()


def test_a_hang_shows_as_a_read_timeout(sim, client, app):
    sim.inject("hang", service="ecr", seconds=60)
    short = client("ecr", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        short.describe_images(**APP)


@pytest.mark.parametrize("everywhere", [True, False])
def test_latency_delays_an_answer(sim, client, app, everywhere):
    if everywhere:
        sim.latency_seconds = 5
    else:
        sim.inject("latency", seconds=5, operation="DescribeImages")
    short = client("ecr", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        short.describe_images(**APP)


def test_an_unknown_enum_value_reaches_the_caller(sim, app):
    sim.inject("unknown_enum", service="inspector2", operation="ListCoverage", field="reason", value="QUANTUM")
    inspector = sim.client("inspector2")
    rows = inspector.list_coverage()["coveredResources"]
    assert {each["scanStatus"]["reason"] for each in rows} == {"QUANTUM"}
    assert {each["scanStatus"]["statusCode"] for each in rows} == {"ACTIVE"}
    inspector.close()


@pytest.mark.parametrize("kind", ["wrong_bytes", "huge_index"])
def test_manifests_that_lie(sim, client, app, kind):
    sim.inject(kind, service="ecr", times=1)
    ecr, ids = client("ecr"), [{"imageDigest": app}]
    lie, truth = (ecr.batch_get_image(**APP, imageIds=ids)["images"][0] for _ in range(2))
    assert lie["imageId"] == truth["imageId"]
    assert lie["imageManifest"] != truth["imageManifest"]
    assert msgspec.json.decode(lie["imageManifest"])


def test_a_kind_that_is_not_there_is_refused(sim):
    with pytest.raises(ValueError, match="meteor"):
        sim.inject("meteor")
    assert "throttle" in {kind.value for kind in FaultKind}


class TestCounters:
    def test_calls_are_counted_by_what_and_where(self, sim, world, client, app):
        ecr, far = client("ecr"), client("ecr", region="us-east-1")
        ecr.describe_images(**APP)
        ecr.describe_repositories()
        far.describe_repositories()
        client("inspector2").list_findings()
        assert [sim.calls(), sim.calls("ecr"), sim.calls("ecr", "DescribeRepositories")] == [4, 3, 2]
        assert sim.calls("ecr", region="us-east-1") == 1

    def test_ids_of_each_call(self, sim, client, app):
        ecr, inspector = client("ecr"), client("inspector2")
        for number in (1, 3):
            ecr.batch_get_image(**APP, imageIds=[{"imageTag": f"v{each}"} for each in range(number)])
        inspector.list_findings(filterCriteria={"ecrImageHash": [{"comparison": "EQUALS", "value": app}] * 2})
        assert sim.ids("ecr", "BatchGetImage") == [1, 3]
        assert sim.ids("inspector2", "ListFindings") == [2]
        assert [call.operation for call in sim.log("ecr")] == ["BatchGetImage", "BatchGetImage"]

    def test_reset_forgets_them(self, sim, client, app):
        client("ecr").describe_images(**APP)
        sim.reset_counters()
        assert (sim.calls(), sim.ids("ecr", "DescribeImages")) == (0, [])
