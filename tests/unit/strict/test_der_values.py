"""Values of DER are counted before a parser makes them: a token may be small and hold very many."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import Node, parse_der
from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import failed_step, refusal, stores, verify
from tidegate.errors import VerificationError
from tidegate.strict.der_values import MAX_VALUES, check_values
from tidegate.verify.notation.timestamp.cms import parse_signed_token, read_timestamp_info
from tidegate.verify.notation.x509.certificate import MAX_CERTIFICATE_BYTES
from tidegate.verify.step import Conclusion

TSA = timestamp_authority()
MANY = "thing: more than 4000 values"


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"\x05\x00", id="N59-empty-values"),
        pytest.param(b"\x30\x00", id="N59-empty-sequences"),
        pytest.param(b"\x04\x03abc", id="N59-strings"),
        pytest.param(b"\x04\x81\x80" + b"\x30" * 128, id="N59-strings-with-a-long-length"),
        pytest.param(b"\x1f\x81\x01\x00", id="N59-tags-of-several-bytes"),
        pytest.param(b"\x30\x80", id="N59-indefinite-lengths"),
    ],
)
def test_values_are_counted_by_their_heads(unit: bytes):
    """Both sides of the bound, whatever kind of value."""
    check_values(unit * MAX_VALUES, "thing")
    with pytest.raises(VerificationError, match=MANY):
        check_values(unit * (MAX_VALUES + 1), "thing")


def test_nested_values_count_each():
    """A sequence and what is in it."""
    pair = b"\x30\x02\x05\x00"
    check_values(pair * (MAX_VALUES // 2), "thing")
    with pytest.raises(VerificationError, match=MANY):
        check_values(pair * (MAX_VALUES // 2) + b"\x05\x00", "thing")


@given(st.binary(max_size=40))
def test_any_bytes_are_counted(content: bytes):
    """Malformed ones are for the parser to refuse."""
    check_values(content, "thing")
    with suppress(VerificationError):
        check_values(content * 2000, "thing")


def crowded(place: tuple[int, ...]) -> bytes:
    """Return a token with very many empty values at one place of its signed data."""
    root = parse_der(issue_token(TSA, b"x"))
    node = root
    for each in (1, 0, *place):
        assert node.parts is not None
        node = node.parts[each]
    assert node.parts is not None
    node.parts += [Node(0x30, [])] * MAX_VALUES
    return root.dump()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param((1,), id="N60-digest-algorithms"),
        pytest.param((3,), id="N60-certificates"),
        pytest.param((4,), id="N60-signers"),
        pytest.param((4, 0, 3), id="N60-attributes"),
        pytest.param((4, 0, 3, 2, 1, 0, 0), id="N60-certificate-identifiers"),
    ],
)
def test_a_token_of_very_many_values_is_refused(place: tuple[int, ...]):
    """Wherever they are."""
    with pytest.raises(VerificationError, match=f"more than {MAX_VALUES} values"):
        parse_signed_token(crowded(place))


@pytest.mark.parametrize("tag", [pytest.param(0xA1, id="N59-extensions")])
def test_what_a_token_says_is_counted_apart(tag: int):
    """It is wrapped in a string, which counts as one value."""

    def edit(info: bytes) -> bytes:
        parts = parse_der(info).parts or []
        return Node(0x30, [*parts, Node(tag, [Node(0x30, [])] * MAX_VALUES)]).dump()

    token = parse_signed_token(issue_token(TSA, b"x", edit_info=edit))
    with pytest.raises(VerificationError, match=f"TSTInfo with error: more than {MAX_VALUES} values"):
        read_timestamp_info(token)


def test_n36_a_certificate_of_very_many_bytes_is_refused():
    """A stranger may put one beside a trusted anchor, and reading a long name takes long."""
    leaf = issue("leaf", authority())
    outcome = verify(sign(leaf, chain=(bytes(MAX_CERTIFICATE_BYTES + 1), *leaf.ders[1:])), trusted=stores(ca=leaf.root))
    assert failed_step(outcome) == 3
    assert f"malformed leaf certificate: {MAX_CERTIFICATE_BYTES + 1} bytes" in refusal(outcome)
    assert "malformed leaf certificate (ValueError)" in refusal(
        verify(sign(leaf, chain=(bytes(MAX_CERTIFICATE_BYTES), *leaf.ders[1:])), trusted=stores(ca=leaf.root))
    )
    assert verify(sign(leaf), trusted=stores(ca=leaf.root)).conclusion is Conclusion.VERIFIED
