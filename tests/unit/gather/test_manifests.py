"""Manifests as facts: their bytes are hashed before anything in them is believed."""

import pytest

from tests.unit.gather.fakes import APP
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Known
from tidegate.evidence.image import BadContent
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.gather.manifests import Manifests
from tidegate.images.digest import digest_of
from tidegate.images.manifest import OCI_MANIFEST

CONTENT = b'{"schemaVersion": 2}'
DIGEST = digest_of(CONTENT)


@pytest.fixture
async def manifests(aws, lines, clock) -> Manifests:
    return Manifests(sources=aws.sources(), lines=lines, clock=clock, limit=10)


async def test_a_descriptor_is_that_of_the_bytes(aws, manifests):
    aws.manifests[DIGEST] = StoredManifest(content=CONTENT, media_type=OCI_MANIFEST)
    fact, _ = await manifests.descriptors.get((APP, DIGEST))
    assert isinstance(fact, Known)
    assert fact.value == Descriptor(media_type=OCI_MANIFEST, digest=DIGEST, size=len(CONTENT))


async def test_bytes_of_another_digest_have_no_descriptor(aws, manifests):
    """Else a signature of the size and type of other bytes would count for the digest."""
    aws.manifests[DIGEST] = StoredManifest(content=CONTENT + b" ", media_type=OCI_MANIFEST)
    fact, _ = await manifests.descriptors.get((APP, DIGEST))
    assert isinstance(fact, Known)
    assert fact.value == BadContent(f"the bytes stored as {DIGEST} have another digest")
