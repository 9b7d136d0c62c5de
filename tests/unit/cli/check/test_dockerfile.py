"""The images that a Dockerfile builds on: no FROM is hidden, and a variable without a value is not judged."""

from pathlib import Path

import pytest

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.dockerfile import images_of_dockerfile, instructions, is_dockerfile


def images(text: str, **build_args: str) -> list[tuple[str | None, int]]:
    """The images that can be judged, with their lines."""
    found, _ = images_of_dockerfile(text, file="Dockerfile", namespace="default", build_args=build_args)
    assert not any(one.not_judged for one in found)
    return [(one.text, one.line) for one in found]


def why(text: str, **build_args: str) -> str:
    found, _ = images_of_dockerfile(text, file="Dockerfile", namespace="default", build_args=build_args)
    (one,) = found
    return one.not_judged


FOUND: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "an image": ("FROM a:1", [("a:1", 1)]),
    "in any case, with tabs": ("\tfrom\ta:1\tas\tb", [("a:1", 1)]),
    "after comments and directives": ("# syntax=docker/dockerfile:1\n# a\n\nFROM a:1", [("a:1", 4)]),
    "with a platform": ("FROM --platform=$BUILDPLATFORM a:1 AS x", [("a:1", 1)]),
    "a default of ARG": ("ARG V=1\nFROM a:$V", [("a:1", 2)]),
    "a default from an ARG before": ("ARG V=1 W=x\nARG T=${V}-$W\nFROM a:${T}", [("a:1-x", 3)]),
    "a quoted default": ('ARG V="1"\nFROM a:$V', [("a:1", 2)]),
    "the last ARG": ("ARG V=1\nARG V=2\nFROM a:$V", [("a:2", 3)]),
    "an ARG without a default keeps the one before": ("ARG V=1\nARG V\nFROM a:$V", [("a:1", 3)]),
    "an ARG of a stage is not that of FROM": ("ARG V=1\nFROM a:$V\nARG V=2\nFROM b:$V", [("a:1", 2), ("b:1", 4)]),
    "a word in place of no value": ("FROM ${I:-a:1}", [("a:1", 1)]),
    "a word in place of an empty value": ("ARG I=\nFROM ${I:-a:1}", [("a:1", 2)]),
    "a word where there is a value": ("ARG V=1\nFROM a${V:+:x}", [("a:x", 2)]),
    "no stage of the file": ("FROM a:1 AS Build\nFROM build\nFROM BUILD AS last", [("a:1", 1)]),
    "a stage that comes later is an image": ("FROM b\nFROM a:1 AS b", [("b", 1), ("a:1", 2)]),
    "no scratch": ("FROM scratch\nFROM Scratch AS x", []),
    "what is copied": ("FROM a\nCOPY --chown=1 --from=b:1 /x /y\nADD --from=c / /", [("a", 1), ("b:1", 2), ("c", 3)]),
    "nothing copied from a stage": ("FROM a AS x\nCOPY --from=x / /\nCOPY --from=0 / /\nCOPY --from=X / /", [("a", 1)]),
    "a number that is no stage": ("FROM a\nCOPY --from=1 / /", [("a", 1), ("1", 2)]),
    "what is mounted": (
        "FROM a\nRUN --mount=type=bind,from=b:1,target=/x --mount=from=c x",
        [("a", 1), ("b:1", 2), ("c", 2)],
    ),
    "no text that looks like a flag": ("FROM a\nRUN x --mount=from=b\nCOPY a --from=b", [("a", 1)]),
    "after a flag with spaces in quotes": (
        "FROM a\nCOPY --exclude=\"x y\" --from=b / /\nRUN --mount='target=/x y' --mount=from=c x",
        [("a", 1), ("b", 2), ("c", 3)],
    ),
    "a flag in quotes or with a backslash": (
        "FROM a\nCOPY --fr\\om=b / /\nCOPY --'from'=c / /\nRUN --mount=\"from=d,target=/x\" x",
        [("a", 1), ("b", 2), ("c", 3), ("d", 4)],
    ),
    "a mount in another case, and in quotes of CSV": (
        "FROM a\nRUN --mount=type=bind,FROM=b x\nRUN --mount='\"from=c\",target=/x' x",
        [("a", 1), ("b", 2), ("c", 3)],
    ),
    "no flag after the end of flags": ("FROM a\nCOPY -- --from=b /", [("a", 1)]),
    "on build": ("FROM a\nONBUILD COPY --from=b / /", [("a", 1), ("b", 2)]),
    "a continued line": ("FROM \\\n  # a comment\n\n  a:1 \\  \n AS x", [("a:1", 1)]),
    "after a continued line": ("FROM a\nRUN x \\\n  FROM b\nFROM c", [("a", 1), ("c", 4)]),
    "after an escaped backslash, which continues no line": ("FROM a\nRUN x \\\\\nFROM b", [("a", 1), ("b", 3)]),
    "with another escape character": ("# escape=`\nFROM a\nRUN c:\\\nFROM b\nRUN x `\nFROM c", [("a", 2), ("b", 4)]),
    "with another directive before": (
        "# syntax=x\n# check=skip=all\n# escape=`\nFROM a\nRUN x `\nFROM b",
        [("a", 4)],
    ),
    "a directive without a value": ("# syntax=\n# escape=`\nFROM a\nRUN x `\nFROM b", [("a", 3), ("b", 5)]),
    "a directive that is none": ("# a\n# escape=`\nFROM a\nRUN x `\nFROM b", [("a", 3), ("b", 5)]),
    "not in a here-document": ("FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c", [("a", 1), ("c", 5)]),
    "not in several here-documents": (
        "FROM a\nCOPY <<A <<-'B' /x\nFROM b\nA\nFROM c\n\tB\nFROM d",
        [("a", 1), ("d", 7)],
    ),
    "after a quoted here-document that is none": ('FROM a\nRUN echo "<<EOF"\nFROM b', [("a", 1), ("b", 3)]),
    "no here-document of another instruction": ("FROM a\nLABEL x=<<EOF\nFROM b", [("a", 1), ("b", 3)]),
    "lines of Windows": ("FROM a\r\nRUN <<EOF\r\nFROM b\r\nEOF\r\nFROM c\r\n", [("a", 1), ("c", 5)]),
    "no line ends at another separator": ("FROM a\nRUN x \u2028 y \\\nFROM b\nFROM c", [("a", 1), ("c", 4)]),
    "with a mark of the byte order": ("\ufeffFROM a", [("a", 1)]),
}


