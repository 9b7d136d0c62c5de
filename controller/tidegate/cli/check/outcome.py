"""What came of each image for ``check`` and ``explain``: one of three kinds of states, an exit code, and JSON.

An image is judged and allowed, or refused; judged, and its failures only warn or are audited; or not judged. What was
not judged is never shown as allowed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tidegate.admission.verdict import ImageVerdict
from tidegate.checks.result import Outcome, Reason
from tidegate.cli.judging import JudgedImage
from tidegate.cli.manifests import FoundImage

EXIT_ALLOWED, EXIT_REFUSED, EXIT_UNKNOWN = 0, 1, 2
_RESULT_FIELDS = ("check", "outcome", "reason", "found", "details", "remedy", "cause", "notes", "exceptions")


class ImageState(StrEnum):
    """What came of an image."""

    ALLOWED = "Allowed"
    WARNED = "Warned"
    AUDITED = "Audited"
    REFUSED = "Refused"
    UNKNOWN = "Unknown"
    NOT_JUDGED = "NotJudged"

    @property
    def words(self) -> str:
        """Return the state in words."""
        return "not judged" if self is ImageState.NOT_JUDGED else self.value.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedImage:
    """An image that was found, with its verdict, or None where there was nothing to judge."""

    image: FoundImage
    judged: JudgedImage | None

    @property
    def state(self) -> ImageState:
        """Return what came of the image."""
        if self.message:
            return ImageState.NOT_JUDGED
        assert self.judged is not None
        verdict = self.judged.verdict
        if verdict.denied:
            return ImageState.REFUSED if verdict.outcome is Outcome.FAIL else ImageState.UNKNOWN
        if verdict.warnings:
            return ImageState.WARNED
        return ImageState.AUDITED if verdict.records else ImageState.ALLOWED

    @property
    def message(self) -> str:
        """Return why the image was not judged; empty where it was."""
        if self.judged is None:
            return self.image.not_judged
        return "" if self.judged.verdict.judgements else _no_policy(self.judged)


NOTHING: Final = CheckedImage(
    image=FoundImage(place="input", namespace="", text=None, not_judged="no images found"), judged=None
)
"""The outcome where there is no image at all."""


def _no_policy(judged: JudgedImage) -> str:
    namespace = judged.image.namespace
    if judged.plan.matching.policy_set.policies:
        return f"no policy of the namespace {namespace} matches the image. To fix: name the image in a policy's match.images"
    return (
        f"no policy matches the namespace {namespace}. "
        "To fix: name the namespace of the deployment with --namespace, or add its policies with --policy"
    )


def checked(images: Sequence[FoundImage], judged: Iterable[JudgedImage]) -> list[CheckedImage]:
    """Return what came of each image; ``judged`` are those of them that can be judged, in the same order."""
    verdicts = iter(judged)
    rows = [CheckedImage(image=one, judged=None if one.not_judged else next(verdicts)) for one in images]
    return rows or [NOTHING]


def exit_code(rows: Sequence[CheckedImage], *, strict: bool = False, allow_not_judged: bool = False) -> int:
    """Return the exit code for all images: a refusal decides, then what is unknown or not judged.

    ``strict`` lets failures that do not deny count as refusals.
    """
    states = {one.state for one in rows}
    verdicts = [one.judged.verdict for one in rows if one.judged is not None] if strict else []
    if ImageState.REFUSED in states or any(_fails(verdict) for verdict in verdicts):
        return EXIT_REFUSED
    if ImageState.UNKNOWN in states or any(verdict.outcome is Outcome.UNDETERMINED for verdict in verdicts):
        return EXIT_UNKNOWN
    return EXIT_UNKNOWN if not rows or (ImageState.NOT_JUDGED in states and not allow_not_judged) else EXIT_ALLOWED


def _fails(verdict: ImageVerdict) -> bool:
    """Tell whether any result is a failure, also one that the policy does not deny."""
    return verdict.outcome is Outcome.FAIL or any(
        result.reason is Reason.NOT_ENFORCED for one in verdict.judgements for result in one.results
    )


def as_json(row: CheckedImage) -> dict[str, Any]:
    """Return an image as JSON. Field names are stable; docs/reference/check.schema.json describes them."""
    verdict = row.judged.verdict if row.judged is not None and not row.message else None
    return {
        "image": row.image.text,
        "place": row.image.place,
        "namespace": row.image.namespace,
        "digest": verdict.digest if verdict else None,
        "state": row.state.value,
        "message": row.message or None,
        "allowed": verdict is not None and not verdict.denied,
        "outcome": verdict.outcome if verdict else None,
        "warnings": verdict.warnings if verdict else (),
        "policies": [
            {
                "name": judgement.policy.name,
                "actions": sorted(judgement.policy.actions),
                "results": [{name: getattr(one, name) for name in _RESULT_FIELDS} for one in judgement.results],
            }
            for judgement in (verdict.judgements if verdict else ())
        ],
    }
