"""Globs are anchored, mean one thing by each star, and take linear time on values meant to slow them down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.model import Glob
from tidegate.strict.wildcard import compile_glob

MATCHES = {
    "a name is itself": ("team/app", "team/app"),
    "a star is any characters of a segment": ("team/*", "team/app"),
    "a star may be nothing": ("team-*", "team-"),
    "a star inside": ("a*c", "abbbc"),
    "stars in each segment": ("*/*", "team/app"),
    "two stars cross segments": ("team/**", "team/a/b/c"),
    "two stars within one segment": ("team/**", "team/a"),
    "two stars may be nothing": ("team**", "team"),
    "two stars in front": ("**/app", "a/b/app"),
    "two stars alone": ("**", "a/b"),
    "two stars alone match the empty text": ("**", ""),
    "a star alone": ("*", "app"),
    "two stars between": ("a/**/z", "a/b/c/z"),
    "both kinds": ("a/*/**/z", "a/b/c/d/z"),
    "both kinds, the first fit is not the right one": ("**/a*c/x", "q/ab/abc/x"),
    "the last literal is looked for at the end": ("*ab", "abab"),
    "a literal that overlaps itself": ("*aab*", "aaab"),
    "a dot is a dot": ("a.b", "a.b"),
    "line breaks are characters": ("a**b", "a\n/\nb"),
    "a line break for one star": ("a*b", "a\nb"),
}
DIFFERS = {
    "a longer value": ("team/app", "team/app2"),
    "a longer value in front": ("app", "my-app"),
    "a longer value in front of a star": ("team/*", "my-team/app"),
    "a longer value in front of two stars": ("team/**", "my-team/a/b"),
    "a longer value in front of both kinds": ("team/*/**", "my-team/a/b"),
    "a longer value behind a star's literal": ("*/app", "team/app2"),
    "a star does not cross a segment": ("team/*", "team/a/b"),
    "a star in the middle does not cross": ("a*c", "a/c"),
    "two stars do not eat the slash beside them": ("team/**", "team"),
    "a dot is not any character": ("a.b", "axb"),
    "a bracket is itself": ("[ab]", "a"),
    "a question mark is itself": ("a?", "ab"),
    "a plus is itself": ("a+", "aa"),
    "case matters": ("team", "Team"),
    "a trailing line break": ("team", "team\n"),
    "a trailing line break after a star's literal": ("*team", "team\n"),
    "one segment too few": ("*/*/*", "a/b"),
    "both kinds, a segment too few": ("a/*/**/z", "a/b/z"),
    "both kinds, a star does not cross": ("**/a*c/x", "q/a/c/x"),
    "literals do not overlap": ("ab*ba", "aba"),
}


@pytest.mark.parametrize("case", MATCHES, ids=str)
def test_a_glob_matches(case):
    text, value = MATCHES[case]
    assert Glob(text=text).matches(value) is True


@pytest.mark.parametrize("case", DIFFERS, ids=str)
def test_a_glob_does_not_match(case):
    text, value = DIFFERS[case]
    assert Glob(text=text).matches(value) is False


def meaning(pattern: str, value: str) -> bool:
    """State what a glob means, one character after the other, with no thought for speed."""
    fits = {(0, 0)}
    symbols: list[str] = []
    for character in pattern:
        if character == "*" and symbols and symbols[-1] == "*":
            symbols[-1] = "**"
        elif character != "*" or not symbols or symbols[-1] != "**":
            symbols.append(character)
    todo = [(0, 0)]
    while todo:
        at, upto = todo.pop()
        if at == len(symbols):
            continue
        symbol, rest = symbols[at], value[upto : upto + 1]
        following = []
        if symbol in ("*", "**"):
            following.append((at + 1, upto))
            if rest and (symbol == "**" or rest != "/"):
                following.append((at, upto + 1))
        elif rest == symbol:
            following.append((at + 1, upto + 1))
        todo += [step for step in following if step not in fits]
        fits.update(following)
    return (len(symbols), len(value)) in fits


@given(st.text("ab/*", max_size=12), st.text("ab/\n", max_size=12))
def test_a_glob_means_what_it_says(pattern, value):
    assert Glob(text=pattern).matches(value) is meaning(pattern, value)


@given(st.text("ab/", max_size=8), st.text("ab/*", max_size=8))
def test_what_a_star_is_put_for_still_matches(value, pattern):
    assert Glob(text=f"{pattern}**{value}").matches(pattern.replace("*", "") + value)
    assert Glob(text=f"{value}**{pattern}").matches(value + pattern.replace("*", ""))


SLOW = {
    "many stars and no end": ("*a" * 60 + "b", "a" * 255),
    "many double stars and no end": ("**a" * 60 + "b", "a" * 255),
    "both kinds and no end": ("*a**a" * 40 + "b", "a" * 255),
    "both kinds over slashes": ("**/*/" * 40 + "b", "/" * 255),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", SLOW, ids=str)
def test_a_hostile_value_ends(case):
    """Backtracking would not end before the universe does, so that a limit of seconds tells the two apart."""
    text, value = SLOW[case]
    assert not Glob(text=text).matches(value)
    assert Glob(text=text).matches(value + "b") is meaning(text, value + "b")


def test_a_glob_is_compiled_once():
    before = compile_glob.cache_info().misses
    for _ in range(3):
        assert Glob(text="compiled-once-*").matches("compiled-once-a")
    assert compile_glob.cache_info().misses == before + 1
    assert compile_glob.cache_info().maxsize is not None
