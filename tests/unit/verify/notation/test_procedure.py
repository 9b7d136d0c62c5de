"""The whole procedure: which step stops it, what levels and overrides change, and that "logged" is never "verified"."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, SIGNED_AT, X509_SCHEME, sign
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import NOW, failed_step, refusal, signer, statement, stores, verify
from tidegate.verify.notation import procedure
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, Question, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.notation.trust_policy.level import Level
from tidegate.verify.notation.trust_policy.statement import SignatureVerification, TrustPolicyStatement
from tidegate.verify.step import Conclusion, StepOutcome

Answer = bytes | SignerAnswer | NoAnswer
LEAF_CRL, ISSUER_CRL, FOREIGN_CRL = (f"http://crl.test/{label}.crl" for label in ("leaf", "issuer", "foreign"))
ROOT = issue("Root", ca=True)
ISSUER = issue("Issuer", ROOT, ca=True, crl_urls=[ISSUER_CRL])
LEAF = issue("leaf", ISSUER, crl_urls=[LEAF_CRL])


def asked(outcome: NotationOutcome) -> list[str]:
    """Return the URLs that verification wants to be asked."""
    return [question.url for question in outcome.questions if isinstance(question, CrlQuestion)]


def answers(**found: bytes) -> RevocationMaterial:
    """Return answers for the URLs of the leaf, of its issuer and of a foreign one."""
    urls = {"leaf": LEAF_CRL, "issuer": ISSUER_CRL, "foreign": FOREIGN_CRL}
    material: dict[Question, Answer] = {CrlQuestion(url=urls[label]): content for label, content in found.items()}
    return RevocationMaterial(answers=material)


FOREIGN_ROOT = issue("Foreign Root", ca=True)


def certified_anew(identity: Identity, **more: Any) -> Identity:
    """Return what anybody can make of an authority: a certificate for its name and key, issued by himself."""
    return issue(
        "anew",
        FOREIGN_ROOT,
        ca=True,
        subject=identity.certificate.subject,
        own_key=identity.key,
        crl_urls=[FOREIGN_CRL],
        **more,
    )


@pytest.mark.parametrize(
    ("anchor", "chain", "expected"),
    [
        pytest.param(ROOT, LEAF.chain, [LEAF_CRL, ISSUER_CRL], id="N68-anchored-by-the-root"),
        pytest.param(ISSUER, LEAF.chain, [LEAF_CRL, ISSUER_CRL], id="N68-anchored-by-the-issuer-itself-asked-about"),
        pytest.param(
            ISSUER,
            (LEAF, ISSUER, certified_anew(ROOT), FOREIGN_ROOT),
            [LEAF_CRL, ISSUER_CRL],
            id="N68-nothing-above-the-anchor-is-asked",
        ),
    ],
)
def test_only_urls_that_the_anchor_vouches_for_are_asked(
    anchor: Identity, chain: Sequence[Identity], expected: list[str]
):
    """Above the anchor stands whatever the bearer put there: its URLs are his, and asking them is his wish."""
    envelope = sign(LEAF, chain=tuple(identity.der for identity in chain))
    outcome = verify(envelope, trusted=stores(ca=anchor))
    assert outcome.conclusion is Conclusion.INCONCLUSIVE
    assert asked(outcome) == expected


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(LEAF.chain, id="N68-revoked-anchor"),
        pytest.param((LEAF, ISSUER, certified_anew(ROOT), FOREIGN_ROOT), id="N68-revoked-anchor-under-another-root"),
    ],
)
def test_an_anchor_below_the_root_can_be_revoked(chain: Sequence[Identity]):
    """By the authority that issued it, whichever certificate of that authority is shown."""
    envelope = sign(LEAF, chain=tuple(identity.der for identity in chain))
    trusted, good = stores(ca=ISSUER), crl(ISSUER)
    outcome = verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT, [entry(ISSUER)])))
    assert 'signing certificate with subject "CN=Issuer,O=Example,ST=WA,C=US" is revoked' in refusal(outcome)
    assert verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT))).conclusion is (
        Conclusion.VERIFIED
    )


def test_an_anchor_stays_revoked_where_the_certificate_above_it_may_sign_no_list():
    """The bearer of the envelope may have made that certificate: it hides no revocation, and proves none away."""
    above = certified_anew(ROOT, usages=("key_cert_sign",))
    envelope = sign(LEAF, chain=tuple(one.der for one in (LEAF, ISSUER, above, FOREIGN_ROOT)))
    trusted, good = stores(ca=ISSUER), crl(ISSUER)
    revoked = verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT, [entry(ISSUER)])))
    assert revoked.conclusion is Conclusion.FAILED
    assert 'signing certificate with subject "CN=Issuer,O=Example,ST=WA,C=US" is revoked' in refusal(revoked)
    not_revoked = verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT)))
    assert not_revoked.conclusion is Conclusion.INCONCLUSIVE


@pytest.mark.parametrize(
    ("scheme", "store", "conclusion"),
    [
        pytest.param(X509_SCHEME, "ca", Conclusion.FAILED, id="N67-the-signers-own-time"),
        pytest.param(AUTHORITY_SCHEME, "signingAuthority", Conclusion.VERIFIED, id="N67-the-time-of-an-authority"),
    ],
)
def test_only_an_authoritys_time_saves_a_signature_from_a_later_revocation(
    scheme: str, store: str, conclusion: Conclusion
):
    """A signer whose key was stolen could write any time into the envelope."""
    later = answers(leaf=crl(ISSUER, [entry(LEAF, invalid_from=SIGNED_AT + timedelta(hours=1))]), issuer=crl(ROOT))
    trusted, policy = stores(**{store: ROOT}), statement(stores=(f"{store}:acme",))
    outcome = verify(sign(LEAF, scheme=scheme), policy=policy, trusted=trusted, revocation=later)
    assert outcome.conclusion is conclusion


EVERYTHING = stores(ca=ROOT)
GOOD = answers(leaf=crl(ISSUER), issuer=crl(ROOT))
REVOKED = answers(leaf=crl(ISSUER, [entry(LEAF)]), issuer=crl(ROOT))
NOBODY = {"identities": ["x509.subject: C=US, ST=WA, O=nobody"]}
STRANGERS = stores(ca=FOREIGN_ROOT)
EXPIRY = SIGNED_AT + timedelta(days=1)
LEVELS = {
    "strict": {"integrity": "enforce", "authenticity": "enforce", "other": "enforce"},
    "permissive": {"integrity": "enforce", "authenticity": "enforce", "other": "log"},
    "audit": {"integrity": "enforce", "authenticity": "log", "other": "log"},
}
DEFECTS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "envelope": ("integrity", 1, {"envelope": b"{}"}),
    "anchor": ("authenticity", 2, {"trusted": STRANGERS}),
    "signature": ("integrity", 3, {"envelope": sign(LEAF, signature=lambda _: b"x" * 64)}),
    "chain": ("integrity", 4, {"envelope": sign(LEAF, chain=(LEAF.der, ROOT.der))}),
    "artifact": ("integrity", 5, {"envelope": sign(LEAF, target={"digest": "sha256:" + "cd" * 32})}),
    "metadata": ("integrity", 5, {"metadata": {"team": "a"}}),
    "critical attribute": ("integrity", 6, {"envelope": sign(LEAF, extended={"new": "x"}, critical=("new",))}),
    "identity": ("authenticity", 7, {"policy": NOBODY}),
    "expiry": ("other", 8, {"envelope": sign(LEAF, expiry=EXPIRY), "now": EXPIRY}),
    "timestamp": ("other", 9, {"now": LEAF.certificate.not_valid_after_utc + timedelta(seconds=1)}),
    "revocation": ("other", 10, {"revocation": REVOKED}),
    "unknown revocation": ("other", 10, {"revocation": RevocationMaterial()}),
}
"""For each defect: which validation finds it, at which step, and how it is made."""


def judge(defect: Mapping[str, Any], level: str, **verification: Any) -> NotationOutcome:
    """Verify a sound signature with the defect under the level."""
    policy = statement(level=level, **defect.get("policy", {}), **verification)
    given: dict[str, Any] = {"revocation": GOOD, "trusted": EVERYTHING} | dict(defect)
    envelope = given.pop("envelope", SOUND)
    return verify(envelope, **(given | {"policy": policy}))


SOUND = sign(LEAF)


@pytest.mark.parametrize("level", [pytest.param(level, id=f"N54-N68-{level}") for level in LEVELS])
def test_a_sound_signature_is_verified_at_every_level(level: str):
    """All ten steps pass, in their order, and the signer is named."""
    outcome = judge({}, level)
    assert outcome.conclusion is Conclusion.VERIFIED
    assert [record.number for record in outcome.steps] == list(range(1, 11))
    assert all(record.outcome is StepOutcome.OK for record in outcome.steps)
    assert (outcome.decisive, outcome.logged, outcome.questions) == (None, (), ())
    assert outcome.signer is not None
    assert outcome.signer.fingerprint == LEAF.certificate.fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "label", [pytest.param(label, id=f"pitfall-9-12-{label.replace(' ', '-')}") for label in DEFECTS]
)
def test_a_defect_stops_or_is_logged_and_is_never_verified(label: str, level: str):
    """The table of levels, for every step. What is only logged shows as such, in conclusion and records."""
    found_by, number, defect = DEFECTS[label]
    outcome = judge(defect, level)
    assert outcome.conclusion is not Conclusion.VERIFIED
    record = outcome.steps[number - 1]
    assert record.outcome is not StepOutcome.OK
    assert record.text
    if LEVELS[level][found_by] == "log":
        assert outcome.conclusion is Conclusion.LOGGED
        assert record in outcome.logged
        assert outcome.decisive is None
        assert all(later.outcome is not StepOutcome.NOT_REACHED for later in outcome.steps)
    else:
        assert outcome.conclusion in {Conclusion.FAILED, Conclusion.INCONCLUSIVE}
        assert outcome.decisive is record
        assert all(later.outcome is StepOutcome.NOT_REACHED for later in outcome.steps[number:])
        assert outcome.logged == ()


@pytest.mark.parametrize("label", ["anchor", "identity"])
def test_an_unproved_signer_is_not_named(label: str):
    """At level audit a stranger's signature is logged: no signer, and no question to the URLs of his chain."""
    _, _, defect = DEFECTS[label]
    outcome = judge(dict(defect) | {"revocation": RevocationMaterial()}, "audit")
    assert outcome.conclusion is Conclusion.LOGGED
    assert outcome.signer is None
    assert outcome.questions == ()
    assert outcome.claimed_subject == "CN=leaf,O=Example,ST=WA,C=US"
    assert "whose signer is not trusted" in (outcome.steps[9].text)


