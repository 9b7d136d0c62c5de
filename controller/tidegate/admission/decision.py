"""The answer to the API server: allowed or refused, with the message for users, warnings and audit annotations.

Users get one block of lines per image. Causes are for operators, in logs and metrics, never here.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from tidegate.admission.verdict import ImageVerdict
from tidegate.checks.messages import harmless, plural
from tidegate.checks.result import Outcome

MAX_MESSAGE_CHARACTERS = 8_000
"""Characters of a refusal; the API server and kubectl would transmit more."""
MAX_LINE_CHARACTERS = 1_000
MAX_SHOWN_IMAGE = 400
_LEFT_OUT = "and more; see the audit log"
MAX_WARNING_CHARACTERS = 1_000
MAX_ALL_WARNINGS_CHARACTERS = 3_500
"""The API server cuts warnings to 256 characters each once all of one request exceed 4,096."""
MAX_ANNOTATION_CHARACTERS = 2_000
BAD_REQUEST, FORBIDDEN, UNAVAILABLE = 400, 403, 503


class Mark(StrEnum):
    """What was decided, as the audit annotation and the metrics name it."""

    ALLOWED = "allowed"
    WARNED = "allowed-with-warnings"
    DENIED = "denied"
    UNCHANGED = "allowed-unchanged"
    NO_POLICY = "allowed-no-policy"
    NO_IMAGES = "allowed-no-images"
    UNREADABLE = "request-unreadable"
    UNSYNCED = "policies-not-synced"


class Status(msgspec.Struct, frozen=True, gc=False):
    """``status`` of a refusal."""

    code: int
    message: str
    reason: str


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """``response`` of an AdmissionReview without its uid; ``allowed`` has no default."""

    allowed: bool
    status: Status | None = None
    warnings: list[str] = []
    audit_annotations: dict[str, str] = {}


class AddressedResponse(Response, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The response to one request."""

    uid: str


class Review(msgspec.Struct, frozen=True, gc=False):
    """The AdmissionReview that is sent back."""

    response: AddressedResponse
    apiVersion: str = "admission.k8s.io/v1"  # noqa: N815 - the wire's name
    kind: str = "AdmissionReview"


