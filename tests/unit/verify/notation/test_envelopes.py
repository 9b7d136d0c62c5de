"""An envelope of either format is exactly what the specification says, or it is refused before its key is used."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest

from tests.simulator.pki.envelopes import COSE, JWS, SIGNED_AT, sign, sign_raw
from tests.unit.verify.notation.changed import HEADER_BYTES, SOUND_HEADER, TIME, raw_header, setting
from tests.unit.verify.notation.world import failed_step, refusal, signer, verify
from tidegate.verify.notation.envelope.cose import MAX_ITEMS
from tidegate.verify.notation.envelope.envelope import MAX_ENVELOPE_BYTES
from tidegate.verify.step import Conclusion

FORMATS = [pytest.param(JWS, id="N28-jws"), pytest.param(COSE, id="N31-cose")]


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


def mispadded(text: str) -> str:
    """Return base64 without its padding, or with padding where it has none."""
    return text.rstrip("=") if text.endswith("=") else f"{text}="


def retyped(envelope: bytes, change: Callable[[str], str]) -> bytes:
    return change(envelope.decode()).encode()


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
            sign(signer(), edit_unprotected=lambda header: header["x5c"].__setitem__(0, mispadded(header["x5c"][0]))),
            "certificate chain: illegal base64 data",
            id="N29-certificate-with-wrong-padding",
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


@pytest.mark.parametrize("pairs", [pytest.param(MAX_ITEMS // 2 - 1, id="N31-as-many-values-as-may-be")])
def test_values_are_counted_whatever_they_are(pairs: int):
    """Map, labels, a tag and its value: one more of anything is too many."""
    content = cbor2.dumps(dict.fromkeys(range(pairs - 1), 0) | {-1: cbor2.CBORTag(1, 0)})
    assert "more than" not in refusal(verify(raw_header(content), COSE))
    content = cbor2.dumps(dict.fromkeys(range(pairs - 1), 0) | {-1: cbor2.CBORTag(1, [0])})
    assert f"more than {MAX_ITEMS} values" in refusal(verify(raw_header(content), COSE))


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
