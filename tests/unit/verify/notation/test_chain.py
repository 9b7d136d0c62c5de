"""The certificate profile: ordered, complete, each certificate fit for its place, nothing else looked at."""

from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.simulator.pki.certificates import (
    CODE_SIGNING,
    EPOCH,
    LIFETIME,
    TIME_STAMPING,
    Identity,
    authority,
    issue,
    name,
    with_sha1,
)
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.keys import key
from tests.unit.verify.notation.world import failed_step, refusal, signer, stores, verify
from tidegate.errors import VerificationError
from tidegate.verify.notation.x509 import chain as chain_module
from tidegate.verify.notation.x509.certificate import load_certificate
from tidegate.verify.notation.x509.chain import Purpose, is_self_signed, validate_chain
from tidegate.verify.step import Conclusion

ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
CA = authority()
LEAF = issue("leaf", CA, purposes=[CODE_SIGNING])
TSA_LEAF = {"purposes": [TIME_STAMPING], "purposes_critical": True}


def judge(identities: Sequence[Identity], purpose: Purpose = Purpose.CODE_SIGNING) -> None:
    validate_chain([load_certificate(identity.der) for identity in identities], purpose)


def leaf(issuer: Identity = CA, **options) -> tuple[Identity, ...]:
    return issue("leaf", issuer, **options).chain


def below(**options) -> tuple[Identity, ...]:
    """Return the chain of a leaf whose intermediate authority has the options."""
    return leaf(issue("odd authority", CA.root, ca=True, **options))


def rooted(**options) -> tuple[Identity, ...]:
    """Return the chain of a leaf whose root has the options."""
    return leaf(issue("odd root", ca=True, **options))


SAME_NAME = issue("Notation Test Root", ca=True)


