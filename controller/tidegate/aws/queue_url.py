"""The URL of an Amazon SQS queue: the account and the region that it names."""

import re
from dataclasses import dataclass

from tidegate.errors import ConfigurationError
from tidegate.images.repository import EcrRegistry

_URL = re.compile(
    r"https://(?:sqs(?:-fips)?\.(?P<region>[a-z0-9-]{2,40})|(?P<older>[a-z0-9-]{2,40})\.queue|queue)\."
    r"(?P<suffix>amazonaws\.(?:com(?:\.cn)?|eu)|api\.aws|api\.amazonwebservices\.(?:com\.cn|eu)"
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
    r"/(?P<account>[0-9]{12})/(?P<name>[A-Za-z0-9_-]{1,80})",
    re.ASCII,
)
_PARTITIONS = {
    "amazonaws.com": "aws",
    "api.aws": "aws",
    "amazonaws.com.cn": "aws-cn",
    "api.amazonwebservices.com.cn": "aws-cn",
    "amazonaws.eu": "aws-eusc",
    "api.amazonwebservices.eu": "aws-eusc",
    "c2s.ic.gov": "aws-iso",
    "sc2s.sgov.gov": "aws-iso-b",
    "cloud.adc-e.uk": "aws-iso-e",
    "csp.hci.ic.gov": "aws-iso-f",
}
_FIRST_REGION = "us-east-1"
"""The region of the oldest form, ``https://queue.amazonaws.com``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUrl:
    """A queue. ``place`` is its partition, account and region, in the form in which calls are made about them."""

    url: str
    place: EcrRegistry
    name: str

    @property
    def arn(self) -> str:
        """Return the queue's ARN."""
        return f"arn:{self.place.partition}:sqs:{self.place.region}:{self.place.account}:{self.name}"


def parse_queue_url(text: str) -> QueueUrl:
    """Return the queue of a URL such as ``https://sqs.REGION.amazonaws.com/ACCOUNT/NAME``.

    FIPS and dual-stack hosts, all partitions and the older forms are accepted. Raise ConfigurationError for anything else, such
    as a FIFO queue, to which EventBridge can send events only in groups that block each other.
    """
    found = _URL.fullmatch(text)
    if found is None:
        hint = "; use a standard queue" if text.endswith(".fifo") else ""
        raise ConfigurationError(
            "aws.eventQueueUrl: expected the URL of a queue, such as"
            f" https://sqs.eu-west-1.amazonaws.com/111122223333/tidegate-events, got {text[:200]!a}{hint}"
        )
    region = found["region"] or found["older"] or _FIRST_REGION
    partition = _PARTITIONS[found["suffix"]]
    if partition == "aws" and region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return QueueUrl(url=text, place=EcrRegistry(partition, found["account"], region), name=found["name"])
