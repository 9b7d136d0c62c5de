"""Distinguished names mean one thing: in policies as RFC 4514 writes them, in certificates as they are decoded."""

from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import VerificationError
from tidegate.verify.notation.x509.distinguished_name import distinguished_name_of, parse_distinguished_name

BASE = "C=US, ST=WA, O=acme"


def parsed(text: str) -> dict[str, str]:
    return dict(parse_distinguished_name(text).attributes)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        pytest.param(BASE, "O", "acme", id="N9-spaces-after-commas"),
        pytest.param("C=US,S=WA,O=acme", "ST", "WA", id="N9-s-is-st"),
        pytest.param(BASE + r", CN=a\, b", "CN", "a, b", id="N9-escaped-comma"),
        pytest.param(BASE + r", CN=a\;b", "CN", "a;b", id="N9-escaped-semicolon"),
        pytest.param(BASE + r", CN=a\\b", "CN", "a\\b", id="N9-escaped-backslash"),
        pytest.param(BASE + r", CN=\ a\ ", "CN", " a ", id="N9-escaped-outer-spaces"),
        pytest.param(BASE + r", CN=a\\ ", "CN", "a\\", id="N9-space-behind-an-escaped-backslash"),
        pytest.param(BASE + r", CN=Lu\C4\8Di\C4\87", "CN", "Lučić", id="N9-hexadecimal-pairs"),
        pytest.param(BASE + r", CN=a\2Cb", "CN", "a,b", id="N9-comma-in-hexadecimal"),
        pytest.param(BASE + ", CN=a=b", "CN", "a=b", id="N9-equals-sign-in-a-value"),
        pytest.param(BASE + ", 2.5.4.3=x", "CN", "x", id="N9-dotted-type-with-a-name"),
        pytest.param(BASE + ", 1.2.3.4=x", "1.2.3.4", "x", id="N9-dotted-type"),
        pytest.param("C=US;ST=WA;O=acme", "ST", "WA", id="N9-semicolons"),
    ],
)
def test_a_name_is_read(text: str, kind: str, expected: str):
    """What the specification allows is read as it says."""
    assert parsed(text)[kind] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("ST=WA, O=acme", 'no mandatory RDN attribute for "C"', id="N9-no-country"),
        pytest.param("C=US, O=acme", 'no mandatory RDN attribute for "ST"', id="N9-no-state"),
        pytest.param("C=US, ST=WA", 'no mandatory RDN attribute for "O"', id="N9-no-organisation"),
        pytest.param("C=, ST=WA, O=acme", 'no mandatory RDN attribute for "C"', id="N9-empty-country"),
        pytest.param(BASE + ", O=other", 'has duplicate RDN attribute for "O"', id="N9-repeated"),
        pytest.param(BASE + ", S=WA", 'has duplicate RDN attribute for "ST"', id="N9-repeated-by-alias"),
        pytest.param(BASE + ", 2.5.4.10=x", 'has duplicate RDN attribute for "O"', id="N9-repeated-by-number"),
        pytest.param(BASE + ", OU=a+CN=b", "has multi-valued RDN attributes", id="N9-multi-valued"),
        pytest.param(BASE + ", CN=#0401", 'containing "=#"', id="N9-encoded-value"),
        pytest.param(BASE + ", CN= #0401", 'containing "=#"', id="N9-encoded-value-behind-a-space"),
        pytest.param("", "failed", id="N9-no-name"),
        pytest.param(BASE + ",", "failed", id="N9-trailing-comma"),
        pytest.param(BASE + ", CN", "failed", id="N9-no-equals-sign"),
        pytest.param(BASE + ", =x", "failed", id="N9-no-type"),
        pytest.param(BASE + ", CN=", "failed", id="N9-empty-value"),
        pytest.param(BASE + ", C N=x", "failed", id="N9-space-in-a-type"),
        pytest.param(BASE + ', CN="a"', "failed", id="N9-quotes"),
        pytest.param(BASE + ", CN=<a>", "failed", id="N9-angle-brackets"),
        pytest.param(BASE + ", CN=a\\", "failed", id="N9-lone-backslash"),
        pytest.param(BASE + r", CN=a\zz", "failed", id="N9-unknown-escape"),
        pytest.param(BASE + r", CN=\C4", "failed", id="N9-half-a-character"),
        pytest.param(BASE + ", CN=" + "x" * 3000, "characters", id="N9-endless"),
    ],
)
def test_a_name_is_refused(text: str, expected: str):
    """What has two readings, or none, is refused."""
    with pytest.raises(VerificationError, match=expected):
        parse_distinguished_name(text)


@given(st.text(max_size=60) | st.text(alphabet='CSTOU=,;+\\# "<>a', max_size=60))
def test_any_text_is_a_name_or_our_error(text: str):
    """Nothing but VerificationError comes out."""
    with suppress(VerificationError):
        assert parse_distinguished_name(text).attributes


def certificate_name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    base = [(NameOID.COUNTRY_NAME, "US"), (NameOID.STATE_OR_PROVINCE_NAME, "WA"), (NameOID.ORGANIZATION_NAME, "acme")]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in (*base, *attributes)])


@pytest.mark.parametrize(
    ("policy", "extra", "expected"),
    [
        pytest.param(BASE, [], True, id="N55-equal"),
        pytest.param(BASE, [(NameOID.COMMON_NAME, "x")], True, id="N55-certificate-says-more"),
        pytest.param(BASE + ", CN=x", [], False, id="N55-policy-says-more"),
        pytest.param(BASE + ", CN=x", [(NameOID.COMMON_NAME, "X")], False, id="N55-case-counts"),
        pytest.param(BASE + ", CN=x", [(NameOID.COMMON_NAME, "x ")], False, id="N55-spaces-count"),
        pytest.param(
            BASE + ", 2.5.4.12=Boss", [(NameOID.TITLE, "Boss")], True, id="N55-attribute-without-a-short-name"
        ),
        pytest.param(BASE + ", CN=acme", [(NameOID.ORGANIZATIONAL_UNIT_NAME, "acme")], False, id="N55-type-counts"),
    ],
)
def test_a_certificate_matches_by_its_decoded_attributes(policy: str, extra: list, *, expected: bool):
    """Every attribute of the policy must be in the certificate, character by character."""
    name = certificate_name(*extra)
    subject = distinguished_name_of(name, name.rfc4514_string())
    assert parse_distinguished_name(policy).is_subset_of(subject) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            certificate_name((NameOID.ORGANIZATION_NAME, "evil")), "duplicate RDN", id="N55-certificate-repeats-a-type"
        ),
        pytest.param(
            x509.Name(
                [
                    *certificate_name().rdns,
                    x509.RelativeDistinguishedName(
                        [
                            x509.NameAttribute(NameOID.COMMON_NAME, "a"),
                            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "b"),
                        ]
                    ),
                ]
            ),
            "multi-valued",
            id="N55-certificate-is-multi-valued",
        ),
        pytest.param(
            x509.Name(
                [
                    *certificate_name(),
                    x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00bits", _ASN1Type.BitString),
                ]
            ),
            "has a value that is no text",
            id="N55-certificate-has-a-bit-string",
        ),
        pytest.param(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")]),
            "no mandatory",
            id="N55-certificate-lacks-country",
        ),
    ],
)
def test_a_certificate_with_an_ambiguous_name_matches_nothing(name: x509.Name, expected: str):
    """A subject that could be read in two ways is nobody's."""
    with pytest.raises(VerificationError, match=expected):
        distinguished_name_of(name, "subject")
