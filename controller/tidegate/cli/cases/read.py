"""Reads test cases from files, and from all YAML files of folders.

A field that does not exist is an error with its path and the name that was probably meant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tidegate.cli.argument_files import ArgumentError, read_file
from tidegate.cli.cases import model
from tidegate.cli.cases.model import API_VERSION, KIND, CaseFile
from tidegate.cli.documents import objects_of
from tidegate.cli.yaml_files import MAX_FILE_BYTES, YamlValue, read_text, yaml_values
from tidegate.policy.shape import nearest
from tidegate.strict.quotation import printable

MAX_FILES: Final = 10_000
"""YAML files below one folder."""
MAX_VALUES: Final = 1_000_000
"""Values of one document with cases."""
_GROUP: Final = API_VERSION.partition("/")[0]
_ENDINGS: Final = frozenset({".yaml", ".yml"})
_UNKNOWN: Final = re.compile(r"contains unknown field `(.*)`$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCases:
    """The test cases of one document of a file."""

    path: Path
    content: CaseFile


def read_cases(paths: Sequence[Path]) -> list[ReadCases]:
    """Return the test cases of files and folders; raise ArgumentError for invalid ones, and where there are none."""
    found: list[ReadCases] = []
    for path in paths:
        files = files_below(path, f"{_GROUP}/") if path.is_dir() else [path]
        here = [ReadCases(path=file, content=one) for file in files for one in _of_file(file)]
        if not here:
            raise ArgumentError(f"{path} has no test cases: add a YAML file with apiVersion {API_VERSION}, kind {KIND}")
        found += here
    return found


def files_below(folder: Path, mentioned: str) -> list[Path]:
    """Return the YAML files below a folder that contain a text: others, such as values of a chart, may have no objects."""
    found = []
    for path in sorted(folder.rglob("*")):
        if (
            path.suffix in _ENDINGS
            and path.is_file()
            and not path.is_symlink()
            and mentioned.encode() in read_file(path, maximum=MAX_FILE_BYTES)
        ):
            found.append(path)
        if len(found) > MAX_FILES:
            raise ArgumentError(f"{folder} has more than {MAX_FILES} YAML files; name a folder with fewer")
    return found


def _of_file(file: Path) -> Iterator[CaseFile]:
    """Yield the test cases of a file; each object of their API group must be one."""
    for document in objects_of(yaml_values(read_text(file), file), file):
        version = document.value.get("apiVersion")
        if isinstance(version, str) and version.partition("/")[0] == _GROUP:
            yield _read(document, file)


def _read(document: YamlValue, file: Path) -> CaseFile:
    _require_bounded(document.value, file)
    try:
        return msgspec.convert(document.value, CaseFile)
    except msgspec.ValidationError as problem:
        text, _, path = str(problem).partition(" - at `$")
        path = path.rstrip("`").lstrip(".")
        place = f"{file}:{document.key_line_of(path)}: "
        where = f"{place}{printable(path)}: " if path else place
        raise ArgumentError(f"{where}{printable(_words(text))}") from problem


def _require_bounded(value: object, file: Path) -> None:
    """Raise ArgumentError for more than MAX_VALUES values: YAML aliases may repeat a value without end."""
    pending, count = [value], 0
    while pending:
        one = pending.pop()
        count += 1
        if count + len(pending) > MAX_VALUES:
            raise ArgumentError(f"{file} has more than {MAX_VALUES:,} values in one document; split it")
        if isinstance(one, dict | list):
            pending.extend(one.values() if isinstance(one, dict) else one)


def _words(text: str) -> str:
    unknown = _UNKNOWN.search(text)
    if unknown is None:
        return text[:1].lower() + text[1:]
    near = nearest(unknown[1], [one for one in _FIELDS if one != unknown[1]])
    do = f"did you mean {near}?" if near else "remove it"
    return f"there is no field {unknown[1]}; {do}"


_FIELDS: Final = sorted(
    {
        name
        for part in vars(model).values()
        if isinstance(part, type) and issubclass(part, model.Part)
        for name in part.__struct_encode_fields__
    }
)
"""The names of all fields of test cases."""
