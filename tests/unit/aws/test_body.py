"""The SDK reads a body that is not whole as an answer that says nothing; here it is no answer."""

import io

import pytest
from botocore.awsrequest import AWSResponse

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.evidence.fact import Cause
from tidegate.evidence.unavailable import AwsUnavailableError
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
    """The real SDK, every call of which is answered with one body and nothing sent."""

    def __init__(self, body, *, length=None, status=200):
        self.clients = Clients(AwsSettings(region="eu-west-1", attempts=1))
        self.ecr = Ecr(self.clients, Identity(self.clients))
        self.inspector = Inspector(self.clients)
        headers = {"content-length": str(len(body) if length is None else length)} if length != "" else {}
        answer = lambda request, **_: AWSResponse(request.url, status, headers, Body(body))  # noqa: E731
        for service in ("ecr", "inspector2"):
            self.clients._client(service, None, "eu-west-1").sdk.meta.events.register("before-send", answer)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


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
def test_a_body_that_does_not_say_what_was_asked_is_no_answer(operation, body):
    with pytest.raises(AwsUnavailableError) as raised:
        ASK[operation](Aws(body))
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER
    assert raised.value.source.endswith(f":{operation}")


LISTS = {"ListFindings": b'{"findings": []}', "ListCoverage": b'{"coveredResources": []}'}


@pytest.mark.parametrize("operation", LISTS)
def test_an_empty_list_is_an_answer(operation):
    assert set(ASK[operation](Aws(LISTS[operation]))) == {IMAGE}


@pytest.mark.parametrize("operation", LISTS)
def test_a_body_that_is_shorter_than_announced_is_no_answer_even_if_it_reads_well(operation):
    with pytest.raises(AwsUnavailableError) as raised:
        ASK[operation](Aws(LISTS[operation], length=len(LISTS[operation]) + 1))
    assert raised.value.cause is Cause.UNREACHABLE


@pytest.mark.parametrize("operation", LISTS)
def test_a_body_of_a_length_that_was_not_announced_is_an_answer(operation):
    assert set(ASK[operation](Aws(LISTS[operation], length=""))) == {IMAGE}


@pytest.mark.parametrize("members", ['{"findings": "x"}', '{"findings": [7]}', '{"findings": {"a": 1}}'])
def test_members_of_another_kind_are_no_answer(members):
    with pytest.raises(AwsUnavailableError) as raised:
        ASK["ListFindings"](Aws(members.encode()))
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


def test_a_later_page_that_says_nothing_is_no_end_of_the_findings():
    aws = Aws(b'{"findings": [], "nextToken": "t"}')
    pages = iter([b'{"findings": [], "nextToken": "t"}', b"{}"])
    client = aws.clients._client("inspector2", None, "eu-west-1").sdk
    client.meta.events.register_first(
        "before-send", lambda request, **_: AWSResponse(request.url, 200, {}, Body(next(pages)))
    )
    with pytest.raises(AwsUnavailableError):
        ASK["ListFindings"](aws)
