"""A workload whose image the policy checks for critical vulnerabilities."""

from tests.unit.background.cluster import ECR, pod
from tests.unit.builders import ecr, policy
from tests.unit.gather.fakes import IMAGE, finding
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import Severity
from tidegate.policy.model import VulnerabilityRules

BY_TAG = f"{ECR}/team/app:v1"
BY_DIGEST = f"{ECR}/team/app@{IMAGE}"
CRITICAL = FoundFindings(findings=(finding("CVE-2026-0001"),))
STRICT = policy(
    registries=(ecr("team/**", account="111122223333"),),
    vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
)


def running(name: str = "web-1-a", image: str = BY_TAG, **more):
    return pod(name, image, ran=(BY_DIGEST,), **more)
