"""The calls that moto knows too: our simulator and moto answer alike, or the table below says why not and who is right.

A difference that is new, or one that has gone, fails. Sources: the API references of the services, and the SDK's models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.cli.desk import Desk
from tests.integration.second_opinion.other_aws import ACCOUNT, BASIC_FINDING, OtherAws, fill, running
from tests.objects import ECR, image_policy
from tests.simulator import Simulator, World
from tests.unit.cli.commands import Ended

NONE = "sha256:" + "0" * 64
FIXED, MOVABLE = {"repositoryName": "team/fixed"}, {"repositoryName": "team/movable"}
BY_TAG, BY_DIGEST, BY_NO_TAG = {"imageTag": "v1"}, {"imageDigest": "DIGEST"}, {"imageTag": "none"}
"""DIGEST stands for that of the image in ``team/fixed``."""

SUBJECT = "basic findings are our own content and moto's fixed one"
TAG_TOO = "moto adds a tag of the image; the real API gives back the id that it was asked by"
DETAIL = {
    "imageDetails[].imageSizeInBytes": "moto counts the config alone; ECR counts the layers too",
    "imageDetails[].artifactMediaType": "moto leaves it out",
    "imageDetails[].imageStatus": "moto leaves it out; the model has it, since images can be archived",
    "imageDetails[].lastRecordedPullTime": "moto notes no pulls; ECR does",
}
EXPLAINED: Mapping[str, Mapping[str, str]] = {
    "an image by digest": DETAIL,
    "an image by tag": DETAIL,
    "a manifest by digest": {"images[].imageId.imageTag": TAG_TOO},
    "a manifest that is missing": {
        "failures[].imageId.imageDigest": "moto answers {'imageTag': 'null'} for a digest",
        "failures[].imageId.imageTag": "the same",
    },
    "the scanning of repositories": {"failures[].failureReason": "the words are free; moto repeats the code"},
    "basic findings": {
        "imageId.imageTag": TAG_TOO,
        "imageScanFindings.vulnerabilitySourceUpdatedAt": "our simulator leaves it out; tidegate does not read it",
        "imageScanFindings.findings[].description": "moto's finding has none; the model lets it out",
        "imageScanFindings.findings[].uri": SUBJECT,
        "imageScanFindings.findings[].attributes": SUBJECT,
    },
    "the caller": {
        "Arn": "our caller is a role, as in a cluster; moto's is a user",
        "UserId": "the same",
    },
    "the status of Amazon Inspector": {"accounts": "moto's Inspector is off until it is switched on, and ours is on"},
}

CASES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "all repositories": ("ecr", "describe_repositories", {}),
    "a repository": ("ecr", "describe_repositories", {"repositoryNames": ["team/fixed"]}),
    "a repository that is missing": ("ecr", "describe_repositories", {"repositoryNames": ["team/none"]}),
    "an image by digest": ("ecr", "describe_images", {**FIXED, "imageIds": [BY_DIGEST]}),
    "an image by tag": ("ecr", "describe_images", {**FIXED, "imageIds": [BY_TAG]}),
    "an image that is missing": ("ecr", "describe_images", {**FIXED, "imageIds": [BY_TAG, BY_NO_TAG]}),
    "an image of no repository": ("ecr", "describe_images", {"repositoryName": "team/none", "imageIds": [BY_TAG]}),
    "the images of an empty repository": ("ecr", "describe_images", {"repositoryName": "team/empty"}),
    "a list of images": ("ecr", "list_images", FIXED),
    "a manifest by digest": ("ecr", "batch_get_image", {**FIXED, "imageIds": [BY_DIGEST]}),
    "a manifest by tag": ("ecr", "batch_get_image", {**FIXED, "imageIds": [BY_TAG]}),
    "a manifest beside one that is missing": ("ecr", "batch_get_image", {**FIXED, "imageIds": [BY_NO_TAG, BY_TAG]}),
    "a manifest that is missing": ("ecr", "batch_get_image", {**FIXED, "imageIds": [{"imageDigest": NONE}]}),
    "a manifest of no repository": ("ecr", "batch_get_image", {"repositoryName": "team/none", "imageIds": [BY_TAG]}),
    "the scanning of the registry": ("ecr", "get_registry_scanning_configuration", {}),
    "the scanning of repositories": (
        "ecr",
        "batch_get_repository_scanning_configuration",
        {"repositoryNames": ["team/fixed", "team/none"]},
    ),
    "basic findings": ("ecr", "describe_image_scan_findings", {**FIXED, "imageId": BY_DIGEST}),
    "basic findings of no image": ("ecr", "describe_image_scan_findings", {**FIXED, "imageId": BY_NO_TAG}),
    "an image that was not scanned": ("ecr", "describe_image_scan_findings", {**MOVABLE, "imageId": BY_TAG}),
    "the policy of a repository without one": ("ecr", "get_repository_policy", FIXED),
    "the lifecycle of a repository without one": ("ecr", "get_lifecycle_policy", FIXED),
    "the caller": ("sts", "get_caller_identity", {}),
    "findings of Amazon Inspector where there are none": ("inspector2", "list_findings", {}),
    "the status of Amazon Inspector": ("inspector2", "batch_get_account_status", {"accountIds": [ACCOUNT]}),
    "a key that is missing": ("kms", "get_public_key", {"KeyId": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/none"}),
    "a queue that is missing": (
        "sqs",
        "get_queue_attributes",
        {"QueueUrl": f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/none"},
    ),
}


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Simulator, OtherAws]]:
    with running() as other, Simulator(World()) as sim:
        fill(other, sim)
        yield sim, other


def answer(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    try:
        found = getattr(client, operation)(**parameters)
    except ClientError as error:
        return {"error": error.response["Error"]["Code"]}
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def differences(one: Any, other: Any, path: str = "") -> set[str]:
    """Return the paths of what differs; that a time is one is all that counts of it."""
    inner: list[tuple[str, Any, Any]] = []
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        inner = [(f"{path}.{name}".lstrip("."), one.get(name), other.get(name)) for name in names]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        inner = [(f"{path}[]", *pair) for pair in zip(one, other, strict=True)]
    elif one != other and not (isinstance(one, datetime) and isinstance(other, datetime)):
        return {path}
    return {found for where, ours, theirs in inner for found in differences(ours, theirs, where)}


@pytest.mark.parametrize("case", CASES)
def test_both_answer_alike_or_the_difference_is_explained(both: tuple[Simulator, OtherAws], case: str) -> None:
    sim, other = both
    service, operation, parameters = CASES[case]
    digest = next(iter(sim.world.registry().repositories["team/fixed"].images))
    given = {name: _filled(value, digest) for name, value in parameters.items()}
    ours = answer(sim.client(service), operation, given)
    theirs = answer(other.client(service), operation, given)
    assert differences(ours, theirs) == EXPLAINED.get(case, {}).keys(), (ours, theirs)


def _filled(value: Any, digest: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, digest) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, digest) for one in value]
    return digest if value == "DIGEST" else value


def test_every_explanation_is_of_a_case() -> None:
    assert EXPLAINED.keys() <= CASES.keys()


class TestCommands:
    """``check`` and ``explain`` give the right answers on an AWS that somebody else wrote."""

    @pytest.fixture
    def desk(self, both: tuple[Simulator, OtherAws], environment: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIAMOTO0000000000001")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
        environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        sim, other = both
        made = Desk(sim, tmp_path)
        made.endpoints = dict.fromkeys(made.endpoints, other.url)
        made.configure()
        return made

    @pytest.mark.parametrize("command", ["check", "explain"])
    @pytest.mark.parametrize(
        ("image", "most", "code", "said"),
        [
            ("team/fixed:v1", 1, 0, "ALLOWED"),
            ("team/fixed:v1", 0, 1, BASIC_FINDING),
            ("team/movable:v1", 1, 1, "TagMutable"),
            ("team/fixed:none", 1, 1, "ImageNotFound"),
            ("team/none:v1", 1, 1, "RepositoryNotFound"),
        ],
        ids=["within the limit", "too many findings", "a tag that can move", "no image", "no repository"],
    )
    def test_the_answer_is_right(self, desk: Desk, command: str, image: str, most: int, code: int, said: str) -> None:
        rules = {
            "tags": {"immutable": True},
            "scan": {"settlingPeriod": "0s"},
            "vulnerabilities": {"maxCounts": {"HIGH": most}},
        }
        policies = desk.write("policies.yaml", image_policy("production", {"validationActions": ["Deny"], **rules}))
        ended: Ended = getattr(desk, command)(f"{ECR}/{image}", "--policy", policies)
        assert ended.code == code, ended.out
        assert said in ended.out
        # moto has no rules of pull-through caches, which are asked for about a repository that is missing.
        assert all("pull-through-cache" in line or "PullThroughCache" in line for line in ended.err.splitlines())

    def test_an_image_that_was_never_scanned_is_not_clean(self, desk: Desk) -> None:
        rules = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
        policies = desk.write("policies.yaml", image_policy("production", {"validationActions": ["Deny"], **rules}))
        ended = desk.check(f"{ECR}/team/movable:v1", "--policy", policies)
        assert ended.code == 1, ended.out
