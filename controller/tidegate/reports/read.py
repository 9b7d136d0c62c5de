"""Read ImageVerdict objects of any origin into an inventory: what is not valid is named, and never guessed at."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import structs

from tidegate.images.repository import repository_text
from tidegate.reports.model import Inventory, ReportedImage, Unreadable
from tidegate.strict.quotation import printable
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.shape import VerdictStatus

MAX_PROBLEM: Final = 300
MAX_NAME: Final = 253


def read_inventory(objects: Iterable[Any]) -> Inventory:
    """Return the images of ImageVerdict objects, given as plain data or as JSON, by name, and what could not be read.

    Of two objects of one image the one written last counts. Evidence for replicas is not kept.
    """
    images: dict[str, ReportedImage] = {}
    unreadable: list[Unreadable] = []
    for one in objects:
        try:
            verdict = _decoded(one)
        except InvalidVerdictError as problem:
            unreadable.append(Unreadable(name=_name(one), problem=printable(str(problem))[:MAX_PROBLEM]))
            continue
        image = ReportedImage(
            repository=repository_text(verdict.repository), digest=verdict.digest, status=_shown(verdict.status)
        )
        before = images.get(verdict.name)
        if before is None or before.status.written_at < image.status.written_at:
            images[verdict.name] = image
    found = sorted(images.values(), key=lambda image: (image.repository, image.digest))
    return Inventory(images=tuple(found), unreadable=tuple(sorted(unreadable)))


def _decoded(one: Any) -> StoredVerdict:
    if not isinstance(one, dict | bytes):
        raise InvalidVerdictError("object", f"expected an object, got {type(one).__name__}")
    return decode(one)


def _shown(status: VerdictStatus) -> VerdictStatus:
    evidence = status.evidence
    return status if evidence is None else structs.replace(status, evidence=structs.replace(evidence, data=""))


def _name(one: Any) -> str:
    if isinstance(one, bytes):
        try:
            one = msgspec.json.decode(one)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            one = None
    metadata = one.get("metadata") if isinstance(one, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return printable(name)[:MAX_NAME] if isinstance(name, str) and name else "an object without a name"
