"""Keyless bundles with the older entries of transparency logs, and with longer hashes."""

import hashlib

import pytest

from tests.simulator.pki.sigstore import statement
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    ENTRY,
    MANIFEST,
    OTHER,
    altered,
    check,
    ends,
    flipped,
    keyless,
    ours,
    passes,
    signer,
    strangers,
)
from tidegate.verify.sigstore.claims import Artifact
from tidegate.verify.sigstore.procedure import SigstoreStep


# Entries of the kind intoto 0.0.2, which older attestations have and sigstore-python does not know
def attested(**options):
    return ours().sign_statement(statement(DIGEST), signer(), body="intoto-0.0.2", **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"timestamped": True}, {"timestamped": True, "integrated": False}],
    ids=["by the log's time", "by both times", "by a timestamp"],
)
def test_a_bundle_with_an_older_log_entry_is_verified(options):
    found = check(attested(**options))
    passes(found)
    taken = [one.number for one in found.steps]
    assert taken == [step for step in SigstoreStep if step <= SigstoreStep.CLAIMS]


def test_an_older_log_entry_without_any_time_is_refused():
    ends(check(attested(integrated=False)), SigstoreStep.TIME)


@pytest.mark.parametrize(
    ("path", "value", "step"),
    [
        ("dsseEnvelope.payload", lambda _: b64(statement(OTHER)), SigstoreStep.SIGNATURE),
        ("dsseEnvelope.signatures.0.sig", flipped, SigstoreStep.SIGNATURE),
        ("verificationMaterial.certificate.rawBytes", flipped, SigstoreStep.CHAIN),
        (f"{ENTRY}.inclusionPromise.signedEntryTimestamp", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionPromise", None, SigstoreStep.TIME),
        (f"{ENTRY}.integratedTime", lambda old: str(int(old) + 1), SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.rootHash", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.canonicalizedBody", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.kindVersion.version", "0.0.1", SigstoreStep.TIME),
        (f"{ENTRY}.kindVersion.kind", "dsse", SigstoreStep.TIME),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_altered_bundle_with_an_older_entry_ends_at_the_step_that_it_concerns(path, value, step):
    ends(check(altered(attested(), path, value)), step)


def test_pitfall_9_8_an_older_log_entry_of_another_signature_does_not_count():
    """CVE-2022-36056, for this kind of entry."""
    other = ours().sign_statement(statement(DIGEST, predicate={"other": True}), signer(), body="intoto-0.0.2")
    entry = other["verificationMaterial"]["tlogEntries"][0]
    ends(check(altered(attested(), ENTRY, entry)), SigstoreStep.ENTRY, "another payload")
    strange = ours().sign_statement(statement(DIGEST), ours().signer(), body="intoto-0.0.2")
    entry = strange["verificationMaterial"]["tlogEntries"][0]
    ends(check(altered(attested(), ENTRY, entry)), SigstoreStep.ENTRY, "another signature")


def test_an_older_log_entry_of_an_artifact_is_refused_in_our_words():
    entry = attested()["verificationMaterial"]["tlogEntries"][0]
    found = check(altered(ours().sign_artifact(MANIFEST, signer()), ENTRY, entry))
    ends(found, SigstoreStep.TIME, 'log entries of kind "intoto 0.0.2" cannot be compared')


def test_the_oldest_kind_of_log_entry_is_refused_in_our_words():
    """It holds no signature, so that it may be that of another one."""
    found = check(ours().sign_statement(statement(DIGEST), signer(), body="intoto"))
    ends(found, SigstoreStep.TIME, 'log entries of kind "intoto 0.0.1" cannot be compared')


def test_an_older_log_entry_proves_no_other_identity():
    ends(check(attested(), keyless(subject="someone-else@sigstore.test")), SigstoreStep.IDENTITY)
    strange = strangers().sign_statement(statement(DIGEST), strangers().signer(), body="intoto-0.0.2")
    ends(check(strange), SigstoreStep.CHAIN)


# Subjects by other hashes
SHA512 = hashlib.sha512(MANIFEST).hexdigest()


@pytest.mark.parametrize(
    ("digests", "ok"),
    [
        ({"sha512": SHA512}, True),
        ({"sha384": hashlib.sha384(MANIFEST).hexdigest()}, True),
        ({"sha512": SHA512, "sha256": DIGEST.removeprefix("sha256:")}, True),
        ({"sha512": SHA512, "sha256": OTHER.removeprefix("sha256:")}, False),
        ({"sha512": "00" * 64, "sha256": DIGEST.removeprefix("sha256:")}, False),
        ({"sha512": SHA512.upper()}, False),
        ({"sha1": hashlib.sha1(MANIFEST, usedforsecurity=False).hexdigest()}, False),
        ({"gitCommit": SHA512}, False),
    ],
    ids=["sha512", "sha384", "both", "another sha256", "another sha512", "in capital letters", "sha1", "another name"],
)
def test_a_subject_may_be_named_by_a_longer_hash_where_the_artifact_is_known(digests, ok):
    found = check(ours().sign_statement(statement(DIGEST, subject=[{"digest": digests}]), signer()))
    if ok:
        passes(found)
    else:
        ends(found, SigstoreStep.SUBJECT, f"not {DIGEST}")


def test_by_its_digest_alone_an_artifact_is_named_by_sha256_only():
    content = ours().sign_statement(statement(DIGEST, subject=[{"digest": {"sha512": SHA512}}]), signer())
    ends(check(content, artifact=Artifact(digest=DIGEST)), SigstoreStep.SUBJECT, "no sha256 digest")
