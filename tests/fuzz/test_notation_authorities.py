"""What authorities sign, spoilt: certificates, timestamps, CRLs and OCSP answers. Nothing but our errors comes out.

Each is changed as a stranger could, and must then say what it said or nothing; and as the authority itself could, which
signs whatever it likes: then it may be believed, but must not break anything.
"""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from random import Random

from cryptography import x509

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import BIT_STRING, Node, blind, change_tree, changed_der, parse_der, signed_anew
from tests.simulator.pki.certificates import CODE_SIGNING, EPOCH, Identity, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, SIGNED_AT, sign
from tests.simulator.pki.revocation import (
    NOW,
    crl,
    entry,
    ocsp_answer,
    ocsp_refusal,
    responder,
    sign_as_authority,
)
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import statement, stores, verify
from tidegate.errors import UndeterminedError, VerificationError
from tidegate.verify.notation.revocation.chain import chain_standing
from tidegate.verify.notation.revocation.crl import crl_standing, load_crl
from tidegate.verify.notation.revocation.material import RevocationMaterial, Standing
from tidegate.verify.notation.revocation.ocsp import ocsp_standing
from tidegate.verify.notation.timestamp.cms import parse_signed_token, read_timestamp_info, verify_signer
from tidegate.verify.notation.timestamp.timestamp import verify_timestamp
from tidegate.verify.notation.trust_store.store import read_certificates
from tidegate.verify.notation.x509.certificate import Certificate, load_certificate
from tidegate.verify.notation.x509.chain import Purpose, validate_chain
from tidegate.verify.step import Conclusion

URL = "http://crl.test/a.crl"
CA = authority()
LEAF = issue("fuzzed", CA, purposes=[CODE_SIGNING], ocsp_urls=["http://ocsp.test"], crl_urls=[URL])
OTHER = issue("fuzzed with RSA", authority("Other", kind="rsa2048"), kind="rsa2048", crl_urls=[[URL, "http://b.test"]])
RESPONDER = responder(CA)
INVALID = EPOCH + timedelta(days=20)
MESSAGE = b"message"
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
TSA = timestamp_authority()
CHAIN = [load_certificate(identity.der) for identity in LEAF.chain]
TSA_ROOTS = [load_certificate(TSA.root.der)]
CERTIFICATES = [identity.der for chain in (LEAF.chain, OTHER.chain, TSA.chain) for identity in chain]
TOKENS = [
    issue_token(TSA, MESSAGE),
    issue_token(TSA, MESSAGE, accuracy={"seconds": 1, "millis": 5}, nonce=7, ess_issuer=TSA),
    issue_token(timestamp_authority(kind="rsa2048"), MESSAGE, pss=True),
]
CRLS = [
    crl(CA, [entry(LEAF, invalid_from=INVALID), entry(OTHER, x509.ReasonFlags.certificate_hold)], scope={"url": URL}),
    crl(CA, number=5, freshest="http://crl.test/delta.crl"),
    crl(CA, [entry(LEAF)], number=6, delta_of=5),
]
ANSWERS = [
    ocsp_answer(LEAF),
    ocsp_answer(LEAF, status="revoked", invalid_from=INVALID),
    ocsp_answer(LEAF, signer=RESPONDER, status="revoked", identifier_hash="sha256"),
    ocsp_refusal(),
]


def by(identity: Identity):
    return lambda data: sign_as_authority(identity, data)


def crl_says(content: bytes) -> tuple[Standing, bytes] | None:
    """Return what the list says of the leaf, and all that is signed of it; None for nothing."""
    with suppress(UndeterminedError):
        loaded = load_crl(content, CHAIN[0], CHAIN[1], urls=[URL], now=NOW)
        standing = crl_standing(CHAIN[0], [loaded], authentic_signing_time=SIGNED_AT)
        return standing, loaded.parsed.tbs_certlist_bytes
    return None


def ocsp_says(content: bytes) -> Standing | None:
    """Return what the answer says of the leaf, None for nothing."""
    with suppress(UndeterminedError):
        return ocsp_standing(content, CHAIN[0], CHAIN[1], now=NOW, authentic_signing_time=SIGNED_AT)
    return None


def token_says(content: bytes) -> tuple[object, bytes] | None:
    """Return what the token says and who says so, None for nothing."""
    with suppress(VerificationError):
        parsed = parse_signed_token(content)
        info = read_timestamp_info(parsed)
        signer = verify_signer(parsed)
        with suppress(VerificationError):
            verify_timestamp(content, MESSAGE, TSA_ROOTS)
        return info, signer.der
    return None


SAID: dict[bytes, object] = {
    seed: says(seed) for says, seeds in ((token_says, TOKENS), (crl_says, CRLS), (ocsp_says, ANSWERS)) for seed in seeds
}


def test_the_seeds_say_something():
    """Else the targets below would prove nothing."""
    assert [crl_says(content) is not None for content in CRLS] == [True, True, True]
    assert [ocsp_says(content) is not None for content in ANSWERS] == [True, True, True, False]
    assert all(token_says(content) for content in TOKENS)
    validate_chain(CHAIN, Purpose.CODE_SIGNING)


@fuzzed()
def test_pitfall_9_17_altered_certificates(rng: Random):
    """A changed certificate in a chain breaks the chain, or is not changed where it was signed."""
    place = rng.randrange(len(CHAIN))
    content = changed_der(rng, CHAIN[place].der)
    with shown(content), suppress(VerificationError):
        changed = load_certificate(content)
        chain = [*CHAIN[:place], changed, *CHAIN[place + 1 :]]
        validate_chain(chain, Purpose.CODE_SIGNING)
        assert changed.tbs == CHAIN[place].tbs


