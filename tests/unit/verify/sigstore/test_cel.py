"""A condition is true or false by its types, and what could take time or memory out of proportion is refused."""

import pytest

from tidegate.errors import VerificationError
from tidegate.strict.objection import Objection
from tidegate.verify.sigstore.cel import MAX_SAID, Condition, make_condition


def made(text: str) -> Condition:
    condition = make_condition(text)
    assert isinstance(condition, Condition), condition
    return condition


@pytest.mark.parametrize(
    ("text", "predicate", "holds"),
    [
        pytest.param("predicate.a == 'x'", {"a": "x"}, True, id="equal"),
        pytest.param("predicate.a == 'x'", {"a": "X"}, False, id="other letters"),
        pytest.param("predicate.a == true", {"a": True}, True, id="true"),
        pytest.param("predicate.a == true", {"a": "true"}, False, id="a text that says true"),
        pytest.param("predicate.a == true", {"a": 1}, False, id="a number for true"),
        pytest.param("predicate.a == null", {"a": None}, True, id="nothing"),
        pytest.param("predicate.a == 1", {"a": 1.0}, True, id="numbers by value"),
        pytest.param("predicate.a >= 9.5", {"a": 10}, True, id="numbers by size"),
        pytest.param("predicate.a >= 9.5", {"a": 9}, False, id="a smaller number"),
        pytest.param("has(predicate.a) && predicate.a == 1", {}, False, id="guarded"),
        pytest.param("!has(predicate.a) || predicate.a == 1", {}, True, id="guarded the other way"),
        pytest.param("predicate.a == 1 || predicate.b == 2", {"b": 2}, True, id="one of two is enough"),
        pytest.param("predicate.l.all(one, one.startsWith('git+'))", {"l": ["git+a", "git+b"]}, True, id="all"),
        pytest.param("predicate.l.all(one, one.startsWith('git+'))", {"l": ["git+a", "b"]}, False, id="not all"),
        pytest.param("predicate.l.all(one, one.startsWith('git+'))", {"l": []}, True, id="all of none"),
        pytest.param("predicate.l.exists(one, one == 2)", {"l": [1, 2]}, True, id="exists"),
        pytest.param("predicate.l.exists_one(one, one == 2)", {"l": [2, 2]}, False, id="not once"),
        pytest.param("predicate.m.all(key, key != 'x')", {"m": {"x": 1}}, False, id="keys"),
        pytest.param("predicate.a.matches('^v[0-9]+$')", {"a": "v12"}, True, id="matches"),
        pytest.param("predicate.a.matches('v1')", {"a": "xv1"}, True, id="matches a part, as CEL has it"),
        pytest.param("predicate['a b'].c[1] == 'y'", {"a b": {"c": ["x", "y"]}}, True, id="by index"),
        pytest.param(
            "timestamp(predicate.t) > timestamp('2026-01-01T00:00:00Z')", {"t": "2026-02-01T00:00:00Z"}, True, id="time"
        ),
    ],
)
def test_a_condition_holds_or_not(text, predicate, holds):
    assert made(text).holds(predicate) is holds


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        pytest.param("predicate.a == 1", {}, id="a field that is not there"),
        pytest.param("predicate.a.b == 1", {"a": "text"}, id="a field of a text"),
        pytest.param("predicate.a == 1", ["a"], id="a list for an object"),
        pytest.param("predicate.a == 1", None, id="no predicate"),
        pytest.param("predicate.a < 1", {"a": "0"}, id="a text for a number"),
        pytest.param("predicate.l[3] == 1", {"l": [1]}, id="past the end"),
        pytest.param("predicate.l.all(one, one == 1)", {"l": "text"}, id="a text for a list"),
        pytest.param("predicate.l.all(one, predicate.x)", {"l": [1], "x": "true"}, id="a text for a truth, in a loop"),
        pytest.param("predicate.a == 1 && predicate.b", {"a": 1, "b": "yes"}, id="a text for a truth, after and"),
        pytest.param("predicate.a ? true : false", {"a": "yes"}, id="a text for a truth, as a choice"),
        pytest.param("timestamp(predicate.t) > timestamp('2026-01-01T00:00:00Z')", {"t": "today"}, id="no time"),
        pytest.param("predicate.a / predicate.b == 1", {"a": 1, "b": 0}, id="divided by zero"),
        pytest.param("predicate.a == 1", {"a": 1 << 100}, id="a number past 64 bits"),
        pytest.param("predicate.a == 'x'", {"a": "\udcff"}, id="half a character"),
        pytest.param("predicate.a == 'x'", {"a": object()}, id="no JSON at all"),
        pytest.param("predicate.l.all(x, predicate.l.all(y, x == 1))", {"l": [1] * 101}, id="pitfall-9-6: steps"),
        pytest.param("predicate.l.all(x, x == 1)", {"l": [1] * 10_001}, id="pitfall-9-6: steps of one loop"),
    ],
)
def test_what_cannot_be_computed_is_an_error_and_never_true(text, predicate):
    with pytest.raises(VerificationError, match="cannot be computed") as caught:
        made(text).holds(predicate)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(text) + MAX_SAID + 100


