"""The shape of RepositoryPosture objects: the posture of one repository in use. The CRD is generated from it.

No object has a command line, a statement or a cause: these may name principals of other accounts. ``tidegate posture`` shows
them.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tidegate.checks.messages import harmless
from tidegate.checks.result import Outcome
from tidegate.images.repository import EcrRepository, repository_text
from tidegate.reports.posture_lines import PostureLine, RepositoryLines, severity_rank

KIND: Final = "RepositoryPosture"
PLURAL: Final = "repositorypostures"
SHORT_NAME: Final = "rp"
API_VERSION: Final = "tidegate.dev/v1alpha1"

MAX_LISTED: Final = 32
"""Results of one object: with every check once, from two policies, there is room for all."""
MAX_TEXT: Final = 300
MAX_NAME_START: Final = 40
_NAME_DIGITS: Final = 16
_MAX_COUNT: Final = 2**31 - 1

Time = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
Word = Annotated[str, Meta(max_length=64)]
Sentence = Annotated[str, Meta(max_length=MAX_TEXT)]


class _PostureShape(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """Closed, and written without what says nothing."""


class PostureSpec(_PostureShape, frozen=True, kw_only=True):
    """Which repository the object is about."""

    repository: Annotated[
        str, Meta(min_length=1, max_length=512, description="The repository, with its registry's host.")
    ]


class ShownPosture(_PostureShape, frozen=True, kw_only=True):
    """The result of one check that does not pass."""

    check: Annotated[Word, Meta(description="The check.")]
    outcome: Annotated[Outcome, Meta(description="The outcome of the check.")]
    reason: Annotated[Word, Meta(description="The reason code.")]
    severity: Annotated[Word, Meta(description="How much a failure of the check matters.")]
    message: Annotated[Sentence, Meta(description="What was found.")] = ""
    terraform: Annotated[Sentence, Meta(description="The Terraform resource and attribute to correct.")] = ""
    policy: Annotated[str, Meta(max_length=253, description="The ImagePolicy that demands it.")] = ""


class PostureStatusShape(_PostureShape, frozen=True, kw_only=True):
    """How the repository is configured."""

    written_at: Annotated[Time, Meta(description="When this was written.")]
    outcome: Annotated[Outcome, Meta(description="The worst outcome of all checks.")]
    since: Annotated[Time, Meta(description="Since when the outcome is what it is.")]
    severity: Annotated[Word, Meta(description="The severity of the worst failure.")] = ""
    message: Annotated[Sentence, Meta(description="The worst result in one line.")] = ""
    failed: Annotated[Count, Meta(description="How many checks fail.")]
    undetermined: Annotated[Count, Meta(description="How many checks could not be determined.")]
    running_images: Annotated[Count, Meta(description="How many images of the repository run.")]
    passed: Annotated[tuple[Word, ...], Meta(max_length=MAX_LISTED, description="The checks that pass.")] = ()
    results: Annotated[
        tuple[ShownPosture, ...], Meta(max_length=MAX_LISTED, description="The other checks, the worst first.")
    ] = ()
    omitted_results: Annotated[Count, Meta(description="How many results are not listed.")] = 0


def posture_name(repository: EcrRepository) -> str:
    """Return the name of a repository's object: the last part of its name, and a hash of all of it."""
    part = repository.name.rpartition("/")[2].lower()
    start = re.sub(r"[^a-z0-9]+", "-", part)[:MAX_NAME_START].strip("-") or "repository"
    unique = hashlib.sha256(repository_text(repository).encode()).hexdigest()[:_NAME_DIGITS]
    return f"{start}-{unique}"


def encode_posture(found: RepositoryLines, now: datetime, *, before: object = None) -> dict[str, Any]:
    """Return the object of a repository. ``before`` is the stored status as plain data: an outcome keeps its ``since``."""
    ordered = sorted(found.lines, key=_rank)
    outcome = found.outcome
    failing = [line for line in ordered if line.outcome is Outcome.FAIL]
    status = PostureStatusShape(
        written_at=now,
        outcome=outcome,
        since=_since(before, outcome) or now,
        severity=failing[0].severity if failing else "",
        message=harmless(f"{ordered[0].check} {ordered[0].reason}: {ordered[0].message}", MAX_TEXT) if ordered else "",
        failed=len({line.check for line in failing}),
        undetermined=len({line.check for line in ordered} - {line.check for line in failing}),
        running_images=found.running,
        passed=tuple(sorted(found.passed))[:MAX_LISTED],
        results=tuple(_shown(line) for line in ordered[:MAX_LISTED]),
        omitted_results=max(0, len(ordered) - MAX_LISTED),
    )
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": posture_name(found.repository)},
        "spec": msgspec.to_builtins(PostureSpec(repository=repository_text(found.repository))),
        "status": msgspec.json.decode(msgspec.json.encode(status)),
    }


def says_same(one: object, other: object) -> bool:
    """Tell whether two statuses, as plain data, say the same but for when they were written."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return {**one, "writtenAt": None} == {**other, "writtenAt": None}


def _since(before: object, outcome: Outcome) -> datetime | None:
    """Return since when the stored outcome is the present one; None where it is another or is not valid."""
    try:
        stored = msgspec.convert(before, PostureStatusShape)
    except msgspec.ValidationError:
        return None
    return stored.since if stored.outcome is outcome else None


def _rank(line: PostureLine) -> tuple[bool, int, str, str]:
    return line.outcome is not Outcome.FAIL, severity_rank(line.severity), line.check, line.policy


def _shown(line: PostureLine) -> ShownPosture:
    return ShownPosture(
        check=line.check,
        outcome=line.outcome,
        reason=line.reason,
        severity=line.severity,
        message=harmless(line.message, MAX_TEXT),
        terraform=harmless(line.terraform, MAX_TEXT),
        policy=line.policy,
    )
