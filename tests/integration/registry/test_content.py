"""Manifests of a registry that speaks the OCI distribution protocol, and of one that lies, stalls or fails."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import pytest

from tests import frames
from tests.integration.registry.conftest import large_image, repository
from tests.simulator.manifests import OCI_MANIFEST, image, index
from tidegate.cli.record.recorder import Recorded, Recorder
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import MAX_IMAGE_IDS
from tidegate.evidence.shared_semaphore import SharedSemaphore
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.evidence.source_unavailable import NotAskedError, SourceUnavailableError
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import MAX_MANIFEST_BYTES
from tidegate.registry import large_manifests
from tidegate.registry.large_manifests import LARGE_MANIFESTS_OF_A_SHARE

SECONDS = 20.0
V1 = ImageId.of_tag("v1")
NOWHERE = Digest("sha256:" + "0" * 64)


def describe(edge, registry, image=V1, seconds=SECONDS, name="team/app"):
    return edge.registries.describe(repository(registry, name), image, seconds=seconds)


def failure(edge, registry, image=V1, seconds=SECONDS) -> SourceUnavailableError:
    with pytest.raises(SourceUnavailableError) as caught:
        describe(edge, registry, image, seconds)
    return caught.value


def test_a_tag_means_the_digest_of_its_bytes(serve, connect):
    registry = serve()
    digest = registry.push_image("team/app", "v1")
    size = len(registry.repositories["team/app"].manifests[digest].content)
    edge = connect(registry)
    expected = Descriptor(media_type=OCI_MANIFEST, digest=Digest(digest), size=size)
    assert describe(edge, registry) == expected
    assert describe(edge, registry, ImageId.of_digest(Digest(digest))) == expected
    assert "vnd.oci.image.index" in registry.requests[-1][2]["Accept"]


def test_a_header_does_not_say_what_a_digest_is(serve, connect):
    registry = serve()
    content = image("app").data
    headers = {"Content-Type": f"{OCI_MANIFEST}; charset=utf-8", "Docker-Content-Digest": NOWHERE}
    registry.inject(about="/manifests/", status=200, body=content, headers=headers)
    found = describe(connect(registry), registry)
    assert (found.digest, found.media_type) == (digest_of(content), OCI_MANIFEST)


def test_other_bytes_than_those_of_the_digest_are_refused(serve, connect):
    registry = serve()
    digest = Digest(registry.push_image("team/app", "v1"))
    registry.inject(about="/manifests/", status=200, body=image("evil").data, headers={"Content-Type": OCI_MANIFEST})
    error = failure(connect(registry), registry, ImageId.of_digest(digest))
    assert error.cause is Cause.UNEXPECTED_ANSWER
    assert "the wrong content for" in error.detail


@pytest.mark.parametrize("body", [b"", b"<html>sign in</html>", b"[]", b"null", b'{"schemaVersion": 2,', b"\xff{}"])
def test_what_is_no_manifest_at_all_is_no_answer(serve, connect, body):
    """A registry takes nothing else for a manifest, so that who may push has no way to that."""
    registry = serve()
    digest = Digest(registry.push_image("team/app", "v1"))
    registry.inject(about="/manifests/", status=200, body=body, headers={"Content-Type": "text/html"})
    edge = connect(registry)
    for each in (V1, ImageId.of_digest(digest)):
        assert failure(edge, registry, each).cause is Cause.UNEXPECTED_ANSWER
    found = edge.registries.get_manifests(repository(registry), [digest])[digest]
    assert isinstance(found, SourceUnavailableError)
    assert found.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("body", [b'{"\xff": 1}', b" {} ", b'{"a": 1, "a": }'])
def test_an_object_under_a_tag_is_for_who_pushed_it_to_answer_for(serve, connect, body):
    registry = serve()
    registry.push_image("team/app", "v1")
    registry.inject(about="/manifests/", status=200, body=body)
    assert describe(connect(registry), registry).digest == digest_of(body)


def test_what_is_not_there(serve, connect):
    registry = serve()
    registry.push_image("team/app", "v1")
    edge = connect(registry)
    assert describe(edge, registry, ImageId.of_tag("v2")) is Absence.IMAGE
    assert describe(edge, registry, ImageId.of_digest(NOWHERE)) is Absence.IMAGE
    assert describe(edge, registry, name="team/none") is Absence.REPOSITORY


def test_a_manifest_of_more_bytes_than_any_has_is_no_image_and_no_outage(serve, connect):
    """Else who may push could turn "not signed" into "could not look"."""
    registry = serve()
    registry.inject(about="/manifests/", raw=[b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000], endless=True)
    edge = connect(registry)
    assert describe(edge, registry).media_type == ""
    found = describe(edge, registry, ImageId.of_digest(NOWHERE))
    assert (found.media_type, found.digest) == ("", NOWHERE)
    registry.clear()
    announced = f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_MANIFEST_BYTES + 1}\r\n\r\n".encode()
    registry.inject(about="/manifests/", raw=[announced, b""], endless=True)
    assert describe(edge, registry).media_type == ""


def test_a_call_ends_with_its_first_large_manifest(serve, connect):
    """The others are asked for again, so that no call holds a hundred manifests of 4 MiB."""
    registry = serve()
    images = (image("small"), large_image(1), large_image(2))
    digests = [Digest(registry.add("team/app", each)) for each in images]
    found = connect(registry).registries.get_manifests(repository(registry), digests)
    assert [isinstance(found[each], NotAskedError) for each in digests] == [False, False, True]


def test_after_a_refused_permit_the_other_manifests_of_the_call_do_not_wait_for_one(serve, connect, monkeypatch):
    monkeypatch.setattr(large_manifests, "LARGE_MANIFESTS", 1)
    monkeypatch.setattr(large_manifests, "WAIT_SECONDS", 0.05)
    registry = serve()
    edge = connect(registry)
    held = edge.registries.get_manifests(repository(registry), [Digest(registry.add("team/app", large_image(9)))])
    images = (large_image(1), large_image(2), image("small"), large_image(3))
    digests = [Digest(registry.add("team/app", each)) for each in images]
    waits, acquire = [], SharedSemaphore.acquire

    def note(semaphore, holder, *shares, seconds):
        waits.append(seconds)
        return acquire(semaphore, holder, *shares, seconds=seconds)

    monkeypatch.setattr(SharedSemaphore, "acquire", note)
    found = edge.registries.get_manifests(repository(registry), digests)
    assert [getattr(found[each], "cause", None) for each in digests] == [
        Cause.OVERLOADED,
        Cause.OVERLOADED,
        None,
        Cause.OVERLOADED,
    ]
    assert waits == [0.05, 0.0, 0.0]
    assert held


def test_recorded_manifests_hold_no_permits(serve, connect):
    registry = serve()
    digests = [
        Digest(registry.add("team/app", large_image(number))) for number in range(LARGE_MANIFESTS_OF_A_SHARE + 1)
    ]
    given: dict[str, Any] = dict.fromkeys(one.name for one in fields(Sources))
    recorded = Recorded()
    recorder = Recorder(recorded, Sources(**given | {"other_registries": connect(registry).registries}))
    for digest in digests:
        assert isinstance(recorder.get_manifests(repository(registry), [digest])[digest], StoredManifest)
    assert len(recorded.manifests) == len(digests)


def test_a_registry_that_announces_a_large_manifest_and_sends_none_takes_no_permit(serve, connect):
    registry = serve()
    digest = Digest(registry.add("team/app", image("stalled")))
    registry.inject(about="/manifests/", raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"], pause_seconds=1)
    edge = connect(registry)
    with ThreadPoolExecutor(1) as pool:
        stalled = pool.submit(edge.registries.get_manifests, repository(registry), [digest])
        held = 0
        while not stalled.done():
            held = max(held, len(edge.registries._large.semaphore))
            time.sleep(0.01)
    assert held == 0


def test_large_manifests_have_room_for_as_long_as_they_are_in_memory(serve, connect, monkeypatch):
    monkeypatch.setattr(large_manifests, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(large_manifests, "LARGE_MANIFESTS", 1)
    registry = serve()
    digests = [Digest(registry.add("team/app", large_image(number))) for number in range(2)]
    edge = connect(registry)
    held = edge.registries.get_manifests(repository(registry), digests[:1])
    refused = edge.registries.get_manifests(repository(registry), digests[1:])
    assert refused[digests[1]].cause is Cause.OVERLOADED
    assert edge.calls.made[-1] == ("oci:GetManifest", Cause.OVERLOADED)
    del held
    assert isinstance(edge.registries.get_manifests(repository(registry), digests[1:])[digests[1]], StoredManifest)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"status": 500}, Cause.SERVER_ERROR),
        ({"status": 503}, Cause.SERVER_ERROR),
        ({"status": 429}, Cause.THROTTLED),
        ({"status": 403}, Cause.ACCESS_DENIED),
        ({"status": 400}, Cause.UNEXPECTED_ANSWER),
        ({"status": 204}, Cause.UNEXPECTED_ANSWER),
        ({"cut": True}, Cause.UNREACHABLE),
        ({"raw": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"]}, Cause.UNREACHABLE),
        ({"raw": [b"what?\r\n"]}, Cause.UNEXPECTED_ANSWER),
    ],
    ids=str,
)
def test_what_is_no_answer(serve, connect, fault, cause):
    registry = serve()
    registry.push_image("team/app", "v1")
    registry.inject(about="/manifests/", **fault)
    edge = connect(registry)
    assert failure(edge, registry).cause is cause
    digests = [NOWHERE]
    answered = edge.registries.get_manifests(repository(registry), digests)[NOWHERE]
    assert isinstance(answered, SourceUnavailableError)
    assert answered.cause is cause
    assert not frames.are_kept(lambda: edge.registries.get_manifests(repository(registry), digests))


@pytest.mark.parametrize(
    "raw",
    [[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"], [b"HTTP/1.1 200 OK\r\nX-A: ", b"x"]],
    ids=["chunks", "headers"],
)
def test_an_answer_that_trickles_ends_with_the_time(serve, connect, raw):
    registry = serve()
    registry.inject(about="/manifests/", raw=raw, endless=True, pause_seconds=0.02)
    assert failure(connect(registry), registry, seconds=0.5).cause is Cause.DEADLINE


def test_silence_ends_with_the_time(serve, connect):
    registry = serve()
    registry.inject(about="/manifests/", hang=True)
    assert failure(connect(registry), registry, seconds=0.4).cause is Cause.DEADLINE


class TestAgain:
    @pytest.mark.parametrize("fault", [{"status": 502}, {"cut": True}], ids=str)
    def test_a_failure_that_passes(self, serve, connect, fault):
        registry = serve()
        registry.push_image("team/app", "v1")
        registry.inject(about="/manifests/", times=1, **fault)
        edge = connect(registry)
        assert describe(edge, registry).media_type == OCI_MANIFEST
        assert len(registry.paths("/manifests/")) == 2

    def test_a_wish_to_wait_is_met(self, serve, connect):
        registry = serve()
        registry.push_image("team/app", "v1")
        registry.inject(about="/manifests/", times=1, status=429, headers={"Retry-After": "2"})
        edge = connect(registry)
        assert describe(edge, registry).media_type == OCI_MANIFEST
        assert edge.slept == [2.0]

    @pytest.mark.parametrize("seconds", [1.5, SECONDS], ids=["no time for it", "too long"])
    def test_a_wish_that_cannot_be_met_is_told(self, serve, connect, seconds):
        registry = serve()
        registry.inject(about="/manifests/", status=429, headers={"Retry-After": "2" if seconds < 2 else "6"})
        edge = connect(registry)
        error = failure(edge, registry, seconds=seconds)
        assert (error.cause, error.retry_after_seconds) == (Cause.THROTTLED, 2.0 if seconds < 2 else 6.0)
        assert edge.slept == []
        assert len(registry.paths("/manifests/")) == 1

    @pytest.mark.parametrize("text", ["soon", "-1", "1e9", "Fri, 27 Nov 2026 09:00:00 GMT", "٣", "9999999"])
    def test_nonsense_is_no_wish(self, serve, connect, text):
        registry = serve()
        registry.inject(about="/manifests/", status=429, headers={"Retry-After": text})
        assert failure(connect(registry), registry).retry_after_seconds is None


class TestManifests:
    def test_by_digest(self, serve, connect):
        registry = serve()
        children = [image("amd"), image("arm", platform="linux/arm64")]
        for each in children:
            registry.add("team/app", each)
        digests = [Digest(each.digest) for each in children]
        found = connect(registry).registries.get_manifests(repository(registry), [*digests, NOWHERE])
        for each in children:
            assert found[Digest(each.digest)] == StoredManifest(content=each.data, media_type=OCI_MANIFEST)
        assert found[NOWHERE] is Absence.IMAGE

    def test_none_of_none(self, serve, connect):
        registry = serve()
        assert connect(registry).registries.get_manifests(repository(registry), []) == {}
        assert registry.requests == []

    def test_too_many_at_once(self, serve, connect):
        registry = serve()
        digests = [digest_of(str(number).encode()) for number in range(MAX_IMAGE_IDS + 1)]
        with pytest.raises(ValueError, match="101 manifests"):
            connect(registry).registries.get_manifests(repository(registry), digests)

    def test_what_was_just_described_is_not_pulled_again(self, serve, connect):
        """Docker Hub counts every GET of a manifest as a pull."""
        registry = serve()
        registry.push_image("team/app", "v1")
        edge = connect(registry)
        digest = describe(edge, registry).digest
        assert digest_of(edge.registries.get_manifests(repository(registry), [digest])[digest].content) == digest
        assert len(registry.paths("/manifests/")) == 1
        other = edge.registries.get_manifests(repository(registry, "team/other"), [digest])
        assert other[digest] is Absence.REPOSITORY, "what is in one repository need not be in another"

    def test_few_bytes_are_kept(self, serve, connect, monkeypatch):
        monkeypatch.setattr("tidegate.registry.registries.MAX_RECENT_BYTES", 1000)
        registry = serve()
        edge = connect(registry)
        digests = []
        for number in range(5):
            registry.push_image("team/app", f"v{number}", content=f"app{number}")
            digests.append(describe(edge, registry, ImageId.of_tag(f"v{number}")).digest)
        edge.registries.get_manifests(repository(registry), digests)
        assert len(registry.paths("/manifests/")) > 5
        assert edge.registries._recent._bytes <= 1000

    def test_a_registry_that_throttles_is_not_asked_for_the_rest(self, serve, connect):
        registry = serve()
        registry.inject(about="/manifests/", status=429)
        digests = [digest_of(str(number).encode()) for number in range(5)]
        found = connect(registry).registries.get_manifests(repository(registry), digests)
        assert {each.cause for each in found.values()} == {Cause.THROTTLED}
        assert len(registry.requests) == 1


def test_calls_are_counted_with_what_became_of_them(serve, connect):
    registry = serve(auth="token")
    registry.push_image("team/app", "v1")
    edge = connect(registry)
    describe(edge, registry)
    registry.inject(about="/manifests/", cut=True)
    failure(edge, registry)
    made = edge.calls.made
    assert made[:3] == [("oci:GetManifest", None), ("oci:GetToken", None), ("oci:GetManifest", None)]
    assert made[3:] == [("oci:GetManifest", Cause.UNREACHABLE)] * 2


def test_nothing_is_asked_of_a_registry_with_a_private_address_that_was_not_said_to_have_one(serve, connect):
    registry = serve()
    edge = connect(registry, private_addresses=False)
    error = failure(edge, registry)
    assert error.cause is Cause.NOT_ASKED
    assert "127.0.0.1 is not a public address" in error.detail
    assert registry.requests == []


def test_a_registry_whose_name_leads_to_metadata_is_not_asked(serve, connect):
    registry = serve()
    edge = connect(registry)
    edge.names.addresses["registry.test"] = "169.254.169.254"
    assert failure(edge, registry).cause is Cause.NOT_ASKED


def test_a_registry_that_nothing_is_set_for_is_asked_at_public_addresses_alone(serve, connect):
    registry = serve()
    other = serve()
    assert failure(connect(other), registry).cause is Cause.NOT_ASKED
    assert registry.requests == []


def test_a_certificate_that_is_not_the_registry_s(serve, connect, tmp_path, authority):
    registry = serve()
    edge = connect(registry, ca_file=None)
    assert failure(edge, registry).cause is Cause.UNREACHABLE
    assert registry.requests == []


def test_an_index_is_described_like_an_image(serve, connect):
    registry = serve()
    both = index([(image("amd"), "linux/amd64"), (image("arm", platform="linux/arm64"), "linux/arm64")])
    registry.add("team/app", both, "v1")
    assert describe(connect(registry), registry).media_type == json.loads(both.data)["mediaType"]
