"""Each numbered step fails in its own way, ends the procedure, and says why; nothing but a proof looks like one."""

from datetime import timedelta

import pytest

from tests import frames
from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, statement
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    ARTIFACT,
    DIGEST,
    OTHER,
    PROVENANCE,
    altered,
    check,
    ends,
    keyless,
    ours,
    passes,
    root,
    signer,
    strangers,
)
from tidegate.errors import ConfigurationError, PolicyError, UndeterminedError, VerificationError
from tidegate.verify.sigstore.adapter import check_all_taken
from tidegate.verify.sigstore.cel import Condition
from tidegate.verify.sigstore.claims import Claims
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep, Verification, carry_out
from tidegate.verify.sigstore.proof import KeylessSigner, Proof
from tidegate.verify.step import Conclusion, StepOutcome, StepResult

ENTRY = "verificationMaterial.tlogEntries.0"
BUILT = Claims(predicate_type=PROVENANCE, conditions=(Condition(text="predicate.built == true"),))


def signed(**more):
    return ours().sign_statement(statement(DIGEST), signer(), **more)


def other_entry():
    return ours().sign_statement(statement(OTHER), signer())["verificationMaterial"]["tlogEntries"][0]


STEPS = [
    pytest.param(SigstoreStep.MATERIAL, b"{}", {}, "bundle", id="1: the material isn't a bundle"),
    pytest.param(
        SigstoreStep.CERTIFICATE,
        lambda: ours().sign_statement(statement(DIGEST), ours().signer(names=())),
        {},
        "names no signer",
        id="2: the certificate has no name in it",
    ),
    pytest.param(
        SigstoreStep.TIME,
        lambda: altered(signed(), f"{ENTRY}.inclusionPromise", None),
        {},
        "inclusion promise or signed timestamp",
        id="3: no trusted clock says when",
    ),
    pytest.param(
        SigstoreStep.CHAIN,
        lambda: strangers().sign_statement(statement(DIGEST), strangers().signer()),
        {},
        "chain",
        id="4: a certificate of an authority that isn't trusted",
    ),
    pytest.param(
        SigstoreStep.SCT,
        lambda: ours().sign_statement(statement(DIGEST), ours().signer(scts=0)),
        {},
        "timestamp",
        id="5: no log of certificates saw it",
    ),
    pytest.param(
        SigstoreStep.IDENTITY,
        signed,
        {"authority": keyless(subject="somebody else")},
        SUBJECT,
        id="6: somebody else's signature",
    ),
    pytest.param(
        SigstoreStep.LOG,
        lambda: strangers().sign_statement(statement(DIGEST), signer()),
        {},
        "log entry",
        id="7: the entry is another log's",
    ),
    pytest.param(
        SigstoreStep.SIGNATURE,
        lambda: altered(signed(), "dsseEnvelope.payload", b64(statement(DIGEST, name="x"))),
        {},
        "signature",
        id="8: the envelope was altered",
    ),
    pytest.param(
        SigstoreStep.ENTRY,
        lambda: altered(signed(), ENTRY, other_entry()),
        {},
        "log entry",
        id="9: another signature's entry",
    ),
    pytest.param(
        SigstoreStep.SUBJECT,
        lambda: ours().sign_statement(statement(OTHER), signer()),
        {},
        "not " + DIGEST,
        id="10: it is about another digest",
    ),
    pytest.param(
        SigstoreStep.CLAIMS,
        signed,
        {"claims": Claims(predicate_type=PROVENANCE)},
        "predicate type",
        id="11: no provenance",
    ),
    pytest.param(
        SigstoreStep.CONDITIONS,
        lambda: ours().sign_statement(
            statement(DIGEST, predicate_type=PROVENANCE, predicate={"built": False}), signer()
        ),
        {"claims": BUILT},
        "is false",
        id="12: a condition is false",
    ),
]


@pytest.mark.parametrize(("step", "material", "more", "text"), STEPS)
def test_each_step_fails_in_its_own_way(step, material, more, text):
    more = dict(more)
    ends(
        check(material if isinstance(material, bytes) else material(), more.pop("authority", None), **more), step, text
    )


def test_every_step_is_in_the_table_and_says_what_it_establishes():
    assert [row.values[0] for row in STEPS] == list(SigstoreStep)
    titles = [step.title for step in SigstoreStep]
    assert len(set(titles)) == len(SigstoreStep)
    assert all(title and title[0].islower() and not title.endswith(".") for title in titles)


def test_a_whole_procedure_passes_all_twelve_steps_in_order():
    bundle = ours().sign_statement(statement(DIGEST, predicate_type=PROVENANCE, predicate={"built": True}), signer())
    result = check(bundle, claims=BUILT)
    passes(result)
    assert [one.number for one in result.steps] == list(SigstoreStep)


PROOF = Proof(
    digest=DIGEST,
    signer=KeylessSigner(issuer=ISSUER, subject=SUBJECT),
    signed_at=NOW,
    log_index=1,
    statement=None,
    annotations={},
    repository=None,
)
GOOD = StepResult(number=1, title="read", outcome=StepOutcome.OK, text="")
BAD = StepResult(number=8, title="verify", outcome=StepOutcome.FAILED, text="bad")


