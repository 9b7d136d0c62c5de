"""What is relied on in sigstore-python, and what of it is closed: each gap is shown beside the library by itself."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sigstore.errors
from cryptography.hazmat.primitives.asymmetric import rsa
from sigstore import dsse, models
from sigstore.hashes import Hashed
from sigstore.verify import Verifier
from sigstore.verify.policy import UnsafeNoOp
from sigstore_models.common.v1 import HashAlgorithm
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootModel

from tests.simulator.pki.sigstore import NOW, V01, simple_signing, statement, uri
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    ARTIFACT,
    DIGEST,
    MANIFEST,
    altered,
    check,
    check_layer,
    ends,
    key,
    keyed,
    keyless,
    ours,
    passes,
    root,
    signer,
    strangers,
    within,
)
from tidegate.errors import PolicyError, UndeterminedError, VerificationError
from tidegate.verify.sigstore import preload
from tidegate.verify.sigstore.adapter import (
    library_errors,
    require,
    timestamp_times,
    verify_certificate,
    verify_log_entry,
    verify_promise,
)
from tidegate.verify.sigstore.bundle import parse_bundle
from tidegate.verify.sigstore.certificate import read_leaf
from tidegate.verify.sigstore.detached import Detached, verify_detached
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep
from tidegate.verify.step import Conclusion

ENTRY = "verificationMaterial.tlogEntries.0"
STAMPS = "verificationMaterial.timestampVerificationData.rfc3161Timestamps"


def signed(**more):
    return ours().sign_statement(statement(DIGEST), signer(), **more)


def by_the_library_alone(bundle, **changes):
    """Verify as sigstore-python does by itself, whoever signed."""
    loaded = models.TrustedRoot(TrustedRootModel.from_json(ours().trusted_root_bytes(**changes)))
    verifier = Verifier(trusted_root=loaded)
    parsed = models.Bundle.from_json(json.dumps(bundle))
    if "messageSignature" in bundle:
        digest = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=ARTIFACT.sha256)
        verifier.verify_artifact(digest, parsed, UnsafeNoOp())
        return b""
    return verifier.verify_dsse(parsed, UnsafeNoOp())[1]


@pytest.mark.parametrize("skipped", ["verify_dsse", "_verify_common_signing_cert"])
def test_a_library_that_is_silent_about_a_step_proves_nothing(monkeypatch, skipped):
    """A new version could leave a step out and return: each has to be seen to be taken."""
    passes(check(signed()))
    monkeypatch.setattr(Verifier, skipped, lambda *_: ("application/vnd.in-toto+json", statement(DIGEST)))
    verification = check(signed())
    assert (verification.conclusion, verification.proof) == (Conclusion.FAILED, None)
    assert "sigstore-python did not verify the signing certificate" in str(verification.error)


def test_both_accept_what_is_good():
    assert by_the_library_alone(signed()) == statement(DIGEST)
    by_the_library_alone(ours().sign_artifact(MANIFEST, signer()))
    passes(check(signed()))
    passes(check(ours().sign_artifact(MANIFEST, signer())))


def ended(field):
    return within(field, -timedelta(days=90), -timedelta(days=30))


@pytest.mark.parametrize(
    ("field", "step"),
    [("tlogs", SigstoreStep.LOG), ("ctlogs", SigstoreStep.SCT), ("certificateAuthorities", SigstoreStep.CHAIN)],
)
def test_gap_windows_the_library_believes_keys_and_authorities_30_days_after_their_end(field, step):
    assert by_the_library_alone(signed(), **ended(field))
    ends(check(signed(), keyless(trust=root(**ended(field)))), step, "valid")


def test_gap_windows_the_library_leaves_out_the_last_moment_of_a_timestamp_authority():
    bundle = signed(timestamped=True, integrated=False)
    (one,) = ours().trusted_root()["timestampAuthorities"]
    until_now = [one | {"validFor": {"start": (NOW - timedelta(days=9)).isoformat(), "end": NOW.isoformat()}}]
    with pytest.raises(sigstore.errors.VerificationError):
        by_the_library_alone(bundle, timestampAuthorities=until_now)
    passes(check(bundle, keyless(trust=root(timestampAuthorities=until_now))))


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59.999999Z", None])
def test_a_timestamp_authority_without_an_end_or_with_the_last_of_all(end):
    bundle = signed(timestamped=True, integrated=False)
    (one,) = ours().trusted_root()["timestampAuthorities"]
    window = {"start": "0001-01-01T00:00:00Z"} | ({"end": end} if end else {})
    passes(check(bundle, keyless(trust=root(timestampAuthorities=[one | {"validFor": window}]))))


def test_gap_statements_the_library_s_own_reading_refuses_what_cosign_writes():
    nameless = statement(DIGEST)
    with pytest.raises(sigstore.errors.Error):
        dsse.Statement(nameless)
    passes(check(ours().sign_statement(nameless, signer())))


def test_gap_rsa_leaf_the_library_meets_an_rsa_key_with_an_exception_of_python():
    bundle = ours().sign_statement(statement(DIGEST), ours().signer(key=rsa.generate_private_key(65537, 2048)))
    with pytest.raises(TypeError):
        by_the_library_alone(bundle)
    ends(check(bundle), SigstoreStep.CERTIFICATE, "RSAPublicKey")


def test_gap_names_the_library_does_not_mind_a_certificate_of_two():
    names = [uri("https://one.test"), uri("https://two.test")]
    bundle = ours().sign_statement(statement(DIGEST), ours().signer(names=names))
    assert by_the_library_alone(bundle)
    ends(check(bundle, keyless(subject="https://one.test")), SigstoreStep.CERTIFICATE, "2 subject alternative names")


@pytest.mark.parametrize("logged", [True, False])
def test_gap_keyed_the_library_knows_no_signer_without_a_certificate(logged):
    bundle = ours().sign_statement_keyed(statement(DIGEST), key(), logged=logged)
    with pytest.raises((sigstore.errors.Error, ValueError)):
        by_the_library_alone(bundle)
    passes(check(bundle, keyed(require_log=logged)))


def test_gap_legacy_the_library_knows_no_entry_without_an_inclusion_proof():
    with pytest.raises((sigstore.errors.Error, ValueError)):
        by_the_library_alone(altered(signed(version=V01), f"{ENTRY}.inclusionProof", None))
    payload = simple_signing(DIGEST)
    passes(check_layer(payload, ours().sign_layer(payload, signer())))


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        pytest.param(sigstore.errors.VerificationError("no\ngood"), r'refused: "no\\ngood"', id="the library's"),
        pytest.param(sigstore.errors.TUFError("x"), "refused", id="another of the library's"),
        pytest.param(ValueError("hostile bytes"), r"unreadable \(ValueError\)$", id="Python's"),
        pytest.param(VerificationError("ours"), "^ours$", id="ours"),
    ],
)
def test_pitfall_9_17_every_exception_of_the_library_becomes_ours(raised, text):
    with pytest.raises(VerificationError, match=text), library_errors():
        raise raised


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), library_errors():
        raise KeyboardInterrupt


def test_other_errors_of_ours_pass_as_they_are():
    with pytest.raises(PolicyError), library_errors():
        raise PolicyError(("a",))
    with pytest.raises(UndeterminedError, match="the trusted root has no clock"):
        require((), "clock")
    require((1,), "clock")


def test_a_certificate_is_not_verified_without_a_time():
    with pytest.raises(VerificationError, match="signing time is unknown"):
        verify_certificate(read_leaf(signer().der), times=(), root=root(), procedure=Procedure())


def test_a_certificate_must_be_valid_at_each_of_the_times():
    leaf = read_leaf(signer().der)
    verify_certificate(leaf, times=(NOW, NOW + timedelta(minutes=10)), root=root(), procedure=Procedure())
    for wrong in (NOW - timedelta(seconds=2), NOW + timedelta(minutes=10, seconds=1)):
        with pytest.raises(VerificationError):
            verify_certificate(leaf, times=(NOW, wrong), root=root(), procedure=Procedure())
    with pytest.raises(VerificationError):
        verify_certificate(leaf, times=(NOW,), root=root(**ended("ctlogs")), procedure=Procedure())


def test_an_authority_s_own_certificates_must_be_valid_then():
    """The library compares the root's times with nothing: an anchor is an anchor for it."""
    old = NOW - timedelta(days=101)
    window = {"start": (NOW - timedelta(days=999)).isoformat()}
    trust = root(
        **{
            field: [one | {"validFor": window} for one in ours().trusted_root()[field]]
            for field in ("certificateAuthorities", "timestampAuthorities")
        },
        **{
            field: [
                one | {"publicKey": one["publicKey"] | {"validFor": window}} for one in ours().trusted_root()[field]
            ]
            for field in ("tlogs", "ctlogs")
        },
    )
    ends(
        check(ours().sign_statement(statement(DIGEST), ours().signer(at=old), at=old), keyless(trust=trust)),
        SigstoreStep.CHAIN,
    )


