"""Indexes that show a clean image and have the node run another: refused by the image that runs, through the real API server.

The nodes are linux/amd64 and linux/arm64.
"""

import json
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from tests.e2e.conftest import Installation
from tests.objects import ECR, apply, pod
from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST

POLICY: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
Platform = dict[str, Any]
Child = tuple[str | list[Any], Platform | None]
"""What an index lists: ``clean``, ``critical`` or an index within, and for which platform."""

AMD64: Platform = {"os": "linux", "architecture": "amd64"}
ARM64: Platform = {"os": "linux", "architecture": "arm64"}
I386: Platform = {"os": "linux", "architecture": "386"}
ARM_8: Platform = {"os": "linux", "architecture": "arm", "variant": "8"}

REFUSED: dict[str, tuple[list[Child], str]] = {
    "a variant that the node does not have": (
        [("clean", AMD64 | {"variant": "v4"}), ("critical", I386)],
        "linux/386",
    ),
    "an inner index for another platform than it holds": (
        [([("clean", AMD64)], ARM64), ("critical", I386)],
        "linux/386",
    ),
    "an inner index that holds a lesser image": ([([("critical", I386)], AMD64), ("clean", AMD64)], "linux/386"),
    "arm64/v9 beside arm/8": ([("clean", ARM64 | {"variant": "v9"}), ("critical", ARM_8)], "linux/arm/v8"),
    "a feature that the node does not have": (
        [("clean", AMD64 | {"os.features": ["sse4"]}), ("critical", I386)],
        "linux/386",
    ),
    "a platform in other letters": (
        [("clean", AMD64 | {"Variant": "v4"}), ("critical", I386)],
        "not a valid image manifest or image index",
    ),
}


@pytest.fixture
def push(installation: Installation) -> Callable[[Sequence[Child]], str]:
    """Give what pushes an index of such children and gives its reference."""
    world, numbers = installation.aws.world, count()
    repository = world.add_repository(f"team/children-{next(_SERIAL)}").name

    def listed(child: str | Sequence[Child]) -> tuple[str, str]:
        tag = f"v{next(numbers)}"
        if isinstance(child, str):
            world.add_image(repository, tag)
            if child == "critical":
                world.add_finding(repository, tag, severity="CRITICAL", id="CVE-2023-38545", package="curl")
            return OCI_MANIFEST, tag
        entries = []
        for inner, platform in child:
            media_type, name = listed(inner)
            manifest = world.image(repository, name).manifest
            entry = {"mediaType": media_type, "digest": manifest.digest, "size": manifest.size}
            entries.append(entry | ({"platform": platform} if platform else {}))
        content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        world.add_manifest(repository, content, tag, media_type=OCI_INDEX)
        return OCI_INDEX, tag

    return lambda children: f"{ECR}/{repository}:{listed(children)[1]}"


_SERIAL = count()


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_node_runs_is_judged_and_named(installation, gated_namespace, push, case):
    children, named = REFUSED[case]
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})

    admitted, text = apply(installation.cluster, gated_namespace, pod(push(children)))

    assert not admitted
    assert named in text


def test_a_policys_v8_is_an_images_8(installation, gated_namespace, push):
    policy = POLICY | {"platforms": ["linux/arm64/v8"]}
    installation.gate.apply_policy("production", policy, match={"namespaces": [gated_namespace]})
    children = [("critical", ARM64 | {"variant": "8"}), ("clean", ARM_8)]

    admitted, text = apply(installation.cluster, gated_namespace, pod(push(children)))

    assert not admitted
    assert "linux/arm64: " in text


def test_what_no_node_runs_refuses_nothing(installation, gated_namespace, push):
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    rare = [I386, ARM_8, {"os": "linux", "architecture": "s390x"}, {"os": "windows", "architecture": "amd64"}]
    children = [*(("critical", platform) for platform in rare), ("clean", AMD64), ("clean", ARM64 | {"variant": "v8"})]

    admitted, text = apply(installation.cluster, gated_namespace, pod(push(children)))

    assert admitted, text
