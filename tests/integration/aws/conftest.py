"""A simulated AWS and the real SDK talking to it over HTTP, with credentials from the environment as in a cluster."""

import pytest

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.evidence.fact import Cause
from tidegate.images.repository import EcrRegistry, EcrRepository

OWN = EcrRegistry("aws", "111122223333", "eu-west-1")
OTHER = EcrRegistry("aws", "444455556666", "eu-west-1")
APP = EcrRepository(OWN, "team/app")
TROUBLE = {
    "throttle": Cause.THROTTLED,
    "server_error": Cause.SERVER_ERROR,
    "access_denied": Cause.ACCESS_DENIED,
    "expired_token": Cause.CREDENTIALS,
    "malformed_json": Cause.UNEXPECTED_ANSWER,
    "drop": Cause.UNREACHABLE,
    "down": Cause.UNREACHABLE,
    "hang": Cause.UNREACHABLE,
}
"""What may happen to any call, and the cause that is given for it."""


class Aws:
    """Everything that asks AWS, with settings of the test's own."""

    def __init__(self, sim, *, gate=None, **settings):
        endpoints = settings.pop("endpoint_urls", dict.fromkeys(("ecr", "inspector2", "sts"), sim.url))
        self.clients = Clients(AwsSettings(endpoint_urls=endpoints, **settings), gate=gate)
        self.identity = Identity(self.clients)
        self.ecr = Ecr(self.clients, self.identity)
        self.inspector = Inspector(self.clients)


@pytest.fixture
def aws(sim):
    return Aws(sim)