@pytest.fixture
def careless_library(monkeypatch):
    """Let the library build a chain without a look at the clock."""
    chain = [ours().intermediate, ours().root]
    monkeypatch.setattr(Verifier, "_verify_chain_at_time", lambda *_: chain)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(ours().begin - timedelta(seconds=1), "an authority's certificate was not valid", id="authority"),
        pytest.param(NOW - timedelta(seconds=2), "the certificate was not valid", id="leaf"),
    ],
)
def test_pitfall_9_16_a_library_that_builds_chains_of_any_time_is_not_enough(careless_library, at, text):
    (authority,) = ours().trusted_root()["certificateAuthorities"]
    trust = root(certificateAuthorities=[authority | {"validFor": {"start": "2020-01-01T00:00:00Z"}}])
    leaf = read_leaf(signer().der)
    verify_certificate(leaf, times=(NOW,), root=trust, procedure=Procedure())
    with pytest.raises(VerificationError, match=text):
        verify_certificate(leaf, times=(at,), root=trust, procedure=Procedure())


def test_pitfall_9_16_the_time_at_which_the_certificate_was_logged_counts_for_the_ct_log_s_key():
    (one,) = ours().trusted_root()["ctlogs"]
    window = {"start": NOW.isoformat()}
    trust = root(ctlogs=[one | {"publicKey": one["publicKey"] | {"validFor": window}}])
    passes(check(ours().sign_statement(statement(DIGEST), ours().signer(sct_at=NOW)), keyless(trust=trust)))
    early = ours().signer(sct_at=NOW - timedelta(milliseconds=1))
    ends(check(ours().sign_statement(statement(DIGEST), early), keyless(trust=trust)), SigstoreStep.SCT, "was valid at")


