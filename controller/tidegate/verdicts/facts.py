"""The facts inside an ImageVerdict object: all that judging an image takes, in one compressed text.

Compressed, the thousand findings of a large image fit into one object; cut to fit, its scan would count as incomplete.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tidegate.errors import Error
from tidegate.evidence.image import ImageDetail, PlatformImage
from tidegate.evidence.index_children import images_within
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import MAX_FINDINGS, ScanReport
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.images.digest import parse_digest
from tidegate.images.manifest import MAX_CHILDREN
from tidegate.strict.typed import prepare

MAX_PLAIN_BYTES: Final = 1024 * 1024
"""Bytes of the facts before they are compressed."""
MAX_VERIFIED: Final = 2 * MAX_CHILDREN * 16
"""Requirements that an image meets, in one object."""
_GZIP: Final = 31
_LEVEL: Final = 9


class BadFactsError(Error):
    """A text is not the facts of an image."""


class ImageFacts(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """What is known of one image; None or no entry is what is not known.

    ``scans`` are by the digests of the images that may run. ``verified`` holds for the digests of the image and of those
    within it the requirements that a signature meets, by their fingerprint, with the attempt that decided.
    """

    format: Literal[1]
    detail: ImageDetail | None = None
    settings: RepositorySettings | None = None
    runnable: Annotated[tuple[PlatformImage, ...], Meta(max_length=MAX_CHILDREN)] | None = None
    scan_type: ScanType | None = None
    scans: Annotated[dict[str, ScanReport], Meta(max_length=2 * MAX_CHILDREN)] = {}
    verified: Annotated[dict[str, dict[str, Attempt]], Meta(max_length=2 * MAX_CHILDREN)] = {}

    @property
    def verified_attempts(self) -> Mapping[str, Mapping[str, Attempt]]:
        """Return what is verified, read-only."""
        return MappingProxyType(self.verified)


prepare(ImageFacts)

NO_FACTS: Final = ImageFacts(format=1)


def pack(facts: ImageFacts) -> str | None:
    """Return the facts as a text, the same for the same facts; None where they have more than MAX_PLAIN_BYTES."""
    plain = msgspec.json.encode(facts, order="sorted")
    if len(plain) > MAX_PLAIN_BYTES:
        return None
    return base64.b64encode(zlib.compress(plain, _LEVEL, _GZIP)).decode()


def unpack(text: str) -> ImageFacts:
    """Return the facts that a text is; raise BadFactsError for any other text, and for one that ``pack`` does not make."""
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(base64.b64decode(text, validate=True), MAX_PLAIN_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as problem:
        raise BadFactsError("expected base64 of gzip") from problem
    if len(plain) > MAX_PLAIN_BYTES or not stream.eof or stream.unused_data:
        raise BadFactsError(f"expected one gzip member of at most {MAX_PLAIN_BYTES} bytes of content")
    try:
        facts = msgspec.json.decode(plain, type=ImageFacts)
        written = msgspec.json.encode(facts, order="sorted")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        raise BadFactsError(f"the facts are of another shape: {problem}") from problem
    # Dataclasses take what they do not know and fill in what is missing: only the very text that is written counts.
    if written != plain:
        raise BadFactsError("the facts are of another shape: written anew, they are another text")
    _check(facts)
    return facts


def _check(facts: ImageFacts) -> None:
    """Refuse values that no source of facts gives."""
    images = list(images_within(facts.runnable or ()))
    if len(images) > MAX_CHILDREN:
        raise BadFactsError(f"expected at most {MAX_CHILDREN} images that may run")
    digests = [*(one.digest for one in images), *facts.scans, *facts.verified]
    digests += [] if facts.detail is None else [facts.detail.digest]
    digests += [one.manifest_digest for attempts in facts.verified.values() for one in attempts.values()]
    if any(parse_digest(one) is None for one in digests):
        raise BadFactsError("expected digests as sha256: and 64 hexadecimal digits")
    if any(len(one.findings) > MAX_FINDINGS for one in facts.scans.values()):
        raise BadFactsError(f"expected at most {MAX_FINDINGS} findings of one image")
    if any(
        not 0 <= one.epss <= 1 for report in facts.scans.values() for one in report.findings if one.epss is not None
    ):
        raise BadFactsError("expected EPSS scores from 0 to 1")
    attempts = [one for found in facts.verified.values() for one in found.values()]
    if len(attempts) > MAX_VERIFIED or any(one.state is not VerificationState.VERIFIED for one in attempts):
        raise BadFactsError(f"expected at most {MAX_VERIFIED} signatures that are verified")
    if any(moment.tzinfo is None for moment in _times(facts)):
        raise BadFactsError("expected times with a time zone")


def _times(facts: ImageFacts) -> Iterator[datetime]:
    found: list[datetime | None] = []
    if facts.detail is not None:
        found += [facts.detail.pushed_at, facts.detail.restored_at]
    for report in facts.scans.values():
        found += [report.coverage.last_scanned_at, report.scanned_since]
        found += [one.first_observed_at for one in report.findings]
    found += [one.good_until for attempts in facts.verified.values() for one in attempts.values()]
    yield from (one for one in found if one is not None)
