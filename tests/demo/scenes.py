"""What the demo shows: each scene is something a developer applies, and what should come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
NAMESPACE = "shop"

POLICY: dict[str, Any] = {
    "registries": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/**"]}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}
"""What the platform team demands in the demo."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One thing applied. ``expected`` is the reason code that kubectl must show, or empty when it is admitted."""

    title: str
    name: str
    image: str
    expected: str = ""
    kind: str = "Deployment"
    aws_down: bool = False

    @property
    def manifest(self) -> str:
        """Return what is applied, as JSON."""
        pod = {"containers": [{"name": "app", "image": self.image}]}
        labels = {"app": self.name}
        meta = {"name": self.name, "namespace": NAMESPACE}
        if self.kind == "Pod":
            return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod})
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


SCENES = (
    Scene(title="A scanned image with an immutable tag", name="good", image=f"{ECR}/team/good:v1"),
    Scene(
        title="An image with CRITICAL findings",
        name="critical",
        image=f"{ECR}/team/critical:v1",
        expected="VulnerabilitiesFound",
    ),
    Scene(
        title="An image that was never scanned",
        name="unscanned",
        image=f"{ECR}/team/unscanned:v1",
        expected="NotScanned",
    ),
    Scene(
        title="An image whose first scan is still running",
        name="pending",
        image=f"{ECR}/team/pending:v1",
        expected="ScanPending",
    ),
    Scene(
        title="An image whose scan has expired: its findings were closed, which is not the same as clean",
        name="expired",
        image=f"{ECR}/team/expired:v1",
        expected="ScanExpired",
    ),
    Scene(
        title="A tag that can be moved to another image",
        name="mutable",
        image=f"{ECR}/team/mutable:v1",
        expected="TagMutable",
    ),
    Scene(
        title="An image from a registry that nobody listed",
        name="unlisted",
        image="docker.io/library/nginx:1.27",
        expected="RegistryNotAllowed",
    ),
    Scene(title="A tag that does not exist", name="missing", image=f"{ECR}/team/good:v9", expected="ImageNotFound"),
    Scene(
        title="A multi-architecture image: the arm64 child has the CRITICAL finding, and the cluster has arm64 nodes",
        name="multiarch",
        image=f"{ECR}/team/multiarch:v1",
        expected="VulnerabilitiesFound",
    ),
    Scene(
        title="An archived image",
        name="archived",
        image=f"{ECR}/team/archived:v1",
        expected="ImageArchived",
        kind="Pod",
    ),
    Scene(
        title="AWS cannot be reached, and nothing is known of this image yet",
        name="unreachable",
        image=f"{ECR}/team/exclusions:v1",
        expected="CouldNotCheck",
        aws_down=True,
    ),
    Scene(
        title="AWS still cannot be reached, but this image was judged a moment ago",
        name="good-again",
        image=f"{ECR}/team/good:v1",
        aws_down=True,
    ),
)
