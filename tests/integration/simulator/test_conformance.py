"""Every operation answers real boto3, in the shape that botocore models; and the check of that catches a drift."""

from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from tests.integration.simulator.conformance import Watch, violations
from tests.integration.simulator.conftest import OTHER
from tests.simulator.manifests import OCI_MANIFEST
from tests.simulator.registry import ReplicationRule, ScanRule, SigningRule
from tests.simulator.services import SERVICES

POLICY = '{"Version":"2012-10-17","Statement":[]}'
LIFECYCLE = (
    '{"rules":[{"rulePriority":1,"description":"keep few untagged images, and not for long at all, as they say",'
)
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
CLIENTS = {"signer": "signer-data"}
"""Services whose data plane is a client of its own."""
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/tidegate-events"
ROLE = f"arn:aws:iam::{OTHER}:role/tidegate-reader"

REPO: dict[str, Any] = {"repositoryName": "team/app"}
SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("ecr", "BatchGetImage"): REPO | {"imageIds": [{"imageTag": "v1"}, {"imageTag": "absent"}]},
    ("ecr", "BatchGetRepositoryScanningConfiguration"): {"repositoryNames": ["team/app", "team/absent"]},
    ("ecr", "DescribeImages"): REPO,
    ("ecr", "DescribeImageScanFindings"): REPO | {"imageId": {"imageTag": "v1"}},
    ("ecr", "DescribeImageSigningStatus"): REPO | {"imageId": {"imageTag": "v1"}},
    ("ecr", "DescribePullThroughCacheRules"): {},
    ("ecr", "DescribeRegistry"): {},
    ("ecr", "DescribeRepositories"): {},
    ("ecr", "GetAccountSetting"): {"name": "REGISTRY_POLICY_SCOPE"},
    ("ecr", "GetDownloadUrlForLayer"): REPO,
    ("ecr", "GetLifecyclePolicy"): REPO,
    ("ecr", "GetRegistryPolicy"): {},
    ("ecr", "GetRegistryScanningConfiguration"): {},
    ("ecr", "GetRepositoryPolicy"): REPO,
    ("ecr", "GetSigningConfiguration"): {},
    ("ecr", "ListImageReferrers"): REPO,
    ("ecr", "ListImages"): REPO,
    ("inspector2", "BatchGetAccountStatus"): {"accountIds": ["111122223333", "999999999999"]},
    ("inspector2", "ListCoverage"): {},
    ("inspector2", "ListFindings"): {},
    ("kms", "GetPublicKey"): {"KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab"},
    ("signer", "GetRevocationStatus"): {
        "signatureTimestamp": datetime(2026, 1, 31, tzinfo=UTC),
        "platformId": "Notation-OCI-SHA384-ECDSA",
        "profileVersionArn": f"{PROFILE}/AbCdEf1234",
        "jobArn": "arn:aws:signer:eu-west-1:111122223333:/signing-jobs/0f2b8f6e",
        "certificateHashes": ["ab" * 96],
    },
    ("sqs", "DeleteMessageBatch"): {
        "QueueUrl": QUEUE,
        "Entries": [{"Id": "0", "ReceiptHandle": "m:1"}, {"Id": "1", "ReceiptHandle": "no receipt"}],
    },
    ("sqs", "GetQueueAttributes"): {"QueueUrl": QUEUE, "AttributeNames": ["All"]},
    ("sqs", "ReceiveMessage"): {"QueueUrl": QUEUE, "MessageSystemAttributeNames": ["All"]},
    ("sts", "AssumeRole"): {"RoleArn": ROLE, "RoleSessionName": "test"},
    ("sts", "AssumeRoleWithWebIdentity"): {"RoleArn": ROLE, "RoleSessionName": "test", "WebIdentityToken": "a.b.c.d"},
    ("sts", "GetCallerIdentity"): {},
}


def test_every_simulated_operation_has_a_sample():
    assert set(SAMPLES) == {(name, operation) for name, each in SERVICES.items() for operation in each.operations}