@pytest.mark.parametrize("label", [pytest.param(label, id=f"pitfall-9-11-{label}") for label in ("anchor", "identity")])
@pytest.mark.parametrize("level", LEVELS)
def test_no_url_of_an_untrusted_chain_is_asked(label: str, level: str):
    """Whoever made the chain chose its URLs: at no level are they contacted from inside the cluster."""
    _, _, defect = DEFECTS[label]
    assert judge(dict(defect) | {"revocation": RevocationMaterial()}, level).questions == ()


@pytest.mark.parametrize("label", ["expiry", "timestamp", "artifact", "metadata", "critical attribute"])
def test_a_refused_signature_asks_nothing(label: str):
    """What fails before revocation is refused without a question to anybody."""
    _, _, defect = DEFECTS[label]
    outcome = judge(dict(defect) | {"revocation": RevocationMaterial()}, "strict")
    assert outcome.conclusion is Conclusion.FAILED
    assert outcome.questions == ()


@pytest.mark.parametrize(
    ("level", "override", "label", "conclusion"),
    [
        pytest.param("strict", {"revocation": "skip"}, "revocation", Conclusion.VERIFIED, id="N5-revocation-skipped"),
        pytest.param("strict", {"revocation": "log"}, "revocation", Conclusion.LOGGED, id="N5-revocation-logged"),
        pytest.param("strict", {"expiry": "log"}, "expiry", Conclusion.LOGGED, id="N5-expiry-logged"),
        pytest.param(
            "strict", {"authenticity": "log"}, "anchor", Conclusion.INCONCLUSIVE, id="N68-no-revocation-for-strangers"
        ),
        pytest.param(
            "strict",
            {"authenticity": "log", "revocation": "skip"},
            "anchor",
            Conclusion.LOGGED,
            id="N5-authenticity-logged",
        ),
        pytest.param(
            "strict",
            {"authenticTimestamp": "log", "revocation": "skip"},
            "timestamp",
            Conclusion.LOGGED,
            id="N5-timestamp-logged",
        ),
        pytest.param("strict", {"expiry": "log"}, "revocation", Conclusion.FAILED, id="N5-others-stay-enforced"),
        pytest.param(
            "permissive", {"revocation": "enforce"}, "revocation", Conclusion.FAILED, id="N5-permissive-but-revocation"
        ),
        pytest.param("audit", {"authenticity": "enforce"}, "identity", Conclusion.FAILED, id="N5-audit-but-identity"),
        pytest.param("audit", {"expiry": "enforce"}, "expiry", Conclusion.FAILED, id="N5-audit-but-expiry"),
        pytest.param("audit", {"revocation": "skip"}, "signature", Conclusion.FAILED, id="N5-integrity-whatever-else"),
    ],
)
def test_an_override_changes_one_validation(level: str, override: dict[str, str], label: str, conclusion: Conclusion):
    """In either direction; what is skipped alone takes nothing from the verification."""
    assert judge(DEFECTS[label][2], level, override=override).conclusion is conclusion


