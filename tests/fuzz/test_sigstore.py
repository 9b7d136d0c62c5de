"""Sigstore's material, spoilt: nothing but our errors comes out, and nothing altered is accepted.

Each piece is changed as anybody could who may push to a registry. Some are also changed as a demanded signer or an
authority could, which then signs it: that may be believed where it still says what is demanded, and must break nothing.
"""

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_der, changed_json, changed_value, recoded, signed_anew
from tests.fuzz.sigstore_seeds import (
    ATTESTED,
    BUNDLES,
    ENTRIES,
    KEYLESS,
    KEYS,
    LAYERS,
    PAYLOAD,
    ROOT_BYTES,
    SIGNED,
    SIGNER,
    WORLD,
    by_key,
    check_words,
    covered,
    said,
    verified,
    verified_layer,
)
from tests.simulator.pki.sigstore import (
    COSIGN_SIGN,
    ISSUER,
    NOW,
    STATEMENT_V01,
    STATEMENT_V1,
    SUBJECT,
    V03,
    LocalSigstore,
    Signer,
    envelope,
    pae,
    public_pem,
    sign_with,
)
from tests.simulator.pki.sigstore_entries import IN_TOTO, dsse_body
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import DIGEST, keyless
from tests.unit.verify.sigstore.test_predicates import CASES, PREDICATES
from tidegate.errors import PolicyError, VerificationError
from tidegate.verify.sigstore.bundle import parse_bundle, parse_envelope
from tidegate.verify.sigstore.cel import Condition, make_condition
from tidegate.verify.sigstore.certificate import read_leaf
from tidegate.verify.sigstore.claims import Claims
from tidegate.verify.sigstore.conditions import check_conditions
from tidegate.verify.sigstore.layer import BUNDLE, CERTIFICATE, SIGNATURE, TIMESTAMP, SignatureLayer
from tidegate.verify.sigstore.log_body import Signed, check_body
from tidegate.verify.sigstore.proof import KeylessSigner
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import SignerTrust
from tidegate.verify.sigstore.simple_signing import read_simple_signing
from tidegate.verify.sigstore.statement import read_statement
from tidegate.verify.sigstore.trust_root import parse_trust_root


def test_the_seeds_are_accepted() -> None:
    """Else the targets below would prove nothing."""
    assert all(verified(content, authority) for content, authority in BUNDLES)
    assert all(verified_layer(layer, authority, attestation=kind) for layer, authority, kind in LAYERS)


def never_another(seed: bytes, content: bytes, authority: SignerTrust) -> None:
    """Check that the changed bundle is refused, unless all that the signature covers is as it was."""
    with shown(content):
        proof = verified(content, authority)
        if proof is not None:
            assert said(proof) == said(verified(seed, authority))
            assert covered(content) == covered(seed)


