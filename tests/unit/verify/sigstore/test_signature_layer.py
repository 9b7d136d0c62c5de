"""cosign's older signatures: everything but the payload stands in annotations that anybody may write."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.pki.sigstore import LEAF_LIFE, NOW, simple_signing, statement
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    OTHER,
    PROVENANCE,
    check_layer,
    ends,
    flipped,
    key,
    keyed,
    keyless,
    ours,
    passes,
    root,
    signer,
    strangers,
    within,
)
from tidegate.verify.sigstore.claims import CLOCK_SKEW, Claims
from tidegate.verify.sigstore.layer import BUNDLE, CERTIFICATE, MAX_ANNOTATION_CHARACTERS, SIGNATURE, TIMESTAMP
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.sigstore.simple_signing import MAX_PAYLOAD_BYTES
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE

PAYLOAD = simple_signing(DIGEST)
KEYLESS_STEPS = [step for step in SigstoreStep if step is not SigstoreStep.CONDITIONS]
KEYED_STEPS = [
    step for step in KEYLESS_STEPS if step not in {SigstoreStep.CERTIFICATE, SigstoreStep.CHAIN, SigstoreStep.SCT}
]


def annotations(by=None, payload=PAYLOAD, **more):
    return ours().sign_layer(payload, by or signer(), **more)


def stamped_at(time):
    """Return the annotations of a signature that was logged at NOW, with a timestamp of another time."""
    given = annotations()
    answer = ours().tsa.answer(base64.b64decode(given[SIGNATURE]), time)
    return given | {TIMESTAMP: json.dumps({"SignedRFC3161Timestamp": b64(answer)})}


def by_key(payload=PAYLOAD, **more):
    return ours().sign_layer_keyed(payload, key(), **more)


def entry(given):
    return json.loads(given[BUNDLE])


def with_entry(given, **payload):
    """Return the annotations with fields of the log's entry replaced."""
    wire = entry(given)
    wire["Payload"] |= payload
    return given | {BUNDLE: json.dumps(wire)}


def test_gap_legacy_a_layer_of_an_identity_passes_every_step_in_order():
    result = check_layer(PAYLOAD, annotations())
    passes(result)
    assert [one.number for one in result.steps] == KEYLESS_STEPS
    proof = result.require()
    assert (proof.signed_at, proof.repository, proof.statement) == (NOW, "registry.test/app", None)
    assert proof.log_index == entry(annotations())["Payload"]["logIndex"] - 1


def test_gap_legacy_a_layer_of_a_key_passes_every_step_in_order():
    result = check_layer(PAYLOAD, by_key(), keyed())
    passes(result)
    assert [one.number for one in result.steps] == KEYED_STEPS
    assert result.require().signed_at == NOW
    unlogged = check_layer(PAYLOAD, by_key(logged=False), keyed(root=None, require_log=False))
    passes(unlogged)
    assert unlogged.require().signed_at is None


def test_no_clock_stands_in_for_the_log():
    stamped = annotations(logged=False, timestamped=True)
    ends(check_layer(PAYLOAD, stamped), SigstoreStep.LOG, "one is required")
    nothing = check_layer(PAYLOAD, annotations(logged=False))
    ends(nothing, SigstoreStep.TIME, "no log entry and no trusted timestamp")
    nobody = keyless(trust=root(timestampAuthorities=[]))
    ends(check_layer(PAYLOAD, stamped, nobody), SigstoreStep.TIME, "the signing time is unknown")
    foreign = strangers().sign_layer(PAYLOAD, signer(), logged=False, timestamped=True)
    ends(check_layer(PAYLOAD, foreign), SigstoreStep.TIME, "the signing time is unknown")


def test_an_entry_is_verified_beside_a_timestamp():
    stamped = with_entry(annotations(timestamped=True), logIndex=3)
    ends(check_layer(PAYLOAD, stamped), SigstoreStep.LOG, "signature")


def test_a_key_s_signature_is_no_identity_s_and_the_reverse():
    ends(check_layer(PAYLOAD, by_key()), SigstoreStep.MATERIAL, "long-lived key")
    ends(check_layer(PAYLOAD, annotations(), keyed()), SigstoreStep.SIGNATURE)


def test_pitfall_9_9_a_certificate_beside_a_key_s_signature_changes_nothing():
    dressed = by_key() | {CERTIFICATE: signer().pem.decode()}
    ends(check_layer(PAYLOAD, dressed), SigstoreStep.SIGNATURE, "certificate's key")
    passes(check_layer(PAYLOAD, dressed, keyed()))


@pytest.mark.parametrize(
    "change",
    [
        {"dev.sigstore.cosign/chain": "no PEM at all"},
        {"dev.sigstore.cosign/chain": ""},
        {"predicateType": PROVENANCE},
        {"anything": "else"},
    ],
    ids=["a broken chain", "no chain", "a type", "others"],
)
def test_pitfall_9_9_annotations_that_prove_nothing_are_not_read(change):
    passes(check_layer(PAYLOAD, annotations() | change))