@pytest.mark.parametrize(
    ("defects", "number"),
    [
        pytest.param(("anchor", "signature"), 2, id="N54-anchor-before-any-signature"),
        pytest.param(("signature", "identity"), 3, id="N38-signature-before-identity"),
        pytest.param(("chain", "metadata"), 4, id="N39-chain-before-payload"),
        pytest.param(("metadata", "identity"), 5, id="N42-metadata-before-identity"),
        pytest.param(("critical attribute", "identity"), 6, id="N40-attributes-before-identity"),
        pytest.param(("identity", "expiry"), 7, id="N55-identity-before-expiry"),
        pytest.param(("expiry", "revocation"), 8, id="N56-expiry-before-revocation"),
        pytest.param(("timestamp", "revocation"), 9, id="N58-time-before-revocation"),
        pytest.param(("artifact", "unknown revocation"), 5, id="N41-artifact-before-any-question"),
    ],
)
def test_steps_are_taken_in_order(defects: tuple[str, str], number: int):
    """Of two defects the earlier step tells."""
    first, second = (DEFECTS[label][2] for label in defects)
    outcome = judge(dict(second) | dict(first), "strict")
    assert failed_step(outcome) == number


def test_a_strangers_envelope_costs_no_signature(monkeypatch: pytest.MonkeyPatch):
    """Without an anchor the chain is not even parsed: a flood of junk signatures is cheap."""

    def never(*_: object) -> None:
        raise AssertionError("a certificate was parsed")

    monkeypatch.setattr(x509, "load_der_x509_certificate", never)
    outcome = judge(DEFECTS["anchor"][2], "strict")
    assert failed_step(outcome) == 2
    assert "does not contain any trusted certificate" in refusal(outcome)


