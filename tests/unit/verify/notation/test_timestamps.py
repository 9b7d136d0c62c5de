"""The time of signing: by a timestamp authority's word, a signing authority's, or none but the present moment."""

import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import cms, core

from tests.simulator.pki.certificates import EPOCH, TIME_STAMPING, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, SIGNED_AT, sign
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.countersigned import NAMED, OTHER, SECOND, SHORT, STORES, TSA, VERIFY, WITH_TSA, judge
from tests.unit.verify.notation.world import failed_step, refusal, signer, statement, stores, verify
from tidegate.errors import VerificationError
from tidegate.verify.notation.timestamp.cms import (
    MAX_ATTRIBUTES,
    MAX_IDENTIFIER,
    MAX_TOKEN_BYTES,
    MAX_TOKEN_CERTIFICATES,
    parse_signed_token,
)
from tidegate.verify.step import Conclusion


@pytest.mark.parametrize("media_type", [pytest.param(JWS, id="N59-jws"), pytest.param(COSE, id="N59-cose")])
@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "rsa4096"])
def test_a_countersignature_is_verified(media_type: str, kind: str):
    """Over the primitive signature, by authorities with keys of several kinds."""
    tsa = timestamp_authority(kind=kind)
    envelope = sign(signer("rsa2048"), media_type, token=lambda raw: issue_token(tsa, raw, ess_issuer=tsa))
    trusted = stores(ca=signer("rsa2048").root, tsa=tsa.root)
    outcome = verify(envelope, media_type, policy=WITH_TSA, trusted=trusted)
    assert outcome.conclusion is Conclusion.VERIFIED, outcome.decisive
    assert "according to CN=TSA" in (outcome.steps[8].text)


@pytest.mark.parametrize(
    ("offset", "good"),
    [
        pytest.param(timedelta(0), True, id="N57-in-between"),
        pytest.param(-timedelta(days=1), True, id="N57-first-second"),
        pytest.param(timedelta(days=1), True, id="N57-last-second"),
        pytest.param(-timedelta(days=1) - SECOND, False, id="N57-a-second-too-early"),
        pytest.param(timedelta(days=1) + SECOND, False, id="N57-a-second-too-late"),
    ],
)
def test_a_signing_authority_s_time_must_lie_in_every_validity(offset: timedelta, *, good: bool):
    """Whatever the clock says now, years later."""
    envelope = sign(SHORT, scheme=AUTHORITY_SCHEME, signing_time=SIGNED_AT + offset)
    outcome = verify(
        envelope,
        policy=statement(stores=("signingAuthority:acme",)),
        trusted=stores(signingAuthority=SHORT.root),
        now=EPOCH + timedelta(days=3000),
    )
    if good:
        assert outcome.conclusion is Conclusion.VERIFIED
        assert outcome.good_until is None
    else:
        assert "was not valid when the digital signature was produced at" in refusal(outcome)
        assert failed_step(outcome) == 9


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param(timedelta(days=1), None, id="N58-last-second"),
        pytest.param(-timedelta(days=1), None, id="N58-first-second"),
        pytest.param(timedelta(days=1) + SECOND, "verification time is after certificate", id="N58-expired"),
        pytest.param(-timedelta(days=1) - SECOND, "verification time is before certificate", id="N58-not-yet-valid"),
    ],
)
def test_without_a_timestamp_store_certificates_must_be_valid_now(offset: timedelta, expected: str | None):
    """A countersignature that nobody asked for does not help."""
    envelope = sign(SHORT, token=lambda raw: issue_token(TSA, raw))
    outcome = verify(envelope, trusted=stores(ca=SHORT.root), now=SIGNED_AT + offset)
    if expected is None:
        assert outcome.conclusion is Conclusion.VERIFIED
    else:
        assert expected in refusal(outcome)


