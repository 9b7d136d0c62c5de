"""The section ``repository`` of a policy, through the real API server: what kubectl prints for an open repository."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Installation
from tests.integration.cli.test_posture import CI, RESTRICTED
from tests.objects import ECR, POLICY, apply, workload

OTHER = "arn:aws:iam::111122223333:role/other"


@pytest.fixture
def installed(installation: Installation) -> Iterator[Installation]:
    """Give two repositories with a clean image each: only the CI may push to one, the whole account to the other."""
    world = installation.aws.world
    for name, policy in (("team/restricted", RESTRICTED), ("team/open", None)):
        world.add_repository(name, policy=policy)
        world.add_image(name, "v1")
    yield installation
    for name in ("team/restricted", "team/open"):
        world.remove_repository(name)


def test_an_image_of_an_open_repository_is_refused(installed: Installation, gated_namespace: str) -> None:
    rules = POLICY | {"repository": {"push": {"restrictedTo": [CI]}}}
    installed.gate.apply_policy("repositories", rules, match={"namespaces": [gated_namespace]})
    restricted, said = apply(installed.cluster, gated_namespace, workload("Deployment", f"{ECR}/team/restricted:v1"))
    assert restricted, said
    opened, text = apply(installed.cluster, gated_namespace, workload("Deployment", f"{ECR}/team/open:v1", name="open"))
    assert not opened
    assert "repository PushNotRestricted: " in text
    assert "[policy repositories]" in text
    assert "arn:" not in text


def test_a_restriction_to_another_role_is_refused(installed: Installation, gated_namespace: str) -> None:
    rules = POLICY | {"repository": {"push": {"restrictedTo": [OTHER]}}}
    installed.gate.apply_policy("repositories", rules, match={"namespaces": [gated_namespace]})
    admitted, text = apply(installed.cluster, gated_namespace, workload("Deployment", f"{ECR}/team/restricted:v1"))
    assert not admitted
    assert "repository PushNotRestricted: " in text