def test_what_nobody_foresaw_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    """Hostile bytes may have brought it about; the exception's text, maybe hostile, is left out."""

    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(procedure, "validate_chain", broken)
    for level in LEVELS:
        outcome = judge({}, level)
        assert outcome.conclusion is Conclusion.FAILED
        assert outcome.decisive is not None
        assert outcome.decisive.text == "unexpected RuntimeError"


def test_the_moment_needs_a_zone():
    """A time without a zone is a defect of the caller's."""
    with pytest.raises(ValueError, match="time zone"):
        verify(SOUND, now=NOW.replace(tzinfo=None))


def test_an_answer_bounds_how_long_a_verdict_holds():
    """The earliest of the signature's expiry, the certificates' ends and the answers' next updates."""
    soon = NOW + timedelta(minutes=5)
    material = answers(leaf=crl(ISSUER, next_update=soon), issuer=crl(ROOT))
    assert judge({"revocation": material}, "strict").good_until == soon
    sooner = NOW + timedelta(minutes=1)
    assert judge({"revocation": material, "envelope": sign(LEAF, expiry=sooner)}, "strict").good_until == sooner


def test_certificates_without_a_service_are_noted():
    """They count as good, and the record says how many."""
    outcome = verify(sign(signer()))
    assert outcome.conclusion is Conclusion.VERIFIED
    assert outcome.steps[9].text == "2 of 2 certificates name no revocation service"


