"""An envelope of either format is exactly what the specification says, or it is refused before its key is used."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest

from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, SIGNED_AT, b64, sign, sign_raw
from tests.unit.verify.notation.world import failed_step, refusal, signer, statement, stores, verify
from tidegate.verify.notation.envelope.cose import MAX_ITEMS
from tidegate.verify.notation.envelope.envelope import MAX_ENVELOPE_BYTES
from tidegate.verify.step import Conclusion

FORMATS = [pytest.param(JWS, id="N28-jws"), pytest.param(COSE, id="N31-cose")]
EXPIRY = "io.cncf.notary.expiry"
SCHEME = "io.cncf.notary.signingScheme"
TIME = "io.cncf.notary.signingTime"
AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime"
AUDIT = statement(level="audit")


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_sound_envelope_is_verified(media_type: str):
    """The usual envelope, with an expiry, without a timestamp."""
    envelope = sign(signer(), media_type, expiry=SIGNED_AT + timedelta(days=300))
    outcome = verify(envelope, media_type)
    assert outcome.conclusion is Conclusion.VERIFIED
    assert outcome.signing_time == SIGNED_AT


def jws(edit: Callable[[dict], Any]) -> bytes:
    """Return a signed JWS envelope whose outer parts were edited afterwards."""
    return sign(signer(), JWS, edit_parts=edit)


def retyped(envelope: bytes, change: Callable[[str], str]) -> bytes:
    return change(envelope.decode()).encode()


def setting(key: Any, value: object) -> Callable[[dict], None]:
    return lambda parts: parts.__setitem__(key, value)


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        pytest.param(b"", "signature envelope format is invalid", id="N28-empty"),
        pytest.param(b"[]", "expected a JSON object", id="N28-list"),
        pytest.param(jws(setting("extra", 1)), "expected exactly payload, protected, header", id="N28-further-field"),
        pytest.param(jws(lambda parts: parts.pop("header")), "expected exactly", id="N28-missing-field"),
        pytest.param(
            jws(lambda parts: parts.update({f"{number:02}\n": 1 for number in range(12)})),
            r'signature, not ["00\n" "01\n" "02\n" "03\n" "04\n" "05\n" "06\n" "07\n" "08\n" "09\n" and 2 more]',
            id="N28-further-fields-in-words-that-cannot-forge-a-line",
        ),
        pytest.param(
            retyped(sign(signer()), lambda text: text.replace('"payload"', '"Payload"', 1)),
            "expected exactly",
            id="N28-field-in-other-case",
        ),
        pytest.param(
            retyped(sign(signer()), lambda text: text[:-1] + ', "payload": "e30"}'),
            'duplicate key "payload"',
            id="N28-repeated-field",
        ),
        pytest.param(
            json.dumps(dict.fromkeys(map(str, range(1_900)))).encode()[:-1] + b', "7": 1}',
            'duplicate key "7"',
            id="N28-repeated-field-behind-very-many",
        ),
        pytest.param(
            retyped(sign(signer()), lambda text: text.replace('{"x5c"', '{"x5c": [], "x5c"', 1)),
            'duplicate key "x5c"',
            id="N28-repeated-inner-field",
        ),
        pytest.param(sign(signer()) + b"{}", "signature envelope format is invalid", id="N28-something-behind"),
        pytest.param(
            b"\xef\xbb\xbf" + sign(signer()), "signature envelope format is invalid", id="N28-byte-order-mark"
        ),
        pytest.param(sign(signer()).replace(b"tidegate-tests", b"\xff\xfe"), "UnicodeDecodeError", id="N28-not-utf-8"),
        pytest.param(sign(signer()).replace(b'"tidegate-tests/1"', b"NaN"), "NaN is not JSON", id="N28-nan"),
        pytest.param(
            sign(signer()).replace(b'"tidegate-tests/1"', b"1e999"), "a number out of range", id="N28-infinite-number"
        ),
        pytest.param(
            sign(signer()).replace(b'"tidegate-tests/1"', b"1" * 5000), "a number of 5000", id="N28-endless-number"
        ),
        pytest.param(
            sign(signer()).replace(b'"tidegate-tests/1"', b"[" * 40 + b"]" * 40), "nested deeper", id="N28-deep"
        ),
        pytest.param(
            sign(signer()).replace(b"tidegate-tests", b"\\ud800"), "UnicodeEncodeError", id="N28-half-a-surrogate-pair"
        ),
        pytest.param(
            jws(setting("header", [])), "the unprotected header is not a JSON object", id="N28-header-is-a-list"
        ),
        pytest.param(
            jws(lambda parts: setting("payload", parts["payload"] + "=")(parts)),
            "illegal base64 data",
            id="N29-padding",
        ),
        pytest.param(
            jws(lambda parts: setting("signature", "\n" + parts["signature"])(parts)),
            "illegal base64 data",
            id="N29-white-space",
        ),
        pytest.param(
            jws(lambda parts: setting("signature", parts["signature"][:-1] + "_")(parts)),
            "illegal base64 data, not in canonical form",
            id="N29-spare-bits",
        ),
        pytest.param(jws(setting("payload", "+/")), "illegal base64 data", id="N29-other-alphabet"),
        pytest.param(jws(setting("payload", 1)), "illegal base64 data", id="N29-number"),
        pytest.param(jws(setting("payload", "é")), "illegal base64 data", id="N29-not-ascii"),
        pytest.param(
            sign(signer(), edit_unprotected=lambda header: header["x5c"].__setitem__(0, header["x5c"][0].rstrip("="))),
            "certificate chain: illegal base64 data",
            id="N29-certificate-without-padding",
        )
        if b64(signer().der).endswith("=")
        else pytest.param(
            sign(signer(), edit_unprotected=lambda header: header["x5c"].__setitem__(0, header["x5c"][0] + "=")),
            "certificate chain: illegal base64 data",
            id="N29-certificate-with-false-padding",
        ),
        pytest.param(
            sign(signer(), edit_unprotected=setting("io.cncf.notary.timestampSignature", "e30")),
            "timestamp signature: illegal base64 data",
            id="N29-timestamp-without-padding",
        ),
        pytest.param(jws(setting("signature", "")), "signature missing in jws-json envelope", id="N29-no-signature"),
        pytest.param(
            sign(signer(), edit_unprotected=setting("alg", "none")),
            "is in the protected and in the unprotected header",
            id="N30-name-in-both-headers",
        ),
        pytest.param(
            sign(signer(), edit_protected=lambda header: header.pop("cty")), "no content type", id="N30-no-type"
        ),
        pytest.param(
            sign(signer(), edit_protected=setting("crit", {})), "is not a list of texts", id="N30-crit-is-an-object"
        ),
        pytest.param(
            sign(signer(), edit_protected=setting("crit", [1])), "is not a list of texts", id="N30-crit-of-numbers"
        ),
        *(
            pytest.param(
                sign(signer(), edit_protected=setting("alg", name)),
                f'signature algorithm "{name}" is not supported',
                id=f"N30-alg-{name or 'empty'}",
            )
            for name in ("none", "HS256", "RS256", "EdDSA", "ES256K", "")
        ),
        pytest.param(
            sign(signer(), edit_protected=setting("alg", ["ES256"])), "is not supported", id="N30-alg-is-a-list"
        ),
        pytest.param(
            sign(signer(), edit_protected=lambda header: header.pop("alg")), "is not supported", id="N30-no-alg"
        ),
    ],
)
def test_a_loose_jws_envelope_is_refused(envelope: bytes, expected: str):
    """JSON and base64 that could be read in two ways are no envelope."""
    outcome = verify(envelope)
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 1


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("2026-01-31", id="N35-date-alone"),
        pytest.param("2026-01-31 00:00:00Z", id="N35-space-for-t"),
        pytest.param("2026-01-31T00:00:00", id="N35-no-zone"),
        pytest.param("20260131T000000Z", id="N35-basic-form"),
        pytest.param("2026-01-31T00:00Z", id="N35-no-seconds"),
        pytest.param("2026-W05-6T00:00:00Z", id="N35-week-date"),
        pytest.param("2026-02-30T00:00:00Z", id="N35-no-such-day"),
        pytest.param("2026-01-31T00:00:00+0000", id="N35-zone-without-colon"),
        pytest.param("2026-01-31T00:00:00Z\n", id="N35-line-break"),
        pytest.param("٢026-01-31T00:00:00Z", id="N35-other-digits"),
        pytest.param(1769817600, id="N35-number"),
        pytest.param(None, id="N35-null"),
    ],
)
def test_a_loose_time_is_refused(moment: object):
    """Times are strictly those of RFC 3339."""
    outcome = verify(sign(signer(), edit_protected=setting(TIME, moment)))
    assert "is not a time of RFC 3339" in refusal(outcome)


@pytest.mark.parametrize(
    "moment",
    ["2026-01-31T00:00:00Z", "2026-01-31T00:00:00.123456789Z", "2026-01-31T01:00:00+01:00"],
)
def test_a_strict_time_is_read(moment: str):
    """Fractions and zones are part of RFC 3339."""
    assert verify(sign(signer(), edit_protected=setting(TIME, moment))).conclusion is Conclusion.VERIFIED


def parts(edit: Callable[[list], Any]) -> bytes:
    """Return a signed COSE envelope whose four parts were edited afterwards."""
    return sign(signer(), COSE, edit_parts=lambda message: edit(message["parts"]))


def raw_header(header: bytes) -> bytes:
    """Return a COSE envelope with exactly these bytes as the protected header, signed with the signer's key."""
    body = b"{}"
    signature = sign_raw(signer().key, cbor2.dumps(["Signature1", header, b"", body]))
    return cbor2.dumps(cbor2.CBORTag(18, [header, {33: list(signer().ders)}, body, signature]))


