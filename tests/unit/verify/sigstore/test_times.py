"""When a keyless bundle was signed: which clocks are believed, and that everything was valid at the times they gave."""

import base64
from datetime import timedelta

import pytest

from tests.simulator.pki.sigstore import LEAF_LIFE, NOW, statement
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    altered,
    check,
    ends,
    keyless,
    ours,
    passes,
    root,
    signer,
    strangers,
    within,
)
from tidegate.verify.sigstore.claims import CLOCK_SKEW
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.step import StepOutcome

ENTRY = "verificationMaterial.tlogEntries.0"
STAMPS = "verificationMaterial.timestampVerificationData"


def signed(**more):
    return ours().sign_statement(statement(DIGEST), signer(), **more)


@pytest.mark.parametrize(
    ("late", "ok"),
    [
        (timedelta(0), True),
        (LEAF_LIFE, True),
        (LEAF_LIFE + timedelta(seconds=1), False),
        (-timedelta(seconds=2), False),
    ],
)
def test_the_certificate_must_be_valid_when_it_was_signed(late, ok):
    result = check(signed(at=NOW + late), now=NOW + LEAF_LIFE * 2)
    passes(result) if ok else ends(result, SigstoreStep.CHAIN)


WINDOWS = {"certificateAuthorities": SigstoreStep.CHAIN, "ctlogs": SigstoreStep.SCT, "tlogs": SigstoreStep.LOG}


@pytest.mark.parametrize("field", WINDOWS)
@pytest.mark.parametrize(
    ("start", "end", "ok"),
    [
        pytest.param(timedelta(0), timedelta(0), True, id="both ends belong to it"),
        pytest.param(timedelta(seconds=1), None, False, id="not yet"),
        pytest.param(-timedelta(days=9), -timedelta(seconds=1), False, id="no longer"),
        pytest.param(-timedelta(days=9), -timedelta(days=30), False, id="pitfall-9-16: 30 days after its end"),
    ],
)
def test_keys_and_authorities_count_in_their_window_only(field, start, end, ok):
    result = check(signed(), keyless(trust=root(**within(field, start, end))))
    passes(result) if ok else ends(result, WINDOWS[field], "valid")


@pytest.mark.parametrize(
    ("end", "ok"), [(timedelta(0), True), (-timedelta(seconds=1), False), (timedelta(seconds=1), True)]
)
def test_a_timestamp_authority_counts_up_to_and_with_its_end(end, ok):
    bundle = signed(timestamped=True, integrated=False)
    result = check(bundle, keyless(trust=root(**within("timestampAuthorities", -timedelta(days=9), end))))
    passes(result) if ok else ends(result, SigstoreStep.TIME)


def test_a_key_that_was_retired_still_proves_what_it_signed_before():
    trust = root(**within("tlogs", -timedelta(days=9), timedelta(days=1)))
    passes(check(signed(), keyless(trust=trust), now=NOW + timedelta(days=1000)))


@pytest.mark.parametrize(
    ("field", "step"),
    [("certificateAuthorities", SigstoreStep.CHAIN), ("ctlogs", SigstoreStep.SCT), ("tlogs", SigstoreStep.LOG)],
)
def test_a_trust_root_without_what_is_needed_leaves_the_question_open(field, step):
    """Not the signature's fault, and not a reason to let it pass."""
    ends(check(signed(), keyless(trust=root(**{field: []}))), step, "trusted root", outcome=StepOutcome.UNDECIDED)


def test_a_timestamp_by_a_stranger_gives_no_time():
    bundle = signed(timestamped=True, integrated=False)
    stamps = strangers().sign_statement(statement(DIGEST), signer(), timestamped=True, integrated=False)
    data = stamps["verificationMaterial"]["timestampVerificationData"]
    ends(check(altered(bundle, "verificationMaterial.timestampVerificationData", data)), SigstoreStep.TIME)


@pytest.mark.parametrize(("ahead", "ok"), [(CLOCK_SKEW, True), (CLOCK_SKEW + timedelta(seconds=1), False)])
@pytest.mark.parametrize("how", [{}, {"timestamped": True, "integrated": False}], ids=["log", "timestamp"])
def test_pitfall_9_16_a_time_that_has_not_come_is_a_wrong_clock(ahead, ok, how):
    result = check(signed(**how), now=NOW - ahead)
    passes(result) if ok else ends(result, SigstoreStep.TIME, "clocks")


@pytest.mark.parametrize(
    ("promised", "stamped", "clocks"),
    [
        pytest.param(True, False, "by the transparency log", id="the log's promise"),
        pytest.param(False, True, "by a timestamp authority", id="a timestamp"),
        pytest.param(True, True, "by a timestamp authority, 2026-03-01T12:00:00Z by the transparency log", id="both"),
        pytest.param(False, False, None, id="an inclusion proof alone, which has no time"),
    ],
)
def test_an_inclusion_proof_says_where_and_a_promise_or_a_timestamp_says_when(promised, stamped, clocks):
    bundle = signed(timestamped=stamped)
    result = check(bundle if promised else altered(bundle, f"{ENTRY}.inclusionPromise", None))
    if clocks is None:
        ends(result, SigstoreStep.TIME, "inclusion promise or signed timestamp")
    else:
        passes(result)
        (time,) = [one.text for one in result.steps if one.number == SigstoreStep.TIME]
        assert time.endswith(clocks)


def test_a_time_that_no_promise_signs_is_not_believed():
    """Beside a timestamp the unsigned time may say what it likes; nothing is taken from it."""
    bundle = altered(signed(timestamped=True), f"{ENTRY}.inclusionPromise", None)
    result = check(altered(bundle, f"{ENTRY}.integratedTime", "1"))
    passes(result)
    assert result.require().signed_at == NOW


@pytest.mark.parametrize(
    ("logged", "stamped", "ok"),
    [
        pytest.param(timedelta(0), timedelta(0), True, id="both in the certificate's life"),
        pytest.param(LEAF_LIFE, timedelta(0), True, id="the log at its last moment"),
        pytest.param(LEAF_LIFE * 2, timedelta(0), False, id="the log afterwards"),
        pytest.param(timedelta(0), LEAF_LIFE * 2, False, id="the timestamp afterwards"),
        pytest.param(timedelta(0), -timedelta(seconds=2), False, id="the timestamp before"),
    ],
)
def test_every_clock_that_is_believed_must_have_seen_a_valid_certificate(logged, stamped, ok):
    bundle = signed(at=NOW + logged, timestamped=True)
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    answer = {"rfc3161Timestamps": [{"signedTimestamp": b64(ours().tsa.answer(signature, NOW + stamped))}]}
    result = check(altered(bundle, STAMPS, answer), now=NOW + LEAF_LIFE * 3)
    passes(result) if ok else ends(result, SigstoreStep.CHAIN)


def test_a_timestamp_of_another_signature_gives_no_time():
    """A genuine answer of the trusted authority, about something else."""
    bundle = signed(timestamped=True, integrated=False)
    others = signed(timestamped=True)["verificationMaterial"]["timestampVerificationData"]
    ends(check(altered(bundle, STAMPS, others)), SigstoreStep.TIME, "not enough sources of verified time")


def test_a_timestamp_that_no_authority_of_the_root_could_judge_is_refused_with_the_bundle():
    """As the library has it: material that cannot be verified does not pass, even beside a good promise."""
    bundle = signed(timestamped=True)
    ends(check(bundle, keyless(trust=root(timestampAuthorities=[]))), SigstoreStep.TIME, "no Timestamp Authorities")