def test_a_waiting_timestamp_asks_the_signers_questions_too():
    """One round of questions instead of two, where the time of signing waits for its own answers."""
    tsa = timestamp_authority(crl_urls=[FOREIGN_CRL])
    envelope = sign(LEAF, token=lambda raw: issue_token(tsa, raw))
    trusted = stores(ca=ROOT, tsa=tsa.root)
    policy = {"stores": ["ca:acme", "tsa:acme"]}
    outcome = judge({"envelope": envelope, "trusted": trusted, "policy": policy, "revocation": answers()}, "strict")
    assert failed_step(outcome) == 9
    assert asked(outcome) == [FOREIGN_CRL, LEAF_CRL, ISSUER_CRL]
    assert outcome.steps[9].outcome is StepOutcome.NOT_REACHED
    skipped = judge(
        {"envelope": envelope, "trusted": trusted, "policy": policy, "revocation": answers()},
        "strict",
        override={"revocation": "skip"},
    )
    assert asked(skipped) == [FOREIGN_CRL]


def test_a_token_of_a_stranger_asks_nothing():
    """The URLs of a timestamp authority that is not trusted are its maker's."""
    tsa = timestamp_authority(crl_urls=[FOREIGN_CRL])
    envelope = sign(LEAF, token=lambda raw: issue_token(tsa, raw))
    policy = {"stores": ["ca:acme", "tsa:acme"]}
    trusted = stores(ca=ROOT, tsa=FOREIGN_ROOT)
    for level in ("strict", "audit"):
        outcome = judge({"envelope": envelope, "trusted": trusted, "policy": policy}, level)
        assert FOREIGN_CRL not in asked(outcome)
        assert outcome.conclusion is not Conclusion.VERIFIED


@pytest.mark.parametrize("level", LEVELS)
def test_no_step_no_verification(level: str):
    """An outcome without a passed step concludes nothing: "no error" is not "verified"."""
    empty = NotationOutcome(level=Level(level), steps=())
    assert empty.conclusion is Conclusion.INCONCLUSIVE
    assert empty.decisive is None


def test_level_skip_is_neither_verified_nor_logged():
    """It has a conclusion of its own."""
    policy = TrustPolicyStatement(
        name="policy", registry_scopes=("a",), signature_verification=SignatureVerification(level=Level.SKIP)
    )
    outcome = verify(b"junk", policy=policy)
    assert outcome.conclusion is Conclusion.SKIPPED
    assert {record.outcome for record in outcome.steps} == {StepOutcome.SKIPPED}


def test_the_guide_shows_every_step_as_it_is():
    guide = (Path(__file__).parents[4] / "docs" / "guides" / "verify.md").read_text()
    shown = re.findall(r"^ +(\d+)  ok +(.+) \[(\w+)\]$", guide, re.MULTILINE)
    steps = [(str(one.number), one.title, one.validation.value) for one in procedure.STEPS]
    assert shown == steps
