"""AWS Signer and signatures as the controller meets them, each answer as botocore models it."""

from datetime import UTC, datetime

import pytest

from tests.integration.simulator.conformance import code_of
from tests.simulator import artifacts
from tests.simulator.artifacts import fallback_tag

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
HASH = "ab" * 96
QUESTION = {
    "signatureTimestamp": datetime(2026, 1, 31, tzinfo=UTC),
    "platformId": "Notation-OCI-SHA384-ECDSA",
    "profileVersionArn": f"{PROFILE}/AbCdEf1234",
    "jobArn": "arn:aws:signer:eu-west-1:111122223333:/signing-jobs/0f2b8f6e",
    "certificateHashes": [HASH, "cd" * 96],
}
APP = {"repositoryName": "team/app"}


def revoked(client, **changes):
    return client("signer-data").get_revocation_status(**(QUESTION | changes))["revokedEntities"]


class TestGetRevocationStatus:
    def test_nothing_is_revoked_at_first(self, client):
        assert revoked(client) == []

    @pytest.mark.parametrize("entity", [PROFILE, QUESTION["profileVersionArn"], QUESTION["jobArn"], HASH])
    def test_a_revoked_entity_is_named(self, world, client, entity):
        world.add_revocation(entity)
        assert revoked(client) == [entity]

    def test_signatures_from_before_a_revocation_stand(self, world, client):
        world.add_revocation(PROFILE, since="2026-02-01T00:00:00Z")
        assert revoked(client) == []
        assert revoked(client, signatureTimestamp=datetime(2026, 2, 1, tzinfo=UTC)) == [PROFILE]

    def test_another_region_than_the_profiles_is_refused(self, client):
        other = client("signer-data", region="us-east-1")
        assert code_of(other.get_revocation_status, **QUESTION) == "ValidationException"

    @pytest.mark.parametrize("change", [{"certificateHashes": []}, {"profileVersionArn": "arn:aws:s3:::" + "x" * 20}])
    def test_half_a_question_is_refused(self, client, change):
        assert code_of(client("signer-data").get_revocation_status, **(QUESTION | change)) == "ValidationException"

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            ("throttle", "TooManyRequestsException"),
            ("server_error", "InternalServiceErrorException"),
            ("access_denied", "AccessDeniedException"),
            ("expired_token", "ExpiredTokenException"),
        ],
    )
    def test_errors_are_worded_as_signers(self, sim, client, kind, code):
        sim.inject(kind, service="signer")
        assert code_of(client("signer-data").get_revocation_status, **QUESTION) == code


class TestSignatures:
    def test_a_referrer_is_listed_and_its_blobs_have_addresses(self, world, client):
        image = world.add_image("team/app", "v1")
        pushed = world.add_signature("team/app", "v1", b"envelope", annotations={"k": "v"})
        ecr = client("ecr")
        (listed,) = ecr.list_image_referrers(**APP, subjectId={"imageDigest": image})["referrers"]
        assert (listed["digest"], listed["artifactType"]) == (pushed, artifacts.NOTATION_TYPE)
        assert listed["annotations"] == {"k": "v"}
        for digest in world.image("team/app", pushed).manifest.blobs:
            assert ecr.get_download_url_for_layer(**APP, layerDigest=digest)["layerDigest"] == digest

    def test_what_stands_in_the_fallback_index_is_not_listed(self, world, client):
        image = world.add_image("team/app", "v1")
        world.add_signature("team/app", "v1", b"one", layout="fallback")
        world.add_signature("team/app", "v1", b"two", layout="fallback")
        assert client("ecr").list_image_referrers(**APP, subjectId={"imageDigest": image})["referrers"] == []
        index = world.image("team/app", fallback_tag(image)).manifest.data
        assert index.count(b'"digest"') == 2

    def test_an_artifact_that_is_not_cached_is_listed_and_cannot_be_pulled(self, world, client):
        image = world.add_image("team/app", "v1")
        pushed = world.add_signature("team/app", "v1", b"envelope")
        world.set_cached("team/app", pushed, cached=False)
        ecr = client("ecr")
        assert len(ecr.list_image_referrers(**APP, subjectId={"imageDigest": image})["referrers"]) == 1
        answer = ecr.batch_get_image(**APP, imageIds=[{"imageDigest": pushed}])
        assert [each["failureCode"] for each in answer["failures"]] == ["ImageNotFound"]

    def test_a_signing_status_is_told_for_each_profile(self, world, client):
        world.add_image("team/app", "v1")
        world.set_signing_status("team/app", "v1", "IN_PROGRESS", profile_arn=PROFILE)
        world.set_signing_status("team/app", "v1", "COMPLETE", profile_arn=PROFILE)
        told = client("ecr").describe_image_signing_status(**APP, imageId={"imageTag": "v1"})
        assert told["signingStatuses"] == [{"signingProfileArn": PROFILE, "status": "COMPLETE"}]
        missing = {"imageTag": "absent"}
        assert code_of(client("ecr").describe_image_signing_status, **APP, imageId=missing) == "ImageNotFoundException"
