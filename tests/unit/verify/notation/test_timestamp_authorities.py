"""Whose countersignature counts: the range of its time, the way to a root, and revocation."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.envelopes import SIGNED_AT, sign
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.pki.timestamps import BASELINE_POLICY, issue_token, timestamp_authority
from tests.unit.verify.notation.countersigned import NAMED, OTHER, SECOND, SHORT, TSA, VERIFY, WITH_TSA, judge
from tests.unit.verify.notation.world import NOW, failed_step, refusal, signer, statement, stores, verify
from tidegate.errors import VerificationError
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, Question, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.notation.timestamp.cms import parse_signed_token, read_timestamp_info, verify_signer
from tidegate.verify.step import Conclusion

Answer = bytes | SignerAnswer | NoAnswer
CRL_URL = "http://crl.tsa.test/a.crl"
REVOKABLE = timestamp_authority(crl_urls=[CRL_URL])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, timedelta(0), id="N62-none-said"),
        pytest.param({"policy": BASELINE_POLICY}, SECOND, id="N62-baseline-policy"),
        pytest.param(
            {"policy": BASELINE_POLICY, "accuracy": {"seconds": 5}}, 5 * SECOND, id="N62-said-beside-the-baseline"
        ),
        pytest.param(
            {"accuracy": {"seconds": 1, "millis": 2, "micros": 3}},
            timedelta(seconds=1, milliseconds=2, microseconds=3),
            id="N62-all-units",
        ),
    ],
)
def test_accuracy_is_as_said(options: dict[str, Any], expected: timedelta):
    """Said, or a second by the baseline policy, or nothing."""
    assert read_timestamp_info(parse_signed_token(issue_token(TSA, b"x", **options))).accuracy == expected


AFTER = SHORT.certificate.not_valid_after_utc
BEFORE = SHORT.certificate.not_valid_before_utc


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(AFTER - 2 * SECOND, None, id="N62-range-ends-at-the-last-second"),
        pytest.param(AFTER - SECOND, "timestamp can be after certificate", id="N62-range-ends-too-late"),
        pytest.param(BEFORE + 2 * SECOND, None, id="N62-range-begins-at-the-first-second"),
        pytest.param(BEFORE + SECOND, "timestamp can be before certificate", id="N62-range-begins-too-early"),
    ],
)
def test_the_whole_range_lies_in_every_validity(moment, expected: str | None):
    """With its accuracy of two seconds on either side."""
    outcome = judge(leaf=SHORT, trusted=stores(ca=SHORT.root, tsa=TSA.root), moment=moment, accuracy={"seconds": 2})
    if expected is None:
        assert outcome.conclusion is Conclusion.VERIFIED
    else:
        assert expected in refusal(outcome)


@pytest.mark.parametrize(
    ("certificates", "roots"),
    [
        pytest.param(lambda: TSA.chain[:2], [TSA.root], id="N61-root-not-in-the-token"),
        pytest.param(lambda: TSA.chain[::-1], [TSA.root], id="N61-any-order"),
        pytest.param(lambda: (*TSA.chain, *OTHER.chain), [TSA.root], id="N61-others-in-the-token"),
        pytest.param(lambda: TSA.chain, [OTHER.root, TSA.root], id="N61-several-roots"),
    ],
)
def test_the_way_to_a_root_is_found(certificates, roots: Sequence[Identity]):
    """Whatever else the token holds, and in whatever order."""
    outcome = judge(certificates=certificates(), trusted=stores(ca=signer().root, tsa=roots))
    assert outcome.conclusion is Conclusion.VERIFIED, outcome.decisive


def test_a_maze_of_certificates_is_left_soon():
    """Certificates of one name and key certify each other: the ways between them are more than could be tried."""
    maze = issue("maze", ca=True)
    twins = [issue("maze", maze, ca=True) for _ in range(14)]
    lost = timestamp_authority(issuer=maze)
    outcome = judge(tsa=lost, certificates=[lost, *twins])
    assert "too many certificates of one name" in refusal(outcome)


@pytest.mark.parametrize("count", [pytest.param(14, id="N61-many-of-one-name")])
def test_the_search_for_a_root_is_bounded(count: int):
    """Many cross-certificates of one name cost a bounded number of signatures."""
    names = [issue("TSA Intermediate 1", OTHER.root, ca=True, own_key=OTHER.root.key) for _ in range(count)]
    outcome = judge(certificates=[TSA, *names])
    assert VERIFY in refusal(outcome)


def with_crl(answer: bytes | NoAnswer | None, policy=WITH_TSA) -> NotationOutcome:
    """Verify with a countersignature by an authority that names a CRL, and this answer for it."""
    answers: dict[Question, Answer] = {} if answer is None else {CrlQuestion(url=CRL_URL): answer}
    return verify(
        sign(signer(), token=lambda raw: issue_token(REVOKABLE, raw)),
        policy=policy,
        trusted=stores(ca=signer().root, tsa=REVOKABLE.root),
        revocation=RevocationMaterial(answers=answers),
    )


def _issuer() -> Identity:
    assert REVOKABLE.issuer is not None
    return REVOKABLE.issuer


@pytest.mark.parametrize(
    ("answer", "expected", "conclusion"),
    [
        pytest.param(crl(_issuer()), None, Conclusion.VERIFIED, id="N63-good"),
        pytest.param(
            crl(_issuer(), [entry(REVOKABLE)]),
            'timestamping certificate with subject "CN=TSA,O=Example,ST=WA,C=US" is revoked',
            Conclusion.FAILED,
            id="N63-revoked",
        ),
        pytest.param(
            NoAnswer(reason="timeout"), "revocation status is unknown", Conclusion.INCONCLUSIVE, id="N63-down"
        ),
        pytest.param(None, "revocation status is unknown", Conclusion.INCONCLUSIVE, id="N63-not-asked-yet"),
    ],
)
def test_the_timestamp_authority_must_not_be_revoked(
    answer: bytes | NoAnswer | None, expected: str | None, conclusion: Conclusion
):
    """Also where the policy skips the revocation of signers."""
    for policy in (WITH_TSA, statement(stores=NAMED, override={"revocation": "skip"})):
        outcome = with_crl(answer, policy)
        assert outcome.conclusion is conclusion
        if expected is not None:
            assert expected in refusal(outcome)
            assert failed_step(outcome) == 9
        assert outcome.questions == ((CrlQuestion(url=CRL_URL),) if answer is None else ())


@pytest.mark.parametrize("level", [pytest.param("permissive", id="N63-logged")])
def test_a_logged_timestamp_failure_is_not_a_verification(level: str):
    """Permissive goes on, and the conclusion is not VERIFIED."""
    outcome = with_crl(crl(_issuer(), [entry(REVOKABLE)]), statement(stores=NAMED, level=level))
    assert outcome.conclusion is Conclusion.LOGGED
    assert "is revoked" in outcome.logged[0].text


def test_pss_by_an_authority_counts():
    """RSA with PSS is among the algorithms of CMS."""
    tsa = timestamp_authority(kind="rsa2048")
    token = parse_signed_token(issue_token(tsa, b"x", pss=True))
    assert verify_signer(token).der == tsa.der


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_an_altered_token_says_the_same_or_nothing(place: int, value: int):
    """With any byte altered, a token is refused, or still says what the authority signed."""
    token = bytearray(issue_token(TSA, b"x"))
    token[place % len(token)] = value
    try:
        parsed = parse_signed_token(bytes(token))
        info = read_timestamp_info(parsed)
        verify_signer(parsed)
    except VerificationError:
        return
    assert info.moment == SIGNED_AT
    assert info.moment < NOW