@pytest.mark.parametrize(
    ("steps", "proof", "error", "conclusion"),
    [
        pytest.param((GOOD,), PROOF, None, Conclusion.VERIFIED, id="a proof after good steps"),
        pytest.param((), PROOF, None, Conclusion.FAILED, id="a proof after no step"),
        pytest.param((GOOD, BAD), PROOF, None, Conclusion.FAILED, id="pitfall-9-12: a proof after a bad step"),
        pytest.param((GOOD,), None, None, Conclusion.FAILED, id="neither proof nor error"),
        pytest.param(
            (GOOD,), PROOF, VerificationError("x"), Conclusion.FAILED, id="pitfall-9-12: a proof and an error"
        ),
        pytest.param((GOOD,), PROOF, UndeterminedError("x"), Conclusion.INCONCLUSIVE, id="a proof, and could not look"),
        pytest.param((BAD,), None, VerificationError("x"), Conclusion.FAILED, id="an error"),
    ],
)
def test_only_a_proof_without_any_doubt_is_ok(steps, proof, error, conclusion):
    verification = Verification(steps=steps, proof=proof, error=error)
    assert verification.conclusion is conclusion
    if conclusion is Conclusion.VERIFIED:
        assert verification.require() is proof
    else:
        with pytest.raises(type(error) if error else VerificationError):
            verification.require()


class PanicException(BaseException):
    """What Rust libraries raise has this name and no base but this one."""


@pytest.mark.parametrize(
    ("raised", "outcome", "text"),
    [
        pytest.param(VerificationError("no good"), StepOutcome.FAILED, "no good", id="ours"),
        pytest.param(UndeterminedError("no answer"), StepOutcome.UNDECIDED, "no answer", id="could not look"),
        pytest.param(PolicyError(("a: b",)), StepOutcome.FAILED, "a: b", id="another of ours"),
        pytest.param(ConfigurationError("c"), StepOutcome.FAILED, "c", id="a third of ours"),
        pytest.param(
            ValueError("hostile"), StepOutcome.FAILED, "unreadable (ValueError)", id="pitfall-9-17: a parser's"
        ),
        pytest.param(RecursionError(), StepOutcome.FAILED, "unreadable (RecursionError)", id="pitfall-9-17: too deep"),
        pytest.param(MemoryError(), StepOutcome.FAILED, "unreadable (MemoryError)", id="pitfall-9-17: too large"),
        pytest.param(
            PanicException("x"), StepOutcome.FAILED, "unreadable (PanicException)", id="pitfall-9-17: a panic"
        ),
    ],
)
def test_whatever_is_raised_ends_the_current_step_without_a_proof(raised, outcome, text):
    def body(procedure: Procedure) -> Proof:
        procedure.enter(SigstoreStep.LOG)
        raise raised

    result = carry_out(body)
    assert [(one.number, one.outcome) for one in result.steps] == [
        (SigstoreStep.MATERIAL, StepOutcome.OK),
        (SigstoreStep.LOG, outcome),
    ]
    assert (result.proof, result.steps[-1].text) == (None, text)
    undecided = outcome is StepOutcome.UNDECIDED
    assert result.conclusion is (Conclusion.INCONCLUSIVE if undecided else Conclusion.FAILED)


def test_an_interrupt_is_not_swallowed():
    def body(_: Procedure) -> Proof:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(body)


def test_to_enter_a_step_again_neither_repeats_nor_forgets_it():
    procedure = Procedure()
    procedure.enter(SigstoreStep.TIME)
    procedure.found("at noon")
    procedure.enter(SigstoreStep.TIME)
    procedure.enter(SigstoreStep.CHAIN)
    assert procedure.taken == (SigstoreStep.TIME, SigstoreStep.CHAIN)
    assert [(one.number, one.text) for one in procedure.end()] == [
        (SigstoreStep.TIME, "at noon"),
        (SigstoreStep.CHAIN, ""),
    ]
    assert procedure.current is None
    assert procedure.taken == (SigstoreStep.TIME, SigstoreStep.CHAIN)


LIBRARY_STEPS = [
    SigstoreStep.TIME,
    SigstoreStep.CHAIN,
    SigstoreStep.SCT,
    SigstoreStep.IDENTITY,
    SigstoreStep.LOG,
    SigstoreStep.SIGNATURE,
    SigstoreStep.ENTRY,
]


@pytest.mark.parametrize("left_out", LIBRARY_STEPS)
def test_a_library_that_leaves_out_a_step_proves_nothing(left_out):
    procedure = Procedure()
    for step in LIBRARY_STEPS:
        if step is not left_out:
            procedure.enter(step)
    with pytest.raises(VerificationError, match=left_out.title):
        check_all_taken(procedure)
    procedure.enter(left_out)
    check_all_taken(procedure)


def test_messages_hold_nothing_that_could_break_a_line_or_go_on_forever():
    subject = "https://evil.test/\n\x1b[31m" + "x" * 5000
    by = ours().signer(subject=subject)
    result = check(ours().sign_statement(statement(DIGEST), by))
    ends(result, SigstoreStep.IDENTITY, "signed by https://evil.test/??[31mxxx")
    assert all(one.text.isprintable() and len(one.text) < 1000 for one in result.steps)
    assert "..." in result.steps[-1].text


def test_a_trust_root_that_was_never_valid_then_is_no_reason_to_pass():
    window = {"start": (NOW + timedelta(days=1)).isoformat()}
    (one,) = ours().trusted_root()["certificateAuthorities"]
    trust = root(certificateAuthorities=[one | {"validFor": window}])
    ends(check(signed(), keyless(trust=trust), artifact=ARTIFACT), SigstoreStep.CHAIN, "no certificate authority")


@pytest.mark.parametrize("raised", [VerificationError("x"), UndeterminedError("x"), KeyError("x")])
def test_what_did_not_pass_keeps_nothing_of_its_verification(raised):
    """An envelope may have a MiB, and what is read in it ten times as much."""

    def body(_: Procedure) -> Proof:
        raise raised

    def verify() -> None:
        found = carry_out(body)
        kept.append(found)

    kept: list[Verification] = []
    assert not frames.are_kept(verify)
    assert kept[0].error is not None
