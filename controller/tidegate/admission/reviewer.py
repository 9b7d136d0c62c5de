"""One admission request from bytes to bytes: its images, the policies, the evidence, and the answer.

A request whose evidence is remembered is answered at once, without a task; any other waits for evidence until its
deadline. The reviewer looks nothing up itself: policies, namespaces, platforms and evidence come through protocols.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec

from tidegate.admission.decision import Decision, Mark, decide, pass_without_work, refuse_unreadable, refuse_unsynced
from tidegate.admission.plan import Plan
from tidegate.admission.remembered import Uses
from tidegate.admission.request import AdmissionRequest, BadReviewError, changed_images, decode_review
from tidegate.admission.running import RunningSource
from tidegate.admission.verdict import ImageVerdict
from tidegate.admission.verdicts import EvidenceSource, PlatformSource, Verdicts
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.policy.snapshot import PolicySnapshot

DEFAULT_TIMEOUT_SECONDS = 10.0
"""The webhook timeout where the API server sends none."""
ANSWER_MARGIN_SECONDS = 1.25
"""Part of the webhook timeout that is kept for the answer, which reaches the API server about a second early."""


class PolicySource(Protocol):
    """Gives the present policies."""

    def current(self) -> PolicySnapshot:
        """Return the present snapshot, which may be the unsynced one."""
        ...


class NamespaceSource(Protocol):
    """Gives namespaces' labels."""

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels, or None when they are unknown."""
        ...

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:
        """Ask the API server for the labels; None when it does not answer in time."""
        ...


class ReviewObserver(Protocol):
    """Observes every decision, after it was made."""

    def decided(self, request: AdmissionRequest, decision: Decision, *, seconds: float, waited: bool) -> None:
        """Record the decision; ``waited`` tells whether evidence had to be looked up."""
        ...


class _Call(msgspec.Struct, frozen=True, gc=False):
    """One request with the images to judge, when it arrived (monotonic seconds), and the webhook's timeout."""

    request: AdmissionRequest
    uses: Uses
    started: float
    timeout_seconds: float

    @property
    def deadline(self) -> float:
        """Return when it must be answered (monotonic seconds)."""
        return self.started + inner_timeout(self.timeout_seconds)


