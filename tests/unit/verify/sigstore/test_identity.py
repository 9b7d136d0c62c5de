"""Issuer and subject are both demanded; an expression matches whole texts, in linear time, and never everything."""

import pytest

from tests.simulator.pki.sigstore import ISSUER, SUBJECT, statement
from tests.unit.verify.sigstore.cases import DIGEST, check, ends, ours, passes, root, signer
from tidegate.errors import PolicyError
from tidegate.verify.sigstore.authority import KeylessAuthority
from tidegate.verify.sigstore.identity import (
    MAX_RULE_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    Exactly,
    Expression,
    Identity,
    lint_expression,
)
from tidegate.verify.sigstore.procedure import Step
from tidegate.verify.sigstore.proof import KeylessSigner

WORKFLOW = r"https://github\.com/acme/[^/]+/\.github/workflows/release\.yaml@refs/heads/main"


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        pytest.param(WORKFLOW, SUBJECT, True, id="the whole text"),
        pytest.param(WORKFLOW, SUBJECT + "-evil", False, id="pitfall-9-18: more at the end"),
        pytest.param(WORKFLOW, "x" + SUBJECT, False, id="pitfall-9-18: more at the beginning"),
        pytest.param(WORKFLOW, SUBJECT + "\n", False, id="pitfall-9-18: a line's end after it"),
        pytest.param(WORKFLOW, SUBJECT + "\0", False, id="pitfall-9-18: a NUL after it"),
        pytest.param(r"https://github\.com/acme/", SUBJECT, False, id="pitfall-9-18: only its beginning"),
        pytest.param(r"main", SUBJECT, False, id="pitfall-9-18: only its end"),
        pytest.param(r"(?m)^b$", "a\nb", False, id="pitfall-9-18: one of several lines"),
        pytest.param(r"a|https://b", "https://bc", False, id="pitfall-9-18: an alternative is whole too"),
        pytest.param(r"https://a\.test/.*", "https://a.test/\nx", False, id="a dot is no line's end"),
        pytest.param(r"https://a\.test/é", "https://a.test/é", True, id="more than ASCII"),
        pytest.param(r"https://a\.test/.*", "https://a.test/\udcff", False, id="half a character"),
        pytest.param(r"https://.*", "https://" + "x" * (MAX_TEXT_CHARACTERS - 8), True, id="as long as may be"),
        pytest.param(r"https://.*", "https://" + "x" * (MAX_TEXT_CHARACTERS - 7), False, id="pitfall-9-7: longer"),
        pytest.param(r"(a*)*b", "a" * 4000, False, id="pitfall-9-18: what makes others backtrack"),
    ],
)
def test_an_expression_matches_the_whole_text_or_not(pattern, text, matches):
    assert Expression(pattern=pattern).matches(text) is matches


@pytest.mark.parametrize(
    "pattern", [".*", ".+", "(?s).*", "^.*$", r"[\x00-\x{10FFFF}]*", "(.|x)*", "[^~]+", "", "x" * 1025]
)
def test_pitfall_9_18_an_expression_that_would_match_anything_is_no_demand(pattern):
    with pytest.raises(PolicyError):
        Expression(pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(", id="doesn't close"),
        pytest.param(r"(a)\1", id="refers back"),
        pytest.param("(?=a)b", id="looks ahead"),
        pytest.param("(a{1000}){1000}", id="pitfall-9-18: takes too much memory"),
        pytest.param("\udcff", id="half a character"),
    ],
)
def test_what_is_not_re2_is_refused_with_the_policy(pattern):
    with pytest.raises(PolicyError, match="is not RE2"):
        Expression(pattern=pattern)


@pytest.mark.parametrize("length", [0, MAX_RULE_CHARACTERS + 1])
def test_an_exact_text_has_bounds(length):
    with pytest.raises(PolicyError, match="characters"):
        Exactly(text="x" * length)
    assert Exactly(text="x" * MAX_RULE_CHARACTERS).matches("x" * MAX_RULE_CHARACTERS)


@pytest.mark.parametrize(
    ("issuer", "subject", "ok"),
    [
        pytest.param(ISSUER, SUBJECT, True, id="both"),
        pytest.param("https://other.test", SUBJECT, False, id="pitfall-9-20: the subject only"),
        pytest.param(ISSUER, "other", False, id="pitfall-9-20: the issuer only"),
        pytest.param(ISSUER.upper(), SUBJECT, False, id="in other letters"),
    ],
)
@pytest.mark.parametrize("kind", ["exact", "expression"])
def test_pitfall_9_20_issuer_and_subject_are_both_compared(issuer, subject, ok, kind):
    if kind == "exact":
        wanted = Identity(issuer=Exactly(text=ISSUER), subject=Exactly(text=SUBJECT))
    else:
        issuer_rule = Expression(pattern=r"https://token\.actions\.githubusercontent\.com")
        wanted = Identity(issuer=issuer_rule, subject=Expression(pattern=WORKFLOW))
    assert wanted.matches(KeylessSigner(issuer=issuer, subject=subject)) is ok


def test_an_authority_of_nobody_is_refused():
    with pytest.raises(PolicyError, match="at least one"):
        KeylessAuthority(identities=(), root=root())


def test_gap_regular_expressions_any_of_several_identities_may_have_signed():
    nobody = Identity(issuer=Exactly(text=ISSUER), subject=Exactly(text="nobody"))
    wanted = Identity(issuer=Exactly(text=ISSUER), subject=Expression(pattern=WORKFLOW))
    bundle = ours().sign_statement(statement(DIGEST), signer())
    passes(check(bundle, KeylessAuthority(identities=(nobody, wanted), root=root())))
    partial = Identity(issuer=Exactly(text=ISSUER), subject=Expression(pattern=r"https://github\.com/acme"))
    result = check(bundle, KeylessAuthority(identities=(nobody, partial), root=root()))
    ends(result, Step.IDENTITY, 'expected subject "nobody"')
    assert r'or subject expression "https://github\\.com/acme", issuer' in result.steps[-1].text


@pytest.mark.parametrize(
    ("pattern", "warnings"),
    [
        pytest.param(WORKFLOW, 0, id="nothing to say"),
        pytest.param(r"https://github.com/acme/.*", 1, id="pitfall-9-18: a dot that is any character"),
        pytest.param(r"https://[.]test/.*", 0, id="a dot in brackets"),
        pytest.param(r".*@acme\.test", 1, id="pitfall-9-18: an open beginning"),
        pytest.param(r".*@acme.test", 2, id="both"),
    ],
)
def test_expressions_that_say_more_than_meant_are_pointed_out(pattern, warnings):
    assert len(lint_expression(pattern)) == warnings