SOUND_HEADER = sign(signer(), COSE)
HEADER_BYTES = cbor2.loads(SOUND_HEADER).value[0]


@pytest.mark.parametrize("pairs", [pytest.param(MAX_ITEMS // 2 - 1, id="N31-as-many-values-as-may-be")])
def test_values_are_counted_whatever_they_are(pairs: int):
    """Map, labels, a tag and its value: one more of anything is too many."""
    content = cbor2.dumps(dict.fromkeys(range(pairs - 1), 0) | {-1: cbor2.CBORTag(1, 0)})
    assert "more than" not in refusal(verify(raw_header(content), COSE))
    content = cbor2.dumps(dict.fromkeys(range(pairs - 1), 0) | {-1: cbor2.CBORTag(1, [0])})
    assert f"more than {MAX_ITEMS} values" in refusal(verify(raw_header(content), COSE))


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        pytest.param(b"", "signature envelope format is invalid", id="N31-empty"),
        pytest.param(
            sign(signer(), COSE, edit_parts=setting("tag", None)), "expected a tagged COSE_Sign1", id="N31-no-tag"
        ),
        pytest.param(
            sign(signer(), COSE, edit_parts=setting("tag", 98)), "expected a tagged COSE_Sign1", id="N31-other-tag"
        ),
        pytest.param(parts(lambda four: four.append(b"")), "has four parts", id="N31-five-parts"),
        pytest.param(parts(lambda four: four.__setitem__(2, None)), "must be byte strings", id="N31-detached-payload"),
        pytest.param(parts(lambda four: four.__setitem__(0, {})), "must be byte strings", id="N31-header-is-a-map"),
        pytest.param(parts(lambda four: four.__setitem__(0, b"")), "the protected header is empty", id="N31-no-header"),
        pytest.param(
            parts(lambda four: four.__setitem__(0, b"\x80")), "a header is not a map", id="N31-header-is-a-list"
        ),
        pytest.param(
            parts(lambda four: four.__setitem__(1, [])), "a header is not a map", id="N31-unprotected-is-a-list"
        ),
        pytest.param(parts(lambda four: four.__setitem__(3, b"")), "signature missing in COSE", id="N31-no-signature"),
        pytest.param(SOUND_HEADER + b"\x00", "1 bytes behind the CBOR value", id="N31-something-behind"),
        pytest.param(raw_header(HEADER_BYTES + b"\x00"), "behind the CBOR value", id="N31-something-behind-the-header"),
        pytest.param(
            raw_header(b"\xa2\x01\x26\x01\x26"), "signature envelope format is invalid", id="N31-repeated-label"
        ),
        pytest.param(
            raw_header(b"\xa2\x01\x26\xf5\x26"), "signature envelope format is invalid", id="N31-true-beside-1"
        ),
        pytest.param(raw_header(b"\xa1\xf5\x26"), "neither a text nor an integer", id="N31-true-for-1"),
        pytest.param(
            raw_header(b"\xbf\x01\x26\xff"), "signature envelope format is invalid", id="N31-indefinite-length"
        ),
        pytest.param(
            raw_header(b"\xb9" + MAX_ITEMS.to_bytes(2) + b"\x01\x26" * MAX_ITEMS),
            f"more than {MAX_ITEMS} values",
            id="N31-too-many-values-in-the-header",
        ),
        pytest.param(
            parts(lambda four: four.__setitem__(1, dict.fromkeys(range(MAX_ITEMS // 2)))),
            f"more than {MAX_ITEMS} values",
            id="N31-too-many-values",
        ),
        pytest.param(
            parts(lambda four: four.__setitem__(1, dict.fromkeys([*range(300), (1, 2)]))),
            "neither a text nor an integer",
            id="N31-list-for-a-label",
        ),
        pytest.param(raw_header(b"\x81" * 20 + b"\x80"), "signature envelope format is invalid", id="N31-deep"),
        pytest.param(
            sign(signer(), COSE, edit_protected=lambda header: header.pop(3)), "missing content type", id="N31-no-type"
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(3, 50)),
            "content type should be of 'tstr' type",
            id="N31-type-is-a-number",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(1, 5)),
            "signature algorithm not supported: 5",
            id="N31-hmac",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(1, "ES256")),
            'signature algorithm not supported: "str"',
            id="N31-alg-is-a-text",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(2, "a")),
            "is not a list of labels",
            id="N31-crit-is-a-text",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(TIME, 1769817600)),
            "time value does not have a tag",
            id="N31-time-without-tag",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(TIME, cbor2.CBORTag(0, "2026-01-31T00:00:00Z"))),
            "only Tag `1` Datetime CBOR object is supported",
            id="N31-time-as-text",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(TIME, cbor2.CBORTag(1, 1769817600.5))),
            "only Tag `1` Datetime CBOR object is supported",
            id="N31-time-as-float",
        ),
        pytest.param(
            sign(signer(), COSE, edit_protected=setting(TIME, cbor2.CBORTag(1, 2**62))),
            "is out of range",
            id="N31-time-beyond-all-years",
        ),
        pytest.param(
            sign(signer(), COSE, edit_unprotected=setting("io.cncf.notary.timestampSignature", "e30=")),
            "timestamp signature is not a byte string",
            id="N31-timestamp-is-a-text",
        ),
        pytest.param(
            sign(signer(), COSE, edit_unprotected=setting(1, -7)),
            "is in the protected and in the unprotected header",
            id="N31-label-in-both-headers",
        ),
    ],
)
def test_a_loose_cose_envelope_is_refused(envelope: bytes, expected: str):
    """CBOR that could be read in two ways is no envelope."""
    outcome = verify(envelope, COSE)
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 1


