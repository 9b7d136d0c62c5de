"""What ImageVerdicts are made from, in tests: one image that runs, judged by one policy."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.unit.builders import DAY, DIGEST, IMAGE, NOW, evidence, full_policy, moment, platforms
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.images.digest import Digest
from tidegate.images.platform import Platform
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRepository
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput

WEB = OwningWorkload(kind="Deployment", name="web")


def repository(text: str = IMAGE) -> EcrRepository:
    found = parse_reference(text).ecr
    assert found is not None
    return found


def usage(*namespaces: str, pods: int = 2, tags: tuple[str, ...] = ("v1",)) -> Usage:
    one = NamespaceUsage(pods=pods, since=NOW - DAY, workloads=(WEB,))
    return Usage(namespaces=dict.fromkeys(namespaces or ("shop",), one), tags=tags)


def verdict(
    collected: ImageEvidence,
    namespace: str = "shop",
    policies: Sequence[Any] | None = None,
    *,
    text: str = IMAGE,
    now: datetime = NOW,
    nodes: tuple[Platform, ...] = (),
) -> NamespaceVerdict:
    snapshot = PolicySnapshot.of((full_policy(),) if policies is None else policies)
    plan = make_plan(text, snapshot.for_namespace(namespace, {}), nodes or platforms("linux/amd64"))
    found = judge_plan(plan, collected, now=now, monotonic=moment(now), audit_only=False)
    return NamespaceVerdict(namespace=namespace, workloads=(WEB,), verdict=found)


def given(
    collected: ImageEvidence | None = None,
    *,
    digest: Digest = DIGEST,
    judged: Sequence[NamespaceVerdict] | None = None,
    runs: Usage | None = None,
    tags: Mapping[str, datetime] | None = None,
    policies: Sequence[Any] | None = None,
) -> VerdictInput:
    collected = evidence() if collected is None else collected
    return VerdictInput(
        repository=repository(),
        digest=digest,
        evidence=collected,
        judged=(verdict(collected, policies=policies),) if judged is None else judged,
        usage=usage() if runs is None else runs,
        tags={"v1": NOW} if tags is None else tags,
    )
