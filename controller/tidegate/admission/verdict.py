"""The verdict on one image under all policies that apply to it, and its effects: deny, warn, record.

Allowed is constructed: only when every policy has a passing or exempt result for each check that it requires.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.checks.judge import required_checks
from tidegate.checks.messages import harmless
from tidegate.checks.result import CheckResult, Outcome, Reason
from tidegate.images.digest import Digest
from tidegate.policy.model import Action, BrokenPolicy, ImagePolicy, Tolerance

AnyPolicy = ImagePolicy | BrokenPolicy

MAX_FOUND, MAX_REMEDY, MAX_ALSO = 600, 300, 120
"""Characters of what was found, of the fix, and of each further check in one line, so that the policy's name has room."""
MAX_DETAIL, MAX_DETAILS = 200, 4
"""Characters of one detail, and details of one result."""
MAX_DENIAL_LINES, MAX_NAMED_POLICIES = 40, 3
"""Lines about one image, and policies that a line names."""

_NO_RESULT = "tidegate has no result for a check of the policy; ask the platform team to read tidegate's log"

_TOLERATED = frozenset({Action.WARN, Action.AUDIT})
"""The actions of a refusal that is tolerated: never silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The results of one policy for one image."""

    policy: AnyPolicy
    results: tuple[CheckResult, ...]

    @property
    def allowed(self) -> bool:
        """Tell whether each required check has a result that lets the image through, and no result refuses it."""
        passed = {result.check for result in self.results if result.lets_through}
        if not self.results or not all(result.lets_through for result in self.results):
            return False
        return passed.issuperset(required_checks(self.policy))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageVerdict:
    """The verdict on one image; texts lack the field path, so that one verdict serves every use of the image.

    ``denied`` tells whether the request must be refused. ``denial`` is why, in lines. ``warnings`` go to the client and
    ``records`` to the audit log. ``holds_until`` is when time alone may change it (UTC). ``stale`` tells whether any
    evidence of the image is past its time to live.
    """

    text: str
    digest: Digest | None
    judgements: tuple[Judgement, ...]
    denied: bool
    denial: tuple[str, ...]
    warnings: tuple[str, ...]
    records: tuple[str, ...]
    outcome: Outcome
    holds_until: datetime | None
    stale: bool

    @property
    def passes(self) -> bool:
        """Tell whether every result of every policy that denies is a PASS: none is exempt, tolerated or undetermined."""
        return all(
            one.allowed and all(result.outcome is Outcome.PASS for result in one.results)
            for one in self.judgements
            if Action.DENY in (one.policy.actions or {Action.DENY})
        )

    @property
    def label(self) -> str:
        """Return image, digest and outcome, for the audit log."""
        return f"{harmless(self.text, 200)} {self.digest or 'unresolved'} {self.outcome.value}"

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the causes behind the results, for logs and the command line; never for an answer to the API server."""
        return tuple(
            f"{result.check.value} {result.reason.value}: {harmless(result.cause, MAX_FOUND)} [policy {one.policy.name}]"
            for one in self.judgements
            for result in one.results
            if result.cause
        )

    @property
    def exceptions(self) -> tuple[str, ...]:
        """Return what is excepted, by which exceptions and until when, for the audit log and logs."""
        return tuple(
            harmless(f"{result.check.value}: {_rests_on(result)} [policy {one.policy.name}]", MAX_FOUND)
            for one in self.judgements
            for result in one.results
            if result.outcome is Outcome.EXEMPT or result.exceptions
        )

    @property
    def policy_labels(self) -> tuple[str, ...]:
        """Return the policies with their generation, for the audit log."""
        return tuple(f"{one.policy.name}/{one.policy.generation}" for one in self.judgements)


def conclude(
    text: str, digest: Digest | None, judgements: Sequence[Judgement], *, audit_only: bool, stale: bool = False
) -> ImageVerdict:
    """Return the verdict that follows from the judgements of every policy about one image."""
    denials: list[Judgement] = []
    warnings: list[str] = []
    records: list[str] = []
    denied = False
    for judgement in judgements:
        actions = effective_actions(judgement, audit_only=audit_only)
        if not judgement.allowed:
            line = describe(judgement)
            records.append(line)
            if Action.DENY in actions:
                denied = True
                denials.append(judgement)
            elif Action.WARN in actions:
                warnings.append(line)
        elif actions & {Action.DENY, Action.WARN}:
            notes = [harmless(note, MAX_FOUND) for one in judgement.results for note in one.notes]
            warnings += (f"{note} [policy {judgement.policy.name}]" for note in notes)
    limits = [result.holds_until for one in judgements for result in one.results if result.holds_until]
    return ImageVerdict(
        text=text,
        digest=digest,
        judgements=tuple(judgements),
        denied=denied,
        denial=explain(denials),
        warnings=tuple(dict.fromkeys(warnings)),
        records=tuple(records),
        outcome=overall(judgements),
        holds_until=min(limits, default=None),
        stale=stale,
    )


def effective_actions(judgement: Judgement, *, audit_only: bool) -> frozenset[Action]:
    """Return the policy's actions, without Deny where it tolerates undetermined results or where nothing is enforced."""
    actions = judgement.policy.actions or frozenset({Action.DENY})
    refusing = [result for result in judgement.results if not result.lets_through]
    only_unknown = bool(refusing) and all(result.outcome is Outcome.UNDETERMINED for result in refusing)
    # A missing result is a bug in tidegate, not an undetermined one, and is never tolerated.
    whole = {result.check for result in judgement.results}.issuperset(required_checks(judgement.policy))
    tolerated = only_unknown and whole and judgement.policy.on_undetermined is Tolerance.ALLOW
    return _TOLERATED if (tolerated or audit_only) and Action.DENY in actions else actions