def test_another_signer_is_refused():
    ends(check_layer(PAYLOAD, annotations(), keyless(subject="somebody")), SigstoreStep.IDENTITY)
    foreign = strangers().sign_layer(PAYLOAD, strangers().signer())
    ends(check_layer(PAYLOAD, foreign), SigstoreStep.CHAIN)
    ends(check_layer(PAYLOAD, strangers().sign_layer(PAYLOAD, signer())), SigstoreStep.LOG, "signature")
    ends(check_layer(PAYLOAD, annotations(ours().signer(scts=0))), SigstoreStep.SCT)
    ends(check_layer(PAYLOAD, annotations(ours().signer(names=()))), SigstoreStep.CERTIFICATE)


@pytest.mark.parametrize(
    ("late", "ok"),
    [
        (timedelta(0), True),
        (LEAF_LIFE, True),
        (LEAF_LIFE + timedelta(seconds=1), False),
        (-timedelta(seconds=2), False),
    ],
)
@pytest.mark.parametrize("clock", ["log", "timestamp"])
def test_the_certificate_must_be_valid_when_it_was_signed(late, ok, clock):
    given = annotations(at=NOW + late) if clock == "log" else stamped_at(NOW + late)
    result = check_layer(PAYLOAD, given, now=NOW + LEAF_LIFE * 2)
    passes(result) if ok else ends(result, SigstoreStep.CHAIN)


def test_every_clock_s_time_must_be_in_the_certificate_s_life():
    early, late = annotations(), annotations(at=NOW + 2 * LEAF_LIFE, timestamped=True)
    both = early | {TIMESTAMP: late[TIMESTAMP], SIGNATURE: late[SIGNATURE]}
    ends(check_layer(PAYLOAD, both, now=NOW + 3 * LEAF_LIFE), SigstoreStep.CHAIN)


@pytest.mark.parametrize(
    ("field", "step"),
    [("certificateAuthorities", SigstoreStep.CHAIN), ("ctlogs", SigstoreStep.SCT), ("tlogs", SigstoreStep.LOG)],
)
@pytest.mark.parametrize(
    ("start", "end", "ok"),
    [
        pytest.param(timedelta(0), timedelta(0), True, id="both ends belong to it"),
        pytest.param(timedelta(seconds=1), None, False, id="not yet"),
        pytest.param(-timedelta(days=9), -timedelta(seconds=1), False, id="pitfall-9-16: no longer"),
    ],
)
def test_gap_windows_keys_and_authorities_count_in_their_window_only(field, step, start, end, ok):
    result = check_layer(PAYLOAD, annotations(), keyless(trust=root(**within(field, start, end))))
    passes(result) if ok else ends(result, step, "valid")


@pytest.mark.parametrize(("ahead", "ok"), [(CLOCK_SKEW, True), (CLOCK_SKEW + timedelta(seconds=1), False)])
def test_pitfall_9_16_a_time_that_has_not_come_is_a_wrong_clock(ahead, ok):
    result = check_layer(PAYLOAD, annotations(), now=NOW - ahead)
    passes(result) if ok else ends(result, SigstoreStep.TIME, "clocks")


