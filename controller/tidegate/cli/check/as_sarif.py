"""The state of each image as a SARIF log: a result for each policy result that does not pass.

The level is what the policy does: error where it denies, warning where it warns, note where it audits. A check
that is undetermined has the kind open, and an image that was not judged the kind review. Allowed images have no result, since GitHub shows
every result as an alert; the property ``images`` of the run has the state of all of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tidegate.admission.verdict import Judgement, effective_actions
from tidegate.checks.messages import harmless
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.cli.check.outcome import EXIT_REFUSED, CheckedImage, ImageState, counted
from tidegate.policy.model import Action
from tidegate.reports.sarif import MAX_RESULTS, SarifKind, SarifLevel, SarifResult, SarifRule, sarif_log

MAX_LINE: Final = 600
"""Characters of one line of a message."""
_NOT_JUDGED: Final = "NotJudged"
_WARNED: Final = "Warned"
_SHORT: Final[Mapping[str, str]] = {
    _NOT_JUDGED: "No policy was applied to the image.",
    _WARNED: "The image is admitted with a warning.",
}


def check_sarif(rows: Sequence[CheckedImage], *, strict: bool) -> dict[str, Any]:
    """Return the log. With ``strict``, failures that do not deny are errors, as they are for the exit code."""
    results = [result for row in rows for result in _results(row, is_strict=strict)]
    rules = [_rule(one) for one in sorted({result.rule_id for result in results})]
    images = [_image(row) for row in rows[:MAX_RESULTS]]
    return sarif_log("check", rules, results, properties={"summary": counted(rows), "images": images})


def _rule(rule_id: str) -> SarifRule:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", rule_id).capitalize()
    text = "The message says what was found and how to fix it."
    if rule_id not in _SHORT:
        text += f" docs/operations/troubleshooting.md of tidegate describes the reason code {rule_id}."
    return SarifRule(id=rule_id, name=rule_id, short=_SHORT.get(rule_id, f"{words}."), help=text)


def _image(row: CheckedImage) -> dict[str, Any]:
    verdict = row.judged.verdict if row.judged is not None else None
    return {
        "image": row.image.text,
        "place": row.image.place,
        "namespace": row.image.namespace,
        "digest": verdict.digest if verdict else None,
        "state": row.state.value,
    }


def _results(row: CheckedImage, *, is_strict: bool) -> Iterator[SarifResult]:
    if row.judged is None or row.message:
        yield _result(row, _NOT_JUDGED, SarifLevel.WARNING, row.message, kind=SarifKind.REVIEW)
        return
    verdict = row.judged.verdict
    count = 0
    for judgement in verdict.judgements:
        if judgement.allowed:
            continue
        level = _level(judgement)
        for one in _refusing(judgement):
            count += 1
            is_open = one.outcome is Outcome.UNDETERMINED
            yield _result(
                row,
                one.reason.value,
                SarifLevel.ERROR if is_strict and not is_open else level,
                _message(one, judgement),
                kind=SarifKind.OPEN if is_open else SarifKind.FAIL,
                about=judgement,
                check=one.check.value,
            )
    if row.state is ImageState.WARNED and not count:
        level = SarifLevel.ERROR if row.exit_code(strict=is_strict) == EXIT_REFUSED else SarifLevel.WARNING
        yield _result(row, _WARNED, level, "\n".join(verdict.warnings))


def _refusing(judgement: Judgement) -> Sequence[CheckResult]:
    """Return the results that do not pass; where one is missing, which is a bug in tidegate, a result that says so."""
    found = [one for one in judgement.results if not one.lets_through]
    return found or [
        CheckResult(
            check=Check.POLICY,
            outcome=Outcome.UNDETERMINED,
            reason=Reason.INTERNAL_ERROR,
            found="tidegate has no result for a check of the policy",
        )
    ]


def _level(judgement: Judgement) -> SarifLevel:
    actions = effective_actions(judgement, audit_only=False)
    if Action.DENY in actions:
        return SarifLevel.ERROR
    return SarifLevel.WARNING if Action.WARN in actions else SarifLevel.NOTE


def _message(one: CheckResult, judgement: Judgement) -> str:
    lines = [f"{one.check.value} {one.reason.value}: {one.found} [policy {judgement.policy.name}]", *one.details]
    lines += [f"To fix: {one.remedy}"] if one.remedy else []
    lines += [f"cause: {one.cause}"] if one.cause else []
    return "\n".join(harmless(line, MAX_LINE) for line in lines)


def _result(
    row: CheckedImage,
    rule_id: str,
    level: SarifLevel,
    message: str,
    *,
    kind: SarifKind = SarifKind.FAIL,
    about: Judgement | None = None,
    check: str = "",
) -> SarifResult:
    image, reference = row.image, row.judged.plan.reference if row.judged else None
    name = f"{reference.domain}/{reference.path}" if reference else image.text or ""
    policy = about.policy.name if about else ""
    return SarifResult(
        rule_id=rule_id,
        level=level,
        kind=kind,
        message=f"{image.text or '(no image)'}\n{message}",
        path=image.path,
        line=image.line,
        logical_name=image.text or image.place if image.place == "argument" else image.place,
        # A new tag or digest of the same repository is the same problem.
        fingerprint=f"{image.place}\n{image.namespace}\n{name}\n{policy}\n{check}",
        properties={**_image(row), "policy": policy or None, "check": check or None},
    )