@pytest.mark.parametrize(
    ("rule", "days", "with_token", "good"),
    [
        pytest.param("always", 0, True, True, id="N58-always-with-token"),
        pytest.param("always", 0, False, False, id="N58-always-without-token"),
        pytest.param("always", 300, True, True, id="N58-always-after-expiry"),
        pytest.param("afterCertExpiry", 0, False, True, id="N58-after-expiry-not-yet-expired"),
        pytest.param("afterCertExpiry", 300, True, True, id="N58-after-expiry-with-token"),
        pytest.param("afterCertExpiry", 300, False, False, id="N58-after-expiry-without-token"),
    ],
)
def test_the_rule_says_when_a_countersignature_is_demanded(rule: str, days: int, *, with_token: bool, good: bool):
    """Always, or once a certificate of the chain has expired."""
    envelope = sign(SHORT, token=(lambda raw: issue_token(TSA, raw)) if with_token else None)
    outcome = verify(
        envelope,
        policy=statement(stores=NAMED, verifyTimestamp=rule),
        trusted=stores(ca=SHORT.root, tsa=TSA.root),
        now=SIGNED_AT + timedelta(days=days),
    )
    if good:
        assert outcome.conclusion is Conclusion.VERIFIED, outcome.decisive
    else:
        assert "no timestamp countersignature was found in the signature envelope" in refusal(outcome)


@pytest.mark.parametrize("now", [pytest.param(SHORT.certificate.not_valid_after_utc, id="N58-boundary")])
def test_a_certificate_expires_after_its_last_second(now):
    """At its last second a certificate is not expired, so no countersignature is demanded."""
    policy = statement(stores=NAMED, verifyTimestamp="afterCertExpiry")
    trusted = stores(ca=SHORT.root, tsa=TSA.root)
    assert verify(sign(SHORT), policy=policy, trusted=trusted, now=now).conclusion is Conclusion.VERIFIED
    assert "no timestamp countersignature" in refusal(
        verify(sign(SHORT), policy=policy, trusted=trusted, now=now + SECOND)
    )


PARSE = "failed to parse timestamp countersignature with error"
INFO = "failed to get the timestamp TSTInfo with error"
IMPRINT = "failed to get timestamp from timestamp countersignature with error"


