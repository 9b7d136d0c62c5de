"""Notation's envelopes, spoilt: nothing but our errors comes out, and nothing altered is accepted."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import cbor2

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import changed_cbor, changed_der, changed_json, changed_value, recoded
from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf
from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tests.simulator.pki.envelopes import COSE, JWS, SIGNED_AT, TARGET, sign
from tests.simulator.pki.revocation import crl, ocsp_answer
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import statement, stores, verify
from tidegate.verify.notation.envelope.content import EnvelopeContent
from tidegate.verify.notation.envelope.envelope import parse_envelope
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.revocation.material import RevocationMaterial
from tidegate.verify.step import Conclusion

CA = authority()
TSA = timestamp_authority()
LEAVES = [
    issue(
        f"fuzzed {kind}",
        CA,
        kind=kind,
        purposes=[CODE_SIGNING],
        ocsp_urls=["http://o.test"],
        crl_urls=["http://c.test"],
    )
    for kind in ("p256", "rsa2048", "p384")
]
AWS_LEAF = signer_leaf()
STORES = stores(ca=[CA.root], tsa=TSA.root, signingAuthority=[CA.root, AWS_LEAF.root])
NAMED = ("ca:acme", "tsa:acme", "signingAuthority:acme")
POLICIES = [
    statement(stores=NAMED, level=level, verifyTimestamp=rule, identities=identities)
    for level in ("strict", "audit")
    for rule, identities in (("always", ["*"]), ("afterCertExpiry", ["x509.subject: C=US, ST=WA, O=Example", PROFILE]))
]
MATERIAL = RevocationMaterial(ocsp=tuple(ocsp_answer(leaf) for leaf in LEAVES), crls=(crl(CA), crl(CA.root)))
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"token": lambda raw: issue_token(TSA, raw)},
    {"expiry": SIGNED_AT + timedelta(days=300)},
)
JWS_SEEDS = [sign(leaf, JWS, **options) for leaf in LEAVES for options in OPTIONS]
JWS_SEEDS += [sign_as_aws(AWS_LEAF), sign(LEAVES[0], JWS, scheme="notary.x509.signingAuthority")]
COSE_SEEDS = [sign(leaf, COSE, **options) for leaf in LEAVES for options in OPTIONS]


def covered(sealed: EnvelopeContent) -> tuple[bytes, ...]:
    """Return what a signature stands for, and by whom."""
    return (sealed.payload, sealed.signed, sealed.signature, *sealed.chain)


def judged(rng: Random, envelope: bytes, media_type: str) -> NotationOutcome:
    """Verify under one of the policies; no step may meet an exception that nobody foresaw."""
    outcome = verify(envelope, media_type, policy=rng.choice(POLICIES), trusted=STORES, revocation=MATERIAL)
    errors = [record.text for record in outcome.steps]
    assert not any(error.startswith("unexpected") for error in errors), errors
    assert all(len(error) < 8000 and error.isprintable() for error in errors), errors
    return outcome


def never_another(rng: Random, seed: bytes, envelope: bytes, media_type: str) -> None:
    """Check that the changed envelope is refused, unless all that the signature covers is as it was."""
    with shown(envelope):
        outcome = judged(rng, envelope, media_type)
        if outcome.conclusion in {Conclusion.VERIFIED, Conclusion.LOGGED}:
            before = parse_envelope(seed, media_type).sealed
            assert covered(parse_envelope(envelope, media_type).sealed) == covered(before)


def test_the_seeds_are_accepted():
    """Else the targets below would prove nothing."""
    for media_type, seeds in ((JWS, JWS_SEEDS), (COSE, COSE_SEEDS)):
        found = [verify(seed, media_type, policy=POLICIES[2], trusted=STORES, revocation=MATERIAL) for seed in seeds]
        assert {outcome.conclusion for outcome in found} <= {Conclusion.VERIFIED, Conclusion.LOGGED}, found
    strict = [verify(s, policy=POLICIES[1], trusted=STORES, revocation=MATERIAL).conclusion for s in JWS_SEEDS[:9]]
    assert set(strict) == {Conclusion.VERIFIED}


@fuzzed()
def test_pitfall_9_17_altered_jws(rng: Random):
    """The outer JSON, spoilt blindly or as JSON."""
    seed = rng.choice(JWS_SEEDS)
    never_another(rng, seed, changed_json(rng, seed), JWS)


@fuzzed()
def test_pitfall_9_17_altered_jws_inside(rng: Random):
    """One of the four parts, decoded, changed and encoded again."""
    seed = rng.choice(JWS_SEEDS)
    parts = json.loads(seed)
    part = rng.choice(("payload", "protected", "signature", "x5c", "timestamp"))
    if part in {"payload", "protected"}:
        parts[part] = recoded(rng, parts[part], changed_json, url=True)
    elif part == "signature":
        parts[part] = recoded(
            rng, parts[part], lambda rng, raw: rng.choice((raw[:-1], raw[1:], bytes(len(raw)))), url=True
        )
    elif part == "x5c":
        place = rng.randrange(len(parts["header"]["x5c"]))
        parts["header"]["x5c"][place] = recoded(rng, parts["header"]["x5c"][place], changed_der, url=False)
    else:
        label = "io.cncf.notary.timestampSignature"
        if label in parts["header"]:
            parts["header"][label] = recoded(rng, parts["header"][label], changed_der, url=False)
    never_another(rng, seed, json.dumps(parts).encode(), JWS)


@fuzzed()
def test_pitfall_9_17_altered_cose(rng: Random):
    """The message, spoilt blindly or as CBOR."""
    seed = rng.choice(COSE_SEEDS)
    never_another(rng, seed, changed_cbor(rng, seed), COSE)


@fuzzed()
def test_pitfall_9_17_altered_cose_inside(rng: Random):
    """One of its parts, decoded, changed and encoded again."""
    seed = rng.choice(COSE_SEEDS)
    parts = list(cbor2.loads(seed).value)
    outer = dict(parts[1])
    kind = rng.randrange(4)
    if kind == 0:
        parts[0] = changed_cbor(rng, parts[0])
    elif kind == 1:
        parts[2] = changed_json(rng, parts[2])
    elif kind == 2:
        chain = list(outer[33])
        place = rng.randrange(len(chain))
        chain[place] = changed_der(rng, chain[place])
        outer[33] = chain
    elif "io.cncf.notary.timestampSignature" in outer:
        outer["io.cncf.notary.timestampSignature"] = changed_der(rng, outer["io.cncf.notary.timestampSignature"])
    parts[1] = outer
    never_another(rng, seed, cbor2.dumps(cbor2.CBORTag(18, parts)), COSE)


@fuzzed(examples=60)
def test_pitfall_9_10_headers_that_a_trusted_signer_made_up(rng: Random):
    """Signed by a trusted key, headers and payload say whatever they like: still no other artifact is accepted."""
    media_type = rng.choice((JWS, COSE))

    def edit(header: dict) -> None:
        changed = changed_value(rng, dict(header), extra=() if media_type == JWS else (b"", cbor2.CBORTag(1, 2**40)))
        if isinstance(changed, dict):
            header.clear()
            header.update(changed)

    target = changed_value(rng, dict(TARGET)) if rng.random() < 0.5 else TARGET
    try:
        envelope = sign(
            LEAVES[0],
            media_type,
            edit_protected=edit,
            payload=json.dumps({"targetArtifact": target}).encode(),
            expiry=rng.choice((None, SIGNED_AT + timedelta(days=300))),
        )
    except (TypeError, ValueError, cbor2.CBOREncodeError):
        return
    with shown(envelope):
        outcome = judged(rng, envelope, media_type)
        if outcome.conclusion in {Conclusion.VERIFIED, Conclusion.LOGGED}:
            assert isinstance(target, dict)
            assert {key: target.get(key) for key in TARGET} == TARGET
