"""The simulated registry keeps what is pushed by the distribution protocol and gives it back, to whom it should."""

import json

import pytest
import urllib3

from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, image, referrer, sha256
from tests.simulator.oci_registry import OciRegistry


@pytest.fixture
def http():
    with urllib3.PoolManager(retries=False, timeout=10) as http:
        yield http


def test_what_is_pushed_in_pieces_is_pulled_whole(http):
    blob = b"x" * 3_000_000
    with OciRegistry() as registry:
        begun = http.request("POST", f"{registry.url}/v2/team/app/blobs/uploads/")
        where = registry.url + begun.headers["Location"]
        patched = http.request("PATCH", where, body=blob[:2_000_000])
        assert (begun.status, patched.status, patched.headers["Range"]) == (202, 202, "0-1999999")
        done = http.request("PUT", f"{where}?digest={sha256(blob)}", body=blob[2_000_000:])
        assert (done.status, done.headers["Docker-Content-Digest"]) == (201, sha256(blob))
        assert http.request("GET", registry.url + done.headers["Location"]).data == blob
        head = http.request("HEAD", registry.url + done.headers["Location"])
        assert (head.status, head.headers["Content-Length"]) == (200, "3000000")


def test_a_blob_under_a_wrong_digest_is_refused(http):
    with OciRegistry() as registry:
        url = f"{registry.url}/v2/team/app/blobs/uploads/?digest={sha256(b'other')}"
        assert http.request("POST", url, body=b"one").status == 400
        assert registry.repositories["team/app"].blobs == {}


def test_a_manifest_is_had_by_tag_and_digest_and_its_subject_lists_it(http):
    subject = image("app")
    signature = referrer(artifact_type="application/example", subject=subject, layers=[("text/plain", b"sig")])
    with OciRegistry() as registry:
        base = f"{registry.url}/v2/team/app"
        for manifest, tag in ((subject, "v1"), (signature, signature.digest)):
            headers = {"Content-Type": manifest.media_type}
            pushed = http.request("PUT", f"{base}/manifests/{tag}", body=manifest.data, headers=headers)
            assert pushed.status == 201
        assert pushed.headers["OCI-Subject"] == subject.digest
        for reference in ("v1", subject.digest):
            pulled = http.request("GET", f"{base}/manifests/{reference}")
            assert (pulled.data, pulled.headers["Content-Type"]) == (subject.data, OCI_MANIFEST)
        listed = http.request("GET", f"{base}/referrers/{subject.digest}")
        assert listed.headers["Content-Type"] == OCI_INDEX
        assert [each["digest"] for each in json.loads(listed.data)["manifests"]] == [signature.digest]
        assert json.loads(http.request("GET", f"{base}/referrers/{signature.digest}").data)["manifests"] == []
        assert json.loads(http.request("GET", f"{base}/tags/list").data)["tags"] == ["v1"]


def test_without_the_referrers_api_it_is_not_found_and_no_subject_is_told(http):
    signature = referrer(artifact_type="application/example", subject=image("app"), layers=[("text/plain", b"sig")])
    with OciRegistry(referrers_api=False) as registry:
        pushed = http.request("PUT", f"{registry.url}/v2/team/app/manifests/sig", body=signature.data)
        assert (pushed.status, "OCI-Subject" in pushed.headers) == (201, False)
        assert http.request("GET", f"{registry.url}/v2/team/app/referrers/{signature.subject}").status == 404


def test_a_token_opens_its_own_repository_only(http):
    with OciRegistry(auth="token", users={"ann": "secret"}) as registry:
        registry.push_image("team/app", "v1")
        registry.push_image("team/other", "v1")
        assert http.request("GET", f"{registry.url}/v2/team/app/manifests/v1").status == 401
        asked = f"{registry.url}/token?scope=repository:team/app:pull"
        assert http.request("GET", asked).status == 401
        given = http.request("GET", asked, headers=urllib3.make_headers(basic_auth="ann:secret"))
        bearer = {"Authorization": f"Bearer {json.loads(given.data)['token']}"}
        assert http.request("GET", f"{registry.url}/v2/team/app/manifests/v1", headers=bearer).status == 200
        assert http.request("GET", f"{registry.url}/v2/team/other/manifests/v1", headers=bearer).status == 401


def test_an_ordered_fault_is_played_as_often_as_ordered(http):
    with OciRegistry() as registry:
        registry.push_image("team/app", "v1")
        registry.inject(about="/manifests/", status=503, times=1)
        url = f"{registry.url}/v2/team/app/manifests/v1"
        assert [http.request("GET", url).status for _ in range(2)] == [503, 200]
        registry.inject(about="/manifests/", raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"half"])
        with pytest.raises(urllib3.exceptions.ProtocolError):
            http.request("GET", url)
