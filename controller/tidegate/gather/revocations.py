"""Answers about revocation as facts: asked once for all requests that wait, cached for minutes; the last good one is kept.

Verification decides whether an answer is still good enough, by the bounds in it (a CRL's next update, the window of an
answer of AWS Signer). A failed look-up is NoAnswer, which never says that nothing is revoked.
"""

from collections.abc import Sized
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias
from urllib.parse import urlsplit

from tidegate.checks.messages import cause_words
from tidegate.errors import UndeterminedError
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.ask import Ask, Lookup
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.recent import Recent
from tidegate.gather.sources import Sources
from tidegate.images.repository import EcrRegistry, OciRegistry
from tidegate.verify.notation.revocation.freshness import good_until
from tidegate.verify.notation.revocation.material import (
    CRL_TIMEOUT_SECONDS,
    OCSP_TIMEOUT_SECONDS,
    CrlQuestion,
    NoAnswer,
    OcspQuestion,
    Question,
)
from tidegate.verify.notation.signer import SignerAnswer

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Answers of AWS Signer and of OCSP responders that are kept, together."""
MAX_CRL_KEPT_BYTES = 32 * 1024 * 1024
"""CRLs that are kept, together: up to 5 MiB each."""
MAX_REASONS = 1_000
"""Questions without an answer of which it is remembered why."""

SIGNER_SOURCE = "signer:GetRevocationStatus"

Answer: TypeAlias = bytes | SignerAnswer

_SIGNER_ANSWER_BYTES = 1_024
"""About what an answer of AWS Signer takes, with its question."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, until when it is valid by its own next update (UTC), and when it was asked for (monotonic)."""

    answer: bytes | SignerRevocations
    good_until: datetime | None
    asked: float

    @property
    def size(self) -> int:
        """Return about how many bytes it takes in memory."""
        return _SIGNER_ANSWER_BYTES + (len(self.answer) if isinstance(self.answer, bytes) else 0)


class Revocations:
    """The answers of AWS Signer, OCSP responders and CRL distribution points."""

    def __init__(self, *, sources: Sources, limiters: ApiLimiters, clock: Clock, budget: Budget | None = None) -> None:
        self._sources = sources
        self._limiters = limiters
        self._clock = clock
        # Why the latest questions over HTTP had no answer, for the message.
        self._reasons = Recent[OcspQuestion | CrlQuestion, str](MAX_REASONS)
        self.answers = FactCache[Question, _Kept](
            source="revocation",
            limit=MAX_KEPT_BYTES,
            clock=clock,
            look_up=self._look_up,
            seconds=self._seconds,
            weigh=lambda kept: kept.size,
            budget=budget,
        )
        self.crls = FactCache[Question, _Kept](
            source="revocation",
            limit=MAX_CRL_KEPT_BYTES,
            clock=clock,
            look_up=self._look_up,
            seconds=self._seconds,
            weigh=lambda kept: kept.size,
            budget=budget,
        )

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {"revocations": self.answers, "revocation_lists": self.crls}

    async def answer(self, ask: Ask, question: Question) -> tuple[Answer | NoAnswer, float]:
        """Return the answer, and the monotonic second until which it need not be asked for again."""
        if (refused := self._refusal(question)) is not None:
            return refused, float("inf")
        kept: Lookup[Question, Known[_Kept]] = self.crls if isinstance(question, CrlQuestion) else self.answers
        fact, until = await ask.fact(kept, question)
        if isinstance(fact, Missing):
            return self._no_answer(question, fact), self._clock.monotonic() + lifetimes.NO_ANSWER_SECONDS
        return self._given(fact.value), until

    def _given(self, kept: _Kept) -> Answer:
        """Return an answer with its end: that of AWS Signer counts for an hour, by the clock that never jumps."""
        if isinstance(kept.answer, bytes):
            return kept.answer
        age = timedelta(seconds=self._clock.monotonic() - kept.asked)
        good_until = self._clock.now() + lifetimes.SIGNER_WINDOW - age
        return SignerAnswer(revoked_entities=kept.answer.revoked, good_until=good_until)

    def _seconds(self, question: Question, kept: _Kept) -> float:
        """Return the time to live of an answer: one past its next update is never used."""
        usual = {OcspQuestion: lifetimes.OCSP_SECONDS, CrlQuestion: lifetimes.CRL_SECONDS}.get(
            type(question), lifetimes.SIGNER_SECONDS
        )
        if kept.good_until is None:
            return usual
        return min(usual, max(lifetimes.RETRY_SECONDS, (kept.good_until - self._clock.now()).total_seconds()))

    def _refusal(self, question: Question) -> NoAnswer | None:
        """Return why a service is never asked; that is no failure of the service, and not recorded as one."""
        return None if isinstance(question, SignerQuestion) else self._sources.revocation_services.refusal(question)

    def _no_answer(self, question: Question, fact: Missing) -> NoAnswer:
        if not isinstance(question, SignerQuestion) and (reason := self._reasons.get(question)) is not None:
            return NoAnswer(reason=reason)
        return NoAnswer(reason=f"{fact.source}: {cause_words(fact.cause, fact.source)}")

    async def _look_up(self, question: Question) -> _Kept | Missing:
        if isinstance(question, SignerQuestion):
            return await self._ask_signer(question)
        return await self._fetch(question)

    async def _ask_signer(self, question: SignerQuestion) -> _Kept | Missing:
        limiter = self._limiters.limiter(SIGNER_SOURCE, _place(question))
        asked = self._clock.monotonic()
        answer = await limiter.ask(partial(self._sources.signer.revocation_status, question))
        if isinstance(answer, SignerRevocations):
            return _Kept(answer, None, asked)
        return answer if isinstance(answer, Missing) else Missing(Cause.UNEXPECTED_ANSWER, SIGNER_SOURCE)

    async def _fetch(self, question: OcspQuestion | CrlQuestion) -> _Kept | Missing:
        """Ask a service over HTTP; why there is no answer stays beside the cause, for the message.

        An invalid or expired answer counts as none, so that an earlier one stays valid until its own next update: the
        services are asked over plain HTTP.
        """
        seconds = OCSP_TIMEOUT_SECONDS if isinstance(question, OcspQuestion) else CRL_TIMEOUT_SECONDS
        source = "ocsp" if isinstance(question, OcspQuestion) else "crl"
        limiter = self._limiters.limiter(source, OciRegistry((urlsplit(question.url).hostname or "")[:255]))
        asked = self._clock.monotonic()
        reasons: list[str] = []

        def fetch() -> _Kept:
            answer = self._sources.revocation_services.fetch(question, seconds)
            if isinstance(answer, NoAnswer):
                reasons.append(answer.reason)
                raise SourceUnavailableError(Cause.UNREACHABLE, source, answer.reason)
            try:
                return _Kept(answer, good_until(question, answer, now=self._clock.now()), asked)
            except UndeterminedError as exc:
                reasons.append(str(exc))
                raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, source, str(exc)) from exc

        answer = await limiter.ask(fetch)
        if isinstance(answer, _Kept) or reasons:
            self._reasons.pop(question, None)
        for reason in reasons:
            self._reasons[question] = reason
        return answer if isinstance(answer, _Kept | Missing) else Missing(Cause.UNEXPECTED_ANSWER, source)


def _place(question: SignerQuestion) -> EcrRegistry:
    """Return partition, account and region of a profile, which name the limiter; the AWS client checks them."""
    _, partition, _, region, account, *_ = (*question.profile_version_arn[:300].split(":"), "", "", "", "", "")
    return EcrRegistry(partition, account, region)
