"""Manifests as facts: their bytes are hashed before anything in them is believed."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.unit.gather.fakes import APP, PATIENT, FakeAws, Seen
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Known
from tidegate.evidence.image import BadContent
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.gather import manifests as module
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.clock import SystemClock
from tidegate.gather.manifests import LARGE_BYTES, Manifests
from tidegate.images.digest import digest_of
from tidegate.images.manifest import MAX_NESTED_INDEXES, OCI_INDEX, OCI_MANIFEST

CONTENT = b'{"schemaVersion": 2}'
DIGEST = digest_of(CONTENT)


@pytest.fixture
async def manifests(aws, limiters, clock) -> Manifests:
    return Manifests(sources=aws.sources(), limiters=limiters, clock=clock, limit=10)


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


def store(aws: FakeAws, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    """Push a manifest and return its descriptor."""
    content = json.dumps({"schemaVersion": 2} | document).encode()
    digest = digest_of(content)
    aws.manifests[digest] = StoredManifest(content=content, media_type=media_type)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


@pytest.mark.parametrize("count", [MAX_NESTED_INDEXES, MAX_NESTED_INDEXES + 1])
async def test_who_pushes_an_index_of_indexes_does_not_choose_how_long_they_take(aws, manifests, count: int):
    """Time that runs out would be "not known", which a policy may tolerate."""
    empty: dict[str, Any] = {"config": {"mediaType": "a/b"}, "layers": []}
    image = store(aws, empty, OCI_MANIFEST)
    nested = [store(aws, {"manifests": [image], "annotations": {"n": str(at)}}, OCI_INDEX) for at in range(count)]
    top = store(aws, {"manifests": nested}, OCI_INDEX)
    fact, _ = await manifests.runnable.get((APP, top["digest"], OCI_INDEX))
    assert isinstance(fact, Known)
    assert isinstance(fact.value, BadContent) is (count > MAX_NESTED_INDEXES)


@pytest.mark.parametrize(("size", "apart"), [(LARGE_BYTES, False), (LARGE_BYTES + 1, True)])
def test_a_large_manifest_is_read_apart_from_the_event_loop(monkeypatch, size, apart):
    """Reading and hashing 4 MiB takes as long as many requests."""
    content = b'{"schemaVersion": 2, "config": {"mediaType": "a/b"}, "layers": []}'.ljust(size)
    readers: list[threading.Thread] = []

    def noted(read: Any) -> Any:
        def run(*given: Any, **more: Any) -> Any:
            readers.append(threading.current_thread())
            return read(*given, **more)

        return run

    async def look_up() -> None:
        aws = FakeAws()
        aws.manifests[digest_of(content)] = StoredManifest(content=content, media_type=OCI_MANIFEST)
        limiters = ApiLimiters(clock=SystemClock(), rate=PATIENT, observer=Seen(), accounting=aws.accounting)
        found = Manifests(sources=aws.sources(), limiters=limiters, clock=SystemClock(), limit=10)
        descriptor, _ = await found.descriptors.get((APP, digest_of(content)))
        runnable, _ = await found.runnable.get((APP, digest_of(content), OCI_MANIFEST))
        assert isinstance(descriptor, Known)
        assert isinstance(descriptor.value, Descriptor)
        assert isinstance(runnable, Known)
        limiters.close()

    for name in ("digest_of", "parse_manifest"):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    asyncio.run(look_up())
    assert len(readers) == 2
    assert all((one is not threading.main_thread()) is apart for one in readers)
