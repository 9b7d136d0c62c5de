"""The result of a verification on the command line: the same values for every kind of signature, and as JSON.

Nothing is verified here. A signature with a failure that is only logged is never called verified.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.strict.quotation import moment
from tidegate.verify.step import Conclusion, StepResult

EXIT_CODES = {
    Conclusion.VERIFIED: 0,
    Conclusion.LOGGED: 0,
    Conclusion.SKIPPED: 0,
    Conclusion.FAILED: 1,
    Conclusion.INCONCLUSIVE: 2,
}
"""0 if the given trust accepts it, 1 if not, 2 if the result is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSignature:
    """One signature: its kind, where it was found, its steps, and what it proves or claims, by name.

    ``authority`` and ``attestation`` are the names in the policy that it was verified by.
    """

    kind: str
    place: str
    verdict: Conclusion
    steps: tuple[StepResult, ...]
    reason: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    authority: str | None = None
    attestation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAside:
    """Something found beside an image that was not verified, and why."""

    what: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything about one subject as of one time. ``requirements`` says which trust was used.

    ``digest`` is the current digest of an image, and ``policy`` the name of the policy.
    """

    subject: str
    at: datetime
    verdict: Conclusion
    reason: str = ""
    remedy: str = ""
    requirements: str = ""
    digest: str | None = None
    policy: str | None = None
    signatures: tuple[ReportedSignature, ...] = ()
    left_aside: tuple[LeftAside, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """Return what the process ends with."""
        return EXIT_CODES[self.verdict]


def conclude(signatures: Sequence[ReportedSignature], *, none: str, outage: str = "") -> tuple[Conclusion, str]:
    """Return the conclusion of several signatures, and why: one accepted signature is enough (N27).

    ``none`` is the reason if there is no signature, ``outage`` why some could not be read.
    """
    for verdict in (Conclusion.VERIFIED, Conclusion.LOGGED, Conclusion.INCONCLUSIVE):
        found = next((one for one in signatures if one.verdict is verdict), None)
        if found is not None:
            return verdict, found.reason
    if outage:
        return Conclusion.INCONCLUSIVE, f"some signatures could not be read: {outage}"
    if not signatures:
        return Conclusion.FAILED, none
    more = f"; none of {len(signatures)} signatures is valid" if len(signatures) > 1 else ""
    return Conclusion.FAILED, signatures[0].reason + more


def exit_code(reports: Sequence[Report]) -> int:
    """Return the exit code of several subjects: a failed one has precedence over an unknown one."""
    codes = {report.exit_code for report in reports}
    return next((code for code in (1, 2) if code in codes), 0) if codes else 2


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON: stable names; ``verified`` is true for nothing but a verified signature."""
    return {
        "subject": report.subject,
        **_given(digest=report.digest, policy=report.policy),
        "at": moment(report.at),
        "verdict": report.verdict.value,
        "verified": report.verdict is Conclusion.VERIFIED,
        "reason": report.reason,
        **_given(remedy=report.remedy or None),
        "demands": report.requirements,
        "signatures": [
            {
                "kind": one.kind,
                "place": one.place,
                **_given(authority=one.authority, attestation=one.attestation),
                "verdict": one.verdict.value,
                "reason": one.reason,
                "facts": dict(one.facts),
                "steps": [
                    {
                        "number": step.number,
                        "title": step.title,
                        "outcome": step.outcome.value,
                        "text": step.text,
                        **({"rules": step.rules} if step.rules else {}),
                    }
                    for step in one.steps
                ],
            }
            for one in report.signatures
        ],
        "leftAside": [{"what": one.what, "reason": one.reason, "detail": one.detail} for one in report.left_aside],
    }


def _given(**named: str | None) -> dict[str, str]:
    """Return the members that this kind of report has."""
    return {name: value for name, value in named.items() if value is not None}
