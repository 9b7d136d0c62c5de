"""Records decisions and calls: metrics for all, log lines for findings and failures.

Log lines have the cause for operators (error code, request id), which the response to the API server never has.
"""

import time
from collections.abc import Hashable, Sequence
from typing import Protocol

import structlog

from tidegate.admission.decision import Decision, Mark
from tidegate.admission.request import AdmissionRequest
from tidegate.checks.messages import harmless
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, cause_of
from tidegate.images.repository import Registry
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.registries import RegistryLabels

REPEAT_SECONDS = 10.0
"""The same decision or failure is logged at most once in so long."""
MAX_REMEMBERED = 5_000
"""Lines whose last time is remembered, each by its hash."""
MAX_LOGGED_IMAGES = 20
"""Images, findings and causes in one log line."""
MAX_FINDING_CHARACTERS = 1_500

_log = structlog.get_logger(__name__)


FAILED = "call failed"
FAILED_FOR_SOME = "call failed for some images or repositories"
_SERVICES = {"oci": "registry", "ocsp": "OCSP", "crl": "CRL"}
"""How a log line names the service, by the first part of its API's name, where that is not AWS."""
_PLAIN = (Mark.ALLOWED, Mark.UNCHANGED, Mark.NO_POLICY, Mark.NO_IMAGES)


class Repeats:
    """Tells whether a line was logged a moment ago."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def __len__(self) -> int:
        """Return the number of remembered lines."""
        return len(self._last)

    def is_new(self, key: Hashable, now: float) -> bool:
        """Tell whether the key was not seen within REPEAT_SECONDS."""
        known = hash(key)
        last = self._last.pop(known, None)
        if last is not None and now - last < REPEAT_SECONDS:
            self._last[known] = last
            return False
        if len(self._last) >= MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[known] = now
        return True


class CallListener(Protocol):
    """Takes calls as they end, in any thread."""

    def called(self, source: str, registry: Registry, seconds: float, problem: Exception | None) -> None:
        """Take a call, and why it failed."""
        ...

    def unanswered(self, source: str, registry: Registry, problem: Exception | None) -> None:
        """Take why a call gave no answer for some ids."""
        ...


class Observer:
    """Implements the observers of the reviewer, of the API limiters and of the receiver of events."""

    listener: CallListener | None = None
    """Takes each call too: the command line, which tells them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._repeats = Repeats()
        self.registries = RegistryLabels()

    def decided(self, request: AdmissionRequest, decision: Decision, *, seconds: float, waited: bool) -> None:
        """Count a decision and its results; log it unless it is allowed without findings."""
        metrics = self._metrics
        metrics.decisions.add(decision.mark, request.operation)
        metrics.answer_seconds.observe(seconds, "yes" if waited else "no")
        if decision.stale:
            metrics.stale.add()
        for refusal in decision.refusals:
            metrics.results.add(*refusal)
        # A policy that only audits allows the request, so its findings and exceptions are seen only in the log.
        if decision.refusals or decision.mark not in _PLAIN:
            self._log_decision(request, decision, seconds)

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        """Count a call to AWS or another service; log a failure with its details."""
        if self.listener is not None:
            self.listener.called(source, registry, seconds, problem)
        cause = cause_of(problem)
        if problem is None and found:
            self.registries.answered(source, registry)
        self._metrics.calls.add(source, self.registries.label(registry), cause.value if cause else "ok")
        self._metrics.call_seconds.observe(seconds, source)
        if problem is not None and cause is not None:
            self._log_failure(FAILED, source, registry, problem, cause, seconds=round(seconds, 3))

    def unanswered(self, source: str, registry: Registry, ids: int, problem: SourceUnavailableError) -> None:
        """Count ids without an answer in a call that answered for others. ``called`` counts the call itself."""
        if self.listener is not None:
            self.listener.unanswered(source, registry, problem)
        self._metrics.unanswered.add(source, self.registries.label(registry), problem.cause.value, amount=ids)
        self._log_failure(FAILED_FOR_SOME, source, registry, problem, problem.cause, ids=ids)

    def event(self, kind: str, outcome: str) -> None:
        """Count an event of AWS."""
        self._metrics.events.add(kind, outcome)

    def _log_failure(
        self, event: str, source: str, registry: Registry, problem: Exception, cause: Cause, **fields: float
    ) -> None:
        if not self._repeats.is_new((event, source, registry, cause), time.monotonic()):
            return
        detail, bug = (
            (problem.detail, None) if isinstance(problem, SourceUnavailableError) else (repr(problem), problem)
        )
        _log.warning(
            f"{_SERVICES.get(source.partition(':')[0], 'AWS')} {event}",
            api=source,
            registry=str(registry),
            cause=cause.value,
            detail=harmless(detail, 1_000),
            exc_info=bug,
            **fields,
        )

    def _log_decision(self, request: AdmissionRequest, decision: Decision, seconds: float) -> None:
        key = (decision.response.allowed, request.namespace, *[verdict.text for verdict in decision.verdicts])
        if not self._repeats.is_new(key, time.monotonic()):
            return
        _log.info(
            "admission decided",
            decision=decision.mark.value,
            uid=request.uid,
            operation=request.operation.value,
            kind=request.kind.kind,
            namespace=harmless(request.namespace),
            name=harmless(request.name),
            user=harmless(request.user),
            dry_run=request.dry_run,
            images=_first([verdict.label for verdict in decision.verdicts]),
            findings=_first([record for verdict in decision.verdicts for record in verdict.records]),
            exceptions=_first([line for verdict in decision.verdicts for line in verdict.exceptions]),
            causes=_first([cause for verdict in decision.verdicts for cause in verdict.causes]),
            seconds=round(seconds, 6),
        )


def _first(texts: Sequence[str]) -> list[str]:
    """Return the first texts, truncated, and the number of further ones."""
    more = len(texts) - MAX_LOGGED_IMAGES
    found = [text[:MAX_FINDING_CHARACTERS] for text in texts[:MAX_LOGGED_IMAGES]]
    return [*found, f"{more} more"] if more > 0 else found
