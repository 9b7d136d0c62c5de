"""The SDK reads a body that is not whole as an answer that says nothing; here it is no answer."""

import io
import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
APP = EcrRepository(REGISTRY, "team/app")
DIGEST = digest_of(b"x")
IMAGE = ("team/app", DIGEST)


class Body(io.BytesIO):
    """What the SDK reads a response from."""

    def stream(self, **_):
        yield self.read()


class Aws:
    """The real SDK, every call of which is answered with the bodies in turn, the last of them for ever."""

    def __init__(self):
        self.clients = Clients(AwsSettings(region="eu-west-1", attempts=1))
        self.ecr = Ecr(self.clients, Identity(self.clients))
        self.inspector = Inspector(self.clients)
        self.bodies = [b"{}"]
        self.length: int | None = None
        self.announced = True
        for service in ("ecr", "inspector2"):
            events: Any = self.clients._client(service, None, "eu-west-1").sdk.meta.events
            events.register("before-send", self.answer)

    def answer(self, request, **_):
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        headers: Any = HTTPHeaders()
        if self.announced:
            headers["content-length"] = str(len(body) if self.length is None else self.length)
        return AWSResponse(request.url, 200, headers, Body(body))


@pytest.fixture(scope="module")
def one_aws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "config"))
        yield Aws()


@pytest.fixture
def aws(one_aws):
    one_aws.length, one_aws.announced = None, True
    return one_aws


ASK = {
    "ListFindings": lambda aws: aws.inspector.findings(REGISTRY, [IMAGE]),
    "ListCoverage": lambda aws: aws.inspector.coverage(REGISTRY, [IMAGE]),
    "DescribeImages": lambda aws: aws.ecr.describe_images(APP, [ImageId.of_tag("v1")]),
    "BatchGetImage": lambda aws: aws.ecr.get_manifests(APP, [DIGEST]),
    "DescribeRepositories": lambda aws: aws.ecr.describe_repositories(REGISTRY, ["team/app"]),
    "DescribeImageScanFindings": lambda aws: aws.ecr.basic_report(APP, DIGEST),
    "GetRegistryScanningConfiguration": lambda aws: aws.ecr.scan_type(REGISTRY),
}
BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b" ", id="a space"),
    pytest.param(b'{"findings": [', id="half a list"),
    pytest.param(b"<html>502</html>", id="a page of a proxy"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"x"', id="a text"),
    pytest.param(b"{}", id="an object without members"),
    pytest.param(b'{"message": "hello"}', id="an object with other members"),
    pytest.param(b"\xff\xfe{}", id="bytes that are no text"),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("operation", ASK)
def test_a_body_that_does_not_say_what_was_asked_is_no_answer(aws, operation, body):
    aws.bodies = [body]
    with pytest.raises(SourceUnavailableError) as raised:
        ASK[operation](aws)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER
    assert raised.value.source.endswith(f":{operation}")


LISTS = {"ListFindings": b'{"findings": []}', "ListCoverage": b'{"coveredResources": []}'}


@pytest.mark.parametrize("operation", LISTS)
def test_an_empty_list_is_an_answer(aws, operation):
    aws.bodies = [LISTS[operation]]
    assert set(ASK[operation](aws)) == {IMAGE}


@pytest.mark.parametrize("operation", LISTS)
def test_a_body_that_is_shorter_than_announced_is_no_answer_even_if_it_reads_well(aws, operation):
    aws.bodies, aws.length = [LISTS[operation]], len(LISTS[operation]) + 1
    with pytest.raises(SourceUnavailableError) as raised:
        ASK[operation](aws)
    assert raised.value.cause is Cause.UNREACHABLE


@pytest.mark.parametrize("operation", LISTS)
def test_a_body_of_a_length_that_was_not_announced_is_an_answer(aws, operation):
    aws.bodies, aws.announced = [LISTS[operation]], False
    assert set(ASK[operation](aws)) == {IMAGE}


@pytest.mark.parametrize("members", [b'{"findings": "x"}', b'{"findings": [7]}', b'{"findings": {"a": 1}}'])
def test_members_of_another_kind_are_no_answer(aws, members):
    aws.bodies = [members]
    with pytest.raises(SourceUnavailableError) as raised:
        ASK["ListFindings"](aws)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("strange", [b'""', b"{}", b'"x"', b"0", b"false", b'{"0": {}}'])
@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        (
            "DescribeImageScanFindings",
            b'{"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findings": %b}}',
        ),
        ("ListFindings", b'{"findings": [{"resources": %b}]}'),
        ("ListFindings", b'{"findings": [{"packageVulnerabilityDetails": {"vulnerablePackages": %b}}]}'),
        ("DescribeImages", b'{"imageDetails": [{"imageTags": %b}]}'),
        ("DescribeRepositories", b'{"repositories": [{"imageTagMutabilityExclusionFilters": %b}]}'),
    ],
)
def test_what_stands_for_a_list_within_is_no_answer(aws, operation, answer, strange):
    """The SDK would make an empty list of it: no findings."""
    aws.bodies = [answer % strange]
    with pytest.raises(SourceUnavailableError) as raised:
        ASK[operation](aws)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


def test_a_later_page_that_says_nothing_is_no_end_of_the_findings(aws):
    aws.bodies = [b'{"findings": [], "nextToken": "t"}', b"{}"]
    with pytest.raises(SourceUnavailableError):
        ASK["ListFindings"](aws)


def test_a_later_page_that_says_nothing_is_no_end_of_a_scan(aws):
    first = {
        "registryId": REGISTRY.account,
        "repositoryName": APP.name,
        "imageId": {"imageDigest": DIGEST},
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {"findings": []},
    }
    aws.bodies = [json.dumps(first).encode()]
    assert ASK["DescribeImageScanFindings"](aws).complete
    aws.bodies = [json.dumps(first | {"nextToken": "t"}).encode(), b"{}"]
    with pytest.raises(SourceUnavailableError):
        ASK["DescribeImageScanFindings"](aws)
