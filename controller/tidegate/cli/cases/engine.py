"""The controller's own reviewer over the evidence of a test case: same code as admission, without a network."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from tidegate.admission.decision import Decision
from tidegate.admission.request import AdmissionRequest
from tidegate.admission.reviewer import Reviewer
from tidegate.admission.workload import WORKLOAD_KINDS
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.evidence import CaseSources
from tidegate.cli.cases.stated_signatures import StatedSignatures
from tidegate.cli.documents import read_documents
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.platform import Platform
from tidegate.images.repository import Registry, Repository
from tidegate.policy.snapshot import PolicySnapshot

CACHED_IMAGES: Final = 20_000
"""Images in the memory of one case; more than an object of 1.5 MiB can name."""
TIMEOUT_SECONDS: Final = 120.0
"""Time of one case: long enough on a slow machine, since a case waits for no network."""
_RATE: Final = RateLimit(per_second=1e9, burst=10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClock:
    """The time of a case, which stands still, and the machine's seconds."""

    moment: datetime

    def now(self) -> datetime:
        """Return the time of the case."""
        return self.moment

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The namespace of a case, the platforms of the nodes, and the time since which the images run."""

    namespace: str
    labels: Mapping[str, str] | None
    platforms: tuple[Platform, ...] = ()
    running_since: datetime | None = None


@dataclass(slots=True, kw_only=True)
class _Surroundings:
    """Policies, labels and platforms for the reviewer; it also keeps the decision."""

    snapshot: PolicySnapshot
    situation: Situation
    decision: Decision | None = None

    def current(self) -> PolicySnapshot:
        return self.snapshot

    def labels(self, name: str) -> Mapping[str, str] | None:  # noqa: ARG002
        return self.situation.labels

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:  # noqa: ARG002
        return self.situation.labels

    def platforms(self) -> tuple[Platform, ...]:
        return self.situation.platforms

    def since(self, namespace: str, repository: Repository, digest: Digest) -> datetime | None:  # noqa: ARG002
        return self.situation.running_since

    def decided(
        self,
        request: AdmissionRequest,  # noqa: ARG002
        decision: Decision,
        *,
        seconds: float,  # noqa: ARG002
        waited: bool,  # noqa: ARG002
    ) -> None:
        self.decision = decision


class _Silent:
    """Observes no calls: there are none."""

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        pass

    def unanswered(self, source: str, registry: Registry, ids: int, problem: Exception) -> None:
        pass


def review(
    obj: Mapping[str, Any], snapshot: PolicySnapshot, sources: CaseSources, situation: Situation, *, now: datetime
) -> Decision:
    """Return the decision on creating an object; raise ArgumentError for a kind that admission does not judge."""
    return asyncio.run(_review(_admission_review(obj, situation.namespace), snapshot, sources, situation, now))


async def _review(
    body: bytes, snapshot: PolicySnapshot, sources: CaseSources, situation: Situation, now: datetime
) -> Decision:
    clock = CaseClock(moment=now)
    limiters = ApiLimiters(clock=clock, rate=_RATE, observer=_Silent())
    every = Sources(
        images=sources,
        manifests=sources,
        repositories=sources,
        scan_types=sources,
        basic_scans=sources,
        inspections=sources,
        signatures=sources,
        signing=sources,
        signer=sources,
        other_registries=sources,
        revocation_services=sources,
        configurations=sources,
    )
    facts = Lookups(sources=every, limiters=limiters, clock=clock, limit=CACHED_IMAGES)
    facts.signatures = StatedSignatures(
        sources,
        sources=every,
        limiters=limiters,
        clock=clock,
        manifests=facts.manifests,
        verifications=facts.verifications,
        limit=CACHED_IMAGES,
    )
    around = _Surroundings(snapshot=snapshot, situation=situation)
    reviewer = Reviewer(
        policies=around,
        namespaces=around,
        platforms=around,
        evidence=Collector(facts, clock),
        clock=clock,
        observer=around,
        running=around,
    )
    try:
        answer = reviewer.review(body, TIMEOUT_SECONDS)
        if not isinstance(answer, bytes):
            answer = await answer
    finally:
        limiters.close()
        facts.verifications.close()
    if around.decision is None:
        message = json.loads(answer)["response"].get("status", {}).get("message", "")
        raise ArgumentError(f"object: {message}")
    return around.decision


def _admission_review(obj: Mapping[str, Any], namespace: str) -> bytes:
    """Return the AdmissionReview that the API server would send for creating the object."""
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    kind = str(obj.get("kind", ""))
    known = WORKLOAD_KINDS.get((group, version, kind))
    if known is None:
        judged = ", ".join(sorted({one for _, _, one in WORKLOAD_KINDS}))
        raise ArgumentError(f"object: expected a kind that admission judges ({judged}), got {kind} of {group or 'v1'}")
    metadata = obj.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    request = {
        "uid": "test",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": known.resource},
        "namespace": namespace,
        "name": name,
        "operation": "CREATE",
        "userInfo": {"username": "tidegate-test"},
        "object": obj,
    }
    try:
        return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
    except (TypeError, ValueError) as problem:
        raise ArgumentError(f"object: {problem}; write times in quotes") from problem


def read_object(value: Mapping[str, Any] | str, folder: Path) -> Mapping[str, Any]:
    """Return the object of a case, or the only one of the file that it names beside the file of the case."""
    if not isinstance(value, str):
        return value
    found = list(read_documents(folder / value))
    if len(found) != 1:
        raise ArgumentError(f"object: expected a file with one object, {folder / value} has {len(found)}")
    return found[0]
