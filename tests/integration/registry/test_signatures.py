"""Signatures beside an image of another registry: by the referrers API, its pages, the fallback tag and cosign's tags."""

import json

import pytest

from tests.integration.registry.conftest import APP
from tests.integration.registry.signing import SUBJECT, find, outcome, sign
from tests.simulator.artifacts import (
    BUNDLE,
    COSIGN_ATTESTATION,
    COSIGN_SIGNATURE,
    LAYER_TYPES,
    NOTATION,
    NOTATION_TYPE,
    LayerPart,
    cosign_manifest,
    fallback_tag,
)
from tests.simulator.manifests import OCI_INDEX, sha256
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import MAX_EVALUATED, MAX_LISTED, ArtifactKind, SkipReason, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.registry.content import MAX_PAGES, WITHHELD

ONLY_NOTATION = WantedArtifacts(kinds=frozenset({ArtifactKind.NOTATION}))


@pytest.mark.parametrize("kind", [NOTATION, BUNDLE])
def test_referrers(registry, connect, kind):
    digests = sign(registry, b"envelope", kind=kind)
    found = find(connect(registry), registry)
    assert found.complete
    assert [(each.kind.value, each.envelope, each.manifest_digest) for each in found.artifacts] == [
        (kind, b"envelope", digests[0])
    ]
    subject = found.artifacts[0].subject
    assert subject is not None
    assert subject.digest == SUBJECT


@pytest.mark.parametrize(("kind", "suffix"), [(COSIGN_SIGNATURE, ".sig"), (COSIGN_ATTESTATION, ".att")])
def test_cosign_s_tags(registry, connect, kind, suffix):
    layers = [LayerPart(data=each, media_type=LAYER_TYPES[kind], annotations={"a": "b"}) for each in (b"1", b"2")]
    registry.add("team/app", cosign_manifest(layers), fallback_tag(SUBJECT, suffix))
    found = find(connect(registry), registry)
    assert [(each.kind.value, each.envelope) for each in found.artifacts] == [(kind, b"1"), (kind, b"2")]
    assert found.complete


def test_nothing_beside_an_image(registry, connect):
    assert outcome(find(connect(registry), registry)) == {"envelopes": [], "skipped": []}


def test_a_repository_that_is_not_there(serve, connect):
    registry = serve()
    found = find(connect(registry), registry)
    assert (found.artifacts, found.complete) == ((), True)


class TestPages:
    def test_are_read_to_the_end(self, serve, connect):
        registry = serve(page=2)
        registry.add("team/app", APP, "v1")
        sign(registry, *(f"envelope {number}".encode() for number in range(5)))
        found = find(connect(registry), registry, ONLY_NOTATION)
        assert len(found.artifacts) == 5
        assert found.complete
        assert len(registry.paths("/referrers/")) == 3
        assert "artifactType=application%2Fvnd.cncf.notary.signature" in registry.paths("/referrers/")[0]

    def page(self, registry, following: str, entries: int = 1) -> None:
        digests = sign(registry, *(f"envelope {number}".encode() for number in range(entries)))
        described = [
            {
                "mediaType": APP.media_type,
                "digest": each,
                "size": len(registry.repositories["team/app"].manifests[each].content),
                "artifactType": NOTATION_TYPE,
            }
            for each in digests
        ]
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described}).encode()
        headers = {"Content-Type": OCI_INDEX, "Link": f'<{following}>; rel="next"'}
        registry.inject(about="/referrers/", status=200, body=body, headers=headers)

    def test_in_a_circle_are_no_end(self, with_api, connect):
        """What was found counts; that there is nothing else is not known."""
        self.page(with_api, f"/v2/team/app/referrers/{SUBJECT}?last=1")
        found = find(connect(with_api), with_api, ONLY_NOTATION)
        assert [each.envelope for each in found.artifacts] == [b"envelope 0"]
        assert found.outage is Cause.UNEXPECTED_ANSWER
        assert len(with_api.paths("/referrers/")) == 2

    def test_without_end_are_not_all_read(self, with_api, connect):
        for number in range(MAX_PAGES + 3, -1, -1):
            self.page(with_api, f"/v2/team/app/referrers/{SUBJECT}?last={number + 1}")
            with_api._faults[0].about = f"last={number}" if number else "artifactType="
        found = find(connect(with_api), with_api, ONLY_NOTATION)
        assert len(with_api.paths("/referrers/")) == MAX_PAGES
        assert (found.complete, found.outage) == (False, None)

    def test_of_too_many_are_not_all_read(self, serve, connect):
        registry = serve(page=MAX_LISTED // 2)
        registry.add("team/app", APP, "v1")
        sign(registry, *(str(number).encode() for number in range(MAX_LISTED * 2)))
        found = find(connect(registry), registry, ONLY_NOTATION, seconds=120.0)
        assert len(registry.paths("/referrers/")) == 3
        assert len(found.artifacts) == MAX_EVALUATED
        assert (found.complete, found.outage) == (False, None)

    @pytest.mark.parametrize(
        "following",
        [
            "http://169.254.169.254/latest/",
            "https://cdn.test/v2/team/app/other?x",
            f"/v2/team/other/referrers/{SUBJECT}?last=1",
            "/v2/_catalog?n=1",
            f"/v2/team/app/referrers/{SUBJECT}/../../manifests/v1?x",
            f"?{'x' * 3000}",
            "https://[",
        ],
    )
    def test_lead_to_nothing_but_pages_of_the_same_list(self, with_api, connect, following):
        self.page(with_api, following)
        edge = connect(with_api)
        found = find(edge, with_api, ONLY_NOTATION)
        assert set(edge.names.asked) == {"registry.test"}
        assert found.outage is Cause.UNEXPECTED_ANSWER
        assert len(with_api.paths("/referrers/")) == 1

    def test_of_another_host_are_asked_of_the_registry(self, serve, connect, peer):
        registry = serve(page=1)
        registry.add("team/app", APP, "v1")
        sign(registry, b"1", b"2")
        edge = connect(registry)
        self.page(registry, f"https://cdn.test:{peer.port}/v2/team/app/referrers/{SUBJECT}?last=1")
        registry._faults[0].times = 1
        find(edge, registry, ONLY_NOTATION)
        assert peer.asked == []
        assert [each.split("?")[1] for each in registry.paths("/referrers/")][1] == "last=1"

    def test_that_fail_later_leave_what_was_found(self, serve, connect):
        registry = serve(page=1)
        registry.add("team/app", APP, "v1")
        sign(registry, b"1", b"2")
        for fault in ({"status": 500}, {"status": 404}, {"status": 200, "body": b"not json"}):
            registry.clear()
            registry.inject(about="last=1", **fault)
            found = find(connect(registry), registry, ONLY_NOTATION)
            assert len(found.artifacts) == 1
            assert found.skipped, "that there are no others is not known"


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429, 500, 503])
def test_an_api_that_fails_is_not_one_that_is_missing(with_api, connect, status):
    sign(with_api, b"envelope")
    with_api.inject(about="/referrers/", status=status)
    found = find(connect(with_api), with_api)
    assert found.artifacts == ()
    assert found.outage is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"manifests":', b'{"schemaVersion":2}'])