class Reviewer:
    """Reviews admission requests."""

    def __init__(
        self,
        *,
        policies: PolicySource,
        namespaces: NamespaceSource,
        platforms: PlatformSource,
        evidence: EvidenceSource,
        clock: Clock,
        observer: ReviewObserver,
        audit_only: bool = False,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        running: RunningSource | None = None,
    ) -> None:
        self._policies = policies
        self._namespaces = namespaces
        self.verdicts = Verdicts(
            platforms=platforms, evidence=evidence, clock=clock, audit_only=audit_only, running=running
        )
        """The verdicts on images, which digest pinning shares."""
        self._remembered = self.verdicts.remembered
        self._clock = clock
        self._observer = observer
        self._audit_only = audit_only
        self._timeout_seconds = timeout_seconds

    def forget(self) -> None:
        """Forget all verdicts, whose ends were computed before the wall clock jumped."""
        self._remembered.clear()

    def review(self, body: bytes, deadline_seconds: float | None) -> bytes | Awaitable[bytes]:
        """Return the answer, or an awaitable of it; raise BadReviewError when the request has no uid to answer with."""
        started = self._clock.monotonic()
        try:
            request = decode_review(body)
        except BadReviewError as problem:
            if problem.uid is None:
                raise
            return refuse_unreadable(str(problem), audit_only=self._audit_only).encode(problem.uid)
        timeout_seconds = self._timeout_seconds if deadline_seconds is None else deadline_seconds
        call = _Call(request, changed_images(request), started, timeout_seconds)
        if not call.uses:
            return self._finish(call, pass_without_work(Mark.UNCHANGED if request.images else Mark.NO_IMAGES))
        snapshot = self._policies.current()
        if not snapshot.synced:
            return self._finish(call, refuse_unsynced(audit_only=self._audit_only))
        labels = self._namespaces.labels(request.namespace)
        if labels is None and snapshot.needs_labels:
            return self._review_unknown_namespace(call, snapshot)
        return self._review(call, snapshot, labels)

    def _review(
        self, call: _Call, snapshot: PolicySnapshot, labels: Mapping[str, str] | None
    ) -> bytes | Awaitable[bytes]:
        """Answer from what is remembered where it still holds for every image, else wait for evidence."""
        self.verdicts.follow(snapshot)
        policies = snapshot.for_namespace(call.request.namespace, labels)
        if not policies.policies:
            return self._finish(call, pass_without_work(Mark.NO_POLICY))
        moment = self._clock.monotonic()
        decision = self._remembered.decision(call.uses, policies, moment)
        if decision is not None and (decision.response.allowed or not policies.has_running_images):
            return self._finish(call, decision)
        is_repeated = self._remembered.is_repeated(call.uses, policies)
        plans = [self.verdicts.plan(use.text, policies) for use in call.uses]
        used: list[tuple[str, ImageVerdict]] = []
        for use, plan in zip(call.uses, plans, strict=True):
            verdict = self.verdicts.known(plan, moment, call.request.namespace)
            if verdict is None:
                return self._review_cold(call, plans)
            used.append((use.path, verdict))
        decision = decide(used, expected=len(call.uses))
        if is_repeated:
            self._remembered.keep(decision, call.uses, policies, plans)
        return self._finish(call, self._with_grace(call, plans, decision, {}))

    async def _review_unknown_namespace(self, call: _Call, snapshot: PolicySnapshot) -> bytes:
        """Fetch the labels of a new namespace; where that fails, every selector counts as matching."""
        namespace = call.request.namespace
        labels = await self._namespaces.fetch_labels(namespace, deadline=call.deadline)
        answer = self._review(call, snapshot, labels)
        return answer if isinstance(answer, bytes) else await answer

    async def _review_cold(self, call: _Call, plans: Sequence[Plan]) -> bytes:
        """Collect evidence for the images without a verdict that holds, judge them, and answer.

        Where evidence of all of them is remembered but past its time to live, AWS is waited for as long as it usually takes. If
        it takes longer, the old evidence allows the request where every policy passes by it. Every other request waits for
        AWS until its deadline: a refusal, and an image that is only tolerated, which new evidence may refuse.
        """
        moment = self._clock.monotonic()
        cold = list(dict.fromkeys(plan for plan in plans if plan.verdict is None or plan.until <= moment))
        collect = partial(self.verdicts.collect, cold, deadline=call.deadline, share=call.request.namespace)
        if self.verdicts.is_remembered(cold):
            collected = await collect(is_patient=False)
            decision = self._decide(call.uses, plans, cold, collected)
            is_fresh = not any(one.is_stale for one in collected.values())
            is_passed = decision.response.allowed and all(verdict.passes for verdict in decision.verdicts)
            if all(one.is_whole for one in collected.values()) and (is_fresh or is_passed):
                return self._finish(call, self._with_grace(call, plans, decision, collected), waited=True)
        collected = await collect()
        decision = self._decide(call.uses, plans, cold, collected)
        return self._finish(call, self._with_grace(call, plans, decision, collected), waited=bool(collected))

    def _decide(
        self, uses: Uses, plans: Sequence[Plan], cold: Iterable[Plan], evidence: Mapping[str, ImageEvidence]
    ) -> Decision:
        """Judge the images without a valid verdict by the collected evidence, and decide."""
        verdicts = {plan.text: self.verdicts.judge(plan, evidence.get(plan.text)) for plan in cold}
        used = [
            (use.path, verdict)
            for use, plan in zip(uses, plans, strict=True)
            if (verdict := verdicts.get(use.text) or plan.verdict) is not None
        ]
        return decide(used, expected=len(uses))

    def _with_grace(
        self, call: _Call, plans: Sequence[Plan], decision: Decision, evidence: Mapping[str, ImageEvidence]
    ) -> Decision:
        """Return a refusal as it is, or the decision with the grace of what the namespace runs already."""
        policies = plans[0].matching.policy_set
        if decision.response.allowed or len(decision.verdicts) != len(plans) or not policies.has_running_images:
            return decision
        used = [
            (use.path, self.verdicts.with_grace(plan, verdict, evidence.get(plan.text), call.request.namespace))
            for use, plan, verdict in zip(call.uses, plans, decision.verdicts, strict=True)
        ]
        return decide(used, expected=len(call.uses))

    def _finish(self, call: _Call, decision: Decision, *, waited: bool = False) -> bytes:
        answer = decision.encode(call.request.uid)
        self._observer.decided(call.request, decision, seconds=self._clock.monotonic() - call.started, waited=waited)
        return answer


def inner_timeout(timeout_seconds: float) -> float:
    """Return the seconds that a request may take: the webhook's timeout less the margin to answer in."""
    return max(timeout_seconds - ANSWER_MARGIN_SECONDS, timeout_seconds / 2)