@pytest.mark.parametrize(
    ("change", "step"),
    [
        pytest.param(lambda a: a | {SIGNATURE: flipped(a[SIGNATURE])}, SigstoreStep.SIGNATURE, id="the signature"),
        pytest.param(lambda a: a | {SIGNATURE: ""}, SigstoreStep.MATERIAL, id="pitfall-9-1: no signature"),
        pytest.param(
            lambda a: a | {SIGNATURE: a[SIGNATURE] + "\n"}, SigstoreStep.MATERIAL, id="pitfall-9-10: base64 junk"
        ),
        pytest.param(lambda a: a | {SIGNATURE: 7}, SigstoreStep.MATERIAL, id="a number"),
        pytest.param(
            lambda a: a | {SIGNATURE: "A" * (MAX_ANNOTATION_CHARACTERS + 4)},
            SigstoreStep.MATERIAL,
            id="pitfall-9-7: too long",
        ),
        pytest.param(
            lambda a: a | {SIGNATURE: b64(b"x" * 20_000)}, SigstoreStep.MATERIAL, id="pitfall-9-7: a long signature"
        ),
        pytest.param(lambda a: {k: v for k, v in a.items() if k != BUNDLE}, SigstoreStep.TIME, id="no entry"),
        pytest.param(lambda a: a | {BUNDLE: "{}"}, SigstoreStep.MATERIAL, id="an empty entry"),
        pytest.param(lambda a: a | {BUNDLE: "nonsense"}, SigstoreStep.MATERIAL, id="no JSON"),
        pytest.param(lambda a: a | {BUNDLE: "\udcff"}, SigstoreStep.MATERIAL, id="half a character"),
        pytest.param(
            lambda a: a | {BUNDLE: a[BUNDLE][:-1] + ', "x": 1}'}, SigstoreStep.MATERIAL, id="an unknown field"
        ),
        pytest.param(
            lambda a: a | {BUNDLE: a[BUNDLE][:-1] + ', "Payload": {}}'},
            SigstoreStep.MATERIAL,
            id="pitfall-9-10: a key twice",
        ),
        pytest.param(
            lambda a: a | {BUNDLE: json.dumps(entry(a) | {"SignedEntryTimestamp": b64(b"x")})},
            SigstoreStep.LOG,
            id="the promise",
        ),
        pytest.param(
            lambda a: with_entry(a, integratedTime=int(NOW.timestamp()) + 1), SigstoreStep.LOG, id="another second"
        ),
        pytest.param(lambda a: with_entry(a, integratedTime=0), SigstoreStep.MATERIAL, id="no time"),
        pytest.param(lambda a: with_entry(a, integratedTime=-1), SigstoreStep.MATERIAL, id="a time before time"),
        pytest.param(
            lambda a: with_entry(a, integratedTime=1 << 60), SigstoreStep.MATERIAL, id="a time that is no date"
        ),
        pytest.param(lambda a: with_entry(a, integratedTime=1.5), SigstoreStep.MATERIAL, id="half a second"),
        pytest.param(lambda a: with_entry(a, integratedTime="1"), SigstoreStep.MATERIAL, id="a time in a text"),
        pytest.param(lambda a: with_entry(a, logIndex=-1), SigstoreStep.MATERIAL, id="a negative index"),
        pytest.param(
            lambda a: with_entry(a, logIndex=1 << 53), SigstoreStep.MATERIAL, id="an index past what JSON keeps"
        ),
        pytest.param(lambda a: with_entry(a, logIndex=1), SigstoreStep.LOG, id="another index"),
        pytest.param(lambda a: with_entry(a, logID="00" * 32), SigstoreStep.LOG, id="another log's id"),
        pytest.param(lambda a: with_entry(a, logID="00" * 31), SigstoreStep.MATERIAL, id="a short id"),
        pytest.param(
            lambda a: with_entry(a, logID="AA" * 32), SigstoreStep.MATERIAL, id="pitfall-9-10: capital letters"
        ),
        pytest.param(lambda a: with_entry(a, logID="xx" * 32), SigstoreStep.MATERIAL, id="no hexadecimal"),
        pytest.param(lambda a: with_entry(a, body=b64(b"[]")), SigstoreStep.MATERIAL, id="a body that is a list"),
        pytest.param(lambda a: with_entry(a, body=""), SigstoreStep.MATERIAL, id="no body"),
        pytest.param(
            lambda a: with_entry(a, body=b64(b'{"kind": "hashedrekord", "apiVersion": "0.0.1"}')),
            SigstoreStep.LOG,
            id="the body",
        ),
        pytest.param(lambda a: a | {CERTIFICATE: ""}, SigstoreStep.MATERIAL, id="no certificate"),
        pytest.param(
            lambda a: a | {CERTIFICATE: "\udcff"}, SigstoreStep.CERTIFICATE, id="no certificate but half a character"
        ),
        pytest.param(lambda a: a | {CERTIFICATE: a[CERTIFICATE] * 2}, SigstoreStep.CERTIFICATE, id="two certificates"),
        pytest.param(
            lambda a: a | {CERTIFICATE: ours().intermediate.public_bytes(Encoding.PEM).decode()},
            SigstoreStep.CERTIFICATE,
            id="pitfall-9-15: an authority's",
        ),
        pytest.param(
            lambda a: a | {CERTIFICATE: ours().signer().pem.decode()},
            SigstoreStep.SIGNATURE,
            id="the same identity's other certificate",
        ),
        pytest.param(lambda a: a | {TIMESTAMP: "{}"}, SigstoreStep.MATERIAL, id="an empty timestamp"),
        pytest.param(
            lambda a: a | {TIMESTAMP: json.dumps({"SignedRFC3161Timestamp": b64(b"x" * 70_000)})},
            SigstoreStep.MATERIAL,
            id="pitfall-9-7: a long timestamp",
        ),
        pytest.param(
            lambda a: a | {TIMESTAMP: json.dumps({"SignedRFC3161Timestamp": b64(b"x")})},
            SigstoreStep.TIME,
            id="no timestamp",
        ),
        pytest.param(
            lambda a: a | {BUNDLE: annotations(payload=simple_signing(OTHER))[BUNDLE]},
            SigstoreStep.ENTRY,
            id="pitfall-9-8: another signature's entry",
        ),
        pytest.param(
            lambda a: a | {BUNDLE: annotations()[BUNDLE]},
            SigstoreStep.ENTRY,
            id="the entry of the same content signed again",
        ),
        pytest.param(
            lambda a: a | {BUNDLE: annotations(ours().signer())[BUNDLE]},
            SigstoreStep.ENTRY,
            id="an entry of another certificate",
        ),
    ],
)
def test_altered_annotations_end_at_the_step_that_they_concern(change, step):
    ends(check_layer(PAYLOAD, change(annotations()), now=NOW + LEAF_LIFE), step)


