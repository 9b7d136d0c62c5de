"""What the demo shows: chapters of scenes, each something that a developer applies, and what should come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.objects import ECR, workload


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One thing applied. ``expected`` is the reason code that kubectl must show, or empty when it is admitted."""

    title: str
    name: str
    image: str
    expected: str = ""
    kind: str = "Deployment"
    aws_down: bool = False

    def manifest(self, namespace: str) -> dict[str, Any]:
        """Return what is applied."""
        made = workload(self.kind, self.image, name=self.name)
        return made | {"metadata": {"name": self.name, "namespace": namespace}}


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Scenes in one namespace under one more policy, with the trust stores that it names."""

    title: str
    namespace: str
    policy: str
    trust_stores: tuple[str, ...] = ()
    scenes: tuple[Scene, ...]


SCANS = Chapter(
    title="Scans, tags and registries",
    namespace="shop",
    policy="production",
    scenes=(
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
    ),
)
SIGNATURES = Chapter(
    title="Signatures: in the namespace payments, the release team or the CI must have signed as well",
    namespace="payments",
    policy="payments",
    trust_stores=("aws-signer", "sigstore"),
    scenes=(
        Scene(
            title="An image that the signing profile of the release team signed with AWS Signer",
            name="signed",
            image=f"{ECR}/team/signed:v1",
        ),
        Scene(
            title="An image that a workflow of the CI signed with cosign, without any key",
            name="keyless",
            image=f"{ECR}/team/keyless:v1",
        ),
        Scene(
            title="An image without a signature",
            name="unsigned",
            image=f"{ECR}/team/good:v1",
            expected="SignatureMissing",
        ),
        Scene(
            title="An image that Amazon ECR has begun to sign",
            name="signing",
            image=f"{ECR}/team/signing:v1",
            expected="SignaturePending",
        ),
        Scene(
            title="An image signed with cosign by somebody else's workflow",
            name="stranger",
            image=f"{ECR}/team/stranger:v1",
            expected="SignatureInvalid",
        ),
        Scene(
            title="A good signature that was put beside another image than the one it is of",
            name="copied",
            image=f"{ECR}/team/signed:v2",
            expected="SignatureInvalid",
        ),
        Scene(
            title="An image whose signature AWS Signer has revoked since",
            name="revoked",
            image=f"{ECR}/team/revoked:v1",
            expected="SignatureRevoked",
        ),
        Scene(
            title="AWS cannot be reached, but this image's signature was verified a moment ago",
            name="signed-again",
            image=f"{ECR}/team/signed:v1",
            aws_down=True,
        ),
    ),
)
CHAPTERS = (SCANS, SIGNATURES)
NEW_FINDING = "CVE-2026-31337"
TURNED_BAD = Scene(
    title="Amazon Inspector finds a CRITICAL vulnerability in an image that runs",
    name="good-too",
    image=SCANS.scenes[0].image,
    expected="VulnerabilitiesFound",
)
EXCEPTED = Scene(
    title="An exception for that vulnerability, which ends by itself after four hours",
    name="good-until-fixed",
    image=TURNED_BAD.image,
)
AFTER_ADMISSION = (TURNED_BAD, EXCEPTED)
"""What happens to the first image of the scans after it was admitted."""
