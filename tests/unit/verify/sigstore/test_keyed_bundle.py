"""Bundles of a long-lived key: what sigstore-python leaves out, by our own procedure with the same steps."""

import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.simulator.pki.sigstore import NOW, envelope, keyed_bundle, pae, public_pem, sign_with, statement
from tests.simulator.pki.sigstore_entries import IN_TOTO, intoto_v2_body
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    MANIFEST,
    OTHER,
    altered,
    check,
    ends,
    flipped,
    key,
    keyed,
    ours,
    passes,
    root,
    strangers,
)
from tidegate.errors import PolicyError
from tidegate.verify.sigstore.claims import CLOCK_SKEW, Artifact
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeyTrust
from tidegate.verify.step import StepOutcome

ENTRY = "verificationMaterial.tlogEntries.0"
PROMISE = f"{ENTRY}.inclusionPromise"
STAMPS = "verificationMaterial.timestampVerificationData"
KEYED_STEPS = [
    SigstoreStep.MATERIAL,
    SigstoreStep.TIME,
    SigstoreStep.IDENTITY,
    SigstoreStep.LOG,
    SigstoreStep.SIGNATURE,
    SigstoreStep.ENTRY,
    SigstoreStep.SUBJECT,
    SigstoreStep.CLAIMS,
]
UNLOGGED_STEPS = [
    SigstoreStep.MATERIAL,
    SigstoreStep.IDENTITY,
    SigstoreStep.SIGNATURE,
    SigstoreStep.SUBJECT,
    SigstoreStep.CLAIMS,
]


def signed(by=None, payload=None, **more):
    return ours().sign_statement_keyed(payload or statement(DIGEST), by or key(), **more)


def unlogged(by=None, **more):
    return keyed(by, root=None, require_log=False, **more)


@pytest.mark.parametrize("content", ["statement", "artifact"])
def test_gap_keyed_a_logged_signature_passes_every_step_in_order(content):
    result = check(signed() if content == "statement" else ours().sign_artifact_keyed(MANIFEST, key()), keyed())
    passes(result)
    assert [one.number for one in result.steps] == KEYED_STEPS
    proof = result.require()
    assert (proof.signed_at, proof.signer) == (NOW, parse_public_key(public_pem(key())).signer)
    assert proof.log_index is not None


@pytest.mark.parametrize("content", ["statement", "artifact"])
def test_gap_keyed_without_a_log_nothing_says_when(content):
    sign = signed if content == "statement" else lambda **more: ours().sign_artifact_keyed(MANIFEST, key(), **more)
    result = check(sign(logged=False), unlogged())
    passes(result)
    assert [one.number for one in result.steps] == UNLOGGED_STEPS
    assert (result.require().signed_at, result.require().log_index) == (None, None)


def test_a_log_that_is_demanded_must_hold_the_signature():
    ends(check(signed(logged=False), keyed()), SigstoreStep.LOG, "one is required")
    stamped = signed(logged=False, timestamped=True)
    ends(check(stamped, keyed()), SigstoreStep.LOG, "one is required")
    with pytest.raises(PolicyError, match="trustRoot: required"):
        KeyTrust(key=parse_public_key(public_pem(key())))


def test_a_log_that_is_not_demanded_is_not_looked_at():
    passes(check(altered(signed(), f"{PROMISE}.signedEntryTimestamp", flipped), keyed(require_log=False)))
    result = check(signed(at=NOW + timedelta(days=9)), keyed(require_log=False))
    passes(result)
    assert result.require().signed_at is None


def test_a_timestamp_says_when_where_the_root_has_its_authority():
    bundle = signed(logged=False, timestamped=True)
    assert check(bundle, keyed(require_log=False)).require().signed_at == NOW
    assert check(bundle, unlogged()).require().signed_at is None
    nobody = keyed(require_log=False, root=root(timestampAuthorities=[]))
    assert check(bundle, nobody).require().signed_at is None
    stranger = strangers().sign_statement_keyed(statement(DIGEST), key(), logged=False, timestamped=True)
    assert check(stranger, keyed(require_log=False)).require().signed_at is None
    broken = altered(bundle, f"{STAMPS}.rfc3161Timestamps.0.signedTimestamp", b64(b"no answer"))
    ends(check(broken, keyed(require_log=False)), SigstoreStep.TIME, "unreadable")