def test_an_answer_that_is_no_list_is_not_an_empty_one(with_api, connect, body):
    sign(with_api, b"envelope")
    with_api.inject(about="/referrers/", status=200, body=body)
    found = find(connect(with_api), with_api)
    assert (found.artifacts, found.outage) == ((), Cause.UNEXPECTED_ANSWER)


def test_a_list_of_too_many_bytes_is_more_than_is_looked_at_and_no_outage(with_api, connect):
    """Who may push can make it so long."""
    with_api.inject(about="/referrers/", raw=[b"HTTP/1.1 200 OK\r\n\r\n", b" " * 60_000], endless=True)
    found = find(connect(with_api), with_api)
    assert (found.complete, found.outage) == (False, None)
    assert [each.reason for each in found.skipped] == [SkipReason.OVER_LIMIT]


@pytest.mark.parametrize("suffix", [".sig", ""])
def test_a_tag_with_too_many_bytes_is_nothing_and_no_outage(with_api, connect, suffix):
    raw = [b"HTTP/1.1 200 OK\r\n\r\n", b" " * 60_000]
    with_api.inject(about=f"{fallback_tag(SUBJECT, suffix)}", raw=raw, endless=True)
    found = find(connect(with_api), with_api)
    assert found.outage is None
    assert found.skipped


@pytest.mark.parametrize("status", sorted(WITHHELD))
@pytest.mark.parametrize("what", ["manifest", "blob", "tag"])
def test_what_a_registry_gives_to_nobody_is_no_signature_and_no_outage(with_api, connect, status, what):
    """Who may push can push what a registry's own rules withhold, such as an artifact with vulnerabilities."""
    (manifest,) = sign(with_api, b"envelope")
    about = {"manifest": manifest, "blob": sha256(b"envelope"), "tag": fallback_tag(SUBJECT)}[what]
    with_api.inject(about=f"/{about}", status=status)
    found = find(connect(with_api), with_api)
    assert len(found.artifacts) == (1 if what == "tag" else 0)
    assert (found.complete, found.outage) == (True, None)
    assert found.skipped


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429, 500, 503])
def test_a_manifest_that_cannot_be_had_is_an_outage(with_api, connect, status):
    (manifest,) = sign(with_api, b"envelope")
    with_api.inject(about=f"/manifests/{manifest}", status=status)
    assert find(connect(with_api), with_api).outage is not None


def test_a_registry_that_is_down_is_not_one_without_signatures(with_api, connect):
    edge = connect(with_api)
    with_api.inject(cut=True)
    with pytest.raises(SourceUnavailableError) as caught:
        find(edge, with_api)
    assert caught.value.cause is Cause.UNREACHABLE


def test_a_search_has_its_time(with_api, connect):
    sign(with_api, *(str(number).encode() for number in range(20)))
    with_api.inject(about="/blobs/", hang=True)
    assert find(connect(with_api), with_api, seconds=1.0).outage is Cause.DEADLINE
