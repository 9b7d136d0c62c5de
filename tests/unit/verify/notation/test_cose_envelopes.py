"""A COSE envelope is exactly what the specification says, or it is refused."""

import cbor2
import pytest

from tests.simulator.pki.envelopes import COSE, sign
from tests.unit.verify.notation.changed import HEADER_BYTES, SOUND_HEADER, TIME, parts, raw_header, setting
from tests.unit.verify.notation.world import failed_step, refusal, signer, verify
from tidegate.verify.notation.envelope.cose import MAX_ITEMS
from tidegate.verify.step import Conclusion


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
        pytest.param(SOUND_HEADER + b"\x00", "1 bytes after the CBOR value", id="N31-something-behind"),
        pytest.param(raw_header(HEADER_BYTES + b"\x00"), "after the CBOR value", id="N31-something-behind-the-header"),
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
