"""Make the generated files: the chart's schema and README from values.yaml, CRDs by ``crds``, pages by ``reference``.

    python deploy/helm/generate.py            writes them all
    python deploy/helm/generate.py --verify   changes nothing; fails where one is out of date

values.yaml is the manual, and its schema is closed. A key's comment is what stands directly above it. ``@schema`` in it
adds to what the default's type says (a JSON Schema in YAML's flow form, going on where the next lines are indented),
``Example:`` gives a value. A mapping that has an ``@schema`` is one value; any other is a group of keys. It does not
render the chart.
"""

# A script beside the chart, not a package; printing is how it answers.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crds import crd_texts
from reference import PageError, page_texts

CHART = Path(__file__).resolve().parent / "tidegate"
MAX_KEYS = 120
BEGIN = "<!-- values: made by deploy/helm/generate.py from values.yaml -->"
END = "<!-- end of values -->"
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class ManualError(Exception):
    """values.yaml doesn't say what it must; the text names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of values.yaml; ``children`` is None for a value and the keys below for a group."""

    path: tuple[str, ...]
    meaning: str
    default: Any
    constraints: dict[str, Any] | None
    example: str
    children: tuple[Entry, ...] | None = field(default=None)

    @property
    def name(self) -> str:
        """The key as ``--set`` takes it."""
        return ".".join(self.path)


def _comment_above(lines: Sequence[str], line: int) -> list[str]:
    """Return the comment that stands directly above a line, without its marks, top to bottom."""
    found: list[str] = []
    while line > 0 and (text := lines[line - 1].strip()).startswith("#"):
        found.insert(0, text.removeprefix("#").removeprefix(" "))
        line -= 1
    return found


def _parts(comment: Sequence[str]) -> dict[str, str]:
    """Split a comment into its meaning, ``@schema`` and ``Example:``; indented lines go on with what they follow."""
    parts = {"meaning": "", "@schema": "", "Example:": ""}
    current = "meaning"
    for text in comment:
        mark = next((mark for mark in ("@schema", "Example:") if text.startswith(mark)), None)
        if mark:
            current = mark
        elif not text.startswith("  "):
            current = "meaning"
        parts[current] = f"{parts[current]} {text.removeprefix(mark or '').strip()}".strip()
    return parts


def _entry(path: tuple[str, ...], key: yaml.Node, value: yaml.Node, lines: Sequence[str]) -> Entry:
    parts = _parts(_comment_above(lines, key.start_mark.line))
    name = ".".join(path)
    if not parts["meaning"]:
        raise ManualError(f"{name} has no comment: say what it means and why the default is what it is")
    constraints = yaml.safe_load(parts["@schema"]) if parts["@schema"] else None
    default = yaml.safe_load(yaml.serialize(value))
    if type(default) not in TYPES:
        raise ManualError(f"{name} has the default {default!r}: use a string, number, list or mapping, never null")
    children = None
    if isinstance(value, yaml.MappingNode) and constraints is None:
        children = tuple(_entries(path, value, lines))
        if not children:
            raise ManualError(f"{name} is an empty mapping: say with @schema what may be in it")
    if isinstance(default, list) and "items" not in (constraints or {}):
        raise ManualError(f"{name} is a list: say with @schema what its items are")
    return Entry(
        path=path,
        meaning=parts["meaning"],
        default=default,
        constraints=constraints,
        example=parts["Example:"],
        children=children,
    )


def _entries(path: tuple[str, ...], node: yaml.MappingNode, lines: Sequence[str]) -> Iterator[Entry]:
    for key, value in node.value:
        yield _entry((*path, key.value), key, value, lines)


def read_manual(text: str) -> tuple[Entry, ...]:
    """Return the entries of a values.yaml; raise ManualError where one isn't documented or there are too many."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ManualError("values.yaml is not a mapping")
    entries = tuple(_entries((), root, text.splitlines()))
    count = sum(1 for _ in leaves(entries))
    if count >= MAX_KEYS:
        raise ManualError(f"values.yaml has {count} keys: keep it under {MAX_KEYS}, nobody reads more")
    return entries


def leaves(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Give the values without their groups, in the manual's order."""
    for entry in entries:
        if entry.children is None:
            yield entry
        else:
            yield from leaves(entry.children)


def _schema_of(entry: Entry) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": entry.meaning}
    if entry.children is not None:
        return schema | _closed(entry.children)
    schema |= {"type": TYPES[type(entry.default)]} | (entry.constraints or {})
    if schema["type"] == "object":
        schema.setdefault("additionalProperties", False)
    return schema | {"default": entry.default}


def _closed(entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {entry.path[-1]: _schema_of(entry) for entry in entries},
    }


def schema_text(entries: Sequence[Entry]) -> str:
    """Return values.schema.json: closed everywhere, except for maps that are free by their own ``@schema``."""
    schema: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the tidegate chart",
        **_closed(entries),
    }
    # A parent chart hands its ``global`` to every chart below it; this one takes nothing from it.
    schema["properties"]["global"] = {"description": "Of a parent chart; not used.", "type": "object"}
    return json.dumps(schema, indent=2) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def table_text(entries: Sequence[Entry]) -> str:
    """Return the README's table, a row a value; a group's meaning is a row of its own."""
    rows = ["| key | default | meaning |", "|---|---|---|"]

    def add(entry: Entry) -> None:
        if entry.children is not None:
            rows.append(f"| **`{entry.name}`** | | {_cell(entry.meaning)} |")
            for child in entry.children:
                add(child)
            return
        example = f" Example: `{_cell(entry.example)}`" if entry.example else ""
        default = _cell(json.dumps(entry.default))
        rows.append(f"| `{entry.name}` | `{default}` | {_cell(entry.meaning)}{example} |")

    for entry in entries:
        add(entry)
    return "\n".join(rows) + "\n"


def readme_text(present: str, entries: Sequence[Entry]) -> str:
    """Return the README with a new table between its two marks; everything else is written by hand."""
    head, begin, rest = present.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ManualError(f"README.md lacks the lines {BEGIN!r} and {END!r}, between which the table goes")
    return f"{head}{BEGIN}\n{table_text(entries)}{END}{tail}"


def outputs(chart: Path) -> dict[Path, str]:
    """Return what each generated file has to say."""
    entries = read_manual((chart / "values.yaml").read_text())
    readme = chart / "README.md"
    return {
        chart / "values.schema.json": schema_text(entries),
        readme: readme_text(readme.read_text(), entries),
        **{chart / "crds" / name: text for name, text in crd_texts().items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or verify them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--verify", action="store_true", help="change nothing; fail where a file is out of date")
    parser.add_argument("--chart", type=Path, default=CHART, help="the chart's folder")
    options = parser.parse_args(arguments)
    try:
        wanted = outputs(options.chart) | page_texts()
    except ManualError as problem:
        print(f"values.yaml: {problem}", file=sys.stderr)
        return 1
    except PageError as problem:
        print(f"docs/reference: {problem}", file=sys.stderr)
        return 1
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    if options.verify:
        for path in stale:
            print(f"{path} is out of date: run python deploy/helm/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
