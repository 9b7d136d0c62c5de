"""A signing certificate has the form that Fulcio gives: what sigstore-python leaves open is closed before it is asked."""

from datetime import timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, der_text, uri
from tests.unit.verify.sigstore.cases import ours, signer
from tidegate.errors import VerificationError
from tidegate.verify.sigstore.certificate import ISSUER_V1, ISSUER_V2, MAX_CERTIFICATE_BYTES, read_leaf
from tidegate.verify.sigstore.proof import KeylessSigner

KEY = ec.generate_private_key(ec.SECP256R1())


def made(
    *,
    issuers: tuple[tuple[x509.ObjectIdentifier, bytes], ...] = ((ISSUER_V2, der_text(ISSUER)),),
    constraints: bool | None = None,
    usage: bool = True,
    names: tuple[x509.GeneralName, ...] = (uri(SUBJECT),),
) -> bytes:
    """Return a self-signed certificate: here nobody asks whether it can be believed."""
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(minutes=10))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    )
    if usage:
        flags = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(digital_signature=True, **flags), critical=True)
    if constraints is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=constraints, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    for identifier, value in issuers:
        builder = builder.add_extension(x509.UnrecognizedExtension(identifier, value), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_leaf_is_read_from_der_and_from_one_pem_block():
    for content in (signer().der, signer().pem, b"\n" + signer().pem + b"\n"):
        leaf = read_leaf(content)
        assert (leaf.signer, leaf.der) == (KeylessSigner(issuer=ISSUER, subject=SUBJECT), signer().der)
        assert leaf.key == signer().key.public_key()
    assert str(read_leaf(signer().der).signer) == f"{SUBJECT} (issuer {ISSUER})"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"", "unreadable", id="nothing"),
        pytest.param(b"x" * (MAX_CERTIFICATE_BYTES + 1), "more than", id="pitfall-9-7: huge"),
        pytest.param(signer().der[:-1], "unreadable", id="cut off"),
        pytest.param(signer().der + b"x", "unreadable", id="pitfall-9-10: more behind it"),
        pytest.param(signer().pem * 2, "expected one certificate", id="two"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "unreadable", id="broken PEM"),
    ],
)
def test_pitfall_9_17_what_is_no_certificate_fails_as_our_error(content, text):
    with pytest.raises(VerificationError, match=text):
        read_leaf(content)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
def test_gap_rsa_leaf_keys_that_sigstore_python_cannot_use_are_refused_by_name(key):
    with pytest.raises(VerificationError, match=r"the certificate's key is (RSA|Ed25519)PublicKey; keyless"):
        read_leaf(ours().signer(key=key).der)


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_every_curve_that_fulcio_takes_is_read(curve):
    assert read_leaf(ours().signer(key=ec.generate_private_key(curve())).der).key.curve.name == curve.name


def test_pitfall_9_8_a_curve_that_fulcio_does_not_take_is_refused_by_name():
    with pytest.raises(VerificationError, match="the certificate's key is secp256k1; keyless"):
        read_leaf(ours().signer(key=ec.generate_private_key(ec.SECP256K1())).der)


@pytest.mark.parametrize("form", [{"digital_signature": False}, {"usages": [ExtendedKeyUsageOID.EMAIL_PROTECTION]}])
def test_pitfall_9_15_a_certificate_for_something_else_is_refused(form):
    with pytest.raises(VerificationError, match="not for code signing"):
        read_leaf(ours().signer(**form).der)


def test_gap_no_name_a_certificate_without_alternative_names_names_nobody():
    with pytest.raises(VerificationError, match="no subject alternative name"):
        read_leaf(made(names=()))


@pytest.mark.parametrize(("constraints", "ok"), [(None, True), (False, True), (True, False)])
def test_pitfall_9_15_an_authority_signs_nothing(constraints, ok):
    if ok:
        read_leaf(made(constraints=constraints))
    else:
        with pytest.raises(VerificationError, match="a CA certificate"):
            read_leaf(made(constraints=constraints))


def test_pitfall_9_15_a_certificate_that_does_not_say_what_its_key_is_for_is_refused():
    with pytest.raises(VerificationError, match="no key usage or no extended key usage"):
        read_leaf(made(usage=False))


@pytest.mark.parametrize(
    ("issuers", "found"),
    [
        pytest.param(((ISSUER_V2, der_text(ISSUER)),), ISSUER, id="the newer"),
        pytest.param(((ISSUER_V1, ISSUER.encode()),), ISSUER, id="the older"),
        pytest.param(((ISSUER_V1, ISSUER.encode()), (ISSUER_V2, der_text(ISSUER))), ISSUER, id="both, alike"),
        pytest.param((), "does not name an OIDC issuer", id="none"),
        pytest.param(
            ((ISSUER_V1, b"https://other.test"), (ISSUER_V2, der_text(ISSUER))),
            "two OIDC issuers",
            id="pitfall-9-20: two",
        ),
        pytest.param(
            ((ISSUER_V1, der_text(ISSUER)), (ISSUER_V2, der_text(ISSUER))), "two OIDC issuers", id="the older as DER"
        ),
        pytest.param(((ISSUER_V1, b"\xff"),), "unreadable", id="no text"),
        pytest.param(((ISSUER_V2, ISSUER.encode()),), "unreadable", id="the newer as bare text"),
        pytest.param(((ISSUER_V2, der_text(ISSUER) + b"x"),), "unreadable", id="pitfall-9-10: more behind it"),
        pytest.param(((ISSUER_V2, b"\x16" + der_text(ISSUER)[1:]),), "unreadable", id="another kind of text"),
        pytest.param(((ISSUER_V1, b""),), "is empty", id="an empty one"),
        pytest.param(((ISSUER_V2, der_text("")),), "is empty", id="an empty newer one"),
    ],
)
def test_the_issuer_is_read_from_its_own_fields(issuers, found):
    if found == ISSUER:
        assert read_leaf(made(issuers=issuers)).signer.issuer == ISSUER
    else:
        with pytest.raises(VerificationError, match=found):
            read_leaf(made(issuers=issuers))


def test_an_older_version_of_x509_is_refused():
    """It has no extensions, so nothing in it could say what the key is for."""
    wire = asn1_x509.Certificate.load(signer().der)
    wire["tbs_certificate"]["version"] = "v1"
    wire["tbs_certificate"]["extensions"] = None
    with pytest.raises(VerificationError, match="version 3"):
        read_leaf(wire.dump(force=True))


def test_the_key_is_the_certificate_s():
    assert read_leaf(made()).key == KEY.public_key()
