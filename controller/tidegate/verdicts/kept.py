"""The facts of an image that its ImageVerdict keeps: the new ones, and the stored one where a look-up gave none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import ImageDetail, PlatformImage
from tidegate.evidence.index_children import images_within
from tidegate.evidence.repository import RepositorySettings
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import Attempt, VerificationResults, VerificationState
from tidegate.images.digest import Digest
from tidegate.signing.fingerprint import fingerprint
from tidegate.verdicts.decode import StoredVerdict
from tidegate.verdicts.facts import NO_FACTS, ImageFacts
from tidegate.verdicts.shape import MAX_SIGNER, MAX_TAGS
from tidegate.verdicts.verdict_input import VerdictInput

A = TypeVar("A")
B = TypeVar("B")
MAX_REQUIREMENTS: Final = 16
"""Requirements that one image meets."""
RESCAN_WRITTEN: Final = timedelta(days=1)
"""How much newer the time of a scan has to be to be written."""
_NOT_LOOKED_UP: Final = Missing(Cause.NOT_ASKED, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """Facts with when the oldest of each kind was looked up; without ``observed_at`` there is nothing to keep."""

    facts: ImageFacts = NO_FACTS
    observed_at: datetime | None = None
    settings_observed_at: datetime | None = None
    signatures_observed_at: datetime | None = None
    tags: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))


def keep_facts(given: VerdictInput, before: StoredVerdict | None) -> KeptFacts:
    """Return the facts to keep. What could not be looked up never replaces what is stored; a definite answer does."""
    evidence, stored = given.evidence, _stored(before)
    times: list[datetime] = []
    settings_times: list[datetime] = []
    if given.usage.pods and isinstance(evidence.detail, Missing) and evidence.detail.cause is Cause.NOT_ASKED:
        return KeptFacts()  # No policy where it runs wants facts, so none is looked up again when it changes.
    detail = _newest(evidence.detail, stored.facts.detail, stored.observed_at, times)
    if not isinstance(detail, ImageDetail) or detail.digest != given.digest:
        return KeptFacts()
    runnable = _newest(evidence.runnable, stored.facts.runnable, None, [])
    settings = _newest(evidence.settings, stored.facts.settings, stored.settings_observed_at, settings_times)
    is_set = isinstance(settings, RepositorySettings)
    verified, verified_times = _verified(given, stored)
    facts = ImageFacts(
        format=1,
        detail=detail,
        settings=settings if isinstance(settings, RepositorySettings) else None,
        runnable=runnable if isinstance(runnable, tuple) else None,
        scan_type=_newest(evidence.scan_type, stored.facts.scan_type, None, []),
        scans=_scans(given, detail, runnable if isinstance(runnable, tuple) else (), stored, times),
        verified=verified,
    )
    return KeptFacts(
        facts=facts,
        observed_at=min(times),
        settings_observed_at=min(settings_times, default=None) if is_set else None,
        signatures_observed_at=min(verified_times, default=None) if verified else None,
        tags=_tags(given, stored.tags),
    )


def _stored(before: StoredVerdict | None) -> KeptFacts:
    if before is None or before.status.evidence is None:
        return KeptFacts()
    evidence = before.status.evidence
    return KeptFacts(
        facts=before.facts,
        observed_at=evidence.observed_at,
        settings_observed_at=evidence.settings_observed_at,
        signatures_observed_at=evidence.signatures_observed_at,
        tags={tag.name: tag.observed_at for tag in evidence.tags},
    )


def _newest(fact: Fact[A], stored: B | None, stored_at: datetime | None, times: list[datetime]) -> A | B | None:
    """Return the fact's value, or the stored one where it is missing, and note when it was looked up."""
    if isinstance(fact, Known):
        times.append(fact.observed_at)
        return fact.value
    if stored is not None and stored_at is not None:
        times.append(stored_at)
    return stored


def _scans(
    given: VerdictInput,
    detail: ImageDetail,
    runnable: tuple[PlatformImage, ...],
    stored: KeptFacts,
    times: list[datetime],
) -> dict[str, ScanReport]:
    """Return the scans of the images that may run; the stored ones where a look-up gave none.

    Those that no policy wants any more are not kept: they are not looked up again when they change.
    """
    is_chosen = isinstance(given.evidence.runnable, Known)
    scans: dict[str, ScanReport] = {}
    for digest in sorted({*given.evidence.scans, *(one.digest for one in images_within(runnable))}):
        fact = given.evidence.scans.get(digest, _NOT_LOOKED_UP)
        if fact is _NOT_LOOKED_UP and is_chosen:
            continue
        report = _newest(fact, stored.facts.scans.get(digest), stored.observed_at, times)
        if report is not None:
            scans[digest] = _settled(report, stored.facts.scans.get(digest), detail.scanned_from)
    return scans


def _verified(given: VerdictInput, stored: KeptFacts) -> tuple[dict[str, dict[str, Attempt]], list[datetime]]:
    """Return the requirements that are met, by the digest of the signed image and their fingerprint."""
    verified: dict[str, dict[str, Attempt]] = {}
    times: list[datetime] = []
    for digest in sorted({*given.evidence.proofs, *map(Digest, stored.facts.verified)}):
        fact = given.evidence.proofs.get(digest, _NOT_LOOKED_UP)
        if isinstance(fact, Missing):
            found, observed_at = stored.facts.verified.get(digest, {}), stored.signatures_observed_at
        else:
            found, observed_at = _met(fact.value), fact.observed_at
        if found and observed_at is not None:
            verified[digest] = found
            times.append(observed_at)
    return verified, times


def _met(results: VerificationResults) -> dict[str, Attempt]:
    """Return the attempts that decided for each requirement that is met, without texts for operators."""
    met = {
        fingerprint(requirement): result.decisive
        for requirement, result in results.by_requirement.items()
        if result.state is VerificationState.VERIFIED and result.decisive is not None
    }
    return {
        name: Attempt(
            manifest_digest=one.manifest_digest,
            state=one.state,
            signer=one.signer[:MAX_SIGNER],
            good_until=one.good_until,
        )
        for name, one in list(met.items())[:MAX_REQUIREMENTS]
    }


def _settled(report: ScanReport, stored: ScanReport | None, scanned_from: datetime | None) -> ScanReport:
    """Return the stored report where a new one says the same and is about a day newer at most.

    Amazon Inspector scans images again and again: the time of a scan alone is not worth a write. But a scan from before the
    image was pushed or restored last (``scanned_from``) proves nothing of those after it. What this process alone saw,
    ``scanned_since``, is not stored.
    """
    if stored is not None and report.says_as(stored):
        new, old = report.coverage.last_scanned_at, stored.coverage.last_scanned_at
        is_recent = new is not None and old is not None and timedelta(0) <= new - old < RESCAN_WRITTEN
        if new == old or (is_recent and (scanned_from is None or (old is not None and old >= scanned_from))):
            return stored
    return report.without_earlier_scans()


def _tags(given: VerdictInput, stored: Mapping[str, datetime]) -> Mapping[str, datetime]:
    """Return the tags of which the registry said that they mean this digest, those by which Pods name it first."""
    known = {tag: when for tag, when in stored.items() if tag in given.usage.tags} | dict(given.tags)
    ordered = sorted(known, key=lambda tag: (tag not in given.usage.tags, tag))
    return {tag: known[tag] for tag in ordered[:MAX_TAGS]}
