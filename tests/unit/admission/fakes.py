"""In-memory stand-ins for what the reviewer is given, and AdmissionReviews to give it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.builders import NOW, evidence, finding, report
from tidegate.admission.decision import Decision
from tidegate.admission.request import AdmissionRequest
from tidegate.admission.reviewer import Reviewer
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.evidence.needs import Needs
from tidegate.evidence.scan import Severity
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference
from tidegate.policy.model import VulnerabilityRules
from tidegate.policy.snapshot import PolicySnapshot

UNKNOWN = replace(nothing_asked(), detail=Missing(Cause.DEADLINE, "ecr:DescribeImages"))
TICK = 1e-6
COUNTS: dict[str, Any] = {"vulnerabilities": VulnerabilityRules(max_counts={Severity.CRITICAL: 0})}
BAD = evidence(report(finding()), valid_until=float("inf"))
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def pod(*images: str) -> dict[str, Any]:
    containers = [{"name": f"c{index}", "image": text} for index, text in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": containers}}


def body(
    *images: str, operation: str = "CREATE", old: Sequence[str] | None = None, namespace: str = "shop", **changes: Any
) -> bytes:
    """An AdmissionReview for a Pod of these images."""
    request = {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": namespace,
        "operation": operation,
        "userInfo": {"username": "ann"},
        "object": pod(*images) if images else None,
        "oldObject": None if old is None else pod(*old),
    } | changes
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()


@dataclass
class FakeClock:
    """Both times, moved by hand."""

    seconds: float = 1000.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class FakePolicies:
    snapshot: PolicySnapshot

    def current(self) -> PolicySnapshot:
        return self.snapshot


@dataclass
class FakeNamespaces:
    """``known`` is answered at once, ``fetched`` when asked for; ``meanwhile`` runs while it is waited for."""

    known: dict[str, Mapping[str, str]] = field(default_factory=dict)
    fetched: dict[str, Mapping[str, str]] = field(default_factory=dict)
    deadlines: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def labels(self, name: str) -> Mapping[str, str] | None:
        return self.known.get(name)

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:
        self.deadlines.append(deadline)
        self.meanwhile()
        return self.fetched.get(name)


@dataclass
class FakePlatforms:
    these: tuple[Platform, ...] = ()

    def platforms(self) -> tuple[Platform, ...]:
        return self.these


@dataclass
class FakeEvidence:
    """Gives what ``answers`` holds for a reference, else ``otherwise``; notes what it was asked and by when.

    Nothing is known without being asked for but what ``remembered`` holds. ``impatient`` is given to who does not wait.
    """

    remembered: dict[str, ImageEvidence] = field(default_factory=dict)
    answers: dict[str, ImageEvidence] = field(default_factory=dict)
    otherwise: ImageEvidence = field(default_factory=lambda: evidence(valid_until=float("inf")))
    asked: list[tuple[list[str], float]] = field(default_factory=list)
    wanted: list[Needs] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    impatient: dict[str, ImageEvidence] = field(default_factory=dict)
    patience: list[bool] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        return self.remembered.get(reference.text, UNKNOWN)

    def renew(self, reference: ImageReference, wanted: Needs, *, share: str) -> None:
        self.renewed.append(reference.text)
        self.wanted.append(wanted)

    async def collect_all(
        self,
        wanted: Sequence[tuple[ImageReference, Needs]],
        *,
        deadline: float,
        share: str,
        is_patient: bool = True,
    ) -> Sequence[ImageEvidence]:
        self.patience.append(is_patient)
        self.shares.append(share)
        self.asked.append(([reference.text for reference, _ in wanted], deadline))
        self.wanted += [needs for _, needs in wanted]
        self.meanwhile()
        answers = self.answers if is_patient else self.answers | self.impatient
        return [answers.get(reference.text, self.otherwise) for reference, _ in wanted]

    @property
    def looked_up(self) -> list[str]:
        """Every image that was looked up, in order."""
        return [text for texts, _ in self.asked for text in texts]


@dataclass
class FakeObserver:
    seen: list[tuple[AdmissionRequest, Decision, float, bool]] = field(default_factory=list)

    def decided(self, request: AdmissionRequest, decision: Decision, *, seconds: float, waited: bool) -> None:
        self.seen.append((request, decision, seconds, waited))


class World:
    """A reviewer and all that it is given."""

    def __init__(self, *policies: Any, audit_only: bool = False, **options: Any) -> None:
        self.clock = FakeClock()
        self.policies = FakePolicies(PolicySnapshot.of(policies))
        self.namespaces = FakeNamespaces()
        self.platforms = FakePlatforms()
        self.evidence = FakeEvidence()
        self.observer = FakeObserver()
        self.reviewer = Reviewer(
            policies=self.policies,
            namespaces=self.namespaces,
            platforms=self.platforms,
            evidence=self.evidence,
            clock=self.clock,
            observer=self.observer,
            audit_only=audit_only,
            **options,
        )

    async def review(self, request: bytes, deadline_seconds: float | None = 10.0) -> dict[str, Any]:
        """Return the response, waited for where it is not there at once."""
        answer = self.reviewer.review(request, deadline_seconds)
        response: dict[str, Any] = json.loads(answer if isinstance(answer, bytes) else await answer)["response"]
        assert response["uid"] == UID
        return response

    def at_once(self, request: bytes) -> dict[str, Any]:
        """Return the response that must not be waited for."""
        answer = self.reviewer.review(request, 10.0)
        if not isinstance(answer, bytes):
            answer.close()  # type: ignore[attr-defined]
            raise AssertionError("the answer had to be waited for")  # noqa: TRY004 - a test has failed
        response: dict[str, Any] = json.loads(answer)["response"]
        return response
