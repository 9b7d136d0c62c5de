"""Whom the command line demands: identities and keys, each way to name them, and what cannot be used."""

import json
import re

import pytest

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, public_pem, statement
from tests.unit.verify.sigstore.cases import DIGEST, key, ours, signer
from tidegate.errors import PolicyError
from tidegate.verify.sigstore.claims import Artifact, Claims
from tidegate.verify.sigstore.expected_signer import ExpectedSigner, expected_authority
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust
from tidegate.verify.sigstore.verification import verify_bundle
from tidegate.verify.step import Conclusion

WHO = ExpectedSigner(identity=SUBJECT, issuer=ISSUER)
KEY = ExpectedSigner(key=public_pem(key()))


def by(authority, made):
    about = Artifact(digest=DIGEST)
    return verify_bundle(json.dumps(made).encode(), artifact=about, authority=authority, claims=Claims(), now=NOW)


@pytest.mark.parametrize(
    "required",
    [
        WHO,
        ExpectedSigner(identity=SUBJECT, issuer_expression=r"https://token\.actions\.githubusercontent\.com"),
        ExpectedSigner(identity_expression=r"https://github\.com/acme/.+", issuer=ISSUER),
    ],
    ids=["exact", "an expression for the issuer", "an expression for the identity"],
)
def test_an_identity_is_verified_by_either_way_to_name_it(required):
    authority = expected_authority(required, ours().trusted_root_bytes(), require_log=True)
    assert by(authority, ours().sign_statement(statement(DIGEST), signer())).conclusion is Conclusion.VERIFIED


def test_a_key_is_verified_with_its_log_or_expressly_without():
    logged, unlogged = (
        ours().sign_statement_keyed(statement(DIGEST), key(), logged=logged) for logged in (True, False)
    )
    root = ours().trusted_root_bytes()
    with_log = expected_authority(KEY, root, require_log=True)
    assert by(with_log, logged).conclusion is Conclusion.VERIFIED
    assert by(with_log, unlogged).conclusion is Conclusion.FAILED
    without_log = expected_authority(KEY, None, require_log=False)
    assert by(without_log, unlogged).conclusion is Conclusion.VERIFIED
    assert by(without_log, logged).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize(
    ("signer", "text"),
    [
        pytest.param(ExpectedSigner(), "issuer: required", id="nobody"),
        pytest.param(ExpectedSigner(identity=SUBJECT), "issuer: required", id="pitfall-9-20: no issuer"),
        pytest.param(ExpectedSigner(issuer=ISSUER), "identity: required", id="pitfall-9-20: no identity"),
        pytest.param(
            ExpectedSigner(identity=SUBJECT, identity_expression="x", issuer=ISSUER),
            "identity: required, exact or as an expression",
            id="an identity both ways",
        ),
        pytest.param(
            ExpectedSigner(identity_expression=".*", issuer=ISSUER), "every identity", id="pitfall-9-18: anybody"
        ),
        pytest.param(ExpectedSigner(identity_expression="(", issuer=ISSUER), "RE2's syntax", id="no expression"),
        pytest.param(ExpectedSigner(key=public_pem(key()), issuer=ISSUER), "not both", id="a key and an identity"),
        pytest.param(ExpectedSigner(key=b"none"), "not a public key", id="no key"),
        pytest.param(ExpectedSigner(key=public_pem(key()), key_hash="md5"), "hashAlgorithm", id="no hash"),
    ],
)
def test_a_signer_that_cannot_be_used_is_refused(signer, text):
    with pytest.raises(PolicyError, match=re.escape(text)):
        expected_authority(signer, ours().trusted_root_bytes(), require_log=True)


@pytest.mark.parametrize(
    ("signer", "root", "text"),
    [
        pytest.param(KEY, None, "trustRoot: required", id="a log without a root"),
        pytest.param(WHO, None, "trustedRoot: required", id="an identity without a root"),
        pytest.param(WHO, b"{}", "trustedRoot:", id="no root"),
    ],
)
def test_a_root_that_is_needed_and_cannot_be_used_is_refused(signer, root, text):
    with pytest.raises(PolicyError, match=re.escape(text)):
        expected_authority(signer, root, require_log=True)


def test_an_identity_makes_a_keyless_authority_and_a_key_a_keyed_one():
    root = ours().trusted_root_bytes()
    assert isinstance(expected_authority(WHO, root, require_log=True), KeylessTrust)
    assert isinstance(expected_authority(KEY, None, require_log=False), KeyTrust)
