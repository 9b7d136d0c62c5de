"""The signed attributes of an envelope have their rules in either format."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, SIGNED_AT, sign
from tests.unit.verify.notation.changed import TIME, setting
from tests.unit.verify.notation.world import failed_step, refusal, signer, statement, stores, verify
from tidegate.verify.step import Conclusion

EXPIRY = "io.cncf.notary.expiry"
SCHEME = "io.cncf.notary.signingScheme"
AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime"
AUDIT = statement(level="audit")


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            {"payload_type": "application/json"},
            'payload content type "application/json" not supported',
            id="N32-other-type",
        ),
        pytest.param({"payload": b""}, "content not present", id="N32-no-content"),
        pytest.param({"scheme": "notary.x509.other"}, "unsupported SigningScheme", id="N33-unknown-scheme"),
        pytest.param({"edit_protected": lambda header: header.pop(SCHEME)}, "unsupported SigningScheme", id="N33-none"),
        pytest.param({"edit_protected": lambda header: header.pop(TIME)}, "signing-time not present", id="N33-no-time"),
        pytest.param(
            {"edit_protected": lambda header: header.__setitem__(AUTHENTIC_TIME, header[TIME])},
            f'"{AUTHENTIC_TIME}" header must not be present for notary.x509 signing scheme',
            id="N33-authentic-time-under-x509",
        ),
        pytest.param(
            {
                "scheme": AUTHORITY_SCHEME,
                "edit_protected": lambda header: header.__setitem__(TIME, header[AUTHENTIC_TIME]),
            },
            f'"{TIME}" header must not be present for {AUTHORITY_SCHEME} signing scheme',
            id="N33-time-under-authority",
        ),
        pytest.param(
            {"scheme": AUTHORITY_SCHEME, "edit_protected": lambda header: header.pop(AUTHENTIC_TIME)},
            f'"{AUTHENTIC_TIME}" header must be present for {AUTHORITY_SCHEME} signing scheme',
            id="N33-no-time-under-authority",
        ),
        pytest.param(
            {"edit_protected": lambda header: header.__setitem__(_crit(header), [])},
            'missing "crit" header',
            id="N34-empty",
        ),
        pytest.param(
            {"edit_protected": lambda header: header.pop(_crit(header))}, 'missing "crit" header', id="N34-none"
        ),
        pytest.param(
            {"critical": ("absent",)}, '"absent" header is marked critical but not present', id="N34-absent-attribute"
        ),
        pytest.param({"critical": (SCHEME,)}, "repeated entry", id="N34-repeated"),
        pytest.param(
            {"edit_protected": lambda header: header[_crit(header)].append("alg" if "alg" in header else 1)},
            "header is marked critical but not present",
            id="N34-registered-name",
        ),
        pytest.param(
            {"edit_protected": lambda header: header[_crit(header)].__setitem__(0, TIME)},
            f'these required headers are not marked as critical: ["{SCHEME}"]',
            id="N34-scheme-not-critical",
        ),
        pytest.param(
            {
                "expiry": SIGNED_AT + timedelta(days=9),
                "edit_protected": lambda header: header[_crit(header)].remove(EXPIRY),
            },
            f'these required headers are not marked as critical: ["{EXPIRY}"]',
            id="N34-expiry-not-critical",
        ),
        pytest.param(
            {
                "scheme": AUTHORITY_SCHEME,
                "edit_protected": lambda header: header[_crit(header)].remove(AUTHENTIC_TIME),
            },
            f'these required headers are not marked as critical: ["{AUTHENTIC_TIME}"]',
            id="N34-authentic-time-not-critical",
        ),
        pytest.param({"expiry": SIGNED_AT}, "expiry cannot be equal or before the signing time", id="N35-equal"),
        pytest.param(
            {"expiry": SIGNED_AT - timedelta(seconds=1)},
            "expiry cannot be equal or before the signing time",
            id="N35-before",
        ),
        pytest.param({"chain": ()}, "certificate chain is not present", id="N36-empty-chain"),
        pytest.param({"chain": (b"",)}, "malformed leaf certificate", id="N36-empty-leaf"),
        pytest.param({"chain": (b"\x30\x03\x02\x01\x01",)}, "malformed leaf certificate", id="N36-malformed-leaf"),
        pytest.param({"chain": (signer().der,) * 11}, "certificate chain has 11 certificates", id="N36-endless-chain"),
        pytest.param({"extended": {f"a{n}": n for n in range(100)}}, "signed attributes, more than", id="N34-many"),
    ],
)
def test_signed_attributes_have_their_rules(media_type: str, options: dict[str, Any], expected: str):
    """Scheme, times, critical labels and chain are as the specification says, in both formats."""
    trusted = stores(ca=signer().root, signingAuthority=signer().root)
    outcome = verify(sign(signer(), media_type, **options), media_type, trusted=trusted)
    if expected == "malformed leaf certificate":
        # No anchor can be in such a chain: only where that is merely logged is the leaf looked at.
        assert failed_step(outcome) == 2
        outcome = verify(sign(signer(), media_type, **options), media_type, trusted=trusted, policy=AUDIT)
    assert expected in refusal(outcome)


def _crit(header: dict) -> Any:
    return "crit" if "crit" in header else 2


@pytest.mark.parametrize("media_type", [JWS, COSE])
def test_a_second_of_validity_is_enough(media_type: str):
    """An expiry just behind the signing time is sound in itself."""
    envelope = sign(signer(), media_type, expiry=SIGNED_AT + timedelta(seconds=1))
    assert verify(envelope, media_type, now=SIGNED_AT).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize("label", ["x5c", 33])
def test_a_chain_of_another_type_is_none(label: object):
    """The chain is a list of certificates and nothing else."""
    wrong: tuple[object, ...] = ("AAAA", {}, [1], None)
    for value in wrong:
        media_type = JWS if label == "x5c" else COSE
        envelope = sign(signer(), media_type, edit_unprotected=setting(label, value))
        assert "certificate chain" in refusal(verify(envelope, media_type))


def test_a_signing_agent_of_any_type_is_ignored():
    """The specification forbids to fail because of the agent."""
    envelope = sign(signer(), edit_unprotected=setting("io.cncf.notary.signingAgent", 7))
    assert verify(envelope).conclusion is Conclusion.VERIFIED
    envelope = sign(signer(), COSE, edit_unprotected=setting("io.cncf.notary.signingAgent", 7))
    assert verify(envelope, COSE).conclusion is Conclusion.VERIFIED
