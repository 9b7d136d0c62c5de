"""cosign's older attestations: an envelope as the layer's content, and a log's entry in one of three older forms."""

import base64
import hashlib
import json

import pytest

from tests.simulator.pki.sigstore import envelope, statement
from tests.simulator.pki.sigstore_log import b64, canonical
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    OTHER,
    PROVENANCE,
    altered,
    check,
    check_layer,
    ends,
    flipped,
    key,
    keyed,
    keyless,
    ours,
    passes,
    signer,
)
from tidegate.verify.sigstore.bundle import MAX_BUNDLE_BYTES
from tidegate.verify.sigstore.cel import Condition
from tidegate.verify.sigstore.claims import Claims
from tidegate.verify.sigstore.layer import BUNDLE, CERTIFICATE, SIGNATURE
from tidegate.verify.sigstore.procedure import SigstoreStep

PAYLOAD = statement(
    DIGEST,
    predicate_type=PROVENANCE,
    predicate={"a": 1},
    kind="https://in-toto.io/Statement/v0.1",
    name="registry.test/app",
)
BUILT = Claims(predicate_type=PROVENANCE, conditions=(Condition(text="predicate.a == 1"),))
BODIES = ["dsse", "intoto", "intoto-0.0.2"]


def verify(content, annotations, authority=None, *, claims=BUILT):
    return check_layer(content, annotations, authority, claims=claims, attestation=True)


@pytest.mark.parametrize("body", BODIES)
def test_gap_legacy_every_form_of_the_log_s_entry_is_compared(body):
    content, annotations = ours().attest_layer(PAYLOAD, signer(), body=body)
    result = verify(content, annotations)
    passes(result)
    assert [one.number for one in result.steps] == list(SigstoreStep)
    assert result.require().statement.predicate == {"a": 1}
    passes(verify(*ours().attest_layer(PAYLOAD, key(), body=body), keyed()))


def test_gap_legacy_a_key_s_attestation_may_be_unlogged():
    unlogged = keyed(root=None, require_log=False)
    passes(verify(*ours().attest_layer(PAYLOAD, key(), logged=False), unlogged))
    ends(verify(*ours().attest_layer(PAYLOAD, key(), logged=False), keyed()), SigstoreStep.LOG, "one is required")


@pytest.mark.parametrize("body", BODIES)
def test_pitfall_9_8_another_attestation_s_entry_does_not_count(body):
    content, annotations = ours().attest_layer(PAYLOAD, signer(), body=body)
    _, others = ours().attest_layer(statement(OTHER, predicate_type=PROVENANCE), signer(), body=body)
    ends(verify(content, annotations | {BUNDLE: others[BUNDLE]}), SigstoreStep.ENTRY)
    _, again = ours().attest_layer(PAYLOAD, signer(), body=body)
    ends(verify(content, annotations | {BUNDLE: again[BUNDLE]}), SigstoreStep.ENTRY)
    _, by_other = ours().attest_layer(PAYLOAD, ours().signer(), body=body)
    ends(verify(content, annotations | {BUNDLE: by_other[BUNDLE]}), SigstoreStep.ENTRY)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("path", "value", "step"),
    [
        (
            "payload",
            lambda _: b64(statement(DIGEST, predicate_type=PROVENANCE, predicate={"a": 1})),
            SigstoreStep.SIGNATURE,
        ),
        ("payloadType", "application/json", SigstoreStep.MATERIAL),
        ("signatures.0.sig", flipped, SigstoreStep.SIGNATURE),
        ("signatures", [], SigstoreStep.MATERIAL),
        ("signatures", lambda old: old * 2, SigstoreStep.MATERIAL),
        ("unknown", 1, SigstoreStep.MATERIAL),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_altered_envelope_is_refused(body, path, value, step):
    content, annotations = ours().attest_layer(PAYLOAD, signer(), body=body)
    ends(verify(json.dumps(altered(json.loads(content), path, value)).encode(), annotations), step)


def test_an_intoto_entry_is_about_the_envelope_byte_for_byte_since_it_holds_no_signature():
    content, annotations = ours().attest_layer(PAYLOAD, signer(), body="intoto")
    passes(verify(content, annotations))
    ends(verify(content + b" ", annotations), SigstoreStep.ENTRY, "another envelope")
    for body in ("dsse", "intoto-0.0.2"):
        content, annotations = ours().attest_layer(PAYLOAD, signer(), body=body)
        passes(verify(content + b" ", annotations))


def test_an_intoto_entry_of_a_bundle_cannot_be_compared_since_its_envelope_is_not_kept():
    """sigstore-python refuses it too; such bundles are made with other kinds of entries."""
    content, annotations = ours().attest_layer(PAYLOAD, key(), body="intoto")
    body = json.loads(annotations[BUNDLE])["Payload"]["body"]
    entry = ours().log.append(json.loads(base64.b64decode(body)), ours().begin)
    material = {"publicKey": {"hint": ""}, "tlogEntries": [entry]}
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": json.loads(content),
    }
    ends(check(bundle, keyed()), SigstoreStep.ENTRY, "another envelope")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"[" * 10_000, id="pitfall-9-7: endlessly nested"),
        pytest.param(b" " * (MAX_BUNDLE_BYTES + 1), id="pitfall-9-7: huge"),
        pytest.param(json.dumps(envelope(b"", b"x")).encode(), id="no payload"),
        pytest.param(json.dumps(envelope(PAYLOAD, b"")).encode(), id="pitfall-9-1: no signature"),
        pytest.param(json.dumps(envelope(PAYLOAD, b"x"))[:-1].encode() + b', "payload": ""}', id="pitfall-9-10: twice"),
    ],
)
def test_pitfall_9_17_what_is_no_envelope_fails_as_our_error(content):
    _, annotations = ours().attest_layer(PAYLOAD, signer())
    ends(verify(content, annotations), SigstoreStep.MATERIAL)