@pytest.fixture
def rich(world):
    """A world in which every optional member of the answers is there."""
    world.set_scanning("ENHANCED", rules=[ScanRule(frequency="CONTINUOUS_SCAN", filters=("team/*",))])
    world.add_pull_through_rule("docker-hub", upstream_prefix="library")
    world.set_registry_policy(POLICY)
    world.set_replication([ReplicationRule(destinations=((OTHER, "eu-west-1"),), prefixes=("team/",))])
    world.set_signing([SigningRule(profile_arn=PROFILE, filters=("team/*",))])
    world.add_repository(
        "team/app",
        mutability="IMMUTABLE_WITH_EXCLUSION",
        exclusions=["dev-*"],
        policy=POLICY,
        lifecycle=LIFECYCLE + '"selection":{}}]}',
        encryption="KMS",
        kms_key="arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    )
    digest = world.add_image("team/app", "v1", in_use=3)
    world.add_index("team/app", "multi")
    world.add_referrer(
        "team/app", digest, artifact_type="application/x.sig", layers=[("a/b", b"x")], annotations={"k": "v"}
    )
    world.add_signature("team/app", digest, b"{}", annotations={"k": "v"}, layout="fallback")
    world.set_signing_status("team/app", "v1", "FAILED", failure_code="E", failure_reason="no profile")
    world.add_revocation(PROFILE)
    world.add_kms_key()
    world.add_queue(max_receives=3)
    world.add_message("{}")
    world.add_finding("team/app", "v1", fixed="3.0.12", exploit=True, epss=0.5, score=9.8, package="openssl")
    world.archive_image("team/app", world.add_image("team/app", "old"))
    return world


@pytest.mark.parametrize(("service", "operation"), SAMPLES)
def test_an_operation_answers_in_its_modelled_shape(rich, client, service, operation):
    arguments = dict(SAMPLES[service, operation])
    image = rich.image("team/app", "v1")
    if operation == "GetDownloadUrlForLayer":
        arguments["layerDigest"] = next(iter(image.manifest.blobs))
    if operation == "ListImageReferrers":
        arguments["subjectId"] = {"imageDigest": image.digest}
    called = client(CLIENTS.get(service, service))
    answer = getattr(called, botocore.xform_name(operation))(**arguments)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(answer) > 1


def test_basic_scan_findings_have_their_modelled_shape(world, client):
    world.set_scanning("BASIC")
    world.add_image("team/app")
    world.add_finding("team/app", "v1", severity="UNTRIAGED", fixed="1.2")
    found = client("ecr").describe_image_scan_findings(repositoryName="team/app", imageId={"imageTag": "v1"})
    assert found["imageScanFindings"]["findings"][0]["severity"] == "UNDEFINED"
    assert found["imageScanStatus"]["status"] == "COMPLETE"


GOOD_ROW = {
    "resourceType": "AWS_ECR_CONTAINER_IMAGE",
    "resourceId": "arn:aws:ecr:eu-west-1:111122223333:repository/a",
    "accountId": "111122223333",
    "scanType": "PACKAGE",
    "lastScannedAt": 1.5,
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({}, None, id="a row as modelled passes"),
        pytest.param({"colour": "red"}, "unknown", id="an unknown member is found"),
        pytest.param({"scanType": "SMELL"}, "none of the modelled values", id="an unmodelled enum value is found"),
        pytest.param({"accountId": "1111222233"}, "does not fit", id="a value off its pattern is found"),
        pytest.param({"lastScannedAt": "yesterday"}, "is no timestamp", id="a wrong type is found"),
        pytest.param({"accountId": True}, "is no string", id="a boolean is no string"),
        pytest.param({"scanStatus": {"statusCode": "ACTIVE"}}, "required, but absent", id="a missing member is found"),
    ],
)
def test_the_check_finds_a_drift(change, complaint):
    shape = botocore.session.Session().get_service_model("inspector2").operation_model("ListCoverage").output_shape
    found = list(violations({"coveredResources": [GOOD_ROW | change]}, shape))
    assert (not found) if complaint is None else any(complaint in each for each in found)


def test_the_watch_sees_raw_responses(sim, world):
    """A member that botocore would drop silently is seen."""
    world.add_image("team/app")
    watch, watched = Watch(), sim.client("inspector2")
    sim.inject("unknown_enum", service="inspector2", field="statusCode")
    watch.over(watched).list_coverage()
    assert any("SIMULATED_UNKNOWN" in each for each in watch.wrong)
    assert watch.seen == {("inspector2", "ListCoverage")}
    watched.close()


def test_a_manifest_without_media_type_of_its_own_is_given_as_pushed(world, client):
    data = b'{"schemaVersion":2}'
    digest = world.add_manifest("team/app", data, media_type=OCI_MANIFEST)
    got = client("ecr").batch_get_image(repositoryName="team/app", imageIds=[{"imageDigest": digest}])
    assert got["images"][0]["imageManifest"].encode() == data
