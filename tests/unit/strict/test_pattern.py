"""What a certificate says is compared whole, exactly or by an expression, in linear time, and never with everything."""

import pytest

from tests.simulator.pki.sigstore import ISSUER, SUBJECT
from tidegate.strict.objection import Objection
from tidegate.strict.pattern import MAX_VALUE_CHARACTERS, STRANGERS, Exact, Pattern, make_exact, make_pattern
from tidegate.verify.sigstore.identity import SigstoreIdentity

WORKFLOW = r"https://github\.com/acme/[^/]+/\.github/workflows/release\.yaml@refs/heads/main"


@pytest.mark.parametrize(
    ("expression", "text", "matches"),
    [
        pytest.param(WORKFLOW, SUBJECT, True, id="the whole text"),
        pytest.param(WORKFLOW, SUBJECT + "-evil", False, id="pitfall-9-18: more at the end"),
        pytest.param(WORKFLOW, "x" + SUBJECT, False, id="pitfall-9-18: more at the beginning"),
        pytest.param(WORKFLOW, SUBJECT + "\n", False, id="pitfall-9-18: a line's end after it"),
        pytest.param(WORKFLOW, SUBJECT + "\0", False, id="pitfall-9-18: a NUL after it"),
        pytest.param(WORKFLOW, SUBJECT + "\0.acme.test", False, id="pitfall-9-18: more after a NUL"),
        pytest.param(r"https://a\.test/.*", "https://a.test/\0x", False, id="pitfall-9-18: a NUL in what a dot takes"),
        pytest.param(r"https://github\.com/acme/", SUBJECT, False, id="pitfall-9-18: only its beginning"),
        pytest.param(r"main", SUBJECT, False, id="pitfall-9-18: only its end"),
        pytest.param(r"(?m)^b$", "a\nb", False, id="pitfall-9-18: one of several lines"),
        pytest.param(r"(?s)https://a\.test/.*", "https://a.test/\nx", False, id="pitfall-9-18: several lines at all"),
        pytest.param(r"a|https://b", "https://bc", False, id="pitfall-9-18: an alternative is whole too"),
        pytest.param(r"a|https://b", "ab", False, id="pitfall-9-18: the other alternative, too"),
        pytest.param(r"https://a\.test/.*", "https://a.test/\nx", False, id="a dot is no line's end"),
        pytest.param(r"https://a\.test/é", "https://a.test/é", True, id="more than ASCII"),
        pytest.param(r"https://a\.test/.*", "https://a.test/\udcff", False, id="half a character"),
        pytest.param(r"https://a/.*", "https://a/" + "x" * (MAX_VALUE_CHARACTERS - 10), True, id="as long as may be"),
        pytest.param(r"https://a/.*", "https://a/" + "x" * (MAX_VALUE_CHARACTERS - 9), False, id="pitfall-9-7: longer"),
        pytest.param(r"(a*)*b", "a" * 8000, False, id="pitfall-9-18: what makes others backtrack"),
    ],
)
def test_an_expression_matches_the_whole_text_or_not(expression, text, matches):
    pattern = make_pattern(expression)
    assert isinstance(pattern, Pattern)
    assert pattern.matches(text) is matches


@pytest.mark.parametrize(
    "expression",
    [
        ".*",
        ".+",
        "(?s).*",
        "^.*$",
        r"[\x00-\x{10FFFF}]*",
        "(.|x)*",
        "[^~]+",
        "",
        r"https://.+",
        r".+@.+",
        r"spiffe://.*",
        r".*/release\.yml@refs/heads/main",
    ],
)
def test_pitfall_9_18_an_expression_that_fits_just_anybody_is_no_demand(expression):
    made = make_pattern(expression)
    assert isinstance(made, Objection)
    assert "every identity" in made.expected


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("(", id="doesn't close"),
        pytest.param(r"(a)\1", id="refers back"),
        pytest.param("(?=a)b", id="looks ahead"),
        pytest.param("(a{1000}){1000}", id="pitfall-9-18: takes too much memory"),
        pytest.param("\udcff", id="half a character"),
    ],
)
def test_what_is_not_re2_is_refused_with_the_policy(expression):
    made = make_pattern(expression)
    assert isinstance(made, Objection)
    assert "RE2's syntax" in made.expected


def test_an_exact_text_is_compared_character_for_character():
    exact = make_exact(SUBJECT)
    assert exact.matches(SUBJECT)
    for other in (SUBJECT + "\0", SUBJECT + "\n", SUBJECT.upper(), SUBJECT[:-1], "", *STRANGERS):
        assert not exact.matches(other)
    assert not Exact(text="https://a.test/é").matches("https://a.test/e\u0301")
    assert not Exact(text=".*").matches("x")


@pytest.mark.parametrize(
    ("issuer", "subject", "ok"),
    [
        pytest.param(ISSUER, SUBJECT, True, id="both"),
        pytest.param("https://other.test", SUBJECT, False, id="pitfall-9-20: the subject only"),
        pytest.param(ISSUER, "other", False, id="pitfall-9-20: the issuer only"),
        pytest.param(SUBJECT, ISSUER, False, id="pitfall-9-20: each the other"),
        pytest.param(ISSUER.upper(), SUBJECT, False, id="in other letters"),
    ],
)
@pytest.mark.parametrize("kind", ["exact", "expression"])
def test_pitfall_9_20_issuer_and_subject_are_both_compared(issuer, subject, ok, kind):
    if kind == "exact":
        wanted = SigstoreIdentity(issuer=Exact(text=ISSUER), subject=Exact(text=SUBJECT))
    else:
        by_pattern = Pattern(text=r"https://token\.actions\.githubusercontent\.com")
        wanted = SigstoreIdentity(issuer=by_pattern, subject=Pattern(text=WORKFLOW))
    assert wanted.matches(issuer=issuer, subject=subject) is ok


def test_messages_show_what_is_wanted_and_whether_it_is_an_expression():
    wanted = SigstoreIdentity(issuer=Exact(text=ISSUER), subject=Pattern(text="a.+\n"))
    assert str(wanted) == f"subject expression 'a.+\\n', issuer '{ISSUER}'"
