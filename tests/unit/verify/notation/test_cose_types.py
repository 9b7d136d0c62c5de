"""Each part of a COSE envelope has its type: CBOR has many that look alike."""

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.envelopes import COSE, JWS, sign
from tests.unit.verify.notation.world import refusal, signer, stores, verify
from tidegate.verify.notation.envelope.attributes import MAX_ATTRIBUTES
from tidegate.verify.notation.x509.chain import MAX_CHAIN_LENGTH
from tidegate.verify.step import Conclusion

TIME = "io.cncf.notary.signingTime"
Edit = Callable[[dict], Any]


def protected(**changes: Any) -> dict[str, Edit]:
    """Return options that change labels of the protected header; ``_1`` is the label 1."""
    found = {int(name[1:]) if name[0] == "_" else name: value for name, value in changes.items()}
    return {"edit_protected": lambda header: header.update(found)}


def chain(value: Any) -> dict[str, Edit]:
    return {"edit_unprotected": lambda header: header.update({33: value})}


def message(value: Any) -> dict[str, Edit]:
    return {"edit_parts": lambda draft: draft.update(parts=value)}


def part(place: int, value: Any) -> dict[str, Edit]:
    return {"edit_parts": lambda draft: draft["parts"].__setitem__(place, value)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(protected(_1=-7.0), "signature algorithm not supported", id="N31-algorithm-is-a-float"),
        pytest.param(protected(_1=True), "signature algorithm not supported", id="N31-algorithm-is-true"),
        pytest.param(
            protected(_2=["io.cncf.notary.signingScheme", True]), "not a list of labels", id="N34-true-in-crit"
        ),
        pytest.param(
            protected(**{TIME: cbor2.CBORTag(100, 20_000)}), "only Tag `1` Datetime", id="N31-time-of-another-tag"
        ),
        pytest.param(protected(**{TIME: cbor2.CBORTag(1, 1.5)}), "only Tag `1` Datetime", id="N31-time-of-a-fraction"),
        pytest.param(chain(["text"]), "a certificate is not a byte string", id="N36-text-for-a-certificate"),
        pytest.param(chain(b"\x30"), "certificate chain is not present", id="N36-bytes-for-a-chain"),
        pytest.param(chain({1: b"a"}), "certificate chain is not present", id="N36-map-for-a-chain"),
        pytest.param(chain([]), "certificate chain is not present", id="N36-empty-chain"),
        pytest.param(chain([b"a"] * (MAX_CHAIN_LENGTH + 1)), "11 certificates, more than 10", id="N36-long-chain"),
        pytest.param(chain([b"a"] * MAX_CHAIN_LENGTH), "any trusted certificate", id="N36-longest-chain"),
        pytest.param(message("four"), "has four parts", id="N31-text-for-the-parts"),
        pytest.param(message(dict.fromkeys(range(4))), "has four parts", id="N31-map-for-the-parts"),
        pytest.param(part(3, "text"), "must be byte strings", id="N31-text-for-the-signature"),
        pytest.param(part(2, "text"), "must be byte strings", id="N31-text-for-the-payload"),
    ],
)
def test_another_type_is_refused(options: dict[str, Edit], expected: str):
    """However equal the value."""
    assert expected in refusal(verify(sign(signer(), COSE, **options), COSE))


@pytest.mark.parametrize("media_type", [pytest.param(JWS, id="N40-jws"), pytest.param(COSE, id="N40-cose")])
def test_signed_attributes_are_counted(media_type: str):
    """As many as may be, and one more; uncritical ones are of no matter."""
    counted: list[int] = []

    def fill(most: int) -> Edit:
        def edit(header: dict) -> None:
            header.update({f"a{number}": 1 for number in range(most - len(header))})
            counted.append(len(header))

        return edit

    good = verify(sign(signer(), media_type, edit_protected=fill(MAX_ATTRIBUTES)), media_type)
    assert good.conclusion is Conclusion.VERIFIED
    bad = verify(sign(signer(), media_type, edit_protected=fill(MAX_ATTRIBUTES + 1)), media_type)
    assert "101 signed attributes, more than 100" in refusal(bad)
    assert counted == [MAX_ATTRIBUTES, MAX_ATTRIBUTES + 1]


@pytest.mark.parametrize("media_type", [pytest.param(JWS, id="N47-jws"), pytest.param(COSE, id="N47-cose")])
def test_the_longest_chain_is_verified(media_type: str):
    """Ten certificates, the root included; eleven are too many."""
    leaf = issue("leaf", authority(intermediates=MAX_CHAIN_LENGTH - 2))
    trusted = stores(ca=leaf.root)
    assert verify(sign(leaf, media_type), media_type, trusted=trusted).conclusion is Conclusion.VERIFIED
    longer = issue("leaf", authority(intermediates=MAX_CHAIN_LENGTH - 1))
    assert "11 certificates, more than 10" in refusal(verify(sign(longer, media_type), media_type, trusted=trusted))


def test_n53_the_shortest_key_of_an_authority_is_long_enough():
    """RSA with 2048 bits, and the shortest curve."""
    for kind in ("rsa2048", "p256"):
        leaf = issue("leaf", authority(kind=kind))
        assert verify(sign(leaf), trusted=stores(ca=leaf.root)).conclusion is Conclusion.VERIFIED