@fuzzed()
def test_pitfall_9_17_altered_bundles(rng: Random) -> None:
    """The bundle itself, spoilt blindly or as JSON."""
    seed, authority = rng.choice(BUNDLES)
    never_another(seed, changed_json(rng, seed), authority)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all texts in a JSON value."""
    if isinstance(value, str):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in _places(inner, (*path, key))]


def _put(value: Any, path: tuple[Any, ...], change: Callable[[str], str]) -> None:
    *parents, last = path
    for one in parents:
        value = value[one]
    value[last] = change(value[last])


_INSIDE: dict[str, Callable[[Random, bytes], bytes]] = {
    "payload": changed_json,
    "canonicalizedBody": changed_json,
    "rawBytes": changed_der,
    "signedTimestamp": changed_der,
    "signedEntryTimestamp": changed_der,
    "sig": blind,
    "signature": blind,
}


def _inside(rng: Random, path: tuple[Any, ...]) -> Callable[[str], str]:
    """Return a change of the bytes that a text stands for in base64, or of the text."""
    kind = _INSIDE.get(str(path[-1]))

    def change(text: str) -> str:
        if kind is None:
            return blind(rng, text.encode()).decode("latin-1")
        try:
            return recoded(rng, text, kind, url=False)
        except (ValueError, KeyError, IndexError):  # What it stands for is of another kind: spoilt blindly instead.
            return recoded(rng, text, blind, url=False)

    return change


@fuzzed(examples=200)
def test_pitfall_9_17_altered_bundles_inside(rng: Random) -> None:
    """One of its texts, decoded, changed and encoded again: certificate, statement, entry, checkpoint, timestamp."""
    seed, authority = rng.choice(BUNDLES)
    bundle = json.loads(seed)
    path = rng.choice(_places(bundle))
    _put(bundle, path, _inside(rng, path))
    never_another(seed, json.dumps(bundle).encode(), authority)


@fuzzed()
def test_pitfall_9_8_parts_of_another_bundle(rng: Random) -> None:
    """Everything in it is genuine, and yet it was never signed as one."""
    (seed, authority), (other, _) = rng.choice(BUNDLES), rng.choice(BUNDLES)
    bundle, stranger = json.loads(seed), json.loads(other)
    part = rng.choice(("certificate", "tlogEntries", "timestampVerificationData", "publicKey", "content"))
    if part == "content":
        for name in ("dsseEnvelope", "messageSignature"):
            bundle.pop(name, None)
            bundle |= {name: stranger[name]} if name in stranger else {}
    elif part in stranger["verificationMaterial"]:
        bundle["verificationMaterial"][part] = stranger["verificationMaterial"][part]
    content = json.dumps(bundle).encode()
    with shown(content):
        proof = verified(content, authority)
        if proof is not None:
            # The same signer's other genuine signature may have come with its content.
            genuine = [(one, whose) for one, whose in BUNDLES if covered(one) == covered(content)]
            assert said(proof) in [said(verified(one, whose)) for one, whose in genuine]


@fuzzed(examples=150)
def test_pitfall_9_17_altered_layers(rng: Random) -> None:
    """Content or one annotation of cosign's older signatures and attestations."""
    layer, authority, attestation = rng.choice(LAYERS)
    content, annotations = layer.content, dict(layer.annotations)
    name = rng.choice(("", *(name for name in annotations if name in {SIGNATURE, CERTIFICATE, BUNDLE, TIMESTAMP})))
    if not name:
        content = changed_json(rng, content)
    elif name == SIGNATURE:
        annotations[name] = recoded(rng, annotations[name], blind, url=False)
    elif name == CERTIFICATE:
        der = x509.load_pem_x509_certificate(annotations[name].encode()).public_bytes(Encoding.DER)
        text = base64.encodebytes(changed_der(rng, der)).decode()
        annotations[name] = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    else:
        wire = json.loads(annotations[name])
        path = rng.choice(_places(wire))
        change = _inside(rng, ("signedTimestamp",) if name == TIMESTAMP else path)
        if path[-1] == "body":
            change = _inside(rng, ("canonicalizedBody",))
        if rng.random() < 0.5:
            _put(wire, path, change)
        annotations[name] = json.dumps(wire if rng.random() < 0.7 else changed_value(rng, wire))
    changed = SignatureLayer(content=content, annotations=annotations)
    with shown(json.dumps([content.decode("latin-1"), annotations]).encode()):
        proof = verified_layer(changed, authority, attestation=attestation)
        if proof is not None:
            assert said(proof) == said(verified_layer(layer, authority, attestation=attestation))
            assert attestation or content == layer.content
            assert attestation or annotations[SIGNATURE] == layer.annotations[SIGNATURE]


def _sha256s(payload: bytes) -> list[Any]:
    """Return the digests that a statement names, as any other reader of JSON sees them."""
    return [subject["digest"].get("sha256") for subject in json.loads(payload)["subject"]]


@fuzzed(examples=150)
def test_pitfall_9_10_statements_that_a_demanded_signer_made_up(rng: Random) -> None:
    """The signature is good whatever the statement says: still it counts only for the digest and the type in it."""
    payload = changed_json(rng, rng.choice((SIGNED, ATTESTED)))
    key = KEYS[0]
    content = json.dumps(WORLD.sign_statement_keyed(payload, key, logged=False)).encode()
    with shown(payload):
        proof = verified(content, by_key(key, logged=False), Claims())
        if proof is not None:
            found = json.loads(payload)
            assert DIGEST.removeprefix("sha256:") in _sha256s(payload)
            assert found["_type"] in {STATEMENT_V01, STATEMENT_V1}
            assert found["predicateType"] == COSIGN_SIGN
            assert proof.statement
            assert proof.statement.predicate == (found.get("predicate") or {})


@fuzzed()
def test_pitfall_9_10_older_payloads_that_a_demanded_signer_made_up(rng: Random) -> None:
    payload = changed_json(rng, PAYLOAD)
    layer = SignatureLayer(content=payload, annotations=WORLD.sign_layer_keyed(payload, KEYS[0], logged=False))
    with shown(payload):
        proof = verified_layer(layer, by_key(KEYS[0], logged=False), attestation=False)
        if proof is not None:
            assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == DIGEST