@pytest.mark.parametrize("case", FOUND)
def test_images_are_found(case: str):
    text, expected = FOUND[case]
    assert images(text) == expected


def test_build_arguments_come_before_defaults():
    assert images("ARG V=1\nFROM a:$V", V="2") == [("a:2", 2)]
    assert images("ARG V\nFROM a:$V", V="2") == [("a:2", 2)]
    assert images("FROM ${TARGETARCH}/a", TARGETARCH="arm64") == [("arm64/a", 1)]


def test_a_build_argument_is_no_value_of_a_variable_that_no_arg_declares():
    """Docker takes the word in its place."""
    assert images("FROM ${I:-a}", I="b") == [("a", 1)]
    assert "To fix: add --build-arg" in why("FROM $I", I="b")


@pytest.mark.parametrize(
    "text", ["ARG V\nFROM a:$V", "FROM $V", "FROM a:${V}", "FROM a:${V:-$W}", "FROM a:${V#x}", "FROM a$", "FROM ${V-"]
)
def test_a_variable_without_a_value_is_not_judged(text: str):
    assert "has no value. To fix: add --build-arg" in why(text)


def test_an_empty_reference_is_not_judged():
    assert "is empty" in why("FROM ${V+x}")


def test_the_place_names_the_stage():
    found, stages = images_of_dockerfile(
        "FROM a AS x\nFROM b\nCOPY --from=c / /", file="D", namespace="n", build_args={}
    )
    assert [one.place for one in found] == [
        "Dockerfile stage x FROM",
        "Dockerfile stage 1 FROM",
        "Dockerfile COPY --from",
    ]
    assert (stages, {one.namespace for one in found}, {one.file for one in found}) == (2, {"n"}, {"D"})


