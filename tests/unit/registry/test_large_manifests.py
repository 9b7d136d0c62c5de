"""How many large manifests of registries are in memory at once, and of one namespace."""

import pytest

from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.share import SHARE
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import OciRegistry
from tidegate.registry import large_manifests as module
from tidegate.registry.large_manifests import (
    LARGE_MANIFESTS,
    LARGE_MANIFESTS_OF_A_SHARE,
    SMALL_MANIFEST_BYTES,
    LargeManifests,
)

REGISTRY = OciRegistry("registry.test")
LARGE = SMALL_MANIFEST_BYTES + 1


@pytest.fixture
def room(monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    return LargeManifests()


def read(room: LargeManifests, size: int = LARGE, share: str = "flood", host: str = "") -> StoredManifest:
    token = SHARE.set(share)
    try:
        with room.permit(OciRegistry(host or f"{share}.test"), lambda: 60.0) as permit:
            permit.check(0)
            permit.check(size)
            stored = StoredManifest(content=b"x" * size, media_type="a/b")
            permit.keep(stored)
            return stored
    finally:
        SHARE.reset(token)


def is_refused(room: LargeManifests, share: str = "flood", host: str = "") -> bool:
    try:
        read(room, share=share, host=host)
    except SourceUnavailableError as problem:
        return (problem.cause, problem.source) == (Cause.OVERLOADED, "oci:GetManifest")
    return False


def test_one_namespace_leaves_room_for_another(room):
    held = [read(room) for _ in range(LARGE_MANIFESTS_OF_A_SHARE)]
    assert is_refused(room)
    held += [read(room, share="other") for _ in range(LARGE_MANIFESTS - LARGE_MANIFESTS_OF_A_SHARE)]
    assert is_refused(room, "third")
    del held[0]
    assert not is_refused(room)
    held.clear()
    assert not len(room.semaphore)


def test_one_registry_leaves_room_for_another(room):
    held = [read(room, share=f"team-{number}", host="slow.test") for number in range(LARGE_MANIFESTS_OF_A_SHARE)]
    assert is_refused(room, "victim", "slow.test")
    assert not is_refused(room, "victim", "registry.test")
    assert held


def test_who_has_no_time_left_does_not_wait(monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 600.0)
    room = LargeManifests()
    held = [read(room) for _ in range(LARGE_MANIFESTS_OF_A_SHARE)]
    token = SHARE.set("flood")
    try:
        with room.permit(REGISTRY, lambda: -1.0) as permit, pytest.raises(SourceUnavailableError):
            permit.check(LARGE)
    finally:
        SHARE.reset(token)
    assert held


def test_small_ones_need_none(room):
    assert [read(room, SMALL_MANIFEST_BYTES) for _ in range(2 * LARGE_MANIFESTS)]
    assert not len(room.semaphore)


def test_what_was_not_read_to_its_end_takes_none(room):
    with room.permit(REGISTRY, lambda: 60.0) as permit:
        permit.check(LARGE)
        assert len(room.semaphore)
    assert not len(room.semaphore)