def test_the_chain_may_be_protected():
    """The specification allows the chain in either header, but not in both."""

    def move(header: dict) -> None:
        header[33] = list(signer().ders)

    moved = sign(signer(), COSE, edit_protected=move, edit_unprotected=lambda header: header.pop(33))
    assert verify(moved, COSE).conclusion is Conclusion.VERIFIED
    assert "is in the protected" in refusal(verify(sign(signer(), COSE, edit_protected=move), COSE))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(lambda pairs: list(reversed(pairs)), id="N31b-other-order"),
        pytest.param(lambda pairs: pairs, id="N31b-same-order"),
    ],
)
def test_the_received_bytes_are_verified(order: Callable[[list], list]):
    """However the signer encoded its header, the signature is over those bytes; an encoding anew would not verify."""
    header = dict(order(list(cbor2.loads(HEADER_BYTES, semantic_decoders={1: _kept}).items())))
    # A non-preferred encoding of the map's head: one byte more, same meaning.
    encoded = b"\xb8" + bytes([len(header)]) + cbor2.dumps(header)[1:]
    body = cbor2.loads(SOUND_HEADER).value[2]
    signature = sign_raw(signer().key, cbor2.dumps(["Signature1", encoded, b"", body]))
    message = cbor2.dumps(cbor2.CBORTag(18, [encoded, {33: list(signer().ders)}, body, signature]))
    assert verify(message, COSE).conclusion is Conclusion.VERIFIED
    swapped = cbor2.dumps(cbor2.CBORTag(18, [HEADER_BYTES, {33: list(signer().ders)}, body, signature]))
    assert "signature is invalid" in refusal(verify(swapped, COSE))


def _kept(value: object, _immutable: object) -> cbor2.CBORTag:
    return cbor2.CBORTag(1, value)


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


@pytest.mark.parametrize("media_type", ["", "application/json", "APPLICATION/COSE", "application/jose"])
def test_another_media_type_is_no_envelope(media_type: str):
    """The media type of the layer chooses the format; nothing is guessed."""
    expected = f'signature envelope format with media type "{media_type}" is not supported'
    assert expected in refusal(verify(sign(signer()), media_type))


def test_an_endless_envelope_is_not_parsed():
    """One byte over the bound is too much."""
    envelope = sign(signer())
    padded = envelope + b" " * (MAX_ENVELOPE_BYTES - len(envelope))
    assert verify(padded).conclusion is Conclusion.VERIFIED
    assert "bytes, more than" in refusal(verify(padded + b" "))


def test_a_jws_envelope_is_not_bound_to_an_order():
    """White space and the order of fields have no meaning in JSON."""
    envelope = json.dumps(dict(reversed(json.loads(sign(signer())).items())), indent=2).encode()
    assert verify(envelope).conclusion is Conclusion.VERIFIED