def with_other_certificate(data: Any) -> None:
    """Put a certificate of some other format among the certificates."""
    other = cms.OtherCertificateFormat({"other_cert_format": "1.2.3.4", "other_cert": core.Null()})
    data["certificates"] = cms.CertificateSet([*data["certificates"], cms.CertificateChoices("other", other)])


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(
            {"content_type": "data"}, f"{PARSE}: unexpected content type: 1.2.840.113549.1.7.1", id="N59-data"
        ),
        pytest.param({"signed_version": "v1"}, f"{PARSE}: unsupported signed data version", id="N59-version-of-cms"),
        pytest.param({"tst_version": 2}, f"{INFO}: ", id="N59-version-of-info"),
        pytest.param(
            {"tst_extensions": [{"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}]},
            f"{INFO}: unsupported critical extension",
            id="N59-critical-extension",
        ),
        pytest.param(
            {"imprint_hash": "sha1"}, f"{IMPRINT}: invalid TSTInfo: unrecognized hash algorithm", id="N59-sha1-imprint"
        ),
        pytest.param({"signers": 2}, f"{PARSE}: 2 signer infos, expected one", id="N60-two-signers"),
        pytest.param({"signers": 0}, f"{PARSE}: 0 signer infos, expected one", id="N60-no-signer"),
        pytest.param({"signer_version": "v3"}, "invalid signer info version: only version 1", id="N60-version"),
        pytest.param({"certificates": []}, f"{PARSE}: 0 certificates", id="N60-no-certificates"),
        pytest.param(
            {"certificates": OTHER.chain},
            f"{VERIFY}: signing certificate not found in the timestamp token",
            id="N60-certificates-of-another",
        ),
        pytest.param({"without_attributes": True}, f"{VERIFY}: missing signed attributes", id="N60-no-attributes"),
        pytest.param({"attribute_type": "data"}, f"{VERIFY}: mismatch content type", id="N60-other-content-type"),
        pytest.param({"attribute_type": None}, f"{VERIFY}: mismatch content type", id="N60-no-content-type"),
        pytest.param(
            {"more_attributes": [("content_type", ["tst_info"])]},
            "repeated content_type among the signed attributes",
            id="N60-repeated-attribute",
        ),
        pytest.param(
            {"attribute_type": None, "more_attributes": [("content_type", ["tst_info", "tst_info"])]},
            "repeated content_type among the signed attributes",
            id="N60-attribute-with-two-values",
        ),
        pytest.param(
            {"more_attributes": [("1.2.3", [core.Null()])] * 40}, "missing signed attributes", id="N60-many-attributes"
        ),
        pytest.param({"attribute_digest": b"x" * 32}, f"{VERIFY}: mismatch message digest", id="N60-other-digest"),
        pytest.param(
            {"ess": None},
            "failed to get SigningCertificateV2 from signed attributes: attribute not found",
            id="N60-no-certificate-attribute",
        ),
        pytest.param(
            {"ess": "v1"},
            "failed to get SigningCertificateV2 from signed attributes: attribute not found",
            id="N60-older-attribute-alone",
        ),
        pytest.param(
            {"ess": "empty"}, "signingCertificateV2 does not contain any certificate", id="N60-empty-attribute"
        ),
        pytest.param(
            {"ess_hash": "sha1"},
            "unsupported certificate hash algorithm in SigningCertificateV2 attribute",
            id="N60-sha1-certificate-hash",
        ),
        pytest.param(
            {"ess_certificate": OTHER},
            "signing certificate hash does not match CertHash in signed attribute",
            id="N60-hash-of-another-certificate",
        ),
        pytest.param(
            {"ess_issuer": TSA, "ess_names": 2}, "issuer name is missing in IssuerSerial", id="N60-two-issuers"
        ),
        pytest.param(
            {"ess_issuer": TSA, "ess_hosts": 1}, "issuer name is missing in IssuerSerial", id="N60-issuer-and-a-host"
        ),
        pytest.param(
            {"ess_issuer": TSA, "ess_names": 0, "ess_hosts": 1},
            "issuer name is missing in IssuerSerial",
            id="N60-host-for-an-issuer",
        ),
        pytest.param(
            {"ess_issuer": issue("twin", OTHER, serial=TSA.certificate.serial_number)},
            "signing certificate not found in the timestamp token",
            id="N60-serial-of-another-issuer",
        ),
        pytest.param(
            {"ess_issuer": issue("sibling", TSA.issuer)},
            "signing certificate not found in the timestamp token",
            id="N60-another-serial",
        ),
        pytest.param({"ess_issuer": TSA, "ess_names": 0}, "issuer name is missing", id="N60-issuer-without-a-name"),
        pytest.param({"digest": "sha1"}, f"{VERIFY}: unsupported digest algorithm", id="N60-sha1-digest"),
        pytest.param(
            {"edit_data": with_other_certificate}, "only X.509 certificates are supported", id="N60-other-certificates"
        ),
        pytest.param(
            {"edit_info": lambda info: info.replace(b"20260131000000Z", b"2026013100.0000")},
            f"{INFO}: the time has no zone",
            id="N59-time-without-a-zone",
        ),
        pytest.param(
            {"ess_issuer": OTHER}, "signing certificate not found in the timestamp token", id="N60-issuer-of-another"
        ),
        pytest.param(
            {"edit_signature": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])},
            f"{VERIFY}: signature is invalid",
            id="N60-bit",
        ),
        pytest.param({"tsa": OTHER}, f"{VERIFY}: certificate signed by unknown authority", id="N61-other-root"),
        pytest.param(
            {
                "tsa": issue(
                    "TSA", TSA.issuer, not_after=SIGNED_AT - SECOND, purposes=[TIME_STAMPING], purposes_critical=True
                )
            },
            "is not valid at",
            id="N61-signer-expired-by-then",
        ),
        pytest.param(
            {
                "tsa": timestamp_authority(
                    issuer=issue("TSA Intermediate 1", TSA.root, ca=True, not_after=SIGNED_AT - SECOND)
                )
            },
            f"{VERIFY}: certificate signed by unknown authority",
            id="N61-authority-expired-by-then",
        ),
        pytest.param(
            {"tsa": issue("TSA", TSA.issuer)},
            "failed to validate the timestamping certificate chain with error: timestamp signing certificate",
            id="N61-no-timestamp-purpose",
        ),
        pytest.param(
            {"tsa": timestamp_authority(issuer=TSA.issuer, purposes_critical=False)},
            "must have extended key usage extension marked as critical",
            id="N61-uncritical-purpose",
        ),
        pytest.param({"accuracy": {"seconds": 90_000}}, f"{INFO}: accuracy out of range", id="N62-absurd-accuracy"),
        pytest.param({"accuracy": {"seconds": -5}}, f"{INFO}: accuracy out of range", id="N62-negative-accuracy"),
    ],
)
def test_a_defective_countersignature_is_refused(token: dict[str, Any], expected: str):
    """Each defect alone, in notation-go's words."""
    outcome = judge(**token)
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 9


