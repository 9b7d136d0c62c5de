"""The blobs of signatures, and where a registry redirects to for them."""

import pytest

from tests.integration.registry.conftest import APP, place, repository
from tests.integration.registry.signing import find, outcome, sign
from tests.simulator.manifests import sha256
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import Descriptor, SkipReason, UnusableArtifactError
from tidegate.images.digest import Digest
from tidegate.registry.client import MAX_REDIRECTS


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
