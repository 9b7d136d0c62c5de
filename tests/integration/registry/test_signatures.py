"""Signatures beside an image of another registry: by the referrers API, its pages, the fallback tag and cosign's tags."""

import json

import pytest

from tests.integration.registry.conftest import Edge, place, repository
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
    referrers_index,
    signature,
)
from tests.simulator.manifests import OCI_INDEX, image, sha256
from tests.simulator.oci_registry import OciRegistry
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import (
    MAX_EVALUATED,
    MAX_LISTED,
    ArtifactKind,
    Descriptor,
    FoundArtifacts,
    SkipReason,
    UnusableArtifactError,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.registry.client import MAX_REDIRECTS
from tidegate.registry.content import MAX_PAGES, WITHHELD

APP = image("app")
SUBJECT = Digest(APP.digest)
ONLY_NOTATION = WantedArtifacts(kinds=frozenset({ArtifactKind.NOTATION}))


@pytest.fixture(params=[True, False], ids=["referrers API", "referrers tag"])
def registry(serve, request):
    registry = serve(referrers_api=request.param)
    registry.add("team/app", APP, "v1")
    return registry


@pytest.fixture
def with_api(serve):
    registry = serve()
    registry.add("team/app", APP, "v1")
    return registry


def find(edge: Edge, registry: OciRegistry, wanted: WantedArtifacts | None = None, seconds=20.0) -> FoundArtifacts:
    return edge.registries.find_artifacts(
        repository(registry), SUBJECT, wanted=wanted or WantedArtifacts(), seconds=seconds
    )


def sign(registry, *envelopes: bytes, kind: str = NOTATION) -> list[str]:
    """Push signatures as the tools do: where there is no referrers API, with an index under a tag."""
    made = [signature(kind, each, subject=APP) for each in envelopes]
    for each in made:
        registry.add("team/app", each)
    if not registry.referrers_api:
        registry.add("team/app", referrers_index([(each, each.artifact_type) for each in made]), fallback_tag(SUBJECT))
    return [each.digest for each in made]


def outcome(found: FoundArtifacts) -> dict[str, list]:
    return {
        "envelopes": [each.envelope for each in found.artifacts],
        "skipped": [(each.reason, each.cause) for each in found.skipped],
    }


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


class TestBlobs:
    @pytest.fixture
    def signed(self, with_api):
        sign(with_api, b"envelope")
        return with_api

    def blob(self) -> str:
        return f"/blobs/{sha256(b'envelope')}"

    @pytest.mark.parametrize("body", [b"envelopf", b"envelope!", b"envelop", b"", b"<html>sign in</html>"])
    def test_with_other_bytes_are_no_answer(self, signed, connect, body):
        """A registry keeps blobs by their digest: who may push has no way to that."""
        signed.inject(about=self.blob(), status=200, body=body)
        assert outcome(find(connect(signed), signed)) == {
            "envelopes": [],
            "skipped": [(SkipReason.UNAVAILABLE, Cause.UNEXPECTED_ANSWER)],
        }

    @pytest.mark.parametrize("size", [0, 7, 9])
    def test_of_another_size_than_their_manifest_tells_are_for_who_pushed_it_to_answer_for(self, signed, connect, size):
        content = connect(signed).registries._content(repository(signed), 20.0)
        wanted = Descriptor(media_type="text/plain", digest=Digest(sha256(b"envelope")), size=size)
        with pytest.raises(UnusableArtifactError, match=f"has 8 bytes, not {size}"):
            content.blob(wanted)

    def test_without_end(self, signed, connect):
        for head in (b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"):
            data = b"envelope" * 8_000
            piece = b"FA00\r\n" + data + b"\r\n" if b"chunked" in head else data
            signed.inject(about=self.blob(), raw=[b"HTTP/1.1 200 OK\r\n" + head, piece], endless=True)
            assert outcome(find(connect(signed), signed))["skipped"] == [(SkipReason.TOO_LARGE, None)]

    def test_that_trickle_end_with_the_time(self, signed, connect):
        raw = [b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", b""]
        signed.inject(about=self.blob(), raw=raw, endless=True, pause_seconds=0.02)
        assert find(connect(signed), signed, seconds=1.0).outage is Cause.DEADLINE

    def test_that_are_gone(self, signed, connect):
        del signed.repositories["team/app"].blobs[sha256(b"envelope")]
        assert outcome(find(connect(signed), signed))["skipped"] == [(SkipReason.GONE, None)]


class TestRedirects:
    @pytest.fixture
    def signed(self, serve):
        registry = serve(auth="token", users={"ann": "secret"})
        registry.add("team/app", APP, "v1")
        sign(registry, b"envelope")
        return registry

    @pytest.fixture
    def join(self, signed, connect, pull_secret):
        def join(location: str, **more):
            signed.inject(about="/blobs/", status=307, headers={"Location": location})
            return connect(signed, pull_secret_file=pull_secret(place(signed), "cdn.test"), **more)

        return join

    def test_to_storage_carry_no_credentials(self, signed, join, peer):
        peer.answer("/blob", b"envelope")
        edge = join(peer.url("/blob?signature=x", "cdn.test"), blob_hosts=(f"cdn.test:{peer.port}",))
        assert [each.envelope for each in find(edge, signed).artifacts] == [b"envelope"]
        assert peer.asked[0].path == "/blob?signature=x"
        assert "Authorization" not in peer.asked[0].headers
        assert "secret" not in str(peer.asked[0].headers)

    def test_to_another_port_of_the_same_host_carry_no_credentials(self, signed, join, peer):
        peer.answer("/blob", b"envelope")
        edge = join(peer.url("/blob", "registry.test"), blob_hosts=(f"registry.test:{peer.port}",))
        assert find(edge, signed).artifacts
        assert "Authorization" not in peer.asked[0].headers

    def test_to_another_place_of_the_registry_carry_them(self, signed, connect, pull_secret):
        location = f"/v2/team/app/blobs/{sha256(b'envelope')}?again"
        signed.inject(about="/blobs/", times=1, status=307, headers={"Location": location})
        edge = connect(signed, pull_secret_file=pull_secret(place(signed)))
        assert find(edge, signed).artifacts

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/latest/meta-data/",
            "https://127.0.0.1/",
            "https://10.100.0.1/",
            "https://localhost/",
            "http://cdn.test/blob",
            "https://cdn.test:8443/blob",
            "https://user:password@cdn.test/blob",
            "ftp://cdn.test/blob",
            "",
            "https://[",
        ],
    )
    def test_lead_nowhere_inside(self, signed, join, location):
        edge = join(location)
        edge.names.addresses["localhost"] = "127.0.0.1"
        found = find(edge, signed)
        assert found.artifacts == ()
        assert found.outage in (Cause.NOT_ASKED, Cause.UNEXPECTED_ANSWER)

    def test_to_a_public_name_with_a_private_address_are_refused(self, signed, join, peer):
        for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1"):
            edge = join("https://cdn.test/blob")
            edge.names.addresses["cdn.test"] = address
            assert find(edge, signed).outage is Cause.NOT_ASKED
            assert "cdn.test" in edge.names.asked

    def test_to_a_host_that_is_not_among_the_named_ones_are_refused(self, signed, join, peer):
        edge = join("https://cdn.test/blob", blob_hosts=("other.test",))
        assert find(edge, signed).outage is Cause.NOT_ASKED
        assert "cdn.test" not in edge.names.asked

    def test_in_circles_end(self, signed, join, peer):
        edge = join(peer.url("/blob", "cdn.test"), blob_hosts=(f"cdn.test:{peer.port}",))
        peer.answer("/blob", status=302, headers={"Location": "/blob"})
        assert find(edge, signed).outage is Cause.UNEXPECTED_ANSWER
        assert len(peer.asked) == MAX_REDIRECTS

    def test_to_storage_that_wants_credentials_get_none(self, signed, join, peer):
        edge = join(peer.url("/blob", "cdn.test"), blob_hosts=(f"cdn.test:{peer.port}",))
        challenge = f'Bearer realm="{signed.realm}"'
        peer.answer("/blob", status=401, headers={"WWW-Authenticate": challenge})
        tokens = len(signed.paths("/token"))
        assert find(edge, signed).outage is Cause.ACCESS_DENIED
        assert len(signed.paths("/token")) == tokens + 1
        assert all("Authorization" not in asked.headers for asked in peer.asked)


def test_a_search_has_its_time(with_api, connect):
    sign(with_api, *(str(number).encode() for number in range(20)))
    with_api.inject(about="/blobs/", hang=True)
    assert find(connect(with_api), with_api, seconds=1.0).outage is Cause.DEADLINE