def test_timestamps_of_nobody_are_no_times_and_what_is_no_timestamp_is_an_error():
    answer = ours().tsa.answer(b"signature", NOW)
    assert timestamp_times(b"signature", [answer], root()) == (NOW,)
    assert timestamp_times(b"another", [answer], root()) == ()
    assert timestamp_times(b"signature", [strangers().tsa.answer(b"signature", NOW)], root()) == ()
    assert timestamp_times(b"signature", [], root()) == ()
    later = ours().tsa.answer(b"signature", NOW + timedelta(hours=1))
    assert timestamp_times(b"signature", [later, answer], root()) == (NOW, NOW + timedelta(hours=1))
    with pytest.raises(VerificationError, match="unreadable"):
        timestamp_times(b"signature", [b"nothing"], root())


@pytest.mark.parametrize(("count", "text"), [(2, "duplicate"), (9, "9 timestamps")])
def test_pitfall_9_6_one_timestamp_many_times_is_refused(count, text):
    bundle = signed(timestamped=True)
    result = check(altered(bundle, STAMPS, lambda old: old * count))
    assert text in result.steps[-1].text
    assert result.proof is None


def entry(**more):
    found = parse_bundle(json.dumps(signed(**more)).encode()).entry
    assert found
    return found


def test_a_log_s_entry_is_verified_by_a_key_valid_at_every_time():
    verify_log_entry(entry(), root(), [NOW])
    with pytest.raises(VerificationError, match="no key of a trusted log was valid"):
        verify_log_entry(entry(), root(), [NOW, NOW - timedelta(days=101)])
    with pytest.raises(VerificationError, match="refused"):
        verify_log_entry(entry(), root(tlogs=strangers().trusted_root()["tlogs"]), [NOW])
    with pytest.raises(UndeterminedError):
        verify_log_entry(entry(), root(tlogs=[]), [NOW])


def promised(**changes):
    (wire,) = signed()["verificationMaterial"]["tlogEntries"]
    log = ours().log
    seconds, index = int(NOW.timestamp()), int(wire["logIndex"])
    body = wire["canonicalizedBody"]
    given = {
        "body": body,
        "integrated_time": seconds,
        "log_index": index,
        "log_id": log.log_id,
        "signature": log.promise(log.leaves[index], seconds, index),
        "root": root(),
    }
    verify_promise(**(given | changes))


def test_a_promise_is_over_all_four_values():
    promised()
    for changes in (
        {"body": b64(b"{}")},
        {"integrated_time": int(NOW.timestamp()) + 1},
        {"log_index": 0},
        {"log_id": b"\0" * 32},
        {"signature": b""},
        {"root": root(tlogs=strangers().trusted_root()["tlogs"])},
        {"root": root(**ended("tlogs"))},
    ):
        with pytest.raises(VerificationError):
            promised(**changes)
    with pytest.raises(UndeterminedError):
        promised(root=root(tlogs=[]))


def test_another_log_s_id_is_another_log():
    bundle = altered(signed(timestamped=True), f"{ENTRY}.logId.keyId", b64(b"x" * 32))
    ends(check(bundle), SigstoreStep.LOG)
    ends(check(altered(bundle, f"{ENTRY}.inclusionPromise", None)), SigstoreStep.LOG)


def test_a_time_far_away_is_no_reason_for_another_exception():
    year_9999 = str(int(datetime(9999, 12, 30, tzinfo=UTC).timestamp()))
    ends(check(altered(signed(), f"{ENTRY}.integratedTime", year_9999)), SigstoreStep.TIME, "clocks")
    ends(check(altered(signed(), f"{ENTRY}.integratedTime", "1")), SigstoreStep.CHAIN)


def test_what_has_no_content_was_not_signed():
    given = Detached(signature=b"x", message=None, certificate=signer().der, timestamps=(ours().tsa.answer(b"x", NOW),))
    with pytest.raises(VerificationError, match="signed content is missing"):
        verify_detached(given, keyless(subject="somebody"), NOW, Procedure())


def test_preloading_twice_is_fine():
    preload()
    preload()


def test_sigstore_python_is_imported_when_it_is_needed_and_not_before():
    """It costs 0.4 seconds and 55 MiB, and a gate without keyless authorities never needs it."""
    program = (
        "import sys, tidegate.signing.prepare, tidegate.verify.sigstore as ours\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in {'sigstore', 'cel_expr_python'}]\n"
        "ours.preload()\n"
        "assert 'sigstore.verify' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