def test_the_earliest_of_two_times_is_the_one_that_is_said():
    bundle = signed(timestamped=True)
    later = signed(timestamped=True, at=NOW + timedelta(hours=1))
    assert check(bundle, keyed()).require().signed_at == NOW
    assert check(later, keyed(), now=NOW + timedelta(hours=2)).require().signed_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(("ahead", "ok"), [(CLOCK_SKEW, True), (CLOCK_SKEW + timedelta(seconds=1), False)])
@pytest.mark.parametrize("logged", [True, False], ids=["log", "timestamp"])
def test_pitfall_9_16_a_time_that_has_not_come_is_a_wrong_clock(ahead, ok, logged):
    bundle = signed(logged=logged, timestamped=not logged)
    result = check(bundle, keyed(require_log=logged), now=NOW - ahead)
    passes(result) if ok else ends(result, SigstoreStep.TIME, "clocks")


@pytest.mark.parametrize(
    ("private", "algorithm", "hash_name"),
    [
        pytest.param(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), None, id="P-384"),
        pytest.param(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256(), "sha256", id="P-384, as before 2026"),
        pytest.param(ec.generate_private_key(ec.SECP521R1()), hashes.SHA512(), None, id="P-521"),
        pytest.param(rsa.generate_private_key(65537, 3072), hashes.SHA256(), None, id="RSA"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), None, None, id="Ed25519"),
    ],
)
def test_every_kind_of_key_signs_statements_and_artifacts(private, algorithm, hash_name):
    authority = keyed(private, hash_name=hash_name)
    passes(check(signed(private, algorithm=algorithm), authority))
    passes(check(ours().sign_artifact_keyed(MANIFEST, private, algorithm=algorithm), authority))
    by_digest = check(
        ours().sign_artifact_keyed(MANIFEST, private, algorithm=algorithm), authority, artifact=Artifact(digest=DIGEST)
    )
    if isinstance(algorithm, hashes.SHA256):
        passes(by_digest)
    else:
        ends(by_digest, SigstoreStep.SIGNATURE, "pass the artifact itself")


def test_pitfall_9_8_a_hash_that_the_policy_does_not_name_does_not_count():
    large = ec.generate_private_key(ec.SECP384R1())
    ends(check(signed(large, algorithm=hashes.SHA256()), keyed(large)), SigstoreStep.SIGNATURE)
    ends(check(signed(large, algorithm=hashes.SHA384()), keyed(large, hash_name="sha256")), SigstoreStep.SIGNATURE)


def test_another_key_is_refused_whatever_the_hint_says():
    other = ec.generate_private_key(ec.SECP256R1())
    bundle = signed(other)
    ends(check(bundle, keyed()), SigstoreStep.SIGNATURE, "not by this key")
    hint = signed()["verificationMaterial"]["publicKey"]["hint"]
    ends(check(altered(bundle, "verificationMaterial.publicKey.hint", hint), keyed()), SigstoreStep.SIGNATURE)
    passes(check(altered(signed(), "verificationMaterial.publicKey.hint", "anything"), keyed()))
    passes(check(altered(signed(), "verificationMaterial.publicKey", {}), keyed()))


def test_pitfall_9_2_a_key_s_signature_of_something_else_is_refused():
    ends(check(signed(payload=statement(OTHER)), keyed()), SigstoreStep.SUBJECT, OTHER)
    bundle = ours().sign_artifact_keyed(b"another manifest", key())
    ends(check(bundle, keyed()), SigstoreStep.MATERIAL, "another artifact")
    ends(check(altered(bundle, "messageSignature.messageDigest", None), keyed()), SigstoreStep.SIGNATURE)
    claimed = {"algorithm": "SHA2_512", "digest": b64(hashlib.sha512(b"another manifest").digest())}
    ends(
        check(altered(bundle, "messageSignature.messageDigest", claimed), keyed()),
        SigstoreStep.MATERIAL,
        "another artifact",
    )
    # Without the artifact such a hint says nothing, and the signature decides.
    result = check(
        altered(bundle, "messageSignature.messageDigest", claimed), keyed(), artifact=Artifact(digest=DIGEST)
    )
    ends(result, SigstoreStep.SIGNATURE)