@pytest.mark.parametrize(
    "identities",
    [
        pytest.param(issue("alone").chain, id="N46-self-signed-leaf"),
        pytest.param(LEAF.chain, id="N47-three-certificates"),
        pytest.param(leaf(CA.root), id="N47-two-certificates"),
        pytest.param(leaf(authority(intermediates=5)), id="N47-seven-certificates"),
        pytest.param(
            issue("leaf of that name", SAME_NAME, subject=SAME_NAME.certificate.subject).chain,
            id="N47-leaf-named-like-its-root",
        ),
        pytest.param(leaf(kind="p521", digest="sha512"), id="N48-sha512"),
        pytest.param(leaf(authority(path_length=0)), id="N49-path-length-just-enough"),
        pytest.param(leaf(constraints=True), id="N50-basic-constraints-that-say-no"),
        pytest.param(leaf(constraints=True, constraints_critical=False), id="N50-uncritical-basic-constraints"),
        pytest.param(leaf(usages=("digital_signature", "content_commitment")), id="N50-content-commitment"),
        pytest.param(leaf(), id="N51-no-purpose"),
        pytest.param(leaf(purposes=[CODE_SIGNING], purposes_critical=True), id="N51-critical-purpose"),
        pytest.param(leaf(purposes=[x509.ObjectIdentifier("1.2.3.4")]), id="N51-unknown-purpose"),
        pytest.param(
            leaf(extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
            id="N53-unknown-critical-extension",
        ),
        pytest.param(
            below(
                extensions=[(x509.NameConstraints([x509.DirectoryName(name("elsewhere"))], None), True)],
            ),
            id="N53-name-constraints-are-not-looked-at",
        ),
        pytest.param(
            leaf(not_before=EPOCH - LIFETIME, not_after=EPOCH + 2 * LIFETIME), id="N53-validity-need-not-nest"
        ),
    ],
)
def test_a_chain_with_the_profile_is_accepted(identities: Sequence[Identity]):
    """What the profile allows, and what it says nothing about."""
    judge(identities)


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        pytest.param((), "certificate chain must contain at least one certificate", id="N46-empty"),
        pytest.param((LEAF,), "invalid self-signed certificate. subject:", id="N46-alone-but-issued-by-another"),
        pytest.param((CA.root,), "the ca field must be set to false", id="N46-root-alone"),
        pytest.param(
            (issue("alone", usages=("digital_signature", "key_cert_sign")),),
            "but found",
            id="N46-alone-with-wrong-usage",
        ),
        pytest.param(LEAF.chain[:2], "is not self-signed. Certificate chain must end with", id="N47-no-root"),
        pytest.param((LEAF, CA.root, CA), "is not issued by", id="N47-wrong-order"),
        pytest.param((*LEAF.chain, CA.root), "Certificate chain must not contain self-signed", id="N47-root-twice"),
        pytest.param((LEAF, authority("Other"), CA.root), "is not issued by", id="N47-unrelated-certificate"),
        pytest.param(
            (issue("alone"), CA.root), "leaf certificate with subject", id="N47-self-signed-leaf-below-a-root"
        ),
        pytest.param(
            (leaf(issue("Root Intermediate 1", CA.root, ca=True, own_key=key("p256", "another")))[0], CA, CA.root),
            "is not issued by",
            id="N47-signed-by-another-key-of-that-name",
        ),
        pytest.param(
            leaf(authority(intermediates=10)), "certificate chain has 12 certificates, more than", id="N47-endless"
        ),
        pytest.param((with_sha1(LEAF), CA, CA.root), "hash sha1 is not supported", id="N48-sha1-leaf"),
        pytest.param((LEAF, with_sha1(CA), CA.root), "hash sha1 is not supported", id="N48-sha1-authority"),
        pytest.param((LEAF, CA, with_sha1(CA.root)), "hash sha1 is not supported", id="N48-sha1-root"),
        pytest.param(
            below(constraints=False), "ca field in basic constraints must be present, critical", id="N49-no-constraints"
        ),
        pytest.param(
            below(constraints_critical=False),
            "ca field in basic constraints must be present, critical",
            id="N49-uncritical-constraints",
        ),
        pytest.param(
            leaf(issue("no authority", CA.root, constraints=True, usages=("key_cert_sign",))),
            "ca field in basic constraints must be present, critical",
            id="N49-constraints-that-say-no",
        ),
        pytest.param(
            leaf(issue("low", issue("high", CA.root, ca=True, path_length=0), ca=True)),
            "expected path length of 1 but certificate has path length 0 instead",
            id="N49-path-too-long",
        ),
        pytest.param(below(usage=False), "key usage extension must be present", id="N49-no-usage"),
        pytest.param(
            below(usage_critical=False), "key usage extension must be marked critical", id="N49-uncritical-usage"
        ),
        pytest.param(
            below(usages=("crl_sign",)), "must have the bit positions for key cert sign set", id="N49-no-cert-sign"
        ),
        pytest.param(rooted(usages=("digital_signature",)), "key cert sign set", id="N49-root-without-cert-sign"),
        pytest.param(
            issue("leaf", CA, constraints=True, ca=True, usages=("digital_signature",)).chain,
            "the ca field must be set to false",
            id="N50-leaf-is-an-authority",
        ),
        pytest.param(leaf(usage=False), "key usage extension must be present", id="N50-no-usage"),
        pytest.param(
            leaf(usage_critical=False), "key usage extension must be marked critical", id="N50-uncritical-usage"
        ),
        pytest.param(
            leaf(usages=("content_commitment",)),
            'must have the bit positions for "Digital Signature" set',
            id="N50-no-digital-signature",
        ),
        *(
            pytest.param(
                leaf(usages=("digital_signature", *bits)),
                f'The key usage must be "Digital Signature" only, but found "{shown}"',
                id=f"N50-{bits[-1]}",
            )
            for bits, shown in (
                (("key_encipherment",), "KeyEncipherment"),
                (("data_encipherment",), "DataEncipherment"),
                (("key_agreement",), "KeyAgreement"),
                (("key_cert_sign",), "CertSign"),
                (("crl_sign",), "CRLSign"),
                (("key_agreement", "encipher_only"), 'KeyAgreement", "EncipherOnly'),
                (("key_agreement", "decipher_only"), 'KeyAgreement", "DecipherOnly'),
            )
        ),
        *(
            pytest.param(leaf(purposes=[CODE_SIGNING, purpose]), f"must not contain {shown} eku", id=f"N51-{shown}")
            for purpose, shown in (
                (ExtendedKeyUsageOID.SERVER_AUTH, "ServerAuth"),
                (ExtendedKeyUsageOID.CLIENT_AUTH, "ClientAuth"),
                (ExtendedKeyUsageOID.EMAIL_PROTECTION, "EmailProtection"),
                (TIME_STAMPING, "Timestamping"),
                (ExtendedKeyUsageOID.OCSP_SIGNING, "OCSPSigning"),
                (ANY, "Any"),
            )
        ),
        pytest.param(leaf(kind="rsa2056"), "rsa key size 2056 bits is not supported", id="N53-odd-leaf-key"),
        pytest.param(leaf(kind="ed25519"), "unsupported public key type", id="N53-leaf-key-of-another-kind"),
        pytest.param(
            leaf(authority(kind="rsa1024")), "rsa key size 1024 bits is not supported", id="N53-weak-authority"
        ),
        pytest.param(
            leaf(authority(kind="p224")),
            "ecdsa key size 224 bits is not supported",
            id="N53-authority-on-a-short-curve",
        ),
        pytest.param(leaf(authority(kind="ed25519")), "hash None is not supported", id="N53-ed25519-authority"),
    ],
)
def test_a_chain_without_the_profile_is_refused(identities: Sequence[Identity], expected: str):
    """Each rule alone, in notation-core-go's words."""
    with pytest.raises(VerificationError) as caught:
        judge(identities)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(TSA_LEAF, None, id="N52-sound"),
        pytest.param(TSA_LEAF | {"usage_critical": False}, None, id="N52-uncritical-usage-is-allowed"),
        pytest.param({}, "must have and only have Timestamping as extended key usage", id="N52-no-purpose"),
        pytest.param(
            TSA_LEAF | {"purposes": [TIME_STAMPING, CODE_SIGNING]},
            "must have and only have Timestamping as extended key usage",
            id="N52-two-purposes",
        ),
        pytest.param(
            TSA_LEAF | {"purposes": [TIME_STAMPING, x509.ObjectIdentifier("1.2.3.4")]},
            "must have and only have Timestamping",
            id="N52-unknown-purpose-too",
        ),
        pytest.param(TSA_LEAF | {"purposes": [ANY]}, "must have and only have Timestamping", id="N52-any-purpose"),
        pytest.param(
            TSA_LEAF | {"purposes_critical": False},
            "must have extended key usage extension marked as critical",
            id="N52-uncritical",
        ),
    ],
)
def test_a_timestamp_signer_has_one_purpose(options: dict, expected: str | None):
    """RFC 3161, section 2.3: this purpose, no other, and critical."""
    if expected is None:
        judge(leaf(**options), Purpose.TIMESTAMPING)
        return
    with pytest.raises(VerificationError, match=expected):
        judge(leaf(**options), Purpose.TIMESTAMPING)