@pytest.mark.parametrize("text", ["predicate.a", "'yes'", "1", "null", "predicate.l.map(one, one == 1)"])
def test_a_condition_made_around_the_parser_is_not_true_for_what_is_no_truth(text):
    """Refused with the policy; and even here a value of another type than a truth proves nothing."""
    assert isinstance(make_condition(text), Objection)
    with pytest.raises(VerificationError, match="cannot be computed"):
        Condition(text=text).holds({"a": "yes", "l": [1]})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("predicate.t.contains(predicate.u)", id="a text of the predicate's"),
        pytest.param("'a'.contains(predicate.u)", id="in a text of ours"),
        pytest.param("predicate.t.contains('a' + predicate.u)", id="a text that is joined"),
        pytest.param("predicate.t.contains(string(predicate.u))", id="a text that is made"),
        pytest.param("predicate.t.matches(predicate.u)", id="an expression of the predicate's"),
        pytest.param("matches(predicate.t, predicate.u)", id="as a function"),
        pytest.param("predicate.t . matches /* */ (predicate.u)", id="written apart"),
        pytest.param("predicate.t.//\nmatches//\n(predicate.u)", id="around comments"),
        pytest.param("predicate.a == 'x.contains(\\'y\\')' && predicate.t.contains(predicate.u)", id="beside a quote"),
    ],
)
def test_pitfall_9_18_what_is_searched_for_is_written_in_the_condition(text):
    made = make_condition(text)
    assert isinstance(made, Objection)
    assert "in quotes" in made.expected or "CEL" in made.expected


@pytest.mark.parametrize(
    "text",
    [
        "predicate.t.contains('a')",
        'predicate.t.contains( "a" )',
        r"predicate.t.matches(r'a\d')",
        "predicate.t.contains('''it's''')",
        "predicate.t.matches('a.matches(b)')",
        "predicate.t == 'contains(predicate.u)' // matches(it)",
        "predicate.contains == 1",
    ],
)
def test_searching_for_a_text_in_quotes_is_fine(text):
    assert made(text).text == text


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        pytest.param("predicate.l.all(x, x + 'a' != 'b')", True, id="pitfall-9-6: + in a loop"),
        pytest.param("predicate.l.map(x, x + x).size() == 1", True, id="pitfall-9-6: + in a map"),
        pytest.param("predicate.l.//\nexists(x, 'a' + x == 'b')", True, id="pitfall-9-6: around a comment"),
        pytest.param("predicate.l.all(x, x != '+')", False, id="+ in quotes"),
        pytest.param("predicate.l.all(x, x != '+') // +", False, id="+ in a comment"),
        pytest.param("'a' + predicate.a == 'ab'", False, id="+ without a loop"),
        pytest.param("'a' + predicate.all == 'ab'", False, id="+ beside a field called all"),
    ],
)
def test_texts_are_not_joined_where_they_could_grow_with_every_step(text, refused):
    assert isinstance(make_condition(text), Objection) is refused


def test_a_condition_with_a_nul_is_refused_since_the_library_would_stop_reading_there():
    made = make_condition("true\0 && false")
    assert isinstance(made, Objection)
    assert "NUL" in made.expected


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("predicate.a == 1", 0),
        ("predicate.l.all(x, x == 1)", 1),
        ("predicate.l.all(x, x.m.exists(y, y == 1))", 2),
        ("predicate.l.filter(x, x == 1).map(x, x).exists_one(x, x == 1)", 3),
        ("predicate.l . all //c\n (x, x == 1)", 1),
        ("predicate.a == 'l.all(x)'", 0),
        (r"""predicate.a == r"\d.map(x)" && predicate.l.all(x, x == R'\d')""", 1),
        (r"""predicate.a == "\".map(x)" && predicate.b == '\'.map(x)'""", 0),
        ("predicate.a == '''it's.map(x)'''", 0),
        ("predicate.all == 1 && predicate.map == 2", 0),
    ],
)
def test_loops_are_counted_outside_of_texts_and_comments(text, loops):
    assert made(text).loops == loops


@pytest.mark.parametrize(
    ("text", "any_value"),
    [
        pytest.param("predicate.a == 'x'", False, id="with a text"),
        pytest.param("'x' != predicate.a", False, id="with a text before"),
        pytest.param("predicate.a == -1.5", False, id="with a number"),
        pytest.param("predicate.a == true && predicate.b != null", False, id="with true and null"),
        pytest.param("'x' in predicate.l", False, id="a text in a list"),
        pytest.param("predicate.a in ['x', 'y', 3]", False, id="in a list that is written"),
        pytest.param("predicate.a in [predicate.b]", True, id="in a list of others"),
        pytest.param("predicate.a == predicate.b", True, id="with another value"),
        pytest.param("predicate.a in predicate.l", True, id="in another list"),
        pytest.param("predicate.a == [1, 2]", True, id="with a list"),
        pytest.param("predicate.a == 'x' || predicate.a != predicate.b", True, id="one of two"),
        pytest.param("predicate['a'] == predicate['b']", True, id="by name"),
    ],
)
def test_comparisons_with_what_is_written_are_told_from_those_of_two_values(text, any_value):
    assert made(text).compares_any is any_value