@pytest.mark.parametrize(
    ("path", "value", "step"),
    [
        ("dsseEnvelope.payload", lambda _: b64(statement(DIGEST, predicate={"x": 1})), SigstoreStep.SIGNATURE),
        ("dsseEnvelope.payloadType", "application/json", SigstoreStep.MATERIAL),
        ("dsseEnvelope.signatures.0.sig", flipped, SigstoreStep.SIGNATURE),
        (f"{PROMISE}.signedEntryTimestamp", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.integratedTime", lambda old: str(int(old) + 1), SigstoreStep.LOG),
        (f"{ENTRY}.logIndex", lambda old: str(int(old) + 1), SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.rootHash", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.hashes.0", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.checkpoint.envelope", lambda old: old.replace("- 1", "- 2"), SigstoreStep.LOG),
        (f"{ENTRY}.canonicalizedBody", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.kindVersion.kind", "intoto", SigstoreStep.ENTRY),
        (f"{ENTRY}.kindVersion.version", "0.0.9", SigstoreStep.ENTRY),
        (
            ENTRY,
            lambda _: signed(payload=statement(OTHER))["verificationMaterial"]["tlogEntries"][0],
            SigstoreStep.ENTRY,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_altered_material_ends_at_the_step_that_it_concerns(path, value, step):
    ends(check(altered(signed(), path, value), keyed()), step)


def test_an_entry_without_a_promise_proves_the_log_but_no_time():
    """Its index is then that of the inclusion proof, and the log's keys of today judge it."""
    bundle = altered(signed(), PROMISE, None)
    result = check(altered(bundle, f"{ENTRY}.logIndex", "4711"), keyed())
    passes(result)
    place = int(bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["logIndex"])
    assert (result.require().signed_at, result.require().log_index) == (None, place)


@pytest.mark.parametrize(
    ("now", "promised", "ok"),
    [
        pytest.param(NOW, True, True, id="in the window"),
        pytest.param(NOW + timedelta(days=30), True, True, id="the promise's time counts, not today"),
        pytest.param(NOW, False, True, id="today, without a promise"),
        pytest.param(NOW + timedelta(days=1), False, True, id="the last moment of today"),
        pytest.param(NOW + timedelta(days=1, seconds=1), False, False, id="pitfall-9-16: today, too late"),
    ],
)
def test_gap_windows_the_log_s_key_must_be_valid_when_it_signed_or_now(now, promised, ok):
    (log,) = ours().trusted_root()["tlogs"]
    window = {"start": (NOW - timedelta(days=1)).isoformat(), "end": (NOW + timedelta(days=1)).isoformat()}
    trust = root(tlogs=[log | {"publicKey": log["publicKey"] | {"validFor": window}}])
    bundle = signed() if promised else altered(signed(), PROMISE, None)
    result = check(bundle, keyed(root=trust), now=now)
    passes(result) if ok else ends(result, SigstoreStep.LOG, "no key of a trusted log was valid")


def test_a_trust_root_without_logs_leaves_the_question_open():
    ends(
        check(signed(), keyed(root=root(tlogs=[]))),
        SigstoreStep.LOG,
        "trusted root has no",
        outcome=StepOutcome.UNDECIDED,
    )


def test_a_stranger_s_log_proves_nothing():
    ends(check(strangers().sign_statement_keyed(statement(DIGEST), key()), keyed()), SigstoreStep.LOG)


@pytest.mark.parametrize("integrated", [True, False], ids=["with a time", "without any time"])
def test_a_bundle_with_an_older_log_entry_is_verified(integrated):
    """As the conformance suite has one: an entry of the kind intoto 0.0.2, in a log of one leaf or many."""
    payload = statement(DIGEST)
    signature = sign_with(key(), pae(IN_TOTO, payload))
    entry = ours().log.append(intoto_v2_body(b"", payload, signature, public_pem(key())), NOW, integrated=integrated)
    content = {"dsseEnvelope": envelope(payload, signature)}
    bundle = keyed_bundle(key(), entries=[entry], stamps=[], content=content)
    found = check(bundle, keyed())
    passes(found)
    assert (found.require().signed_at is not None) is integrated
    ends(check(altered(bundle, "dsseEnvelope.signatures.0.sig", flipped), keyed()), SigstoreStep.SIGNATURE)
    other = ours().sign_statement_keyed(payload, key())["verificationMaterial"]["tlogEntries"][0]
    other["kindVersion"] = {"kind": "intoto", "version": "0.0.2"}
    ends(check(altered(bundle, "verificationMaterial.tlogEntries.0", other), keyed()), SigstoreStep.ENTRY)
