"""The verdicts on the images of a request: the last ones while they hold, else new ones on the evidence there is.

Both webhooks use it, so that the digest that one judged for a tag is judged no second time by the other. It looks nothing
up itself: platforms and evidence come through protocols.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from tidegate.admission.plan import Plan, judge_plan
from tidegate.admission.remembered import Remembered
from tidegate.admission.running import NothingRuns, RunningSource, with_grace
from tidegate.admission.verdict import ImageVerdict
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import RENEWED_SHARE, ImageEvidence, nothing_asked
from tidegate.evidence.needs import Needs
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference
from tidegate.policy.snapshot import PolicySet, PolicySnapshot

NO_EVIDENCE_SECONDS = 3_600.0
"""How long a verdict that rests on no evidence is remembered."""


class PlatformSource(Protocol):
    """Gives the platforms of the cluster's nodes."""

    def platforms(self) -> tuple[Platform, ...]:
        """Return them; empty when they are unknown. The same tuple is returned until they change."""
        ...


class EvidenceSource(Protocol):
    """Collects evidence."""

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return the evidence that is remembered."""
        ...

    def renew(self, reference: ImageReference, wanted: Needs, *, share: str) -> None:
        """Renew remembered evidence that is in use and expires soon, in the background."""
        ...

    async def collect_all(
        self,
        wanted: Sequence[tuple[ImageReference, Needs]],
        *,
        deadline: float,
        share: str,
        is_patient: bool = True,
    ) -> Sequence[ImageEvidence]:
        """Return the evidence of each image, in order, by the deadline (monotonic seconds).

        ``share`` is the namespace that the look-ups are counted for. With ``is_patient`` False, look-ups that take longer than
        usual are not waited for, and their remembered evidence is returned.
        """
        ...


class Verdicts:
    """Judges images under sets of policies. What it remembers is cleared when policies or platforms change."""

    def __init__(
        self,
        *,
        platforms: PlatformSource,
        evidence: EvidenceSource,
        clock: Clock,
        audit_only: bool,
        running: RunningSource | None = None,
    ) -> None:
        self._running = NothingRuns() if running is None else running
        self.remembered = Remembered()
        """Plans with their verdicts, and the decisions on them."""
        self._platform_source = platforms
        self._evidence = evidence
        self._clock = clock
        self._audit_only = audit_only
        self._platforms: tuple[Platform, ...] = ()
        self._snapshot: PolicySnapshot | None = None

    def follow(self, snapshot: PolicySnapshot) -> None:
        """Forget what rests on other policies, or on other platforms than the present ones."""
        platforms = self._platform_source.platforms()
        if snapshot is not self._snapshot or platforms is not self._platforms:
            self._snapshot, self._platforms = snapshot, platforms
            self.remembered.clear()

    def plan(self, text: str, policies: PolicySet) -> Plan:
        """Return the plan of an image under a set of policies of the snapshot that was followed last."""
        return self.remembered.plan(text, policies, self._platforms)

    async def judge_all(
        self, texts: Iterable[str], policies: PolicySet, *, deadline: float, share: str
    ) -> list[ImageVerdict]:
        """Return the verdict on each image. Where old evidence is remembered, AWS is waited for as long as it usually takes."""
        plans = [self.plan(text, policies) for text in texts]
        moment = self._clock.monotonic()
        found = {plan: self.known(plan, moment, share) for plan in plans}
        cold = [plan for plan, verdict in found.items() if verdict is None]
        is_patient = not self.is_remembered(cold)
        evidence = await self.collect(cold, deadline=deadline, share=share, is_patient=is_patient)
        verdicts = [(plan, verdict or self.judge(plan, evidence.get(plan.text))) for plan, verdict in found.items()]
        return [self.with_grace(plan, verdict, evidence.get(plan.text), share) for plan, verdict in verdicts]

    def with_grace(
        self, plan: Plan, verdict: ImageVerdict, evidence: ImageEvidence | None, namespace: str
    ) -> ImageVerdict:
        """Return the verdict, or the one with its grace where it refuses an image that the namespace runs.

        That is for this namespace alone, and never remembered: plans and their verdicts are shared by namespaces.
        """
        if not verdict.denied or plan.reference is None or plan.wanted is None:
            return verdict
        found = evidence or self._evidence.known(plan.reference, plan.wanted)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        judge = partial(judge_plan, plan, found, now=now, monotonic=monotonic, audit_only=self._audit_only)
        return with_grace(plan, verdict, judge, running=self._running, namespace=namespace)

    def known(self, plan: Plan, moment: float, share: str) -> ImageVerdict | None:
        """Return the last verdict while it holds, else one on remembered evidence; None where evidence must be collected."""
        if plan.verdict is not None and moment < plan.until:
            if plan.renew_at <= moment:
                self._renew(plan, share)
            return plan.verdict
        if plan.reference is None or plan.wanted is None:
            return self.judge(plan, None)
        evidence = self._evidence.known(plan.reference, plan.wanted)
        if evidence.valid_until <= moment:
            return None
        self._evidence.renew(plan.reference, plan.wanted, share=share)
        return self.judge(plan, evidence)

    def is_remembered(self, plans: Iterable[Plan]) -> bool:
        """Tell whether everything that the plans want is known, if only from an earlier look-up, and whether that is anything."""
        lookups = _lookups(plans)
        return bool(lookups) and all(self._evidence.known(*one).is_whole for one in lookups.values())

    async def collect(
        self, plans: Iterable[Plan], *, deadline: float, share: str, is_patient: bool = True
    ) -> Mapping[str, ImageEvidence]:
        """Return the evidence that the plans want, by image; see `EvidenceSource.collect_all`."""
        lookups = _lookups(plans)
        if not lookups:
            return {}
        collected = await self._evidence.collect_all(
            list(lookups.values()), deadline=deadline, share=share, is_patient=is_patient
        )
        return dict(zip(lookups, collected, strict=True))

    def judge(self, plan: Plan, evidence: ImageEvidence | None) -> ImageVerdict:
        """Judge an image and remember the verdict for as long as its evidence and the passing of time allow."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if plan.verdict is not None and monotonic < plan.until:
            return plan.verdict  # Judged meanwhile, for another request that waited for the same evidence.
        found = nothing_asked() if evidence is None else evidence
        verdict = judge_plan(plan, found, now=now, monotonic=monotonic, audit_only=self._audit_only)
        until = monotonic + NO_EVIDENCE_SECONDS if evidence is None else evidence.valid_until
        if verdict.holds_until is not None:
            until = min(until, monotonic + (verdict.holds_until - now).total_seconds())
        plan.verdict, plan.until = verdict, until
        plan.renew_at = until - (until - monotonic) * RENEWED_SHARE
        self.remembered.judged(plan)
        return verdict

    def _renew(self, plan: Plan, share: str) -> None:
        """Renew the evidence of a verdict that is used late in its lifetime, once, so that no request waits for it."""
        plan.renew_at = float("inf")
        if plan.reference is not None and plan.wanted is not None:
            self._evidence.renew(plan.reference, plan.wanted, share=share)


def _lookups(plans: Iterable[Plan]) -> dict[str, tuple[ImageReference, Needs]]:
    return {
        plan.text: (plan.reference, plan.wanted)
        for plan in plans
        if plan.reference is not None and plan.wanted is not None
    }
