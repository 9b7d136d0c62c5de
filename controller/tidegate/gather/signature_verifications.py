"""Verifies signatures in threads, asks revocation services, and caches the results.

A result is cached by envelope, image and requirement; a requirement is another one as soon as a policy or a trust store
changes. An undecided result is never cached.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from tidegate.errors import UndeterminedError
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.signature_artifacts import FoundArtifacts, SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationState, conclude
from tidegate.gather import lifetimes
from tidegate.gather.ask import GET, RENEW, at_once
from tidegate.gather.bounded_cache import BoundedCache, Budget
from tidegate.gather.revocations import Answer, Revocations
from tidegate.gather.shares import Room, current
from tidegate.gather.size import ENTRY_BYTES, size_of
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import Requirement
from tidegate.signing.verifier import Examination, SignedImage, Verifier
from tidegate.verify.notation.revocation.material import NoAnswer, Question, RevocationMaterial

THREADS = 4
"""Images whose signatures are verified at once."""
MAX_ROUNDS = 4
"""Times that one image's signatures are verified: OCSP, then a CRL in its place, then a delta of that."""
MAX_QUESTIONS = 40
"""Questions about one image's signatures in one round."""

_log = structlog.get_logger(__name__)

Asked: TypeAlias = tuple[SignedImage, FoundArtifacts, Sequence[Requirement]]
"""An image, what was found beside it, and what is required."""
Results: TypeAlias = dict[Requirement, VerificationResult]
SOURCE = "verification"
_Key: TypeAlias = tuple[Requirement, SignedImage, str]
_ACCEPTED = frozenset({VerificationState.VERIFIED, VerificationState.LOGGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What revocation services said, and the monotonic second until which it need not be asked again."""

    material: RevocationMaterial = field(default_factory=RevocationMaterial)
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class _Cached:
    """A verification, until when it holds (monotonic), and the questions to revocation services that it needed."""

    attempt: Attempt
    until: float
    questions: tuple[Question, ...]


@dataclass(slots=True, kw_only=True)
class _Round:
    """What one pass over the signatures of an image came to, and until when (monotonic)."""

    results: dict[Requirement, VerificationResult] = field(default_factory=dict)
    questions: dict[Question, None] = field(default_factory=dict)
    until: float = float("inf")


class SignatureVerifications:
    """Verifies; see the module. ``limit`` and ``budget`` bound the cache."""

    def __init__(
        self,
        *,
        revocations: Revocations,
        clock: Clock,
        limit: int,
        executor: Executor | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._revocations = revocations
        self._executor = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
        self._room = Room(THREADS)
        self._clock = clock
        self._budget = budget
        self._cached = BoundedCache[_Key, _Cached](limit=limit, budget=budget, freed=_size)

    def __len__(self) -> int:
        """Return how many verifications are cached."""
        return len(self._cached)

    def close(self) -> None:
        """Let running verifications end by themselves and start no further ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def peek(self, asked: Asked, *, stored: bool = False) -> tuple[Results | Missing, float]:  # noqa: ARG002
        """Return the results and until when they hold (monotonic); Missing where something has to be verified first.

        ``stored`` makes no difference: verifications need the signatures.
        """
        result = self._pass(*asked, answers=None)
        return (Missing(Cause.NOT_ASKED, SOURCE), 0.0) if result is None else (result.results, result.until)

    def renew(self, asked: Asked) -> None:
        """Note that results were used: answers of services near the end of their life are looked up in the background."""
        image, found, requirements = asked
        questions: dict[Question, None] = {}
        for requirement in requirements:
            for artifact in (one for one in found.artifacts if one.kind in requirement.kinds):
                cached = self._valid((requirement, image, artifact.fingerprint))
                questions.update(dict.fromkeys(cached.questions if cached is not None else ()))
        for question in questions:
            at_once(self._revocations.answer(RENEW, question))

    async def get(self, asked: Asked) -> tuple[Results | Missing, float]:
        """Return the result for each requirement, and the monotonic second until which all of them hold."""
        # 1. Cached results need no thread.
        cached, until = self.peek(asked)
        if not isinstance(cached, Missing):
            self.renew(asked)
            return cached, until
        image, found, requirements = asked
        answers = _Answers()
        loop = asyncio.get_running_loop()
        for _ in range(MAX_ROUNDS):
            # 2. Everything else is verified in one thread: cryptography lets the others run.
            async with self._room.place(current()):
                result = await loop.run_in_executor(self._executor, self._verified, image, found, requirements, answers)
            if self._budget is not None:
                self._budget.keep_to_it()
            # 3. The services are asked, and the signatures that need their answers are verified again.
            new = [question for question in result.questions if question not in answers.material.answers]
            if not new:
                break
            answers = await self._ask(new[:MAX_QUESTIONS], answers)
        return result.results, min(result.until, answers.until)

    async def _ask(self, questions: Sequence[Question], known: _Answers) -> _Answers:
        """Return the answers with those to further questions, asked side by side."""
        asked = await asyncio.gather(*(self._revocations.answer(GET, question) for question in questions))
        answers: dict[Question, Answer | NoAnswer] = dict(known.material.answers)
        answers |= {question: answer for question, (answer, _) in zip(questions, asked, strict=True)}
        until = min(known.until, *(until for _, until in asked))
        return _Answers(material=RevocationMaterial(answers=answers), until=until)

    def _verified(
        self, image: SignedImage, found: FoundArtifacts, requirements: Sequence[Requirement], answers: _Answers
    ) -> _Round:
        result = self._pass(image, found, requirements, answers)
        assert result is not None
        return result

    def _pass(
        self, image: SignedImage, found: FoundArtifacts, requirements: Sequence[Requirement], answers: _Answers | None
    ) -> _Round | None:
        """Try each signature for each requirement until one is valid; without answers, None where one is not cached."""
        result = _Round()
        for requirement in requirements:
            attempts: list[Attempt] = []
            unusable = ""
            for artifact in (one for one in found.artifacts if one.kind in requirement.kinds):
                key = (requirement, image, artifact.fingerprint)
                known = self._valid(key)
                if known is None:
                    if answers is None:
                        return None
                    verifier = prepare(requirement)
                    if isinstance(verifier, UndeterminedError):
                        unusable = str(verifier)
                        break
                    attempt, until = self._examine(key, verifier, artifact, answers, result)
                else:
                    attempt, until = known.attempt, known.until
                attempts.append(attempt)
                result.until = min(result.until, until)
                if attempt.state is VerificationState.VERIFIED:
                    break
            if unusable:
                result.until = min(result.until, self._clock.monotonic() + lifetimes.FAILED_SECONDS)
                result.results[requirement] = VerificationResult(state=VerificationState.UNKNOWN, problem=unusable)
            else:
                result.results[requirement] = conclude(attempts, outage=found.outage)
        return result

    def _examine(
        self, key: _Key, verifier: Verifier, artifact: SignatureArtifact, answers: _Answers, result: _Round
    ) -> tuple[Attempt, float]:
        """Verify one signature, note its questions, and cache a decided result."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        try:
            examined = verifier.verify(artifact, key[1], now=now, revocation=answers.material)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # noqa: BLE001 - Rust libraries' panics are no Exception
            return _unforeseen(artifact, problem), monotonic + lifetimes.UNDECIDED_SECONDS
        result.questions.update(dict.fromkeys(examined.questions))
        attempt = examined.attempt
        until = monotonic + _seconds(examined)
        if attempt.good_until is not None and attempt.state in _ACCEPTED:
            until = min(until, monotonic + (attempt.good_until - now).total_seconds())
        until = min(until, answers.until)
        if attempt.state is not VerificationState.UNKNOWN and not examined.questions:
            decided = _Cached(attempt, until, tuple(answers.material.answers))
            self._cached.put(key, decided, _size(key, decided))
        return attempt, until

    def _valid(self, key: _Key) -> _Cached | None:
        cached = self._cached.get(key)
        if cached is None or cached.until <= self._clock.monotonic():
            return None
        # The clock that never goes back may stand still, on a machine that sleeps; certificates expire all the same.
        attempt = cached.attempt
        lapsed = attempt.good_until is not None and attempt.good_until <= self._clock.now()
        return None if lapsed and attempt.state in _ACCEPTED else cached


def _size(key: _Key, cached: _Cached) -> int:
    """Return about how many bytes a verification takes; requirements belong to policies, and questions are mostly shared."""
    _, image, fingerprint = key
    return ENTRY_BYTES + sum(map(size_of, (image, fingerprint, cached.attempt, cached.questions)))


def _unforeseen(artifact: SignatureArtifact, problem: BaseException) -> Attempt:
    """Return the attempt at a signature for which verification itself fails: FAILED, and the other signatures still count.

    Users with push access could make such a signature. If it were UNKNOWN, it would pass a policy that tolerates that.
    """
    _log.error("verifying a signature failed unexpectedly", manifest=artifact.manifest_digest, exc_info=problem)
    return Attempt(
        manifest_digest=artifact.manifest_digest,
        state=VerificationState.FAILED,
        clause="tidegate could not verify the signature because of an internal error",
        text=f"an error inside tidegate ({type(problem).__name__})",
    )


def _seconds(examined: Examination) -> float:
    if examined.questions or examined.attempt.state is VerificationState.UNKNOWN:
        return lifetimes.UNDECIDED_SECONDS
    return lifetimes.VERIFIED_SECONDS if examined.attempt.state in _ACCEPTED else lifetimes.FAILED_SECONDS
