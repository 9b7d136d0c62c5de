"""ECR as the controller meets it: ids that miss, manifests that hash, other accounts, settings."""

import hashlib
import urllib.request

import msgspec
import pytest

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import APP, OTHER
from tests.simulator.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

ABSENT = "sha256:" + "0" * 64


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class TestDescribeImages:
    def test_one_missing_image_fails_the_whole_call(self, world, client):
        world.add_image("team/app", "v1")
        ids = [{"imageTag": "v1"}, {"imageTag": "absent"}]
        assert code_of(client("ecr").describe_images, **APP, imageIds=ids) == "ImageNotFoundException"

    def test_tags_and_digests_resolve_in_one_call(self, world, client):
        first, second = world.add_image("team/app", "v1"), world.add_image("team/app", "v2")
        ids = [{"imageTag": "v1"}, {"imageDigest": second}, {"imageTag": "v2"}]
        details = client("ecr").describe_images(**APP, imageIds=ids)["imageDetails"]
        assert {each["imageDigest"]: each["imageTags"] for each in details} == {first: ["v1"], second: ["v2"]}

    def test_details_come_in_an_order_of_their_own(self, world, client):
        tags = [f"v{number}" for number in range(8)]
        digests = [world.add_image("team/app", tag) for tag in tags]
        details = client("ecr").describe_images(**APP, imageIds=[{"imageTag": tag} for tag in tags])["imageDetails"]
        assert [each["imageDigest"] for each in details] == sorted(digests) != digests

    def test_a_tag_beside_another_images_digest_is_not_found(self, world, client):
        world.add_image("team/app", "v1")
        other = world.add_image("team/app", "v2")
        ids = [{"imageTag": "v1", "imageDigest": other}]
        assert code_of(client("ecr").describe_images, **APP, imageIds=ids) == "ImageNotFoundException"

    @pytest.mark.parametrize(
        ("number", "code"),
        [
            pytest.param(100, None, id="a hundred ids are the most"),
            pytest.param(101, "InvalidParameterException", id="one more is refused"),
        ],
    )
    def test_a_call_takes_a_hundred_ids(self, world, client, number, code):
        ids = [{"imageTag": tag} for tag, _ in world.add_scanned_images("team/app", number)]
        if code:
            assert code_of(client("ecr").describe_images, **APP, imageIds=ids) == code
        else:
            assert len(client("ecr").describe_images(**APP, imageIds=ids)["imageDetails"]) == number

    def test_pages_cover_every_image_once(self, world, client):
        made = {digest for _, digest in world.add_scanned_images("team/app", 250)}
        pages = list(client("ecr").get_paginator("describe_images").paginate(**APP))
        assert [len(each["imageDetails"]) for each in pages] == [100, 100, 50]
        assert {each["imageDigest"] for page in pages for each in page["imageDetails"]} == made

    def test_page_sizes_do_not_go_with_ids(self, world, client):
        world.add_image("team/app", "v1")
        arguments = APP | {"imageIds": [{"imageTag": "v1"}], "maxResults": 10}
        assert code_of(client("ecr").describe_images, **arguments) == "InvalidParameterException"

    def test_archived_images_are_hidden_unless_asked_for(self, world, client):
        world.add_image("team/app", "v1", status="ARCHIVED")
        ecr, ids = client("ecr"), [{"imageTag": "v1"}]
        assert code_of(ecr.describe_images, **APP, imageIds=ids) == "ImageNotFoundException"
        shown = ecr.describe_images(**APP, imageIds=ids, filter={"imageStatus": "ANY"})["imageDetails"]
        assert shown[0]["imageStatus"] == "ARCHIVED"
        assert ecr.describe_images(**APP)["imageDetails"] == []

    def test_index_children_and_attestations_are_untagged(self, world, client):
        digest, children = world.add_index("team/app", "v1")
        untagged = client("ecr").describe_images(**APP, filter={"tagStatus": "UNTAGGED"})["imageDetails"]
        assert digest not in {each["imageDigest"] for each in untagged}
        assert set(children.values()) < {each["imageDigest"] for each in untagged}
        assert len(untagged) == 4

    def test_a_missing_repository_is_its_own_error(self, client):
        assert code_of(client("ecr").describe_images, repositoryName="absent") == "RepositoryNotFoundException"

    def test_a_moved_tag_resolves_to_the_new_digest(self, world, client):
        world.add_image("team/app", "v1")
        second = world.add_image("team/app", None)
        world.move_tag("team/app", "v1", second)
        details = client("ecr").describe_images(**APP, imageIds=[{"imageTag": "v1"}])["imageDetails"]
        assert [each["imageDigest"] for each in details] == [second]