FILLERS = [issue(f"filler {number}", OTHER) for number in range(MAX_TOKEN_CERTIFICATES)]
ATTRIBUTES = [("1.2.3", [core.Null()])] * MAX_ATTRIBUTES


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        pytest.param(
            {"certificates": [TSA, TSA.chain[1], *FILLERS[2:]]},
            {"certificates": [TSA, TSA.chain[1], *FILLERS[1:]]},
            f"{MAX_TOKEN_CERTIFICATES + 1} certificates, expected 1 to {MAX_TOKEN_CERTIFICATES}",
            id="N60-certificates",
        ),
        pytest.param(
            {"more_attributes": ATTRIBUTES[3:]},
            {"more_attributes": ATTRIBUTES[2:]},
            "missing signed attributes",
            id="N60-attributes",
        ),
        pytest.param(
            {"accuracy": {"seconds": 86_400}}, {"accuracy": {"seconds": 86_401}}, "out of range", id="N62-seconds"
        ),
        pytest.param({"accuracy": {"millis": 999}}, {"accuracy": {"millis": 1000}}, "out of range", id="N62-millis"),
        pytest.param({"accuracy": {"micros": 999}}, {"accuracy": {"micros": 1000}}, "out of range", id="N62-micros"),
        pytest.param({"accuracy": {"micros": 1}}, {"accuracy": {"micros": -1}}, "out of range", id="N62-negative"),
    ],
)
def test_numbers_in_a_token_are_bounded(good: dict[str, Any], bad: dict[str, Any], expected: str):
    """Both sides of each bound."""
    assert judge(**good).conclusion is Conclusion.VERIFIED
    assert expected in refusal(judge(**bad))


def test_n60_the_signer_is_found_by_issuer_and_serial_number():
    """A certificate of the same serial number by another issuer stands before it."""
    twin = issue("twin", OTHER, serial=TSA.certificate.serial_number)
    assert judge(certificates=[twin, *TSA.chain]).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize("size", [pytest.param(MAX_TOKEN_BYTES, id="N59-size")])
def test_a_token_has_a_size(size: int):
    """At the bound its bytes are still looked at."""
    with pytest.raises(VerificationError, match=f"{size + 1} bytes, more than {size}"):
        parse_signed_token(bytes(size + 1))
    with pytest.raises(VerificationError, match="more than 4000 values"):
        parse_signed_token(bytes(size))


@pytest.mark.parametrize("arcs", [pytest.param(400, id="N59-type-with-a-long-identifier")])
def test_a_long_identifier_makes_no_long_message(arcs: int):
    """An attacker's object identifier is cut."""
    dotted = "1.2" + ".7" * arcs
    with pytest.raises(VerificationError) as caught:
        parse_signed_token(issue_token(TSA, b"x", content_type=dotted))
    assert dotted[:MAX_IDENTIFIER] in str(caught.value)
    assert dotted[: MAX_IDENTIFIER + 1] not in str(caught.value)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda _: issue_token(TSA, b"another signature"), id="N59-of-another-signature"),
        pytest.param(lambda raw: issue_token(TSA, b"0" + raw), id="N59-of-more-bytes"),
    ],
)
def test_a_countersignature_of_something_else_is_refused(made):
    """Of the primitive signature and nothing else."""
    outcome = verify(sign(signer(), token=made), policy=WITH_TSA, trusted=STORES)
    assert f"{IMPRINT}: invalid TSTInfo: mismatched message" in refusal(outcome)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(b"", id="N59-empty"),
        pytest.param(b"\x30\x00", id="N59-empty-sequence"),
        pytest.param(b"garbage", id="N59-garbage"),
        pytest.param(
            cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(), id="N59-content-that-is-not-signed"
        ),
        pytest.param(issue_token(TSA, b"x") + b"\0", id="N59-bytes-behind"),
        pytest.param(issue_token(TSA, b"x")[:-1], id="N59-cut"),
        pytest.param(b"\x30" * 200_000, id="N59-too-large"),
    ],
)
def test_what_is_no_token_is_refused(token: bytes):
    """Whatever the bytes are, the refusal is ours."""
    outcome = verify(sign(signer(), token=lambda _: token), policy=WITH_TSA, trusted=STORES)
    assert re.search("timestamp (counter)?signature", refusal(outcome))


def test_asn1crypto_is_imported_with_the_first_token_and_not_before():
    program = (
        "import sys, tidegate.app.admission, tidegate.verify.notation.timestamp.cms as ours\n"
        "from tidegate.errors import VerificationError\n"
        "assert 'asn1crypto' not in sys.modules\n"
        "try:\n    ours.parse_signed_token(b'0')\nexcept VerificationError:\n    pass\n"
        "assert 'asn1crypto' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
