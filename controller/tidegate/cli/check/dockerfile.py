"""The images that a Dockerfile builds on: each FROM, and the images of COPY --from and RUN --mount=from.

A variable has the value of ``--build-arg``, or of an ARG before the first FROM. Names of stages and ``scratch`` are not images.
If something could hide a FROM, such as a here-document that does not end, the file is refused.
"""

import csv
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from tidegate.admission.workload import MAX_LISTED
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.manifests import FoundImage
from tidegate.strict.quotation import quoted

MAX_VALUE_CHARACTERS: Final = 4096
"""Characters of a value after its variables were replaced."""
_NAME: Final = re.compile(r"(?:Dockerfile|Containerfile)(?:\..+)?|.+\.(?:Dockerfile|Containerfile)", re.IGNORECASE)
_DIRECTIVE: Final = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES: Final = frozenset({"syntax", "escape", "check"})
_CONTROL: Final = re.compile(r"[\x00\x1c-\x1f]")
"""Characters that Python takes for spaces and BuildKit does not, and NUL."""
_HEREDOC: Final = re.compile(r"\d*<<(-?)(['\"]?)([A-Za-z0-9_.][A-Za-z0-9_.-]*)\2")
_LIKE_HEREDOC: Final = re.compile(r"\d*<<[^<]+")
_SPECIAL: Final = re.compile(r"['\"\\`$]")
_LIKE_INSTRUCTION: Final = re.compile(r"\s*(?:(?:FROM|ARG|COPY|ADD|RUN|ONBUILD)[\s\\`]|[A-Z]+[\\`]\s*$)", re.IGNORECASE)
_VARIABLE: Final = re.compile(
    r"\\(?P<escaped>.)|\$(?P<name>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-+])(?P<word>[^{}$]*))?\}"
)
_COPYING: Final = frozenset({"COPY", "ADD", "RUN"})
_PREDEFINED: Final = frozenset(
    f"{kind}{part}" for kind in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
"""Arguments that a FROM may use although no ARG declares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction: its name in upper case, what follows, and its first line, from 1."""

    name: str
    rest: str
    line: int


@dataclass(slots=True, kw_only=True)
class _Stages:
    """What is known so far: the values of ARG before the first FROM, and the names and number of stages."""

    values: dict[str, str | None]
    names: set[str] = field(default_factory=set)
    count: int = 0


def is_dockerfile(path: PurePath) -> bool:
    """Tell whether a file is a Dockerfile by its name."""
    return _NAME.fullmatch(path.name) is not None


def images_of_dockerfile(
    text: str, *, file: str, namespace: str, build_args: Mapping[str, str]
) -> tuple[list[FoundImage], int]:
    """Return the images that a Dockerfile builds on, and the number of its stages.

    Raise ArgumentError for an invalid file.
    """
    stages = _Stages(values={name: value for name, value in build_args.items() if name in _PREDEFINED})
    found: list[FoundImage] = []
    for one in instructions(text, file):
        for what, written in _uses(one, stages, build_args, file):
            image, why = _resolved(written, stages.values)
            found.append(
                FoundImage(
                    place=f"Dockerfile {what}",
                    namespace=namespace,
                    text=image,
                    not_judged=why,
                    file=file,
                    line=one.line,
                )
            )
        if len(found) > MAX_LISTED:
            raise ArgumentError(f"{file}: more than {MAX_LISTED:,} images")
    return found, stages.count


def _uses(one: Instruction, stages: _Stages, build_args: Mapping[str, str], file: str) -> Iterator[tuple[str, str]]:
    """Yield each image of an instruction as written, with what uses it; remember arguments and stages."""
    if one.name == "ARG" and not stages.count:
        for name, default in _arguments(one.rest):
            value = build_args.get(
                name, stages.values.get(name) if default is None else _expand(default, stages.values)
            )
            stages.values[name] = value
    elif one.name == "FROM":
        words = [word for word in one.rest.split() if not word.startswith("--")]
        if len(words) not in {1, 3} or (len(words) == 3 and words[1].upper() != "AS"):  # noqa: PLR2004 - IMAGE AS NAME
            raise ArgumentError(f"{file}:{one.line}: expected FROM IMAGE or FROM IMAGE AS NAME")
        stage = f"stage {words[2] if len(words) > 1 else stages.count} FROM"
        expanded = _expand(words[0], stages.values)
        if expanded is None or expanded.lower() not in {"scratch", *stages.names}:
            yield stage, words[0]
        stages.count += 1
        stages.names |= {words[2].lower()} if len(words) > 1 else set()
    elif one.name in _COPYING:
        for source in _sources(one, file):
            number = source.isdecimal() and int(source) < stages.count
            if not number and source.lower() not in {"scratch", *stages.names}:
                yield f"{one.name} {'--mount=from' if one.name == 'RUN' else '--from'}", source


def _sources(one: Instruction, file: str) -> Iterator[str]:
    """Yield the values of ``from`` in the flags of COPY, ADD and RUN, which come first."""
    for flag in _flags(one.rest):
        name, _, value = flag.partition("=")
        if one.name != "RUN" and name == "--from":
            yield value
        elif one.name == "RUN" and name == "--mount":
            try:
                parts = next(csv.reader([value]), [])
            except csv.Error as problem:
                raise ArgumentError(f"{file}:{one.line}: a mount cannot be read: {problem}") from problem
            keys = (part.partition("=") for part in parts)
            yield from (source for key, _, source in keys if key.lower() == "from")


def _flags(rest: str) -> Iterator[str]:
    """Yield the flags before the arguments of an instruction; in either quotes, a backslash escapes as outside of them."""
    place, end = 0, len(rest)
    while True:
        while place < end and rest[place].isspace():
            place += 1
        if not rest.startswith("--", place):
            return
        word, quote = list[str](), ""
        while place < end and (quote or not rest[place].isspace()):
            character, place = rest[place], place + 1
            if character == "\\":
                character, place = rest[place : place + 1], place + 1
            elif character in (quote or ("'", '"')):
                quote = "" if quote else character
                continue
            word.append(character)
        if word == ["-", "-"]:
            return
        yield "".join(word)


def _arguments(rest: str) -> Iterator[tuple[str, str | None]]:
    """Yield the names of an ARG with their defaults."""
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    for word in words:
        name, equals, default = word.partition("=")
        yield name, default if equals else None


def _resolved(written: str, values: Mapping[str, str | None]) -> tuple[str, str]:
    """Return a reference with its variables replaced, and why it is not judged."""
    expanded = _expand(written.strip("'\""), values)
    if expanded is None:
        return written, "a variable of the reference has no value. To fix: add --build-arg NAME=VALUE"
    if not expanded:
        return written, "the reference is empty. To fix: add --build-arg NAME=VALUE"
    return expanded, ""


def _expand(text: str, values: Mapping[str, str | None]) -> str | None:
    """Return the text with its variables replaced, or None where one has no value or a form that is not known."""
    parts, place = [], 0
    for found in _VARIABLE.finditer(text):
        parts.append(text[place : found.start()])
        place = found.end()
        value = found["escaped"] if found["escaped"] is not None else _value(found, values)
        if value is None or "$" in parts[-1]:
            return None
        parts.append(value)
    rest = text[place:]
    whole = "".join([*parts, rest])
    return None if "$" in rest or len(whole) > MAX_VALUE_CHARACTERS else whole


def _value(found: re.Match[str], values: Mapping[str, str | None]) -> str | None:
    value = values.get(found["name"] or found["braced"])
    operator, word = found["operator"], found["word"]
    if operator is None:
        return value
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return value if is_set else word
    return word if is_set else ""


def instructions(text: str, file: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile: lines are joined, comments and here-documents left out.

    The rules are those of BuildKit's parser. Raise ArgumentError where it is not clear what is in a here-document.
    """
    if _CONTROL.search(text):
        raise ArgumentError(f"{file}: a control character that BuildKit reads in another way. To fix: remove it")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    escape = re.escape(_escape(lines, file))
    # A line goes on unless the escape character before its end is escaped itself.
    continues = re.compile(rf"(?:(?<=[^{escape}])|^){escape}[ \t]*$")
    number, start, parts = 0, 0, list[str]()
    while number < len(lines):
        line, number = lines[number], number + 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start if parts else number
        parts.append(continues.sub("", line))
        if continues.search(line) and number < len(lines):
            continue
        words = "".join(parts).split(None, 1)
        while words and words[0].upper() == "ONBUILD":
            words = words[1].split(None, 1) if len(words) > 1 else []
        parts = []
        if words:
            one = Instruction(name=words[0].upper(), rest=words[1] if len(words) > 1 else "", line=start)
            number = _after_heredocs(one, lines, number, file)
            yield one


def _escape(lines: Sequence[str], file: str) -> str:
    """Return the character that continues a line: the parser directive ``escape`` at the top of the file sets it.

    Versions of BuildKit differ in whether directives go on after one that is not known: such a file is refused.
    """
    are_known = True
    for number, line in enumerate(lines, 1):
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape" and found[2] in {"\\", "`"}:
            if not are_known:
                raise ArgumentError(f"{file}:{number}: the directive escape counts only after known directives")
            return found[2]
        are_known = are_known and found[1].lower() in _DIRECTIVES
    return "\\"


def _after_heredocs(one: Instruction, lines: Sequence[str], number: int, file: str) -> int:
    """Return the number of the line after the here-documents of an instruction."""
    if one.name not in _COPYING:
        return number
    is_plain = True
    for word in one.rest.split():
        found = _HEREDOC.fullmatch(word)
        if found is None and _LIKE_HEREDOC.fullmatch(word):
            raise ArgumentError(f"{file}:{one.line}: {quoted(word)}: write the delimiter of a here-document as <<NAME")
        if found is None:
            # In quotes, << begins no here-document.
            is_plain = is_plain and not _SPECIAL.search(word)
            continue
        while True:
            if number >= len(lines):
                raise ArgumentError(f"{file}:{one.line}: the here-document {found[3]} does not end")
            line, number = lines[number], number + 1
            if (line.lstrip("\t") if found[1] else line) == found[3]:
                break
            if not is_plain and _LIKE_INSTRUCTION.match(line):
                raise ArgumentError(
                    f"{file}:{number}: this may be an instruction, or text of the here-document {found[3]}. "
                    "To fix: write the here-document without quotes, variables and backslashes before it"
                )
    return number