REFUSED = {
    "two words": ("FROM a b", "Dockerfile:1: expected FROM IMAGE"),
    "no image": ("FROM --platform=x", "Dockerfile:1: expected FROM IMAGE"),
    "another word than AS": ("FROM a IS b", "Dockerfile:1: expected FROM IMAGE"),
    "a here-document without an end": ("FROM a\nRUN <<EOF\nFROM b", "Dockerfile:2: the here-document EOF does not end"),
    "an unusual delimiter": ("FROM a\nRUN <<E'O'F\nFROM b\nEOF", "write the delimiter"),
    # BuildKit takes no here-document here, and FROM b for an instruction.
    "a here-document that may be in quotes": (
        'FROM a\nRUN x"y <<EOF z"\nFROM b\nRUN c \\\nEOF',
        "Dockerfile:3: this may be an",
    ),
    "an escape character after a directive that is not known": (
        "# x=y\n# escape=`\nFROM a\nRUN x `\nFROM b",
        "Dockerfile:2: the directive escape counts only",
    ),
    "a control character that is a space to some": (
        "FROM a\nRUN x \\\n\x1c\nFROM b",
        "Dockerfile: a control character",
    ),
    "an instruction that goes on in what may be a here-document": (
        "FROM a\nRUN echo 'x <<EOF y'\nFROM\\\n b\nRUN c \\\nEOF",
        "Dockerfile:3: this may be an",
    ),
    "an instruction in parts in what may be a here-document": (
        "FROM a\nRUN echo 'x <<EOF y'\nFR\\\nOM b\nRUN c \\\nEOF",
        "Dockerfile:3: this may be an",
    ),
    "a mount that is no CSV": ("FROM a\nRUN --mount=from=b,x=" + "c" * 140_000 + " x", "Dockerfile:2: a mount"),
    "a here-document that may be in a variable": (
        "FROM a\nRUN ${x:-y <<EOF }\nFROM b\nEOF",
        "Dockerfile:3: this may be an",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_not_clear_is_refused(case: str):
    text, words = REFUSED[case]
    with pytest.raises(ArgumentError) as problem:
        images(text)
    assert words in str(problem.value)


def test_a_value_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tidegate.cli.check.dockerfile.MAX_VALUE_CHARACTERS", 3)
    assert images("ARG V=1\nFROM a:$V") == [("a:1", 2)]
    assert why("ARG V=12\nFROM a:$V")


def test_images_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tidegate.cli.check.dockerfile.MAX_LISTED", 1)
    with pytest.raises(ArgumentError, match="more than 1 images"):
        images("FROM a\nFROM b")


@pytest.mark.parametrize("text", ["", "\n", "# a", "ONBUILD", "ONBUILD ONBUILD", "\\", "RUN \\"])
def test_text_without_an_image_has_none(text: str):
    assert images(text) == []
    assert all(one.name in {"RUN", "\\"} for one in instructions(text, "Dockerfile"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Dockerfile", True),
        ("dockerfile", True),
        ("Containerfile", True),
        ("Dockerfile.web", True),
        ("web.Dockerfile", True),
        ("Dockerfiles", False),
        ("web.yaml", False),
        ("-", False),
    ],
)
def test_a_dockerfile_is_known_by_its_name(name: str, wanted: bool):
    assert is_dockerfile(Path("a") / name) is wanted