@fuzzed()
def test_pitfall_9_15_certificates_that_the_authority_made_up(rng: Random) -> None:
    """Signed by the trusted authority, whatever is in it; the log of certificates saw another."""
    der = signed_anew(rng, SIGNER.der, lambda tbs: WORLD.ca_key.sign(tbs, ec.ECDSA(hashes.SHA256())))
    with shown(der):
        try:
            leaf = read_leaf(der)
        except VerificationError:
            leaf = None
        pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n".encode()
        signature = sign_with(SIGNER.key, pae(IN_TOTO, SIGNED))
        entry = WORLD.log.append(dsse_body(SIGNED, signature, pem), NOW)
        del WORLD.log.leaves[ENTRIES:]
        material = {"certificate": {"rawBytes": b64(der)}, "tlogEntries": [entry]}
        bundle = {"mediaType": V03, "verificationMaterial": material, "dsseEnvelope": envelope(SIGNED, signature)}
        proof = verified(json.dumps(bundle).encode(), KEYLESS)
        if proof is not None:
            assert leaf
            assert leaf.signer == proof.signer == KeylessSigner(issuer=ISSUER, subject=SUBJECT)
            assert leaf.key == SIGNER.key.public_key()


@fuzzed()
def test_pitfall_9_17_altered_certificates(rng: Random) -> None:
    der = changed_der(rng, SIGNER.der)
    content = der if rng.random() < 0.5 else blind(rng, SIGNER.pem)
    with shown(content):
        try:
            read_leaf(content)
        except VerificationError as error:
            check_words(str(error))


def _spoilt_root(rng: Random) -> bytes:
    if rng.random() < 0.5:
        return changed_json(rng, ROOT_BYTES)
    root = json.loads(ROOT_BYTES)
    path = rng.choice(_places(root))
    _put(root, path, _inside(rng, path))
    return json.dumps(root).encode()


@fuzzed()
def test_pitfall_9_19_altered_trusted_roots(rng: Random) -> None:
    """It is the operator's: what of it is read is believed. It must be read whole or not at all, and break nothing."""
    content = _spoilt_root(rng)
    with shown(content):
        try:
            trust = parse_trust_root(content)
        except PolicyError as error:
            check_words(*error.problems)
            return
        authority = keyless(trust=trust)
        for seed, seeds_authority in BUNDLES[:7]:
            proof = verified(seed, authority)
            assert proof is None or said(proof) == said(verified(seed, seeds_authority))
        stranger = json.dumps(_STRANGER.sign_statement(SIGNED, _STRANGERS_SIGNER)).encode()
        del _STRANGER.log.leaves[5:]
        assert verified(stranger, authority) is None


_STRANGER = LocalSigstore()
_STRANGERS_SIGNER: Signer = _STRANGER.signer()


@fuzzed(examples=200)
def test_pitfall_9_17_parsers_by_themselves(rng: Random) -> None:
    """Each reader of bytes, without a procedure around it that would catch what it lets through."""
    readers: list[tuple[bytes, Callable[[bytes], object]]] = [
        (rng.choice(BUNDLES)[0], parse_bundle),
        (json.dumps(envelope(SIGNED, b"signature")).encode(), parse_envelope),
        (rng.choice((SIGNED, ATTESTED)), lambda raw: read_statement(raw, DIGEST)),
        (PAYLOAD, lambda raw: read_simple_signing(raw, DIGEST)),
        (public_pem(rng.choice(KEYS)), lambda raw: parse_public_key(raw, hash_name=None)),
        (_BODY, lambda raw: check_body(raw, "dsse", "0.0.1", _ABOUT)),
    ]
    seed, read = rng.choice(readers)
    content = blind(rng, seed) if seed.startswith(b"-----") else changed_json(rng, seed)
    with shown(content):
        try:
            read(content)
        except (VerificationError, PolicyError) as error:
            check_words(str(error))


_PEM = public_pem(KEYS[0])
_BODY = json.dumps(dsse_body(SIGNED, b"signature", _PEM)).encode()
_ABOUT = Signed(
    signature=b"signature", verifier=parse_public_key(_PEM).der, payload=SIGNED, message=pae(IN_TOTO, SIGNED)
)
_CONDITIONS: list[Condition] = [
    made for case in CASES if isinstance(made := make_condition(str(case.values[1])), Condition)
]


@fuzzed(examples=200)
def test_pitfall_9_17_conditions_on_any_predicate(rng: Random) -> None:
    """Whatever a predicate holds, a condition is true, or it is our error: no other type, and no other exception."""
    predicate = dict(PREDICATES[rng.choice(list(PREDICATES))])
    for _ in range(rng.choice((1, 2, 4))):
        changed = changed_value(rng, predicate)
        predicate = changed if isinstance(changed, dict) else predicate
    condition = rng.choice(_CONDITIONS)
    with shown(repr((condition.text, predicate)).encode()):
        try:
            check_conditions(predicate, (condition,))
        except VerificationError as error:
            check_words(str(error))