@fuzzed()
def test_pitfall_9_17_certificates_in_files(rng: Random):
    """A trust store's file, as DER or PEM, holds certificates or is refused."""
    seeds = [identity.pem for identity in LEAF.chain] + [LEAF.pem + CA.pem, LEAF.der + CA.der, *CERTIFICATES]
    content = blind(rng, rng.choice(seeds)) if rng.random() < 0.6 else changed_der(rng, rng.choice(CERTIFICATES))
    with shown(content), suppress(VerificationError):
        assert read_certificates(content)


@fuzzed()
def test_pitfall_9_17_certificates_that_an_authority_made_up(rng: Random):
    """Signed anew by its issuer, a certificate may say anything: the whole procedure over it comes to some conclusion."""
    content = signed_anew(rng, LEAF.der, by(CA))
    scheme = rng.choice(("notary.x509", AUTHORITY_SCHEME))
    trusted = stores(ca=CA.root, signingAuthority=CA.root)
    policy = statement(stores=["ca:acme", "signingAuthority:acme"], level=rng.choice(("strict", "audit")))
    with shown(content):
        outcome = verify(
            sign(LEAF, chain=(content, *LEAF.ders[1:]), scheme=scheme),
            policy=policy,
            trusted=trusted,
            revocation=RevocationMaterial(ocsp=tuple(ANSWERS), crls=tuple(CRLS)),
        )
        assert not any((record.text).startswith("unexpected") for record in outcome.steps), outcome.steps
        with suppress(VerificationError):
            made_up: tuple[Certificate, ...] = (load_certificate(content), *CHAIN[1:])
            chain_standing(made_up, RevocationMaterial(), now=NOW)


@fuzzed()
def test_pitfall_9_17_altered_tokens(rng: Random):
    """A changed token says what it said, or nothing."""
    seed = rng.choice(TOKENS)
    content = changed_der(rng, seed)
    with shown(content):
        assert token_says(content) in {None, SAID[seed]}


def made_up(rng: Random, token: bytes) -> bytes:
    """Return the token with other information or attributes, hashed and signed as the authority would."""
    root = parse_der(token)
    assert root.parts is not None
    [_, wrapped] = root.parts
    data = part(wrapped, 0)
    held, signer = part(part(part(data, 2), 1), 0), part(data, 4, 0)
    change_tree(rng, part(held, 0))
    info = part(held, 0).dump()
    attributes = part(signer, 3)
    for attribute in attributes.parts or ():
        if part(attribute, 0).content == MESSAGE_DIGEST:
            part(attribute, 1, 0).content = sha256(info).digest()
    if rng.random() < 0.5:
        change_tree(rng, rng.choice(attributes.parts or [attributes]))
    signed = Node(0x31, sorted(attributes.parts or (), key=Node.dump)).dump()
    assert signer.parts is not None
    signer.parts[5] = Node(0x04, None, sign_as_authority(TSA, signed))
    return root.dump()


def part(node: Node, *places: int) -> Node:
    """Return what stands at the places, one below the other."""
    for place in places:
        assert node.parts is not None
        node = node.parts[place]
    return node


@fuzzed()
def test_pitfall_9_17_tokens_that_an_authority_made_up(rng: Random):
    """The authority signs what it likes: a token is read or refused in our words, and no time without a sound one."""
    content = made_up(rng, rng.choice(TOKENS[:2]))
    with shown(content):
        token_says(content)
    tokens: list[bytes] = []

    def token(raw: bytes) -> bytes:
        tokens.append(made_up(rng, issue_token(TSA, raw)))
        return tokens[0]

    envelope = sign(LEAF, token=token)
    with shown(envelope):
        policy = statement(stores=["ca:acme", "tsa:acme"], override={"revocation": "skip"})
        outcome = verify(envelope, policy=policy, trusted=stores(ca=CA.root, tsa=TSA.root))
        assert not any((record.text).startswith("unexpected") for record in outcome.steps), outcome.steps
        assert outcome.conclusion is Conclusion.FAILED or token_says(tokens[0])


@fuzzed()
def test_pitfall_9_17_altered_lists(rng: Random):
    """A changed list says what it said, or nothing."""
    seed = rng.choice(CRLS)
    content = changed_der(rng, seed)
    with shown(content):
        assert crl_says(content) in {None, SAID[seed]}


@fuzzed()
def test_pitfall_9_17_lists_that_an_authority_made_up(rng: Random):
    """Whatever its issuer signs is read or refused in our words."""
    content = signed_anew(rng, rng.choice(CRLS), by(CA))
    with shown(content):
        crl_says(content)
        chain_standing(CHAIN, RevocationMaterial(crls=(content, *CRLS)), now=NOW)


@fuzzed()
def test_pitfall_9_17_altered_answers(rng: Random):
    """A changed OCSP answer says what it said, or nothing."""
    seed = rng.choice(ANSWERS)
    content = changed_der(rng, seed)
    with shown(content):
        assert ocsp_says(content) in {None, SAID[seed]}


@fuzzed()
def test_pitfall_9_17_answers_that_an_authority_made_up(rng: Random):
    """Whatever the issuer, or its responder, signs is read or refused in our words."""
    root = parse_der(ANSWERS[rng.randrange(3)])
    basic = next(node for node in root.every() if node.tag == 0x04 and node.parts)
    assert basic.parts is not None
    parts = basic.parts[0].parts
    assert parts is not None
    change_tree(rng, parts[0])
    signer = RESPONDER if len(parts) > 3 else CA
    parts[2] = Node(BIT_STRING, None, b"\0" + sign_as_authority(signer, parts[0].dump()))
    content = root.dump()
    with shown(content):
        ocsp_says(content)
        chain_standing(CHAIN, RevocationMaterial(ocsp=(content,)), now=NOW)
