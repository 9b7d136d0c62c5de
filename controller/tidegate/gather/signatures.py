"""The signatures of an image as facts: the artifacts in its registry, and the results of their verification.

Read this to learn which calls find signatures. Requirements come with every question; artifacts are cached for all
requirements, and results by ``signature_verifications``.
"""

from collections.abc import Mapping, Sequence, Sized
from functools import partial
from typing import TypeAlias

from tidegate.errors import UndeterminedError
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import BadContent
from tidegate.evidence.signature_artifacts import (
    ArtifactKind,
    FoundArtifacts,
    SigningHint,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.evidence.verification_result import VerificationResult, VerificationResults, VerificationState
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import REGISTRY_SEARCHES, ApiLimiters
from tidegate.gather.ask import Ask
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.manifests import Manifests
from tidegate.gather.recent import Recent
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.gather.sources import Sources
from tidegate.gather.stored_verdicts import StoredVerdicts
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository, Repository, repository_text
from tidegate.policy.signatures import NotationAuthority
from tidegate.signing.fingerprint import fingerprint
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import Requirement
from tidegate.signing.verifier import SignedImage

SEARCH_SECONDS = 8.0
"""How long one search may take: it goes on when the request that started it has had its answer."""
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""All signatures that are kept: users with push access choose how long they are, up to MAX_FOUND_BYTES an image."""
MAX_SEARCHED_FOR = 1_024
"""Images for which requirements are noted until their search begins."""

ECR_SOURCE, OTHER_SOURCE = "ecr:ListImageReferrers", "oci:referrers"
HINT_SOURCE = "ecr:DescribeImageSigningStatus"

_Found: TypeAlias = tuple[Repository, Digest, frozenset[ArtifactKind]]


class Signatures:
    """Finds and verifies; see the module."""

    def __init__(
        self,
        *,
        sources: Sources,
        limiters: ApiLimiters,
        clock: Clock,
        manifests: Manifests,
        verifications: SignatureVerifications,
        limit: int,
        budget: Budget | None = None,
        stored: StoredVerdicts | None = None,
    ) -> None:
        self._stored = stored
        self._sources = sources
        self._limiters = limiters
        self._clock = clock
        self._manifests = manifests
        self._verifications = verifications
        self.artifacts = FactCache[_Found, FoundArtifacts](
            source=ECR_SOURCE,
            source_of=lambda key: _source(key[0]),
            limit=MAX_KEPT_BYTES,
            clock=clock,
            look_up=self._find,
            seconds=_artifact_seconds,
            weigh=lambda found: max(found.size, MAX_KEPT_BYTES // limit),
            budget=budget,
        )
        # The latest requirements, which order a search and are no part of its result.
        self._searched_for = Recent[_Found, Sequence[Requirement]](MAX_SEARCHED_FOR)
        self.hints = FactCache[tuple[EcrRepository, Digest], tuple[SigningHint, ...]](
            source=HINT_SOURCE,
            limit=limit,
            budget=budget,
            clock=clock,
            look_up=self._ask_hints,
            seconds=lambda *_: lifetimes.HINT_SECONDS,
        )

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {"signatures": self.artifacts, "signing_statuses": self.hints, "proofs": self._verifications}

    async def verify(
        self, ask: Ask, repository: Repository, digest: Digest, requirements: Sequence[Requirement]
    ) -> tuple[Fact[VerificationResults], float]:
        """Return the results for the signatures of an image, and the monotonic second until which they may be reused."""
        wanted = (repository, digest, kinds_of(requirements))
        # The search that asking may start takes the latest requirements when it begins.
        self._searched_for[wanted] = requirements
        # 1. The signatures, and beside them the manifest, whose size and type a signature names.
        (found, until), (manifest, limit) = await ask.all(
            ask.fact(self.artifacts, wanted), ask.fact(self._manifests.descriptors, (repository, digest))
        )
        until = min(until, limit)
        if isinstance(found, Missing):
            return self._by_stored(ask, repository, digest, requirements, found), until
        if isinstance(manifest, Missing):
            return self._by_stored(ask, repository, digest, requirements, manifest), until
        if isinstance(manifest.value, BadContent):
            lies = VerificationResult(state=VerificationState.FAILED, problem=manifest.value.problem)
            return _fact(found, dict.fromkeys(requirements, lies), ()), until
        # 2. Their verification.
        image = SignedImage(repository=repository_text(repository), manifest=manifest.value)
        results, limit = await ask.fact(self._verifications, (image, found.value, requirements))
        until = min(until, limit)
        if isinstance(results, Missing):
            return Missing(results.cause, _source(repository)), until
        # 3. Where something is not verified, a better signature may come any moment, and ECR may know that it does.
        if any(result.state is not VerificationState.VERIFIED for result in results.values()):
            until = min(until, self.artifacts.shorten(wanted, lifetimes.NOT_VERIFIED_SECONDS))
        hints: tuple[SigningHint, ...] = ()
        if isinstance(repository, EcrRepository) and self._explains(results):
            # ECR may still be signing the image.
            hint, limit = await ask.fact(self.hints, (repository, digest))
            hints, until = () if isinstance(hint, Missing) else hint.value, min(until, limit)
        return _fact(found, results, hints), until

    def _by_stored(
        self,
        ask: Ask,
        repository: Repository,
        digest: Digest,
        requirements: Sequence[Requirement],
        missing: Missing,
    ) -> Fact[VerificationResults]:
        """Return the requirements that another process saw met, where the signatures themselves cannot be looked at.

        Only that a signature is valid is stored. All others are not known.
        """
        stored = None if self._stored is None or not ask.uses_stored else self._stored.verified((repository, digest))
        if stored is None:
            return missing
        unknown = VerificationResult(state=VerificationState.UNKNOWN, outage=missing.cause)
        results = dict.fromkeys(requirements, unknown)
        for requirement in requirements:
            attempt = stored.value.get(fingerprint(requirement))
            if attempt is not None and (attempt.good_until is None or self._clock.now() < attempt.good_until):
                results[requirement] = VerificationResult(
                    state=VerificationState.VERIFIED, decisive=attempt, attempts=(attempt,)
                )
        if all(result is unknown for result in results.values()):
            return missing
        value = VerificationResults(by_requirement=results)
        return Known(value, stored.observed_at, missing.cause, missing.source, stored.monotonic)

    async def _find(self, key: _Found) -> FoundArtifacts | Missing:
        repository, digest, kinds = key
        wanted = wanted_of(kinds, self._searched_for.pop(key, ()))
        source = self._sources.signatures if isinstance(repository, EcrRepository) else self._sources.other_registries
        limiter = self._limiters.limiter(_source(repository), repository.registry, calls=REGISTRY_SEARCHES)
        search = partial(
            source.find_artifacts,
            repository,  # type: ignore[arg-type]  # each source is given its own kind of repository
            digest,
            wanted=wanted,
            seconds=SEARCH_SECONDS,
        )
        found = await limiter.ask(search)
        if not isinstance(found, FoundArtifacts):
            return found if isinstance(found, Missing) else Missing(Cause.UNEXPECTED_ANSWER, limiter.source)
        # Report what could not be looked at with its cause: all calls may have been answered.
        limiter.unanswered(
            SourceUnavailableError(each.cause, limiter.source, f"{each.what}: {each.detail}")
            for each in found.skipped
            if each.reason is SkipReason.UNAVAILABLE and each.cause is not None
        )
        return self._whole(key, found)

    def _whole(self, key: _Found, found: FoundArtifacts) -> FoundArtifacts | Missing:
        """Return what was found, unless more was known before than could be looked at now."""
        cause = found.cut_short
        if cause is None:
            return found
        before, _ = self.artifacts.peek(key)
        if found.outage is None:
            # Users with push access may keep it that way: then the earlier result must expire all the same.
            oldest = self._clock.monotonic() - lifetimes.BEFORE_SECONDS
            is_kept = isinstance(before, Known) and bool(before.value.artifacts) and before.monotonic > oldest
        else:
            is_kept = not found.artifacts or (isinstance(before, Known) and bool(before.value.artifacts))
        return Missing(cause, _source(key[0])) if is_kept else found

    def _explains(self, results: Mapping[Requirement, VerificationResult]) -> bool:
        """Return whether ECR's own signing may explain why a Notation signature is missing."""
        return any(
            isinstance(requirement.authority, NotationAuthority)
            and result.state in {VerificationState.ABSENT, VerificationState.FAILED}
            for requirement, result in results.items()
        )

    async def _ask_hints(self, key: tuple[EcrRepository, Digest]) -> tuple[SigningHint, ...] | Missing:
        repository, digest = key
        limiter = self._limiters.limiter(HINT_SOURCE, repository.registry)
        answer = await limiter.ask(partial(self._sources.signing.signing_status, repository, digest))
        if isinstance(answer, Missing):
            # A hint only adds to a message: without an answer there is none, and it is not asked for again at once.
            return ()
        return tuple(answer) if isinstance(answer, Sequence) else ()


def kinds_of(requirements: Sequence[Requirement]) -> frozenset[ArtifactKind]:
    """Return the kinds of artifacts that could meet any of the requirements."""
    return frozenset(kind for requirement in requirements for kind in requirement.kinds)


def wanted_of(kinds: frozenset[ArtifactKind], requirements: Sequence[Requirement]) -> WantedArtifacts:
    """Return what is looked for, and what a required signature is likely to name (N25)."""
    verifiers = [one for one in map(prepare, requirements) if not isinstance(one, UndeterminedError)]
    return WantedArtifacts(
        kinds=kinds,
        thumbprints=frozenset[str]().union(*(one.thumbprints for one in verifiers)),
        predicates=frozenset[str]().union(*(one.predicates for one in verifiers)),
    )


def _fact(
    found: Known[FoundArtifacts], results: Mapping[Requirement, VerificationResult], hints: tuple[SigningHint, ...]
) -> Known[VerificationResults]:
    verified = VerificationResults(by_requirement=results, hints=hints)
    return Known(verified, found.observed_at, found.stale, found.source, found.monotonic)


def _artifact_seconds(_key: object, found: FoundArtifacts) -> float:
    if found.cut_short is not None:
        return lifetimes.PARTIAL_SECONDS
    return lifetimes.FOUND_SECONDS if found.artifacts else lifetimes.NOT_VERIFIED_SECONDS


def _source(repository: Repository) -> str:
    return ECR_SOURCE if isinstance(repository, EcrRepository) else OTHER_SOURCE