@pytest.mark.parametrize("text", [7, None, ["x"], "A" * (MAX_ANNOTATION_CHARACTERS + 4)])
def test_pitfall_9_7_an_annotation_is_a_text_of_some_length(text):
    for name in (SIGNATURE, CERTIFICATE, BUNDLE, TIMESTAMP):
        result = check_layer(PAYLOAD, {**annotations(timestamped=True), name: text})
        ends(result, SigstoreStep.MATERIAL, f"{name}: expected a text of up to")


def test_an_altered_payload_is_refused():
    changed = PAYLOAD.replace(b'"optional":null', b'"optional":{"approved":"yes"}')
    ends(check_layer(changed, annotations()), SigstoreStep.SIGNATURE)
    ends(check_layer(changed, by_key(), keyed()), SigstoreStep.SIGNATURE)
    ends(check_layer(b"x" * (MAX_PAYLOAD_BYTES + 1), annotations()), SigstoreStep.MATERIAL, "more than")


def signed_as(payload: bytes, **more):
    return check_layer(payload, annotations(payload=payload), **more)


def changed(**critical):
    content = json.loads(PAYLOAD)
    content["critical"] |= critical
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        pytest.param(simple_signing(OTHER), OTHER, id="pitfall-9-2: another digest"),
        pytest.param(simple_signing(DIGEST.removeprefix("sha256:")), "not " + DIGEST, id="a digest without its kind"),
        pytest.param(simple_signing(DIGEST.upper()), "not " + DIGEST, id="a digest in capital letters"),
        pytest.param(
            changed(image={"Docker-manifest-digest": DIGEST}), "not", id="pitfall-9-10: the name's other case"
        ),
        pytest.param(changed(image={}), "not", id="no digest"),
        pytest.param(changed(image=[DIGEST]), "image is missing", id="a list"),
        pytest.param(changed(identity=None), "identity is missing", id="no identity"),
        pytest.param(changed(identity={"docker-reference": 7}), "unexpected form", id="a number for the repository"),
        pytest.param(changed(type="another"), "unknown type", id="another type"),
        pytest.param(changed(type=["cosign container image signature"]), "unknown type", id="a list as type"),
        pytest.param(b"{}", "critical is missing", id="an empty object"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"[]", "object", id="a list at all"),
        pytest.param(statement(DIGEST), "critical is missing", id="a statement"),
        pytest.param(PAYLOAD[:-1] + b',"critical":{}}', "duplicate", id="pitfall-9-10: a key twice"),
        pytest.param(simple_signing(DIGEST, optional=["x"]), "annotations", id="annotations in a list"),
    ],
)
def test_what_a_demanded_signer_signed_must_still_be_a_signature_of_the_digest(payload, text):
    result = signed_as(payload)
    ends(result, SigstoreStep.SUBJECT, text)


def test_cosign_s_newer_type_counts_too():
    passes(signed_as(changed(type=COSIGN_SIGNATURE)))


def test_pitfall_9_3_the_repository_counts_where_it_is_demanded():
    here = Claims(repository="registry.test/app")
    passes(check_layer(PAYLOAD, annotations(), claims=here))
    passes(signed_as(simple_signing(DIGEST, reference="registry.test/copy")))
    result = signed_as(simple_signing(DIGEST, reference="registry.test/copy"), claims=here)
    ends(result, SigstoreStep.CLAIMS, 'signed for repository "registry.test/copy"')
    for nothing in (changed(identity={}), simple_signing(DIGEST, reference="")):
        ends(signed_as(nothing, claims=here), SigstoreStep.CLAIMS, "None")


def test_annotations_are_read_from_the_signed_payload():
    payload = simple_signing(DIGEST, optional={"env": "prod", "number": 7})
    assert signed_as(payload).require().annotations == {"env": "prod"}
    assert check_layer(PAYLOAD, annotations() | {"env": "prod"}).require().annotations == {}


def test_an_older_signature_is_no_attestation():
    ends(
        check_layer(PAYLOAD, annotations(), claims=Claims(predicate_type=PROVENANCE)),
        SigstoreStep.CLAIMS,
        "predicate type",
    )
    ends(check_layer(PAYLOAD, annotations(), attestation=True), SigstoreStep.MATERIAL, "envelope")