def explain(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """Return why an image is refused: for each distinct result a line, its details below, and how to fix it.

    A result that several policies share is listed once, with the names of all of them.
    """
    shared: dict[tuple[Reason, str, tuple[str, ...]], tuple[CheckResult, dict[str, None]]] = {}
    lines: list[str] = []
    for judgement in judgements:
        refusing = _distinct(judgement)
        if not refusing:
            lines.append(f"  {_NO_RESULT} [policy {judgement.policy.name}]")
        for one in refusing:
            shared.setdefault((one.reason, one.found, one.details), (one, {}))[1][judgement.policy.name] = None
    for one, policies in shared.values():
        found = harmless(one.found, MAX_FOUND)
        lines.append(f"  {one.check.value} {one.reason.value}: {found} [{_policies(policies)}]")
        lines += (f"    {harmless(detail, MAX_DETAIL)}" for detail in one.details[:MAX_DETAILS])
        lines.append(f"    To fix: {harmless(one.remedy, MAX_REMEDY)}")
    return tuple(lines[:MAX_DENIAL_LINES])


def describe(judgement: Judgement) -> str:
    """Return one line: check, reason code, what was found, what to do, policy; further checks by name."""
    policy = f"[policy {judgement.policy.name}]"
    distinct = _distinct(judgement)
    if not distinct:
        return f"{_NO_RESULT} {policy}"
    first = distinct[0]
    line = f"{first.check.value} {first.reason.value}: {harmless(first.summary, MAX_FOUND)}."
    line += f" To fix: {harmless(first.remedy, MAX_REMEDY)}."
    for other in distinct[1:]:
        line += f" Also {other.check.value} {other.reason.value}: {harmless(other.summary, MAX_ALSO)}."
    return f"{line} {policy}"


def _rests_on(result: CheckResult) -> str:
    """Return what an exempt result says, or which exceptions were applied to another one that they do not make pass."""
    return result.found if result.outcome is Outcome.EXEMPT else f"judged with {', '.join(result.exceptions)}"


def _distinct(judgement: Judgement) -> list[CheckResult]:
    """Return the results that refuse; of equal ones, such as of scan and vulnerabilities, the first."""
    refusing = [result for result in judgement.results if not result.lets_through]
    return list({(one.reason, one.found, one.details): one for one in reversed(refusing)}.values())[::-1]


def _policies(names: Iterable[str]) -> str:
    known = list(names)
    if len(known) == 1:
        return f"policy {known[0]}"
    more = f" and {len(known) - MAX_NAMED_POLICIES} more" if len(known) > MAX_NAMED_POLICIES else ""
    return f"policies {', '.join(known[:MAX_NAMED_POLICIES])}{more}"


def overall(judgements: Sequence[Judgement]) -> Outcome:
    """Return the worst outcome of all results: PASS where nothing is required, never where a result is missing."""
    outcomes = {result.outcome for one in judgements for result in one.results}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    if not all(one.allowed for one in judgements):
        return Outcome.UNDETERMINED
    return Outcome.EXEMPT if Outcome.EXEMPT in outcomes else Outcome.PASS
