"""A simulated AWS and the real SDK talking to it over HTTP, with credentials from the environment as in a cluster."""

import pytest

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import ALL_KINDS, ArtifactKind, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

OWN = EcrRegistry("aws", "111122223333", "eu-west-1")
OTHER = EcrRegistry("aws", "444455556666", "eu-west-1")
APP = EcrRepository(OWN, "team/app")
V1 = ImageId.of_tag("v1")
READER = "arn:aws:iam::444455556666:role/tidegate-reader"
ENVELOPE = b'{"payload":"e30","signature":"c2ln"}'
TAG_KINDS = [ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.COSIGN_ATTESTATION]
JUST_NOTATION = frozenset({ArtifactKind.NOTATION})
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


@pytest.fixture
def find(aws):
    source = EcrSignatures(aws.clients)

    def ask(digest, *, repository=APP, kinds=ALL_KINDS, thumbprints=frozenset(), predicates=frozenset(), seconds=30.0):
        wanted = WantedArtifacts(kinds=kinds, thumbprints=thumbprints, predicates=predicates)
        return source.find_artifacts(repository, digest, wanted=wanted, seconds=seconds)

    return ask


@pytest.fixture
def image(world):
    return Digest(world.add_image("team/app", "v1"))


def add_others(world, image, number):
    """Push artifacts that are no signatures, such as software bills of materials."""
    for each in range(number):
        world.add_referrer("team/app", image, artifact_type="application/spdx+json", layers=[("a/b", b"%d" % each)])


def reasons(found):
    return [each.reason for each in found.skipped]


def trouble(ask, *arguments):
    with pytest.raises(SourceUnavailableError) as raised:
        ask(*arguments)
    return raised.value