def test_pitfall_9_9_the_annotated_type_and_signature_are_not_read():
    content, annotations = ours().attest_layer(PAYLOAD, signer())
    assert annotations["predicateType"] != PROVENANCE
    passes(verify(content, annotations | {"predicateType": "", SIGNATURE: "no base64 !"}))
    other = statement(DIGEST, predicate_type="https://other.test", predicate={"a": 1})
    content, annotations = ours().attest_layer(other, signer())
    ends(verify(content, annotations | {"predicateType": PROVENANCE}), SigstoreStep.CLAIMS, "https://other.test")


def test_another_signer_or_another_image_is_refused():
    ends(verify(*ours().attest_layer(PAYLOAD, signer()), keyless(subject="somebody")), SigstoreStep.IDENTITY)
    ends(
        verify(*ours().attest_layer(statement(OTHER, predicate_type=PROVENANCE), signer())), SigstoreStep.SUBJECT, OTHER
    )
    content, annotations = ours().attest_layer(PAYLOAD, signer())
    ends(
        verify(content, {k: v for k, v in annotations.items() if k != CERTIFICATE}),
        SigstoreStep.MATERIAL,
        "long-lived key",
    )


def test_an_attestation_is_no_signature():
    content, annotations = ours().attest_layer(PAYLOAD, signer())
    ends(verify(content, annotations, claims=Claims()), SigstoreStep.CLAIMS, "predicate type")
    ends(check_layer(content, annotations), SigstoreStep.MATERIAL, SIGNATURE)
    moved = annotations | {SIGNATURE: json.loads(content)["signatures"][0]["sig"]}
    ends(check_layer(content, moved), SigstoreStep.SIGNATURE)


def test_the_entry_s_own_hash_may_be_another_than_sha256():
    """Rekor's schemas name the algorithm; the comparison follows it, among the three that are known."""
    content, annotations = ours().attest_layer(PAYLOAD, key(), body="intoto")
    wire = json.loads(annotations[BUNDLE])
    body = json.loads(base64.b64decode(wire["Payload"]["body"]))
    for algorithm, ok in (("sha512", True), ("sha1", False)):
        body["spec"]["content"]["payloadHash"] = {
            "algorithm": algorithm,
            "value": hashlib.new(algorithm, PAYLOAD).hexdigest(),
        }
        text = canonical(body)
        promise = ours().log.promise(text, wire["Payload"]["integratedTime"], wire["Payload"]["logIndex"])
        changed = {
            "SignedEntryTimestamp": b64(promise),
            "Payload": wire["Payload"] | {"body": b64(text)},
        }
        result = verify(content, annotations | {BUNDLE: json.dumps(changed)}, keyed())
        passes(result) if ok else ends(result, SigstoreStep.ENTRY, "sha1")
