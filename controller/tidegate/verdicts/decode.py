"""ImageVerdict objects into values, strictly: an object that tidegate of this version does not write is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.errors import Error, InvalidReferenceError
from tidegate.images.digest import Digest
from tidegate.images.reference import parse_reference
from tidegate.images.repository import Repository, repository_text
from tidegate.policy.objects import API_VERSION
from tidegate.strict.typed import prepare
from tidegate.verdicts.facts import NO_FACTS, BadFactsError, ImageFacts, unpack
from tidegate.verdicts.shape import KIND, VerdictObject, VerdictStatus, object_name

prepare(VerdictObject)


class InvalidVerdictError(Error):
    """An object is not an ImageVerdict of this version. ``path`` is the field with the problem."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredVerdict:
    """One ImageVerdict as it is stored. ``facts`` are empty where it has none."""

    name: str
    repository: Repository
    digest: Digest
    status: VerdictStatus
    facts: ImageFacts


def decode(obj: Mapping[str, Any] | bytes) -> StoredVerdict:
    """Return what an object says, given as plain data or as JSON; raise InvalidVerdictError for any other shape."""
    try:
        if isinstance(obj, bytes):
            whole = msgspec.json.decode(obj, type=VerdictObject)
        else:
            whole = msgspec.convert(obj, VerdictObject)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        text, _, path = str(problem).partition(" - at `$.")
        raise InvalidVerdictError(path.rstrip("`") or "object", text) from problem
    return stored_verdict(whole)


def stored_verdict(whole: VerdictObject) -> StoredVerdict:
    """Return what an object of the right shape says; raise InvalidVerdictError where its parts do not fit together."""
    if whole.api_version not in ("", API_VERSION) or whole.kind not in ("", KIND):
        raise InvalidVerdictError("apiVersion", f"expected {API_VERSION} {KIND}")
    if whole.status is None:
        raise InvalidVerdictError("status", "expected a status")
    digest = Digest(whole.spec.digest)
    repository = _repository(whole.spec.repository, digest)
    if whole.metadata.name != object_name(repository, digest):
        raise InvalidVerdictError("metadata.name", f"expected {object_name(repository, digest)}, of its image")
    return StoredVerdict(
        name=whole.metadata.name,
        repository=repository,
        digest=digest,
        status=whole.status,
        facts=_facts(whole.status, digest),
    )


def _repository(text: str, digest: Digest) -> Repository:
    try:
        reference = parse_reference(f"{text}@{digest}")
    except InvalidReferenceError as problem:
        raise InvalidVerdictError("spec.repository", str(problem)) from problem
    repository = reference.repository
    if repository_text(repository) != text or reference.tag is not None:
        raise InvalidVerdictError("spec.repository", f"expected {repository_text(repository)}")
    return repository


def _facts(status: VerdictStatus, digest: Digest) -> ImageFacts:
    """Return the facts of an object, which must be about its own digest and the images within it."""
    if status.evidence is None:
        return NO_FACTS
    try:
        facts = unpack(status.evidence.data)
    except BadFactsError as problem:
        raise InvalidVerdictError("status.evidence.data", str(problem)) from problem
    if facts.detail is not None and facts.detail.digest != digest:
        raise InvalidVerdictError("status.evidence.data", "expected facts about the digest of the object")
    return facts