@pytest.mark.parametrize("expected", [pytest.param("certificate-chain is invalid, ", id="N39-step")])
def test_the_procedure_holds_the_chain_against_the_profile(expected: str):
    """An anchor in the chain and a good signature do not make up for a wrong chain."""
    wrong = issue("leaf", CA, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    outcome = verify(sign(wrong), trusted=stores(ca=CA.root))
    assert refusal(outcome).startswith(expected)
    assert failed_step(outcome) == 4


def test_self_signed_is_a_matter_of_the_key():
    """A certificate with its issuer's name is not self-signed by that."""
    named = issue("leaf of that name", SAME_NAME, subject=SAME_NAME.certificate.subject)
    assert not is_self_signed(load_certificate(named.der))
    assert is_self_signed(load_certificate(SAME_NAME.der))


@pytest.fixture
def fresh_verdicts(monkeypatch: pytest.MonkeyPatch):
    """Return a counter of chains that were judged anew."""
    counted: list[int] = []
    check = chain_module._check

    def counting(chain, purpose) -> None:
        counted.append(len(chain))
        check(chain, purpose)

    monkeypatch.setattr(chain_module, "_check", counting)
    monkeypatch.setattr(chain_module, "_verdicts", chain_module._Verdicts())
    return counted


def test_a_verdict_is_kept_for_the_very_chain_and_purpose(fresh_verdicts: list[int]):
    """The same bytes are judged once; another purpose or another certificate is another chain."""
    for _ in range(3):
        judge(LEAF.chain)
    assert len(fresh_verdicts) == 1
    with pytest.raises(VerificationError):
        judge(LEAF.chain, Purpose.TIMESTAMPING)
    judge(leaf())
    assert len(fresh_verdicts) == 3


def test_a_bad_verdict_is_kept_as_bad(fresh_verdicts: list[int]):
    """What was refused once is refused again, in the same words, without work."""
    texts = set()
    for _ in range(2):
        with pytest.raises(VerificationError) as caught:
            judge((CA.root,))
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert len(fresh_verdicts) == 1


def test_few_verdicts_are_kept(fresh_verdicts: list[int], monkeypatch: pytest.MonkeyPatch):
    """The store of verdicts is bounded; the oldest leaves first."""
    monkeypatch.setattr(chain_module, "REMEMBERED_CHAINS", 2)
    chains = [LEAF.chain, leaf(), leaf()]
    for identities in (*chains, chains[2], chains[0]):
        judge(identities)
    assert len(fresh_verdicts) == 4
    assert len(chain_module._verdicts._known) == 2


def test_a_verified_signature_needs_the_whole_chain():
    """The intermediate certificate may not be left out, even where the root is at hand in the store."""
    leaf_only = (signer().der, signer().root.der)
    outcome = verify(sign(signer(), chain=leaf_only))
    assert "is not issued by" in refusal(outcome)
    assert verify(sign(signer())).conclusion is Conclusion.VERIFIED
