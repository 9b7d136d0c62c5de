"""One line of a PolicyReport: what one policy says of one image in one workload."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.admission.verdict import Judgement, overall
from tidegate.checks.messages import harmless
from tidegate.checks.result import Check, Outcome, Reason
from tidegate.evidence.scan import Severity
from tidegate.policy.model import STRICTEST_ACTIONS, Action
from tidegate.policy.objects import MAX_NAME
from tidegate.reports.model import REFUSING
from tidegate.verdicts.shape import MAX_MESSAGE, MAX_REMEDY
from tidegate.verdicts.usage import OwningWorkload
from tidegate.verdicts.verdict_input import NamespaceVerdict

_COUNTED: Final = re.compile(rf"\d+ ({'|'.join(one.value for one in Severity)})\b")
"""A count of findings in the message of a result, such as ``2 CRITICAL (allowed 0)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEntry:
    """One result of one policy for one image in one workload.

    ``check`` and ``reason`` are empty where the policy lets the image through without an exception. ``severity`` is that
    of the worst finding, or empty.
    """

    namespace: str
    workload: OwningWorkload | None
    image: str
    policy: str
    actions: tuple[str, ...]
    outcome: Outcome
    check: str = ""
    reason: str = ""
    message: str = ""
    remedy: str = ""
    exception: str = ""
    severity: str = ""


def entries_of_verdicts(image: str, verdicts: Iterable[NamespaceVerdict]) -> Iterator[ReportEntry]:
    """Yield the entries of the verdicts on one image, given as ``repository@digest``."""
    for verdict in verdicts:
        for judgement in verdict.verdict.judgements:
            for workload in verdict.workloads or (None,):
                yield from _of_judgement(image, verdict.namespace, workload, judgement)


def _of_judgement(
    image: str, namespace: str, workload: OwningWorkload | None, judgement: Judgement
) -> Iterator[ReportEntry]:
    policy = judgement.policy
    given = policy.actions or STRICTEST_ACTIONS
    actions = tuple(action.value for action in Action if action in given)
    results = [result for result in judgement.results if result.outcome is not Outcome.PASS]
    outcome = overall((judgement,))
    if not results:
        # Without a result that says why, a policy that does not let the image through lacks one of its results.
        reason = Reason.INTERNAL_ERROR.value if outcome in REFUSING else ""
        yield ReportEntry(
            namespace=namespace,
            workload=workload,
            image=image,
            policy=policy.name,
            actions=actions,
            outcome=outcome,
            check=Check.POLICY.value if reason else "",
            reason=reason,
        )
    for result in results:
        counted = _COUNTED.search(result.found) if result.check is Check.VULNERABILITIES else None
        yield ReportEntry(
            namespace=namespace,
            workload=workload,
            image=image,
            policy=policy.name,
            actions=actions,
            outcome=result.outcome,
            check=result.check.value,
            reason=result.reason.value,
            message=harmless(result.summary, MAX_MESSAGE),
            remedy=harmless(result.remedy, MAX_REMEDY),
            exception=harmless(", ".join(result.exceptions), MAX_NAME),
            severity=counted[1] if counted else "",
        )
