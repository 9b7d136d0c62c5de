"""Waits for answers that are still to come: a scan that is pending, or a fact that AWS could not give yet.

An image is judged again as before: waiting never replaces a missing answer.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tidegate.admission.verdict import effective_actions
from tidegate.checks.messages import plural
from tidegate.checks.result import CheckResult, Outcome, Reason
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.scan import ScanReport, ScanState
from tidegate.evidence.verification_result import VerificationResults
from tidegate.policy.model import Action

if TYPE_CHECKING:
    from tidegate.cli.judging import JudgedImage

MAX_WAIT: Final = timedelta(hours=6)
INTERVAL_SECONDS: Final = 15.0
"""Time between two look-ups; a pending scan is cached for ten seconds."""
NEW_IMAGE: Final = timedelta(minutes=15)
"""Time after a push during which the scanner may have no record of the image yet."""
_TRANSIENT: Final = frozenset(
    {
        Cause.DEADLINE,
        Cause.THROTTLED,
        Cause.UNREACHABLE,
        Cause.SERVER_ERROR,
        Cause.CIRCUIT_OPEN,
        Cause.OVERLOADED,
    }
)
"""The causes that pass by themselves."""

_PENDING: Final = {Reason.SCAN_PENDING: "scan pending", Reason.SIGNATURE_PENDING: "signature pending"}
"""The reasons that pass by themselves."""

Tell = Callable[[str, float], None]
"""Shows the reason to wait, and the seconds that are left."""


def reason_to_wait(judged: "JudgedImage", clock: Clock) -> str:
    """Return the reason to wait for an image; empty if waiting does not change its answer."""
    reasons: list[str] = []
    for judgement in judged.verdict.judgements:
        results = [one for one in judgement.results if not one.lets_through or one.reason in _PENDING]
        for why in (_reason(one, judged, clock) for one in results):
            if not why and Action.DENY in effective_actions(judgement, audit_only=False):
                return ""
            reasons.append(why)
    return next(filter(None, reasons), "")


def _reason(result: CheckResult, judged: "JudgedImage", clock: Clock) -> str:
    if result.reason in _PENDING:
        return _PENDING[result.reason]
    if result.reason in {Reason.NOT_SCANNED, Reason.EVIDENCE_LACKING} and any(
        _begins(fact, judged, clock) for fact in judged.evidence.scans.values()
    ):
        return _PENDING[Reason.SCAN_PENDING]
    if result.outcome is Outcome.UNDETERMINED and any(map(_is_transient, judged.evidence.facts)):
        return "not known yet"
    return ""


def _begins(fact: Fact[ScanReport], judged: "JudgedImage", clock: Clock) -> bool:
    """Tell whether a scan is still to begin: it has no time, or the scanner has no record of an image pushed just now."""
    if isinstance(fact, Missing):
        return False
    coverage = fact.value.coverage
    if coverage.state is not ScanState.NOT_SCANNED:
        return coverage.last_scanned_at is None and coverage.state in {ScanState.SCANNED, ScanState.SCANNED_ONCE}
    detail = judged.evidence.detail
    pushed = detail.value.pushed_at if isinstance(detail, Known) and isinstance(detail.value, ImageDetail) else None
    return not coverage.code and pushed is not None and clock.now() - pushed < NEW_IMAGE


def _is_transient(fact: Fact[object]) -> bool:
    if isinstance(fact, Missing):
        return fact.cause in _TRANSIENT
    outages = [fact.stale]
    if isinstance(fact.value, VerificationResults):
        outages += [one.outage for one in fact.value.by_requirement.values()]
    return any(one in _TRANSIENT for one in outages)


async def wait_for_answers(
    judged: Sequence["JudgedImage"],
    again: Callable[[Sequence["JudgedImage"]], Awaitable[Sequence["JudgedImage"]]],
    *,
    clock: Clock,
    seconds: float,
    telling: AbstractContextManager[Tell],
) -> list["JudgedImage"]:
    """Judge images again while there is a reason to wait and time is left; return all images in order."""
    found, end = list(judged), clock.monotonic() + seconds
    with telling as tell:
        while True:
            waiting = {index: why for index, one in enumerate(found) if (why := reason_to_wait(one, clock))}
            left = end - clock.monotonic()
            if not waiting or left <= 0:
                return found
            counts = ", ".join(f"{count} {why}" for why, count in sorted(Counter(waiting.values()).items()))
            tell(f"waiting for {plural(len(waiting), 'image')} ({counts})", left)
            await asyncio.sleep(min(INTERVAL_SECONDS, left))
            answers = await again([found[index] for index in waiting])
            for index, answer in zip(waiting, answers, strict=True):
                found[index] = answer
