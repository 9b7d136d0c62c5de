"""ARNs of Amazon ECR are read strictly: one thing, or none."""

import pytest

from tidegate.images.arn import is_repository_name, parse_image_arn, parse_repository_arn
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

DIGEST = Digest("sha256:" + "0a" * 32)
APP = EcrRepository(EcrRegistry("aws", "111122223333", "eu-west-1"), "team/app")


def test_an_image_is_its_repository_and_digest():
    assert parse_image_arn(f"{APP.arn}/{DIGEST}") == (APP, DIGEST)
    assert parse_repository_arn(f"{APP.arn}/{DIGEST}") is None


def test_a_repository_is_its_registry_and_name():
    assert parse_repository_arn(APP.arn) == APP
    assert parse_image_arn(APP.arn) is None


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
    ],
)
def test_every_partition_has_images(partition, region):
    repository = EcrRepository(EcrRegistry(partition, "111122223333", region), "a/b.c__d")
    assert parse_image_arn(f"{repository.arn}/{DIGEST}") == (repository, DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"arn:aws:ec2:eu-west-1:111122223333:instance/i-1/{DIGEST}", id="another service"),
        pytest.param(f"{APP.arn}/{DIGEST}\n", id="a line more"),
        pytest.param(f"{APP.arn}/{str(DIGEST).upper()}", id="upper case"),
        pytest.param(f"{APP.arn}/{DIGEST}0", id="a digit more"),
        pytest.param(f"{APP.arn}:{DIGEST}", id="a colon for the slash"),
        pytest.param(f"arn:aws-moon:ecr:eu-west-1:111122223333:repository/a/b/{DIGEST}", id="an unknown partition"),
        pytest.param(f"arn:aws:ecr:eu-west-1:11112222333:repository/a/b/{DIGEST}", id="a short account"),
        pytest.param(f"arn:aws:ecr:eu-west-1:111122223333:repository/{DIGEST}", id="no name"),
        pytest.param(f"arn:aws:ecr:eu-west-1:111122223333:repository/../b/{DIGEST}", id="no name of a repository"),
        pytest.param(f"arn:aws:ecr:eu-west-1:111122223333:repository/{'a' * 257}/{DIGEST}", id="a long name"),
        pytest.param(f"arn:aws:ecr:eu-west-1:111122223333:repository/{'a' * 100_000}", id="a very long text"),
    ],
)
def test_anything_else_is_no_image(text):
    assert parse_image_arn(text) is None


@pytest.mark.parametrize(("text", "holds"), [("aa", True), ("a", False), ("a" * 256, True), ("a" * 257, False)])
def test_the_length_of_a_name_is_bounded(text, holds):
    assert is_repository_name(text) is holds
