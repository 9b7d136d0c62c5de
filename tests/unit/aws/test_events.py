"""Events are read strictly: each becomes what to ask for again, and what is no event is refused."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.aws.events import MAX_BODY_BYTES, MAX_RESOURCES, OTHER, parse_event
from tidegate.errors import InvalidEventError
from tidegate.evidence.change import ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

ACCOUNT, REGION = "111122223333", "eu-west-1"
OWN = EcrRegistry("aws", ACCOUNT, REGION)
APP = EcrRepository(OWN, "team/app")
MEMBER = EcrRepository(EcrRegistry("aws", "444455556666", REGION), "team/app")
DIGEST = Digest("sha256:" + "0a" * 32)
SUBJECT = Digest("sha256:" + "0b" * 32)
IMAGE = ImageChange(APP, DIGEST)
SCAN = ScanChange(APP, DIGEST)
ARN = f"{APP.arn}/{DIGEST}"


def event(kind: str, detail: Any, *, source: str | None = None, **members: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "13cde686-328b-6117-af20-0e5566167482",
        "detail-type": kind,
        "source": source or ("aws.inspector2" if kind.startswith("Inspector2") else "aws.ecr"),
        "account": ACCOUNT,
        "time": "2026-03-01T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    } | members


def action(**more: Any) -> dict[str, Any]:
    detail = {"result": "SUCCESS", "repository-name": "team/app", "image-digest": DIGEST, "action-type": "PUSH"}
    return event("ECR Image Action", {name: value for name, value in (detail | more).items() if value is not None})


def changes(described: Any) -> set[Any]:
    return set(parse_event(json.dumps(described)).changes)


FINDING = event(
    "Inspector2 Finding",
    {
        "awsAccountId": ACCOUNT,
        "updatedAt": "Dec 3, 2021, 6:02:30 PM",
        "severity": "HIGH",
        "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": ARN}],
    },
    resources=[ARN],
)
REPOSITORIES = [{"repository-name": f"team/{name}", "scan-frequency": "SCAN_ON_PUSH"} for name in "ab"]


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param(FINDING, {SCAN}, id="a finding"),
        pytest.param(FINDING | {"detail": {}}, {SCAN}, id="a finding whose detail says nothing"),
        pytest.param(
            FINDING | {"account": "999999999999", "resources": [f"{MEMBER.arn}/{DIGEST}"], "detail": {}},
            {ScanChange(MEMBER, DIGEST)},
            id="a finding of a member account, sent in the account of the delegated administrator",
        ),
        pytest.param(
            event("Inspector2 Coverage", {"scanStatus": {"statusCodeValue": "INACTIVE"}}, resources=[ARN]),
            {IMAGE},
            id="coverage of an image",
        ),
        pytest.param(
            event("Inspector2 Coverage", {}, resources=[APP.arn]),
            {RepositoryChange(APP)},
            id="coverage of a repository",
        ),
        pytest.param(
            event(
                "Inspector2 Scan",
                {"scan-status": "INITIAL_SCAN_COMPLETE", "repository-name": APP.arn, "image-digest": DIGEST},
            ),
            {IMAGE},
            id="the end of a first scan, which names the repository by its ARN",
        ),
        pytest.param(
            event("Inspector2 Finding", {}, resources=["arn:aws:ec2:eu-west-1:111122223333:instance/i-0a1b"]),
            set(),
            id="a finding of a virtual machine",
        ),
        pytest.param(event("Inspector2 Finding", {}, resources=["i-0a1b"]), set(), id="a resource without an ARN"),
        pytest.param(
            event("Inspector2 Scan", {"scan-status": "INITIAL_SCAN_COMPLETE", "instance-id": "i-0"}),
            set(),
            id="a scan of a virtual machine",
        ),
        pytest.param(action(**{"image-tag": "v1"}), {IMAGE, TagChange(APP, "v1")}, id="a push with a tag"),
        pytest.param(action(), {IMAGE}, id="a push without a tag"),
        pytest.param(
            action(**{"action-type": "DELETE", "image-tag": "v1"}), {IMAGE, TagChange(APP, "v1")}, id="a deletion"
        ),
        pytest.param(action(**{"action-type": "UPDATE_STORAGE_CLASS"}), {IMAGE}, id="an image that was archived"),
        pytest.param(action(result="FAILURE"), set(), id="a push that failed"),
        pytest.param(
            action(**{"image-tag": f"sha256-{'0b' * 32}.sig"}),
            {IMAGE, TagChange(APP, f"sha256-{'0b' * 32}.sig"), ImageChange(APP, SUBJECT)},
            id="a signature under the tag of its subject",
        ),
        pytest.param(
            action(**{"artifact-media-type": "application/vnd.cncf.notary.signature"}),
            {IMAGE, RepositoryChange(APP)},
            id="a signature without a tag, of an unknown subject",
        ),
        pytest.param(
            action(**{"artifact-media-type": "application/vnd.oci.image.config.v1+json"}),
            {IMAGE},
            id="an image by its type",
        ),
        pytest.param(action(**{"image-digest": None}), {RepositoryChange(APP)}, id="a push of something unnamed"),
        pytest.param(
            event("ECR Image Scan", {"scan-status": "COMPLETE", "repository-name": "team/app", "image-digest": DIGEST}),
            {IMAGE},
            id="a basic scan",
        ),
        pytest.param(
            event(
                "ECR Replication Action",
                {
                    "result": "SUCCESS",
                    "repository-name": "team/app",
                    "image-digest": DIGEST,
                    "image-tag": "v1",
                    "action-type": "REPLICATE",
                    "source-account": "999999999999",
                },
            ),
            {IMAGE, TagChange(APP, "v1")},
            id="a replication",
        ),
        pytest.param(
            event(
                "ECR Pull Through Cache Action",
                {"sync-status": "SUCCESS", "repository-name": "team/app", "image-digest": DIGEST, "image-tag": "v1"},
            ),
            {IMAGE, TagChange(APP, "v1")},
            id="an import",
        ),
        pytest.param(
            event("ECR Pull Through Cache Action", {"sync-status": "FAILED", "repository-name": "team/app"}),
            set(),
            id="an import that failed",
        ),
        pytest.param(
            event("ECR Referrer Action", {"repository-name": "team/app", "image-digest": DIGEST}),
            {RepositoryChange(APP)},
            id="a referrer",
        ),
        pytest.param(
            event("ECR Scan Resource Change", {"action-type": "SCAN_FREQUENCY_CHANGE", "repositories": REPOSITORIES}),
            {RepositoryChange(EcrRepository(OWN, name)) for name in ("team/a", "team/b")},
            id="other scan settings",
        ),
        pytest.param(
            event(
                "AWS API Call via CloudTrail",
                {
                    "eventSource": "ecr.amazonaws.com",
                    "eventName": "PutImageTagMutability",
                    "requestParameters": {"repositoryName": "team/app"},
                },
            ),
            {RepositoryChange(APP)},
            id="another tag mutability",
        ),
        pytest.param(
            event(
                "AWS API Call via CloudTrail",
                {"eventSource": "ecr.amazonaws.com", "eventName": "PutImageTagMutability", "errorCode": "AccessDenied"},
            ),
            set(),
            id="a call that was refused",
        ),
        pytest.param(
            event(
                "AWS API Call via CloudTrail",
                {"eventSource": "ecr.amazonaws.com", "eventName": "PutRegistryScanningConfiguration"},
            ),
            {RegistryChange(OWN)},
            id="another scanner",
        ),
        *(
            pytest.param(
                event(
                    "AWS API Call via CloudTrail",
                    {
                        "eventSource": "ecr.amazonaws.com",
                        "eventName": name,
                        "requestParameters": {"repositoryName": "team/app"},
                    },
                ),
                {RepositoryChange(APP)},
                id=name,
            )
            for name in ("SetRepositoryPolicy", "DeleteRepositoryPolicy", "PutLifecyclePolicy", "DeleteLifecyclePolicy")
        ),
        *(
            pytest.param(
                event("AWS API Call via CloudTrail", {"eventSource": "ecr.amazonaws.com", "eventName": name}),
                {RegistryChange(OWN)},
                id=name,
            )
            for name in (
                "PutRegistryPolicy",
                "DeleteRegistryPolicy",
                "CreatePullThroughCacheRule",
                "DeletePullThroughCacheRule",
            )
        ),
        pytest.param(
            event(
                "AWS API Call via CloudTrail",
                {"eventSource": "ecr.amazonaws.com", "eventName": "GetDownloadUrlForLayer"},
            ),
            set(),
            id="a call that changes nothing",
        ),
        pytest.param(
            {
                "Type": "Notification",
                "TopicArn": "arn:aws:sns:eu-west-1:111122223333:events",
                "Message": json.dumps(FINDING),
            },
            {SCAN},
            id="through a topic of Amazon SNS",
        ),
    ],
)
def test_an_event_says_what_to_ask_for_again(described, expected):
    assert changes(described) == expected


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
)
def test_the_region_of_an_event_names_its_partition(region, partition):
    found = changes(action() | {"region": region})
    assert {each.registry for each in found} == {EcrRegistry(partition, ACCOUNT, region)}


@pytest.mark.parametrize(
    "kind", ["EC2 Instance State-change Notification", "Inspector2 AutoEnable", "ECR Artifact Action"]
)
def test_other_events_are_about_nothing(kind):
    found = parse_event(json.dumps(event(kind, {"anything": 1})))
    assert (found.kind, found.changes) == (OTHER, frozenset())


def test_the_source_of_an_event_has_to_fit_its_type():
    assert changes(FINDING | {"source": "my.own"}) == set()


def test_many_resources_are_one_change_of_their_registry():
    described = [{"repository-name": f"team/app-{number}"} for number in range(MAX_RESOURCES + 1)]
    assert changes(event("ECR Scan Resource Change", {"repositories": described})) == {RegistryChange(OWN)}
    assert len(changes(event("ECR Scan Resource Change", {"repositories": described[1:]}))) == MAX_RESOURCES


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half an object"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('{"detail-type": 1}', id="a number for a text"),
        pytest.param('{"Type": "Notification"}', id="a notification without a message"),
        pytest.param('{"Type": "Notification", "Message": "no event"}', id="a notification of something else"),
        pytest.param(json.dumps(FINDING)[:-1] + ', "source": "aws.ecr"}', id="a key twice"),
        pytest.param("\ud800", id="half a character"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(json.dumps({"a": "b" * MAX_BODY_BYTES}), id="too long"),
        pytest.param("[" + "0," * 400_000 + "0]", id="too many values"),
        pytest.param(json.dumps(FINDING | {"account": "1"}), id="no account"),
        pytest.param(json.dumps(FINDING | {"account": "\uff11" * 12}), id="digits of another script"),
        pytest.param(json.dumps(FINDING | {"region": "eu-west-1.example.com/"}), id="no region"),
        pytest.param(json.dumps(FINDING | {"resources": "text"}), id="a text for a list"),
        pytest.param(json.dumps(FINDING | {"resources": [7]}), id="a number for an ARN"),
        pytest.param(json.dumps(FINDING | {"resources": [ARN + "0"]}), id="an ARN of ECR that names nothing"),
        pytest.param(json.dumps(FINDING | {"detail": []}), id="a list for the detail"),
        pytest.param(json.dumps(FINDING | {"detail": {"resources": [1]}}), id="a resource that is no object"),
        pytest.param(json.dumps(action(**{"image-digest": "sha256:abc"})), id="no digest"),
        pytest.param(json.dumps(action(**{"image-tag": "a b"})), id="no tag"),
        pytest.param(json.dumps(action(**{"image-tag": "v" * 129})), id="a long tag"),
        pytest.param(json.dumps(action(**{"repository-name": "../app"})), id="no repository"),
        pytest.param(json.dumps(event("ECR Scan Resource Change", {"repositories": ["team/app"]})), id="no objects"),
        pytest.param(json.dumps(event("ECR Referrer Action", {})), id="no name"),
        pytest.param(json.dumps(action(**{"artifact-media-type": ["a"]})), id="a list for a type"),
    ],
)
def test_what_is_no_event_is_refused(body):
    with pytest.raises(InvalidEventError):
        parse_event(body)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from([ARN, APP.arn, DIGEST, "team/app", "SUCCESS"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = ("account", "region", "resources", "detail", "detail-type", "source", "Type", "Message")
DETAILS = (
    "result",
    "repository-name",
    "image-digest",
    "image-tag",
    "artifact-media-type",
    "resources",
    "repositories",
    "eventName",
    "eventSource",
)


@given(
    st.sampled_from([FINDING, action(), event("ECR Scan Resource Change", {"repositories": REPOSITORIES})]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    st.dictionaries(st.sampled_from(DETAILS), VALUES, max_size=3),
)
def test_any_change_of_an_event_is_read_or_refused(base, top, detail):
    described = base | {"detail": base["detail"] | detail} | top
    with contextlib.suppress(InvalidEventError):
        parse_event(json.dumps(described))


@given(st.text() | st.text(alphabet='{}[]",:0aue\\ '))
def test_any_text_is_read_or_refused(body):
    with contextlib.suppress(InvalidEventError):
        parse_event(body)