class TestBatchGetImage:
    def test_manifests_hash_to_their_digests(self, world, client):
        digest, children = world.add_index("team/app", "v1")
        ids = [{"imageDigest": each} for each in (digest, *children.values())]
        images = client("ecr").batch_get_image(**APP, imageIds=ids)["images"]
        assert [sha256(each["imageManifest"]) for each in images] == [each["imageDigest"] for each in ids]

    def test_the_same_content_has_the_same_digest_in_every_repository(self, world):
        assert world.add_image("a/a", content="x") == world.add_image("b/b", content="x")
        assert world.add_image("a/a", content="x") != world.add_image("a/a", content="x", platform="linux/arm64")

    @pytest.mark.parametrize(
        ("image_id", "code"),
        [
            pytest.param({"imageTag": "absent"}, "ImageNotFound", id="an absent tag"),
            pytest.param({"imageDigest": ABSENT}, "ImageNotFound", id="an absent digest"),
            pytest.param({}, "MissingDigestAndTag", id="neither tag nor digest"),
            pytest.param({"imageTag": "v1", "imageDigest": "OTHER"}, "ImageTagDoesNotMatchDigest", id="a mismatch"),
            pytest.param({"imageTag": "old"}, "ImageInaccessible", id="an archived image"),
        ],
    )
    def test_a_bad_id_fails_alone(self, world, client, image_id, code):
        good = world.add_image("team/app", "v1")
        other = world.add_image("team/app", "v2")
        world.add_image("team/app", "old", status="ARCHIVED")
        asked = {key: other if value == "OTHER" else value for key, value in image_id.items()}
        answer = client("ecr").batch_get_image(**APP, imageIds=[{"imageTag": "v1"}, asked])
        assert [each["imageId"]["imageDigest"] for each in answer["images"]] == [good]
        assert [(each["imageId"], each["failureCode"]) for each in answer["failures"]] == [(asked, code)]

    @pytest.mark.parametrize(
        ("by", "accepted", "given"),
        [
            pytest.param("imageTag", [OCI_MANIFEST], OCI_MANIFEST, id="by tag, the stored type as it is"),
            pytest.param("imageTag", [DOCKER_MANIFEST], DOCKER_MANIFEST, id="by tag, another type translated"),
            pytest.param("imageTag", ["application/x"], OCI_MANIFEST, id="by tag, no type that it could become"),
            pytest.param("imageDigest", [DOCKER_MANIFEST], OCI_MANIFEST, id="by digest, never translated"),
        ],
    )
    def test_accepted_media_types_translate_by_tag_only(self, world, client, by, accepted, given):
        digest = world.add_image("team/app", "v1")
        asked = {"imageTag": "v1"} if by == "imageTag" else {"imageDigest": digest}
        answer = client("ecr").batch_get_image(**APP, imageIds=[asked], acceptedMediaTypes=accepted)["images"][0]
        assert answer["imageManifestMediaType"] == given
        assert msgspec.json.decode(answer["imageManifest"])["mediaType"] == given
        assert (sha256(answer["imageManifest"]) == digest) == (given == OCI_MANIFEST)

    def test_an_index_names_platforms_and_attestations(self, world, client):
        digest, children = world.add_index("team/app", "v1", platforms=("linux/amd64", "linux/arm64/v8"))
        text = client("ecr").batch_get_image(**APP, imageIds=[{"imageDigest": digest}])["images"][0]["imageManifest"]
        index = msgspec.json.decode(text)
        assert index["mediaType"] == OCI_INDEX
        platforms = [each["platform"] for each in index["manifests"]]
        assert platforms[1] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
        proofs = [each for each in index["manifests"] if each["platform"]["os"] == "unknown"]
        described = {each["annotations"]["vnd.docker.reference.digest"] for each in proofs}
        assert described == set(children.values())

    def test_a_docker_list_has_docker_types(self, world, client):
        digest, _ = world.add_index("team/app", "v1", docker=True, attestations=False)
        answer = client("ecr").batch_get_image(**APP, imageIds=[{"imageDigest": digest}])["images"][0]
        assert answer["imageManifestMediaType"] == DOCKER_LIST
        kinds = {each["mediaType"] for each in msgspec.json.decode(answer["imageManifest"])["manifests"]}
        assert kinds == {DOCKER_MANIFEST}

    def test_a_huge_index_is_honest_about_its_digest(self, world, client):
        digest = world.add_huge_index("team/app", children=10_000)
        answer = client("ecr").batch_get_image(**APP, imageIds=[{"imageDigest": digest}])["images"][0]
        assert len(msgspec.json.decode(answer["imageManifest"])["manifests"]) == 10_000
        assert sha256(answer["imageManifest"]) == digest

    def test_a_pull_is_recorded(self, world, client):
        digest = world.add_image("team/app", "v1")
        ecr = client("ecr")
        assert "lastRecordedPullTime" not in ecr.describe_images(**APP)["imageDetails"][0]
        ecr.batch_get_image(**APP, imageIds=[{"imageDigest": digest}])
        assert "lastRecordedPullTime" in ecr.describe_images(**APP)["imageDetails"][0]

    def test_set_manifest_bytes_makes_the_registry_lie(self, world, client):
        digest = world.add_image("team/app", "v1")
        world.set_manifest_bytes("team/app", "v1", b'{"schemaVersion":2}')
        image = client("ecr").batch_get_image(**APP, imageIds=[{"imageDigest": digest}])["images"][0]
        assert image["imageId"]["imageDigest"] == digest != sha256(image["imageManifest"])

    def test_what_a_pull_through_rule_has_not_cached_fails_as_the_rule_says(self, world, client):
        world.add_pull_through_rule("hub", miss="UpstreamTooManyRequests")
        world.add_repository("hub/library/nginx")
        ecr = client("ecr")
        answer = ecr.batch_get_image(repositoryName="hub/library/nginx", imageIds=[{"imageTag": "1"}])
        assert [each["failureCode"] for each in answer["failures"]] == ["UpstreamTooManyRequests"]
        absent = {"repositoryName": "hub/library/absent", "imageIds": [{"imageTag": "1"}]}
        assert code_of(ecr.batch_get_image, **absent) == "RepositoryNotFoundException"


