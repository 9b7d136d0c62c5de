"""The ImageVerdict objects of the cluster, as much of each as writing the next one takes. A sink of the reflector."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from tidegate.background.running import ImageInUse
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.strict.typed import prepare
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.encode import timeless
from tidegate.verdicts.facts import NO_FACTS

FINGERPRINT_BYTES: Final = 16

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictHead:
    """One stored object. ``verdict`` has no facts, policies or findings; it is None where the object is invalid.

    ``content`` is a fingerprint of what it says but for times, and ``judged`` of the same without where the image runs.
    ``started`` has the start of the image in each namespace, as far as the object says it.
    """

    name: str
    uid: str
    resource_version: str
    content: bytes
    judged: bytes
    started: Mapping[str, datetime]
    verdict: StoredVerdict | None

    @property
    def image(self) -> ImageInUse | None:
        """Return the image that it is about, or None where it is invalid."""
        return None if self.verdict is None else (self.verdict.repository, self.verdict.digest)


class _HeadMetadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    uid: str = ""
    resource_version: str = ""


class _HeadObject(msgspec.Struct, frozen=True):
    metadata: _HeadMetadata


prepare(_HeadObject)


class VerdictHeads:
    """Heads by name.

    ``on_change`` is called with each that another client wrote or deleted, ``whole`` with each valid object as it comes, and
    ``gone`` with the image of one that was deleted.
    """

    def __init__(
        self,
        *,
        whole: Callable[[StoredVerdict], object] = lambda _: None,
        gone: Callable[[Repository, Digest], None] = lambda _repository, _digest: None,
    ) -> None:
        self._whole = whole
        self._gone = gone
        self._heads: dict[str, VerdictHead] = {}
        self.on_change: Callable[[str, VerdictHead | None], None] = lambda _name, _head: None
        self.is_listed = False
        """Whether all objects are known."""
        self.is_written_here = False
        """Whether this process leads. Then the starts that another client writes are ignored."""

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._heads)

    @property
    def invalid(self) -> int:
        """Return the number of objects that are not as this version writes them."""
        return sum(head.verdict is None for head in self._heads.values())

    def outcomes(self) -> Mapping[tuple[str, bool], int]:
        """Return how many images that run have each outcome, and whether they are refused."""
        found = (head.verdict.status for head in self._heads.values() if head.verdict is not None)
        return Counter((one.outcome.value, one.refused) for one in found if one.runs.pods)

    def head(self, name: str) -> VerdictHead | None:
        """Return an object's head, or None where there is no such object."""
        return self._heads.get(name)

    def heads(self) -> Iterator[VerdictHead]:
        """Yield every head."""
        yield from list(self._heads.values())

    def decode(self, raw: bytes | msgspec.Raw) -> tuple[VerdictHead, StoredVerdict | None]:
        """Return an object's head and its verdict; raise msgspec's errors for what is no object.

        The verdict is None for the version that is known: what was written here comes back by the watch.
        """
        metadata = msgspec.json.decode(raw, type=_HeadObject).metadata
        known = self._heads.get(metadata.name)
        if known is not None and (known.uid, known.resource_version) == (metadata.uid, metadata.resource_version):
            return known, None
        return read_object(msgspec.json.decode(raw, type=dict[str, Any]))

    def put(self, key: str, found: tuple[VerdictHead, StoredVerdict | None], /) -> None:
        """Take an object of a list or watch, unless it is the one that was written here."""
        head, whole = found
        if whole is not None:
            self._whole(whole)
        before = self._heads.get(key)
        if before is not None and before.resource_version == head.resource_version:
            return
        if self.is_written_here:
            head = replace(head, started={} if before is None else before.started)
        self._heads[key] = head
        if before is None or before.content != head.content:
            self.on_change(key, head)

    def drop(self, key: str, /) -> None:
        """Forget an object that was deleted."""
        head = self._heads.pop(key, None)
        if head is not None:
            self._forget(head)
            self.on_change(key, None)

    def confirm(self, head: VerdictHead, started: Mapping[str, datetime]) -> None:
        """Take the starts of an object that already says what this process would write."""
        if head.started != started and self._heads.get(head.name) is head:
            self._heads[head.name] = replace(head, started=started)

    def forget_starts(self) -> None:
        """Forget the starts of all images, after a time in which no leader watched whether they ran."""
        self._heads = {name: replace(head, started={}) for name, head in self._heads.items()}

    def listed(self) -> None:
        """Take note that every object is known."""
        self.is_listed = True

    def wrote(self, obj: Mapping[str, Any]) -> VerdictHead:
        """Take an object as the API server returned it after a write."""
        head, whole = read_object(obj)
        if whole is not None:
            self._whole(whole)
        self._heads[head.name] = head
        return head

    def deleted(self, name: str) -> None:
        """Take note that an object was deleted here."""
        head = self._heads.pop(name, None)
        if head is not None:
            self._forget(head)

    def _forget(self, head: VerdictHead) -> None:
        if head.image is not None:
            self._gone(*head.image)


def read_object(obj: Mapping[str, Any]) -> tuple[VerdictHead, StoredVerdict | None]:
    """Return an object's head, and its verdict, or None where it is invalid, which is logged."""
    metadata = msgspec.convert(obj, _HeadObject).metadata
    whole = None
    try:
        whole = decode(obj)
    except InvalidVerdictError as problem:
        _log.warning("an ImageVerdict is invalid and will be written anew", name=metadata.name, problem=str(problem))
    content, judged = fingerprints(obj)
    head = VerdictHead(
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        content=content,
        judged=judged,
        started={} if whole is None else started_in(obj),
        verdict=None if whole is None else replace(whole, facts=NO_FACTS, status=slim(whole)),
    )
    return head, whole


def slim(verdict: StoredVerdict) -> Any:
    """Return the status without its long lists: what is needed of tens of thousands."""
    status = verdict.status
    evidence = status.evidence
    return msgspec.structs.replace(
        status,
        reasons=(),
        message="",
        policies=(),
        severities={},
        findings=(),
        images=(),
        signers=(),
        runs=msgspec.structs.replace(status.runs, where="", namespaces=(), tags=()),
        evidence=None if evidence is None else msgspec.structs.replace(evidence, data=""),
    )


def started_in(obj: Mapping[str, Any]) -> dict[str, datetime]:
    """Return the start of the image in each namespace, as far as a valid object says it."""
    listed = obj["status"].get("runs", {}).get("namespaces", ())
    return {one["name"]: datetime.fromisoformat(one["since"]) for one in listed if one.get("since")}


def fingerprints(obj: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the fingerprints of what an object says, with and without where the image runs."""
    said = timeless(obj)
    judged = {name: value for name, value in said["status"].items() if name != "runs"}
    return _fingerprint(said), _fingerprint(said | {"status": judged})


def _fingerprint(said: object) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(said, order="sorted"), digest_size=FINGERPRINT_BYTES).digest()
