"""A policy's authority of Sigstore made ready: what the policy says is what is verified by, and nothing else."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, public_pem, simple_signing, statement
from tests.unit.policy.examples import with_spec
from tests.unit.policy.signature_examples import KMS
from tests.unit.verify.sigstore.cases import DIGEST, MANIFEST, OTHER, PROVENANCE, key, ours, signer, strangers
from tidegate.errors import PolicyError, UndeterminedError
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, SignatureArtifact
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.digest import digest_of
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_stores import NO_TRUST, BrokenTrustStore, StoreType, TrustSnapshot, TrustStore
from tidegate.signing import sigstore as by_sigstore
from tidegate.signing.prepare import observe, prepare
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.sigstore import SigstoreVerifier
from tidegate.signing.verifier import MAX_TEXT, SignedImage
from tidegate.verify.notation.revocation.material import RevocationMaterial
from tidegate.verify.sigstore.procedure import carry_out
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE
from tidegate.verify.step import Conclusion

IMAGE = SignedImage(
    repository="registry.test/app",
    manifest=Descriptor(media_type="application/vnd.oci.image.manifest.v1+json", digest=DIGEST, size=len(MANIFEST)),
)
KEYLESS: dict[str, Any] = {"trustedRoot": "ours", "identities": [{"issuer": ISSUER, "subject": SUBJECT}]}
BY_KEY: dict[str, Any] = {"trustedRoot": "ours", "key": {"pem": public_pem(key()).decode()}}
BY_KMS: dict[str, Any] = {"trustedRoot": "ours", "key": {"kms": KMS}}
PAYLOAD = simple_signing(DIGEST)


def store(name="ours", type_=StoreType.SIGSTORE, root: bytes | None = None) -> TrustStore:
    return TrustStore(name=name, uid="", generation=1, type=type_, trusted_root=root or ours().trusted_root_bytes())


def trust(*stores, **keys: bytes | str) -> TrustSnapshot:
    return TrustSnapshot.of(stores or [store()], {KMS: keys["kms"]} if keys else {})


def requirement(sigstore, snapshot=None, **more) -> Requirement:
    spec = {"signatures": {"anyOf": [{"name": "ci", "sigstore": sigstore}]} | more}
    (found,) = requirements_of(parse_policy(with_spec(spec)), trust() if snapshot is None else snapshot).signatures
    return found


def attestation(conditions=(), predicate_type=PROVENANCE) -> Requirement:
    spec = {
        "attestations": [
            {
                "name": "built",
                "predicateType": predicate_type,
                "anyOf": [{"name": "ci", "sigstore": KEYLESS}],
                "conditions": list(conditions),
            }
        ]
    }
    ((_, (found,)),) = requirements_of(parse_policy(with_spec(spec)), trust()).attestations
    return found


def artifact(content: Any, kind=ArtifactKind.SIGSTORE_BUNDLE, annotations=None) -> SignatureArtifact:
    envelope = content if isinstance(content, bytes) else json.dumps(content).encode()
    return SignatureArtifact(
        kind=kind,
        envelope=envelope,
        envelope_media_type="",
        envelope_digest=digest_of(envelope),
        manifest_digest=OTHER,
        subject=None,
        layer_annotations=annotations or {},
    )


def attempt(wanted: Requirement, given: SignatureArtifact):
    verifier = prepare(wanted)
    assert isinstance(verifier, SigstoreVerifier), verifier
    examined = verifier.verify(given, IMAGE, now=NOW, revocation=RevocationMaterial())
    assert examined.questions == ()
    assert examined.attempt.manifest_digest == OTHER
    return examined.attempt


def bundle(by=None, **more):
    return artifact(ours().sign_statement(statement(DIGEST, **more), by or signer()))


def layer(by=None, payload=PAYLOAD):
    return artifact(payload, ArtifactKind.COSIGN_SIGNATURE, ours().sign_layer(payload, by or signer()))


def attested_layer(**more):
    content, annotations = ours().attest_layer(statement(DIGEST, predicate_type=PROVENANCE, **more), signer())
    return artifact(content, ArtifactKind.COSIGN_ATTESTATION, annotations)


@pytest.mark.parametrize("given", [bundle, layer], ids=["bundle", "older layer"])
def test_the_demanded_identity_s_signature_is_a_proof(given):
    found = attempt(requirement(KEYLESS), given())
    assert (found.state, found.clause, found.text, found.logged) == (VerificationState.VERIFIED, "", "", ())
    assert found.signer == f"{SUBJECT} (issuer {ISSUER})"
    assert found.good_until is None


@pytest.mark.parametrize("given", [bundle, layer], ids=["bundle", "older layer"])
@pytest.mark.parametrize(
    "identity",
    [
        {"issuer": ISSUER, "subject": SUBJECT + "x"},
        {"issuer": ISSUER + "x", "subject": SUBJECT},
        {"issuer": ISSUER, "subjectRegExp": "https://github[.]com/acme/"},
        {"issuerRegExp": "https://token[.]actions", "subject": SUBJECT},
    ],
    ids=["pitfall-9-20 subject", "pitfall-9-20 issuer", "pitfall-9-18 subject", "pitfall-9-18 issuer"],
)
def test_anybody_else_s_is_refused_at_the_step_that_says_so(given, identity):
    found = attempt(requirement(KEYLESS | {"identities": [identity]}), given())
    assert (found.state, found.signer) == (VerificationState.FAILED, "")
    assert found.clause == f'signed by "{SUBJECT}" (issuer "{ISSUER}")'
    assert found.accepted.count("ssuer") == 1
    assert SUBJECT in found.text
    assert len(found.text) <= MAX_TEXT


def test_expressions_of_the_policy_fit_whole_names():
    identity = {"issuerRegExp": "https://token[.]actions[.].+", "subjectRegExp": "https://github[.]com/acme/.+"}
    assert attempt(requirement(KEYLESS | {"identities": [identity]}), bundle()).state is VerificationState.VERIFIED


def test_a_key_of_the_policy_or_of_kms_verifies_what_it_signed():
    given = artifact(ours().sign_statement_keyed(statement(DIGEST), key()))
    assert attempt(requirement(BY_KEY), given).state is VerificationState.VERIFIED
    assert (
        attempt(requirement(BY_KMS, trust(store(), kms=public_pem(key()))), given).state is VerificationState.VERIFIED
    )
    other = attempt(requirement(BY_KMS, trust(store(), kms=public_pem(signer().key))), given)
    assert other.state is VerificationState.FAILED
    assert other.clause.startswith("the signature is not by the key with SHA-256 fingerprint ")


def test_a_log_is_demanded_of_a_key_unless_the_policy_says_otherwise():
    given = artifact(ours().sign_statement_keyed(statement(DIGEST), key(), logged=False))
    assert attempt(requirement(BY_KEY), given).state is VerificationState.FAILED
    unlogged = {"key": BY_KEY["key"], "transparencyLog": "NotRequired"}
    assert attempt(requirement(unlogged), given).state is VerificationState.VERIFIED


def test_the_hash_is_the_policy_s():
    given = artifact(ours().sign_statement_keyed(statement(DIGEST), key(), algorithm=hashes.SHA512()))
    assert attempt(requirement(BY_KEY), given).state is VerificationState.FAILED
    named = BY_KEY | {"key": BY_KEY["key"] | {"hashAlgorithm": "sha512"}}
    assert attempt(requirement(named), given).state is VerificationState.VERIFIED


@pytest.mark.parametrize(
    ("keys", "text"),
    [({}, "it has not been read yet"), ({"kms": "access was denied" * 99}, "access was denied")],
    ids=["not read", "not readable"],
)
def test_a_key_of_kms_that_is_not_at_hand_leaves_the_question_open(keys, text):
    found = prepare(requirement(BY_KMS, trust(store(), **keys)))
    assert isinstance(found, UndeterminedError)
    assert text in str(found)
    assert len(str(found)) <= MAX_TEXT


@pytest.mark.parametrize(
    ("stores", "text"),
    [
        pytest.param([store("another")], "there is no TrustStore ours", id="none"),
        pytest.param(
            [BrokenTrustStore(name="ours", uid="", generation=1, problems=("p",))], "cannot be used: p", id="broken"
        ),
        pytest.param([store(type_=StoreType.CA)], "expected one of type sigstore", id="of another type"),
        pytest.param(
            [TrustStore(name="ours", uid="", generation=1, type=StoreType.SIGSTORE)], "of type sigstore", id="empty"
        ),
        pytest.param([store(root=b"{}")], "trustedRoot", id="unreadable"),
    ],
)
@pytest.mark.parametrize("sigstore", [KEYLESS, BY_KEY], ids=["identity", "key"])
def test_a_trusted_root_that_cannot_be_used_leaves_the_question_open(stores, text, sigstore):
    wanted = requirement(sigstore, trust(*stores))
    found = prepare(wanted)
    assert isinstance(found, UndeterminedError)
    assert text in str(found)
    with pytest.raises((UndeterminedError, PolicyError)):
        SigstoreVerifier(wanted.authority, wanted.trust, attestation=None, same_repository=False)  # type: ignore[arg-type]


def test_pitfall_9_3_a_copied_signature_is_refused_where_the_policy_wants_its_repository():
    copied = layer(payload=simple_signing(DIGEST, reference="registry.test/elsewhere"))
    assert attempt(requirement(KEYLESS), copied).state is VerificationState.VERIFIED
    strict = requirement(KEYLESS, sameRepository=True)
    found = attempt(strict, copied)
    assert (found.state, found.clause) == (VerificationState.FAILED, "the signature is for another repository")
    assert attempt(strict, layer()).state is VerificationState.VERIFIED
    # Bundles name none, so nothing can be held against them.
    assert attempt(strict, bundle()).state is VerificationState.VERIFIED


@pytest.mark.parametrize(
    "given", [lambda **m: bundle(predicate_type=PROVENANCE, **m), attested_layer], ids=["bundle", "layer"]
)
def test_an_attestation_s_type_and_conditions_are_the_policy_s(given):
    assert attempt(attestation(["predicate.a == 1"]), given(predicate={"a": 1})).state is VerificationState.VERIFIED
    found = attempt(attestation(["predicate.a == 1", "predicate.a == 2"]), given(predicate={"a": 1}))
    assert (found.state, found.clause) == (VerificationState.FAILED, "condition 2 of the policy is false")
    assert attempt(attestation(predicate_type="https://other.test"), given()).state is VerificationState.FAILED


def test_the_type_that_is_looked_for_first_is_the_one_that_is_demanded():
    for wanted, kind in ((attestation(), PROVENANCE), (requirement(KEYLESS), COSIGN_SIGNATURE)):
        verifier = prepare(wanted)
        assert isinstance(verifier, SigstoreVerifier)
        assert verifier.predicates == {kind}


def test_a_signature_is_no_attestation_and_the_reverse():
    assert attempt(attestation(), bundle()).state is VerificationState.FAILED
    assert attempt(attestation(), layer()).state is VerificationState.FAILED
    assert attempt(requirement(KEYLESS), bundle(predicate_type=PROVENANCE)).state is VerificationState.FAILED
    # Not asked for as a signature; and if it were, it would be none.
    assert ArtifactKind.COSIGN_ATTESTATION not in requirement(KEYLESS).kinds
    assert attempt(requirement(KEYLESS), attested_layer()).state is VerificationState.FAILED


def test_pitfall_9_17_a_stranger_s_or_a_broken_one_fails_in_words():
    foreign = artifact(strangers().sign_statement(statement(DIGEST), strangers().signer()))
    assert attempt(requirement(KEYLESS), foreign).state is VerificationState.FAILED
    found = attempt(requirement(KEYLESS), artifact(b"\xff" * 1000))
    assert (found.state, found.clause) == (VerificationState.FAILED, "the signature is malformed")
    assert found.text.isprintable()


def test_an_observer_is_given_every_step():
    wanted, seen = requirement(KEYLESS), []
    observe(wanted, lambda *given: seen.append(given))
    verifier = prepare(wanted)
    assert isinstance(verifier, SigstoreVerifier)
    signature = bundle()
    examined = verifier.verify(signature, IMAGE, now=NOW, revocation=RevocationMaterial())
    ((artifact, image, shown),) = seen
    assert (artifact, image, examined.attempt.state) == (signature, IMAGE, VerificationState.VERIFIED)
    assert shown.conclusion is Conclusion.VERIFIED
    assert [one.number for one in shown.steps] == list(range(1, 12))


def test_an_authority_that_cannot_be_used_is_not_observed():
    observe(requirement(KEYLESS, NO_TRUST), lambda *_: pytest.fail("nothing was verified"))


def test_pitfall_9_5_whatever_somebody_puts_at_the_tag_only_refusal_can_follow():
    good, foreign = layer(), strangers().sign_layer(PAYLOAD, strangers().signer())
    for content, annotations in (
        (PAYLOAD, {}),
        (PAYLOAD, foreign),
        (b"", good.layer_annotations),
        (simple_signing(OTHER), good.layer_annotations),
        (good.envelope, dict.fromkeys(good.layer_annotations, "")),
        (b"{}", dict.fromkeys(good.layer_annotations, "{}")),
    ):
        given = artifact(content, ArtifactKind.COSIGN_SIGNATURE, annotations)
        assert attempt(requirement(KEYLESS), given).state is VerificationState.FAILED


@pytest.mark.parametrize("given", [bundle, layer], ids=["bundle", "older layer"])
def test_pitfall_9_14_a_signature_of_a_child_is_none_of_its_index_and_the_reverse(given):
    verifier = prepare(requirement(KEYLESS))
    assert isinstance(verifier, SigstoreVerifier)
    index = Descriptor(media_type="application/vnd.oci.image.index.v1+json", digest=OTHER, size=7)
    about_index = SignedImage(repository=IMAGE.repository, manifest=index)
    for image, state in ((IMAGE, VerificationState.VERIFIED), (about_index, VerificationState.FAILED)):
        found = verifier.verify(given(), image, now=NOW, revocation=RevocationMaterial())
        assert found.attempt.state is state


def test_pitfall_9_13_another_state_of_the_trust_stores_is_another_demand():
    """Proofs are kept by demand, so that none outlives the root that it was proved by."""
    policy = parse_policy(with_spec({"signatures": {"anyOf": [{"name": "ci", "sigstore": KEYLESS}]}}))
    before, after = trust(), trust(store(root=strangers().trusted_root_bytes()))
    (old,), (new,) = requirements_of(policy, before).signatures, requirements_of(policy, after).signatures
    assert old is requirements_of(policy, before).signatures[0]
    assert old != new
    assert attempt(old, bundle()).state is VerificationState.VERIFIED
    assert attempt(new, bundle()).state is VerificationState.FAILED


def test_pitfall_9_11_no_url_of_a_trusted_root_is_contacted(socket_disabled):
    """The root names where logs and authorities are; whoever wrote it cannot make the gate call there."""
    root = ours().trusted_root()
    for one in (*root["tlogs"], *root["ctlogs"]):
        one["baseUrl"] = "http://169.254.169.254/latest/meta-data/"
    for one in (*root["certificateAuthorities"], *root["timestampAuthorities"]):
        one["uri"] = "http://169.254.169.254/latest/meta-data/"
    found = requirement(KEYLESS, trust(store(root=json.dumps(root).encode())))
    assert attempt(found, bundle()).state is VerificationState.VERIFIED
    assert attempt(found, layer()).state is VerificationState.VERIFIED


@pytest.mark.parametrize(
    ("sigstore", "field", "words"),
    [
        pytest.param(KEYLESS, "tlogs", "transparency log", id="keyless, no log"),
        pytest.param(KEYLESS, "ctlogs", "certificate transparency log", id="keyless, no log of certificates"),
        pytest.param(KEYLESS, "certificateAuthorities", "certificate authority", id="keyless, no authority"),
        pytest.param(BY_KEY, "tlogs", "transparency log", id="keyed, no log"),
    ],
)
def test_a_root_by_which_nothing_can_be_verified_is_found_before_any_signature(sigstore, field, words):
    """Else a stranger's signature would be what cannot be decided, and not the policy."""
    root = store(root=ours().trusted_root_bytes(**{field: []}))
    found = prepare(requirement(sigstore, trust(root)))
    assert isinstance(found, UndeterminedError)
    assert f"trustedRoot: it has no {words}" in str(found)


def test_a_key_without_a_log_needs_none():
    root = store(root=ours().trusted_root_bytes(tlogs=[], ctlogs=[], certificateAuthorities=[]))
    found = prepare(requirement(BY_KEY | {"transparencyLog": "NotRequired"}, trust(root)))
    assert isinstance(found, SigstoreVerifier)


def test_what_cannot_be_decided_of_a_signature_is_no_signature(monkeypatch):
    """The authority was found usable before, so that it is none of ours."""

    def undecided(*_: Any, **__: Any) -> Any:
        return carry_out(lambda _: refuse())

    def refuse() -> Any:
        raise UndeterminedError("who knows")

    monkeypatch.setattr(by_sigstore, "verify_artifact", undecided)
    verifier = prepare(requirement(KEYLESS))
    assert isinstance(verifier, SigstoreVerifier)
    examined = verifier.verify(artifact({}), IMAGE, now=NOW, revocation=RevocationMaterial())
    assert examined.attempt.state is VerificationState.FAILED
