"""The URL of a queue names its account and region, in every partition; nothing else is one."""

import pytest

from tidegate.aws.queue_url import parse_queue_url
from tidegate.errors import ConfigurationError
from tidegate.images.repository import EcrRegistry

ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("host", "partition", "region"),
    [
        ("sqs.eu-west-1.amazonaws.com", "aws", "eu-west-1"),
        ("sqs-fips.us-east-1.amazonaws.com", "aws", "us-east-1"),
        ("sqs.eu-west-1.api.aws", "aws", "eu-west-1"),
        ("sqs-fips.us-east-1.api.aws", "aws", "us-east-1"),
        ("eu-west-1.queue.amazonaws.com", "aws", "eu-west-1"),
        ("queue.amazonaws.com", "aws", "us-east-1"),
        ("sqs.us-gov-west-1.amazonaws.com", "aws-us-gov", "us-gov-west-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "aws-cn", "cn-north-1"),
        ("cn-north-1.queue.amazonaws.com.cn", "aws-cn", "cn-north-1"),
        ("sqs.cn-north-1.api.amazonwebservices.com.cn", "aws-cn", "cn-north-1"),
        ("sqs.eusc-de-east-1.amazonaws.eu", "aws-eusc", "eusc-de-east-1"),
        ("sqs.eusc-de-east-1.api.amazonwebservices.eu", "aws-eusc", "eusc-de-east-1"),
        ("sqs.us-iso-east-1.c2s.ic.gov", "aws-iso", "us-iso-east-1"),
        ("sqs.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b", "us-isob-east-1"),
        ("sqs.eu-isoe-west-1.cloud.adc-e.uk", "aws-iso-e", "eu-isoe-west-1"),
        ("sqs.us-isof-south-1.csp.hci.ic.gov", "aws-iso-f", "us-isof-south-1"),
    ],
)
def test_a_url_names_partition_account_and_region(host, partition, region):
    found = parse_queue_url(f"https://{host}/{ACCOUNT}/tidegate-events")
    assert found.place == EcrRegistry(partition, ACCOUNT, region)
    assert found.arn == f"arn:{partition}:sqs:{region}:{ACCOUNT}:tidegate-events"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tidegate-events",
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:tidegate-events",
        f"http://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/tidegate-events",
        f"https://sqs.eu-west-1.amazonaws.com.example.com/{ACCOUNT}/tidegate-events",
        f"https://example.com/sqs.eu-west-1.amazonaws.com/{ACCOUNT}/tidegate-events",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/tidegate-events/",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/{'q' * 81}",
        "https://sqs.eu-west-1.amazonaws.com/1/tidegate-events",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/tidegate-events\n",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"aws\.eventQueueUrl: expected the URL of a queue"):
        parse_queue_url(text)


def test_a_fifo_queue_is_refused_with_what_to_do():
    with pytest.raises(ConfigurationError, match="use a standard queue"):
        parse_queue_url(f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/tidegate-events.fifo")