class TestAccounts:
    def test_another_account_is_denied_without_a_role(self, world, client):
        world.add_image("team/app", account=OTHER)
        assert code_of(client("ecr").describe_images, **APP, registryId=OTHER) == "AccessDeniedException"

    def test_its_role_reads_it_with_and_without_registry_id(self, world, client, assumed):
        digest = world.add_image("team/app", account=OTHER)
        ecr = client("ecr", credentials=assumed)
        for arguments in (APP, APP | {"registryId": OTHER}):
            assert ecr.describe_images(**arguments)["imageDetails"][0]["imageDigest"] == digest

    def test_that_role_does_not_read_the_cluster_account(self, world, client, assumed):
        world.add_image("team/app")
        ecr = client("ecr", credentials=assumed)
        assert code_of(ecr.describe_images, **APP, registryId=world.account) == "AccessDeniedException"

    def test_a_repository_policy_lets_a_reader_in(self, world, client):
        world.add_repository("team/app", account=OTHER, readers=[world.account])
        world.add_image("team/app", account=OTHER)
        ecr = client("ecr")
        assert len(ecr.describe_images(**APP, registryId=OTHER)["imageDetails"]) == 1
        named = ecr.describe_repositories(registryId=OTHER, repositoryNames=["team/app"])["repositories"]
        assert [each["registryId"] for each in named] == [OTHER]
        assert code_of(ecr.describe_repositories, registryId=OTHER) == "AccessDeniedException"

    def test_an_unknown_account_is_denied_too(self, client):
        assert code_of(client("ecr").describe_images, **APP, registryId="999999999999") == "AccessDeniedException"

    def test_regions_are_separate_and_come_from_the_signature(self, world, client):
        world.add_image("team/app", region="us-east-1")
        assert len(client("ecr", region="us-east-1").describe_images(**APP)["imageDetails"]) == 1
        assert code_of(client("ecr").describe_images, **APP) == "RepositoryNotFoundException"

    def test_a_key_that_nobody_issued_is_refused(self, client):
        keys = {"AccessKeyId": "AKIASTRANGER00000001", "SecretAccessKey": "x"}
        assert code_of(client("ecr", credentials=keys).describe_images, **APP) == "UnrecognizedClientException"

    def test_expired_credentials_are_refused(self, sim, world, client, assumed):
        world.add_image("team/app", account=OTHER)
        ecr = client("ecr", credentials=assumed)
        ecr.describe_images(**APP)
        sim.expire_sessions()
        assert code_of(ecr.describe_images, **APP) == "ExpiredTokenException"


class TestReferrersAndLayers:
    def test_referrers_are_found_by_subject_and_type(self, world, client):
        digest = world.add_image("team/app", "v1")
        layers = [("application/jose+json", b"signed")]
        kind = "application/vnd.cncf.notary.signature"
        signature = world.add_referrer("team/app", digest, artifact_type=kind, layers=layers)
        world.add_referrer("team/app", digest, artifact_type="application/spdx+json", layers=layers)
        ecr, subject = client("ecr"), {"imageDigest": digest}
        assert len(ecr.list_image_referrers(**APP, subjectId=subject)["referrers"]) == 2
        found = ecr.list_image_referrers(**APP, subjectId=subject, filter={"artifactTypes": [kind]})["referrers"]
        assert [each["digest"] for each in found] == [signature]
        assert ecr.list_image_referrers(**APP, subjectId={"imageDigest": ABSENT})["referrers"] == []

    def test_layers_are_served_without_credentials(self, world, client):
        digest = world.add_image("team/app", "v1")
        layers = [("application/jose+json", b"signed")]
        world.add_referrer("team/app", digest, artifact_type="a/b", layers=layers)
        url = client("ecr").get_download_url_for_layer(**APP, layerDigest=sha256("signed"))["downloadUrl"]
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.read() == b"signed"
        absent = client("ecr").get_download_url_for_layer
        assert code_of(absent, **APP, layerDigest=ABSENT) == "LayersNotFoundException"
