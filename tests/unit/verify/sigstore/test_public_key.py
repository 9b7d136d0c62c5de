"""The key and the policy decide the algorithm; nothing that comes with a signature can choose a weaker one."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.simulator.pki.sigstore import public_pem, sign_with
from tidegate.errors import PolicyError, VerificationError
from tidegate.strict.objection import Objection
from tidegate.verify.sigstore.pem_key import MAX_PEM, has_own_hash, load_key, make_pem
from tidegate.verify.sigstore.public_key import PublicKey, parse_public_key

P256, P384, P521 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
MESSAGE = b"what is signed"
SHA256 = hashlib.sha256(MESSAGE).digest()


@pytest.mark.parametrize(
    ("private", "hash_name", "algorithm"),
    [
        pytest.param(P256, None, hashes.SHA256(), id="P-256"),
        pytest.param(P384, None, hashes.SHA384(), id="P-384"),
        pytest.param(P384, "sha256", hashes.SHA256(), id="P-384 as cosign signed until 2026"),
        pytest.param(P521, None, hashes.SHA512(), id="P-521"),
        pytest.param(RSA, None, hashes.SHA256(), id="RSA"),
        pytest.param(RSA, "sha512", hashes.SHA512(), id="RSA with SHA-512"),
        pytest.param(ED25519, None, None, id="Ed25519"),
    ],
)
def test_gap_keyed_each_kind_of_key_verifies_by_its_one_algorithm(private, hash_name, algorithm):
    key = parse_public_key(public_pem(private), hash_name=hash_name)
    signature = sign_with(private, MESSAGE, algorithm)
    key.verify(signature, MESSAGE)
    for wrong in (signature[:-1], signature + b"\0", b"", b"\0" * 64):
        with pytest.raises(VerificationError, match="not by this key"):
            key.verify(wrong, MESSAGE)
    with pytest.raises(VerificationError, match="not by this key"):
        key.verify(signature, MESSAGE + b".")


@pytest.mark.parametrize(
    ("private", "hash_name", "signature"),
    [
        pytest.param(P256, None, sign_with(P256, MESSAGE, hashes.SHA512()), id="another hash"),
        pytest.param(P384, None, sign_with(P384, MESSAGE, hashes.SHA256()), id="a hash that the policy does not name"),
        pytest.param(
            RSA,
            None,
            RSA.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
            id="another padding",
        ),
        pytest.param(RSA, None, RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1()), id="SHA-1"),
        pytest.param(P256, None, hashlib.sha256(public_pem(P256) + MESSAGE).digest(), id="a keyed hash"),
    ],
)
def test_pitfall_9_8_a_signature_by_another_algorithm_does_not_count(private, hash_name, signature):
    with pytest.raises(VerificationError, match="not by this key"):
        parse_public_key(public_pem(private), hash_name=hash_name).verify(signature, MESSAGE)


@pytest.mark.parametrize("private", [P256, RSA], ids=["P-256", "RSA"])
def test_a_sha256_is_enough_for_keys_that_sign_one(private):
    key = parse_public_key(public_pem(private))
    key.verify_digest(sign_with(private, MESSAGE), SHA256)
    with pytest.raises(VerificationError, match="not by this key"):
        key.verify_digest(sign_with(private, MESSAGE), hashlib.sha256(b"other").digest())


@pytest.mark.parametrize("private", [P384, ED25519], ids=["P-384", "Ed25519"])
def test_a_sha256_is_not_enough_for_others(private):
    with pytest.raises(VerificationError, match="pass the artifact itself"):
        parse_public_key(public_pem(private)).verify_digest(sign_with(private, MESSAGE), SHA256)


@pytest.mark.parametrize(("private", "hash_name"), [(P256, ""), (ED25519, "sha256")])
def test_pitfall_9_8_a_key_without_its_hash_verifies_nothing(private, hash_name):
    """No such object comes from the parser; if it ever did, it must not verify by something in between."""
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = PublicKey(der=der, hash_name=hash_name, _key=private.public_key())
    with pytest.raises(VerificationError, match="does not fit the key"):
        key.verify(sign_with(private, MESSAGE), MESSAGE)


def test_a_key_is_called_by_the_hash_of_its_der():
    key = parse_public_key(public_pem(P256))
    assert key.signer.fingerprint == hashlib.sha256(key.der).hexdigest()
    assert str(key.signer) == f"key {key.signer.fingerprint}"


@pytest.mark.parametrize("hash_name", ["sha1", "md5", "SHA256", "none", "sha3_256"])
def test_pitfall_9_8_other_hashes_cannot_be_named(hash_name):
    with pytest.raises(PolicyError, match="expected one of sha256, sha384, sha512"):
        parse_public_key(public_pem(P256), hash_name=hash_name)


def test_a_hash_for_a_key_that_has_its_own_is_refused():
    with pytest.raises(PolicyError, match="leave it out"):
        parse_public_key(public_pem(ED25519), hash_name="sha512")


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(public_pem(rsa.generate_private_key(65537, 1024)), id="pitfall-9-8: short RSA"),
        pytest.param(public_pem(ec.generate_private_key(ec.SECP256K1())), id="pitfall-9-8: a foreign curve"),
        pytest.param(public_pem(ec.generate_private_key(ec.SECP192R1())), id="pitfall-9-8: a short curve"),
        pytest.param(
            dsa.generate_private_key(1024)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            id="pitfall-9-8: DSA",
        ),
        pytest.param(
            ed448.Ed448PrivateKey.generate()
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            id="Ed448",
        ),
    ],
)  # fmt: skip
def test_keys_of_other_kinds_and_sizes_are_refused(pem):
    made = make_pem(pem.decode())
    assert isinstance(made, Objection)
    assert made.got == "a public key of another kind or size"
    with pytest.raises(PolicyError, match="publicKey: got a public key of another kind or size"):
        parse_public_key(pem)


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(private_pem(P256), id="a private key"),
        pytest.param(public_pem(P256) * 2, id="two keys"),
        pytest.param(public_pem(P256) + private_pem(P256), id="a private key behind it"),
        pytest.param(public_pem(P256).replace(b"MFkw", b"AAAA"), id="broken inside"),
        pytest.param(public_pem(P256)[:-10], id="cut off"),
        pytest.param(b"x" + public_pem(P256), id="text before"),
        pytest.param(public_pem(P256) + b"x", id="text behind"),
        pytest.param("é".encode() + public_pem(P256), id="more than ASCII"),
        pytest.param(public_pem(P256) + b"\n" * MAX_PEM, id="pitfall-9-7: too long"),
        pytest.param(P256.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), id="DER"),
        pytest.param(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", id="a key of another program"),
    ],
)
def test_what_is_no_single_public_key_in_pem_is_refused(pem):
    assert isinstance(make_pem(pem.decode("utf-8", errors="replace")), Objection)
    with pytest.raises(PolicyError, match="publicKey: got text that is not a public key"):
        parse_public_key(pem)


@pytest.mark.parametrize("private", [P256, P384, P521, RSA, ED25519], ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"])
def test_a_policy_s_key_is_kept_as_it_was_written(private):
    pem = public_pem(private).decode()
    written = f"\n{pem}\n".replace("\n", "\r\n")
    assert make_pem(written) == written
    assert not isinstance(load_key(written), Objection)
    assert has_own_hash(written) is (private is ED25519)
