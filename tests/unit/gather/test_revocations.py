"""Answers about revocation: how long each is used, what takes the place of an earlier one, and what is kept at all."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.simulator.pki.certificates import issue
from tests.simulator.pki.revocation import crl, ocsp_answer, ocsp_question, ocsp_refusal
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.gather.ask import GET
from tidegate.gather.lifetimes import CRL_SECONDS, NO_ANSWER_SECONDS, OCSP_SECONDS, SIGNER_SECONDS, SIGNER_WINDOW
from tidegate.gather.revocations import Revocations
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, OcspQuestion, Question
from tidegate.verify.notation.signer import SignerAnswer

ROOT = issue("Root", ca=True, not_before=EPOCH - timedelta(days=1))
LEAF = issue("leaf", ROOT, not_before=EPOCH - timedelta(days=1))
OCSP, CRL = (
    OcspQuestion(url="http://ocsp.test", request=ocsp_question(LEAF)),
    CrlQuestion(url="http://crl.test/root.crl"),
)
SIGNER = SignerQuestion(
    profile_version_arn="arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release/AbCdEf1234",
    job_arn="arn:aws:signer:eu-west-1:111122223333:/signing-jobs/1",
    signed_at=EPOCH,
    certificate_hashes=("ab" * 96,),
)
DOWN = NoAnswer(reason="nobody is there")
GARBAGE = b"<html>"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def ocsp(status: str = "good", *, lives: timedelta = DAY) -> bytes:
    return ocsp_answer(LEAF, status=status, this_update=EPOCH - HOUR, next_update=EPOCH + lives)


def listing(number: int = 1, *, lives: timedelta = DAY) -> bytes:
    return crl(ROOT, number=number, last_update=EPOCH - HOUR, next_update=EPOCH + lives)


class Services:
    """Services that answer what the test says; ``asked`` counts."""

    def __init__(self) -> None:
        self.answer: bytes | NoAnswer | SignerRevocations = DOWN
        self.asked = 0

    def refusal(self, _question: Question) -> NoAnswer | None:
        return None

    def fetch(self, _question: Question, _seconds: float) -> bytes | NoAnswer:
        self.asked += 1
        assert not isinstance(self.answer, SignerRevocations)
        return self.answer

    def revocation_status(self, _question: SignerQuestion, *, account: str | None = None) -> SignerRevocations:
        self.asked += 1
        if not isinstance(self.answer, SignerRevocations):
            raise OSError("nobody is there")
        return self.answer


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def revocations(aws, limiters, clock, services) -> Revocations:
    sources = replace(aws.sources(), revocation_services=services, signer=services)
    return Revocations(sources=sources, limiters=limiters, clock=clock)


@pytest.fixture
def ask(revocations, services, clock) -> Callable[..., object]:
    """Ask at a number of seconds after the beginning, and return the answer."""

    async def at(question: Question, seconds: float = 0.0) -> object:
        await asyncio.sleep(max(0.0, (EPOCH + timedelta(seconds=seconds) - clock.now()).total_seconds()))
        return (await revocations.answer(GET, question))[0]

    return at


@pytest.mark.parametrize(
    ("question", "answer", "lives", "seconds"),
    [
        pytest.param(OCSP, ocsp, DAY, OCSP_SECONDS, id="a responder's answer"),
        pytest.param(OCSP, ocsp, MINUTE, 60.0, id="a responder's answer that ends sooner"),
        pytest.param(CRL, listing, DAY, CRL_SECONDS, id="a list"),
        pytest.param(CRL, listing, MINUTE, 60.0, id="a list that ends sooner"),
    ],
)
async def test_an_answer_is_used_for_its_time_and_not_beyond_its_own_end(
    ask, services, question, answer, lives, seconds
):
    """One that is over, and still in use, would leave good signatures undecided until its time is up."""
    services.answer = first = answer(lives=lives)
    assert await ask(question) == first
    services.answer = answer(lives=2 * DAY)
    assert await ask(question, seconds - 1) == first
    assert await ask(question, seconds + 1) == services.answer
    assert services.asked == 2


@pytest.mark.parametrize(
    ("question", "good", "seconds"),
    [pytest.param(OCSP, ocsp(), OCSP_SECONDS, id="ocsp"), pytest.param(CRL, listing(), CRL_SECONDS, id="crl")],
)
@pytest.mark.parametrize(
    "bad",
    [
        DOWN,
        GARBAGE,
        ocsp_refusal(),
        b"",
        ocsp(lives=-MINUTE),
        listing(lives=-MINUTE),
        ocsp("unknown"),
        ocsp_answer(issue("other", ROOT, not_before=EPOCH - timedelta(days=1)), next_update=EPOCH + DAY),
    ],
    ids=range(8),
)
async def test_what_is_no_answer_does_not_take_the_place_of_one(ask, services, question, good, seconds, bad):
    """Else who stands between us and a service over plain HTTP makes "not known" of "revoked", once and for an hour."""
    services.answer = good
    assert await ask(question) == good
    services.answer = bad
    assert await ask(question, seconds + 1) == good


@pytest.mark.parametrize("question", [OCSP, CRL], ids=["ocsp", "crl"])
async def test_what_is_no_answer_is_never_kept(ask, services, question):
    services.answer = GARBAGE
    assert isinstance(await ask(question), NoAnswer)
    services.answer = good = ocsp() if question is OCSP else listing()
    assert await ask(question, 1) == good


async def test_a_later_answer_takes_the_place_of_an_earlier_one_whatever_it_says(ask, services):
    services.answer = ocsp()
    await ask(OCSP)
    services.answer = revoked = ocsp("revoked")
    assert await ask(OCSP, OCSP_SECONDS + 1) == revoked


async def test_a_verdict_may_rest_a_while_on_what_another_service_said(revocations, services, clock):
    """A dead responder beside a list that is there would else be asked, and waited for, at every admission."""
    answer, until = await revocations.answer(GET, OCSP)
    assert isinstance(answer, NoAnswer)
    assert until == pytest.approx(clock.monotonic() + NO_ANSWER_SECONDS)


async def test_an_answer_of_aws_signer_is_used_for_minutes_and_counts_for_an_hour(ask, services):
    services.answer = SignerRevocations(revoked=())
    first = await ask(SIGNER)
    assert isinstance(first, SignerAnswer)
    assert first.revoked_entities == ()
    assert abs(first.good_until - (EPOCH + SIGNER_WINDOW)) < timedelta(milliseconds=1)
    assert await ask(SIGNER, SIGNER_SECONDS - 1) == first
    services.answer = DOWN
    assert await ask(SIGNER, SIGNER_SECONDS + 1) == first


async def test_only_so_many_bytes_of_lists_are_kept(ask, revocations, services, monkeypatch):
    services.answer = listing()
    monkeypatch.setattr(revocations.crls._entries, "_limit", 3 * (len(services.answer) + 1024))
    for number in range(5):
        await ask(CrlQuestion(url=f"http://crl.test/{number}.crl"))
    assert len(revocations.crls) == 3
