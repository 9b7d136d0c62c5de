"""The authority and the certificate it signs: fit for OpenSSL and Go, read back whole, judged on both sides of a limit."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tidegate.webhook.certificate.material import (
    AUTHORITY_REPLACED_BEFORE,
    AUTHORITY_VALIDITY,
    MAX_NAMES,
    RENEWED_AFTER,
    VALIDITY,
    KeyPair,
    MaterialError,
    authority_problem,
    make_authority,
    make_serving,
    names_of,
    read_pair,
    serving_problem,
)

NOW = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
NAMES = ("tidegate.tidegate.svc", "tidegate.example.internal")


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority(NOW)


@pytest.fixture(scope="module")
def serving(authority: KeyPair) -> KeyPair:
    return make_serving(authority, NAMES, NOW)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_trusts_the_certificate_for_each_name(authority, serving, name):
    store = Store([authority.certificate])
    verifier = PolicyBuilder().store(store).time(NOW + VALIDITY - SECOND).build_server_verifier(x509.DNSName(name))
    assert verifier.verify(serving.certificate, [])[-1] == authority.certificate


@pytest.mark.parametrize(
    ("name", "at"),
    [
        pytest.param("other.example.internal", NOW, id="another name"),
        pytest.param(NAMES[0], NOW + VALIDITY + 2 * SECOND, id="after its time"),
        pytest.param(NAMES[0], NOW - dt.timedelta(hours=1, seconds=1), id="before its time"),
    ],
)
def test_a_client_does_not_trust_it_for_more(authority, serving, name, at):
    verifier = PolicyBuilder().store(Store([authority.certificate])).time(at)
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName(name)).verify(serving.certificate, [])


def test_another_authority_does_not_vouch_for_it(serving):
    verifier = PolicyBuilder().store(Store([make_authority(NOW).certificate])).time(NOW)
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName(NAMES[0])).verify(serving.certificate, [])


def test_the_authority_signs_servers_and_no_authorities(authority, serving):
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = serving.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not serving.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_two_authorities_of_one_moment_are_two(authority):
    """Clients find an issuer by name and key identifier, so at least the key identifier differs."""
    assert make_authority(NOW).certificate != authority.certificate


def test_a_pair_is_read_back(serving):
    again = read_pair(serving.certificate_pem, serving.key_pem)
    assert again.certificate == serving.certificate
    assert again.key_pem == serving.key_pem


def rsa_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def other_curve() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(b"", None, id="no certificate"),
        pytest.param(b"nonsense", None, id="no PEM"),
        pytest.param(None, b"", id="no key"),
        pytest.param(None, rsa_key(), id="an RSA key, which a running server could not reload"),
        pytest.param(None, other_curve(), id="another curve"),
        pytest.param(None, make_authority(NOW).key_pem, id="the key of another certificate"),
    ],
)
def test_what_is_no_pair_of_ours_is_refused(serving, certificate, key):
    with pytest.raises(MaterialError):
        read_pair(
            serving.certificate_pem if certificate is None else certificate, serving.key_pem if key is None else key
        )


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        pytest.param(NOW, "", id="new"),
        pytest.param(NOW + RENEWED_AFTER - SECOND, "", id="a second before two thirds"),
        pytest.param(NOW + RENEWED_AFTER, "two thirds of its time are over", id="at two thirds"),
        pytest.param(NOW - dt.timedelta(hours=1), "", id="an hour before it was made"),
        pytest.param(NOW - dt.timedelta(hours=1, seconds=1), "it is not valid yet", id="more than an hour before"),
    ],
)
def test_a_certificate_is_renewed_at_two_thirds(authority, serving, at, problem):
    assert serving_problem(serving, authority, NAMES, at) == problem


def test_two_thirds_of_ninety_days_are_sixty():
    assert dt.timedelta(days=90) == VALIDITY
    assert dt.timedelta(days=60) == RENEWED_AFTER


def test_a_certificate_of_another_authority_is_renewed(serving):
    assert "not signed" in serving_problem(serving, make_authority(NOW), NAMES, NOW)


def test_a_certificate_without_a_wanted_name_is_renewed(authority, serving):
    assert serving_problem(serving, authority, NAMES[:1], NOW) == ""
    assert "other.svc" in serving_problem(serving, authority, [*NAMES, "other.svc"], NOW)


@pytest.mark.parametrize(
    ("at", "good"),
    [
        pytest.param(NOW, True, id="new"),
        pytest.param(
            NOW + AUTHORITY_VALIDITY - AUTHORITY_REPLACED_BEFORE, True, id="with time for one more certificate"
        ),
        pytest.param(NOW + AUTHORITY_VALIDITY - AUTHORITY_REPLACED_BEFORE + SECOND, False, id="with less time"),
        pytest.param(NOW - dt.timedelta(hours=2), False, id="not valid yet"),
    ],
)
def test_an_authority_outlives_what_it_signs(authority, at, good):
    assert (authority_problem(authority, at) == "") is good


def test_a_serving_certificate_is_no_authority(serving):
    assert authority_problem(serving, NOW) == "it is no authority"


def test_names_are_bounded_and_the_first_stays(authority):
    many = [f"n{n}.example.internal" for n in range(MAX_NAMES + 5)]
    assert names_of(make_serving(authority, many, NOW).certificate) == many[:MAX_NAMES]


def test_a_long_name_is_a_certificate_too(authority):
    """A common name holds 64 characters; a Service's name may have more."""
    long = f"{'a' * 63}.{'b' * 63}.svc"
    assert names_of(make_serving(authority, [long], NOW).certificate) == [long]
