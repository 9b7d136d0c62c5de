"""Files alone: what a conformance suite drives, where unusable arguments say nothing about the signature."""

import json
from datetime import timedelta

import pytest

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, public_pem, statement
from tests.unit.verify.sigstore.cases import DIGEST, MANIFEST, OTHER, PROVENANCE, key, ours, signer
from tidegate.errors import PolicyError
from tidegate.verify.sigstore.authority import KeyAuthority, KeylessAuthority
from tidegate.verify.sigstore.offline import DemandedSigner, demanded_authority, verify_files
from tidegate.verify.sigstore.procedure import Outcome
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE

WHO = DemandedSigner(identity=SUBJECT, issuer=ISSUER)
KEY = DemandedSigner(key=public_pem(key()))


def bundle(made=None):
    return json.dumps(made or ours().sign_statement(statement(DIGEST), signer())).encode()


def verify(**changes):
    given = {
        "bundle": bundle(),
        "signer": WHO,
        "at": NOW,
        "digest": DIGEST,
        "trusted_root": ours().trusted_root_bytes(),
    }
    return verify_files(**(given | changes))


def keyed(made, **changes):
    return verify(bundle=bundle(made), signer=KEY, **changes)


@pytest.mark.parametrize(
    "signer",
    [
        WHO,
        DemandedSigner(identity=SUBJECT, issuer_expression=r"https://token\.actions\.githubusercontent\.com"),
        DemandedSigner(identity_expression=r"https://github\.com/acme/.+", issuer=ISSUER),
    ],
    ids=["exact", "an expression for the issuer", "an expression for the identity"],
)
def test_an_identity_is_verified_by_either_way_to_name_it(signer):
    assert verify(signer=signer).outcome is Outcome.OK


def test_the_digest_may_be_given_or_taken_of_the_artifact():
    for given in ({"digest": DIGEST}, {"artifact": MANIFEST, "digest": None}, {"digest": DIGEST, "artifact": MANIFEST}):
        assert verify(**given).outcome is Outcome.OK
    assert verify(digest=OTHER).outcome is Outcome.FAILED
    assert verify(artifact=b"another", digest=None).outcome is Outcome.FAILED


def test_a_key_is_verified_with_its_log_or_expressly_without():
    logged, unlogged = (
        ours().sign_statement_keyed(statement(DIGEST), key(), logged=logged) for logged in (True, False)
    )
    assert keyed(logged).outcome is Outcome.OK
    assert keyed(unlogged).outcome is Outcome.FAILED
    assert keyed(unlogged, require_log=False, trusted_root=None).outcome is Outcome.OK
    assert keyed(logged, require_log=False).outcome is Outcome.OK


def test_the_predicate_type_is_any_unless_one_is_demanded():
    attested = bundle(ours().sign_statement(statement(DIGEST, predicate_type=PROVENANCE), signer()))
    assert verify(bundle=attested).outcome is Outcome.OK
    assert verify(bundle=attested, predicate_type=PROVENANCE).outcome is Outcome.OK
    assert verify(bundle=attested, predicate_type=COSIGN_SIGNATURE).outcome is Outcome.FAILED


def test_the_time_is_the_given_one():
    assert verify(at=NOW + timedelta(days=900)).outcome is Outcome.OK
    assert verify(at=NOW - timedelta(days=1)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"at": NOW.replace(tzinfo=None)}, "at: expected a time with a zone", id="a time without zone"),
        pytest.param({"digest": None}, "a digest or the artifact itself is required", id="no digest"),
        pytest.param({"digest": "sha256:00"}, "64 hexadecimal digits", id="a short digest"),
        pytest.param({"digest": "sha512:" + "0" * 128}, "64 hexadecimal digits", id="another hash"),
        pytest.param({"digest": OTHER, "artifact": MANIFEST}, "the artifact has another", id="two digests"),
        pytest.param({"signer": DemandedSigner()}, "issuer: required", id="nobody"),
        pytest.param({"signer": DemandedSigner(identity=SUBJECT)}, "issuer: required", id="pitfall-9-20: no issuer"),
        pytest.param({"signer": DemandedSigner(issuer=ISSUER)}, "identity: required", id="pitfall-9-20: no identity"),
        pytest.param(
            {"signer": DemandedSigner(identity=SUBJECT, identity_expression="x", issuer=ISSUER)},
            "identity: required, exact or as an expression",
            id="an identity both ways",
        ),
        pytest.param(
            {"signer": DemandedSigner(identity_expression=".*", issuer=ISSUER)},
            "just anybody",
            id="pitfall-9-18: anybody",
        ),
        pytest.param(
            {"signer": DemandedSigner(identity_expression="(", issuer=ISSUER)}, "RE2's syntax", id="no expression"
        ),
        pytest.param(
            {"signer": DemandedSigner(key=public_pem(key()), issuer=ISSUER)}, "not both", id="a key and an identity"
        ),
        pytest.param({"signer": DemandedSigner(key=b"none")}, "no public key", id="no key"),
        pytest.param({"signer": DemandedSigner(key=public_pem(key()), key_hash="md5")}, "hashAlgorithm", id="no hash"),
        pytest.param({"signer": KEY, "trusted_root": None}, "trustRoot: required", id="a log without a root"),
        pytest.param({"trusted_root": None}, "trustedRoot: required", id="an identity without a root"),
        pytest.param({"trusted_root": b"{}"}, "trustedRoot:", id="no root"),
        pytest.param({"predicate_type": ""}, "predicateType: required", id="no predicate type"),
    ],
)
def test_arguments_that_cannot_be_used_leave_the_question_open(changes, text):
    result = verify(**changes)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.proof is None
    assert "nothing could be verified" in str(result.error)
    assert text in str(result.error)


def test_the_same_arguments_raise_where_an_authority_is_made_of_them():
    root = ours().trusted_root_bytes()
    assert isinstance(demanded_authority(WHO, root, require_log=True), KeylessAuthority)
    assert isinstance(demanded_authority(KEY, None, require_log=False), KeyAuthority)
    with pytest.raises(PolicyError, match="not both"):
        demanded_authority(DemandedSigner(key=public_pem(key()), identity=SUBJECT), root, require_log=True)
