"""A simulated AWS and the real SDK talking to it over HTTP, with credentials from the environment as in a cluster."""

import pytest

from tests.simulator import Simulator, World
from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.images.repository import EcrRegistry, EcrRepository

OWN = EcrRegistry("aws", "111122223333", "eu-west-1")
OTHER = EcrRegistry("aws", "444455556666", "eu-west-1")
APP = EcrRepository(OWN, "team/app")


class Aws:
    """Everything that asks AWS, with settings of the test's own."""

    def __init__(self, sim, *, gate=None, **settings):
        endpoints = settings.pop("endpoint_urls", dict.fromkeys(("ecr", "inspector2", "sts"), sim.url))
        self.clients = Clients(AwsSettings(endpoint_urls=endpoints, **settings), gate=gate)
        self.identity = Identity(self.clients)
        self.ecr = Ecr(self.clients, self.identity)
        self.inspector = Inspector(self.clients)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Hide what the machine itself knows of AWS; the tests may change it further."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


@pytest.fixture
def world():
    return World()


@pytest.fixture
def sim(world, environment):
    with Simulator(world) as sim:
        for name, value in sim.environment().items():
            if name != "AWS_ENDPOINT_URL":
                environment.setenv(name, value)
        yield sim


@pytest.fixture
def aws(sim):
    return Aws(sim)