class Decision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to a request, and to every other with the same images under the same policies.

    ``refusals`` are the policy, check, outcome and reason of each result that refuses an image or would without an
    exception, for metrics. ``stale`` tells whether it rests on evidence past its time to live.
    """

    mark: Mark
    response: Response
    verdicts: tuple[ImageVerdict, ...] = ()
    refusals: tuple[tuple[str, str, str, str], ...] = ()
    stale: bool = False

    def encode(self, uid: str) -> bytes:
        """Return the JSON body of the AdmissionReview that answers the request with the uid."""
        response = self.response
        addressed = AddressedResponse(
            uid=uid,
            allowed=response.allowed,
            status=response.status,
            warnings=response.warnings,
            audit_annotations=response.audit_annotations,
        )
        return _ENCODER.encode(Review(response=addressed))


_ENCODER = msgspec.json.Encoder()


def pass_without_work(mark: Mark) -> Decision:
    """Return the answer to a request without images to judge, or without a policy that applies to it."""
    return Decision(mark=mark, response=Response(allowed=True, audit_annotations={"decision": mark.value}))


def refuse_unreadable(problem: str, *, audit_only: bool) -> Decision:
    """Return the answer to a request that cannot be read, and so not be judged."""
    text = f"tidegate cannot judge this request: {harmless(problem, 500)}"
    return _refuse(Mark.UNREADABLE, Status(BAD_REQUEST, text, "BadRequest"), audit_only=audit_only)


def refuse_unsynced(*, audit_only: bool) -> Decision:
    """Return the answer before the policies were read: refused unless nothing is enforced."""
    text = (
        "tidegate has not read its policies yet and cannot judge this request; retry in a few seconds, "
        "and tell the platform team if it persists"
    )
    return _refuse(Mark.UNSYNCED, Status(UNAVAILABLE, text, "ServiceUnavailable"), audit_only=audit_only)


def _refuse(mark: Mark, status: Status, *, audit_only: bool) -> Decision:
    response = Response(
        allowed=audit_only,
        status=None if audit_only else status,
        warnings=[status.message] if audit_only else [],
        audit_annotations={"decision": mark.value},
    )
    return Decision(mark=mark, response=response)


def decide(used: Sequence[tuple[str, ImageVerdict]], *, expected: int) -> Decision:
    """Return the answer for judged images: ``used`` pairs field paths with verdicts, one for each expected image.

    A missing verdict refuses the request, whatever the others say.
    """
    verdicts = tuple(verdict for _, verdict in used)
    denied = [(path, verdict) for path, verdict in used if verdict.denied]
    complete = len(used) == expected and expected > 0
    allowed = complete and not denied
    warnings = _warnings(used)
    status = None
    mark = Mark.WARNED if warnings else Mark.ALLOWED
    if not allowed:
        mark = Mark.DENIED
        text = _message(denied, expected) if complete else "tidegate could not judge every image; retry"
        status = Status(FORBIDDEN, text, "Forbidden")
    annotations = _annotations(mark, verdicts)
    response = Response(allowed=allowed, status=status, warnings=warnings, audit_annotations=annotations)
    return Decision(
        mark=mark,
        response=response,
        verdicts=verdicts,
        refusals=_refusals(verdicts),
        stale=any(verdict.stale for verdict in verdicts),
    )


def _refusals(verdicts: Sequence[ImageVerdict]) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (judgement.policy.name, result.check.value, result.outcome.value, result.reason.value)
        for verdict in verdicts
        for judgement in verdict.judgements
        for result in judgement.results
        if result.outcome is not Outcome.PASS
    )


def _message(denied: Sequence[tuple[str, ImageVerdict]], images: int) -> str:
    """Return the refusal: a head line, then for each image its place and name, and why below.

    The same image in several places is listed once. kubectl prints the line breaks as they are; each line is bounded, and
    lines that do not fit are left out whole.
    """
    blocks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for path, verdict in denied:
        blocks.setdefault((harmless(verdict.text, MAX_SHOWN_IMAGE), verdict.denial), []).append(path)
    lines = [f"{len(denied)} of {plural(images, 'image')} refused by tidegate"]
    for (image, denial), paths in blocks.items():
        lines += [f"{_places(paths)}: {image}", *denial]
    return _joined([_cut(line, MAX_LINE_CHARACTERS) for line in lines])


def _joined(lines: Sequence[str]) -> str:
    """Return the lines as one text of at most MAX_MESSAGE_CHARACTERS."""
    kept = _fitting(lines, MAX_MESSAGE_CHARACTERS - len(_LEFT_OUT), beside=1)
    return "\n".join(kept if len(kept) == len(lines) else [*kept, _LEFT_OUT])


def _fitting(texts: Iterable[str], room: int, *, beside: int = 0) -> list[str]:
    """Return the first texts that fit into the room, each with some characters beside it."""
    kept: list[str] = []
    for text in texts:
        room -= len(text) + beside
        if room < 0:
            break
        kept.append(text)
    return kept


def _places(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} (+{len(paths) - 1} more)"


def _warnings(used: Sequence[tuple[str, ImageVerdict]]) -> list[str]:
    """Return the warnings, each distinct one once, bounded so that the API server shows them whole."""
    if not any(verdict.warnings for _, verdict in used):
        return []
    found = dict.fromkeys(
        _cut(f"tidegate: {path}: image {harmless(verdict.text, 200)}: {text}", MAX_WARNING_CHARACTERS)
        for path, verdict in used
        for text in verdict.warnings
    )
    kept = _fitting(found, MAX_ALL_WARNINGS_CHARACTERS)
    more = len(found) - len(kept)
    return [*kept, f"tidegate: {more} more warnings; see the audit log"] if more else kept


def _annotations(mark: Mark, verdicts: Sequence[ImageVerdict]) -> dict[str, str]:
    """Return audit annotations: the decision, each image with its digest, the policies, what did not pass or is excepted."""
    distinct = list(dict.fromkeys(verdicts))
    images = ", ".join(verdict.label for verdict in distinct)
    policies = ", ".join(dict.fromkeys(name for verdict in distinct for name in verdict.policy_labels))
    annotations = {
        "decision": mark.value,
        "images": _cut(images, MAX_ANNOTATION_CHARACTERS),
        "policies": _cut(policies, MAX_ANNOTATION_CHARACTERS),
    }
    lines = {
        "findings": [(verdict.text, line) for verdict in distinct for line in verdict.records],
        "exceptions": [(verdict.text, line) for verdict in distinct for line in verdict.exceptions],
    }
    for name, found in lines.items():
        if found:
            text = "\n".join(f"{harmless(image, 200)}: {line}" for image, line in found)
            annotations[name] = _cut(text, MAX_ANNOTATION_CHARACTERS)
    return annotations


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
