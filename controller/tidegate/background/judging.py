"""One running image, judged by every policy where it runs: what is wanted of it, and the verdicts. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from tidegate.admission.plan import Plan, judge_plan, make_plan
from tidegate.admission.reviewer import PolicySource
from tidegate.admission.verdict import ImageVerdict
from tidegate.admission.verdicts import PlatformSource
from tidegate.background.running import ImageUses
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.evidence.needs import Needs
from tidegate.evidence.verification_result import VerificationResults
from tidegate.images.platform import Platform
from tidegate.policy.snapshot import PolicySet, PolicySnapshot
from tidegate.verdicts.usage import OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict

T = TypeVar("T")


class LabelSource(Protocol):
    """Gives namespaces' labels."""

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels, or None when they are unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUse:
    """One reference in one namespace, with the workloads there that use it."""

    namespace: str
    text: str
    workloads: tuple[OwningWorkload, ...]
    plan: Plan


class UsesJudge:
    """Plans and judges by the present policies, labels and platforms. Nothing is remembered."""

    def __init__(
        self, *, policies: PolicySource, namespaces: LabelSource, platforms: PlatformSource, clock: Clock
    ) -> None:
        self._policies = policies
        self._namespaces = namespaces
        self._platforms = platforms
        self._clock = clock

    @property
    def snapshot(self) -> PolicySnapshot:
        """Return the present policies."""
        return self._policies.current()

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms of the nodes; the same tuple until they change."""
        return self._platforms.platforms()

    def labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, or None when they are unknown."""
        return self._namespaces.labels(namespace)

    def plan_one(self, namespace: str, text: str) -> PlannedUse:
        """Return what one reference in one namespace is judged by."""
        return self.plan(ImageUses(usage=Usage(), texts={(namespace, text): ()}))[0]

    def plan(self, uses: ImageUses) -> list[PlannedUse]:
        """Return what each use of an image is judged by; raise NotSyncedError before the policies were read."""
        snapshot, platforms = self._policies.current(), self._platforms.platforms()
        plans: dict[tuple[PolicySet, str], Plan] = {}
        planned = []
        for (namespace, text), workloads in sorted(uses.texts.items()):
            policies = snapshot.for_namespace(namespace, self._namespaces.labels(namespace))
            plan = plans.get((policies, text))
            if plan is None:
                plan = plans[policies, text] = make_plan(text, policies, platforms)
            planned.append(PlannedUse(namespace=namespace, text=text, workloads=workloads, plan=plan))
        return planned

    def judge(
        self, planned: Iterable[PlannedUse], evidence: Mapping[Needs, ImageEvidence]
    ) -> tuple[list[NamespaceVerdict], datetime | None]:
        """Return the verdicts, and when time alone may change one of them (UTC)."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        made: dict[Plan, ImageVerdict] = {}
        verdicts = []
        for use in planned:
            plan = use.plan
            if plan not in made:
                found = nothing_asked() if plan.wanted is None else evidence[plan.wanted]
                made[plan] = judge_plan(plan, found, now=now, monotonic=monotonic, audit_only=False)
            verdicts.append(NamespaceVerdict(namespace=use.namespace, workloads=use.workloads, verdict=made[plan]))
        limits = [one.holds_until for one in made.values() if one.holds_until is not None]
        return verdicts, min(limits, default=None)


def needs_of(planned: Iterable[PlannedUse]) -> list[Needs]:
    """Return the distinct facts that the plans want."""
    return list(dict.fromkeys(use.plan.wanted for use in planned if use.plan.wanted is not None))


def united(evidence: Sequence[ImageEvidence]) -> ImageEvidence:
    """Return all facts of what was collected for several sets of policies, of which each wants some."""
    found = nothing_asked() if not evidence else evidence[0]
    for other in evidence[1:]:
        found = replace(
            found,
            detail=_asked(found.detail, other.detail),
            settings=_asked(found.settings, other.settings),
            runnable=_asked(found.runnable, other.runnable),
            scan_type=_asked(found.scan_type, other.scan_type),
            scans={**other.scans, **found.scans},
            proofs={
                digest: _proofs([one.proofs[digest] for one in (other, found) if digest in one.proofs])
                for digest in {**other.proofs, **found.proofs}
            },
        )
    return found


def _asked(fact: Fact[T], other: Fact[T]) -> Fact[T]:
    return other if isinstance(fact, Missing) and fact.cause is Cause.NOT_ASKED else fact


def _proofs(facts: Sequence[Fact[VerificationResults]]) -> Fact[VerificationResults]:
    known = [fact for fact in facts if isinstance(fact, Known)]
    if len(known) < len(facts) or len(known) == 1:
        return facts[-1]
    results = {required: result for fact in known for required, result in fact.value.by_requirement.items()}
    oldest = min(known, key=lambda fact: fact.observed_at)
    value = VerificationResults(by_requirement=results, hints=known[-1].value.hints)
    return Known(value, oldest.observed_at, oldest.stale, oldest.source, oldest.monotonic)
