"""The state of each image for ``check`` and ``explain``, and the exit code.

An image that was not judged is never shown as allowed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidegate.admission.verdict import ImageVerdict
from tidegate.checks.result import Outcome, Reason
from tidegate.cli.judging import JudgedImage
from tidegate.cli.manifests import FoundImage

EXIT_ALLOWED, EXIT_REFUSED, EXIT_UNKNOWN = 0, 1, 2


class ImageState(StrEnum):
    """The state of an image: judged with one of five results, or not judged."""

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
        """Return the state of the image."""
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

    @property
    def why(self) -> Sequence[str]:
        """Return the lines that say why it is refused, warned, audited or not judged, with the causes."""
        if self.judged is None or self.message:
            return (self.message,)
        verdict = self.judged.verdict
        lines = verdict.denial if verdict.denied else tuple(dict.fromkeys((*verdict.warnings, *verdict.records)))
        return (*lines, *(f"cause: {cause}" for cause in verdict.causes))

    def exit_code(self, *, strict: bool = False, allow_not_judged: bool = False) -> int:
        """Return the exit code for this image alone. ``strict`` lets failures that do not deny count as refusals."""
        if self.judged is None or self.message:
            return EXIT_ALLOWED if allow_not_judged else EXIT_UNKNOWN
        verdict = self.judged.verdict
        if self.state is ImageState.REFUSED or (strict and _fails(verdict)):
            return EXIT_REFUSED
        is_unknown = self.state is ImageState.UNKNOWN or (strict and verdict.outcome is Outcome.UNDETERMINED)
        return EXIT_UNKNOWN if is_unknown else EXIT_ALLOWED


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
    """Return each image with its verdict; ``judged`` are the verdicts of those that can be judged, in the same order."""
    verdicts = iter(judged)
    rows = [CheckedImage(image=one, judged=None if one.not_judged else next(verdicts)) for one in images]
    return rows or [NOTHING]


def exit_code(rows: Sequence[CheckedImage], *, strict: bool = False, allow_not_judged: bool = False) -> int:
    """Return the exit code for all images: a refusal takes precedence, then an image that is unknown or not judged."""
    codes = {one.exit_code(strict=strict, allow_not_judged=allow_not_judged) for one in rows} or {EXIT_UNKNOWN}
    return EXIT_REFUSED if EXIT_REFUSED in codes else max(codes)


def counted(rows: Sequence[CheckedImage]) -> str:
    """Return the number of images of each state, in words."""
    if list(rows) in ([], [NOTHING]):
        return "no images found"
    counts = Counter(one.state for one in rows)
    return ", ".join(f"{counts[state]} {state.words}" for state in ImageState if counts[state])


def _fails(verdict: ImageVerdict) -> bool:
    """Tell whether any result is a failure, also one that the policy does not deny."""
    return verdict.outcome is Outcome.FAIL or any(
        result.reason is Reason.NOT_ENFORCED for one in verdict.judgements for result in one.results
    )
