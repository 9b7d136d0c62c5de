"""YAML and JSON files, bounded, with the line of each field.

A mapping with the same key twice is an error, because one of the two values would be lost. Often the line ``---`` between two
objects is missing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from tidegate.cli.argument_files import ArgumentError

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_STEPS = 10_000
"""Keys that are compared to find the line of one field."""
_MERGE = "tag:yaml.org,2002:merge"
_TEMPLATE = re.compile(r"\{\{|\{%")


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlValue:
    """A value of a file, and where it is written."""

    value: Any
    node: yaml.Node

    @property
    def line(self) -> int:
        """Return the line of the value, from 1."""
        return int(self.node.start_mark.line) + 1

    def line_of(self, path: str) -> int:
        """Return the line of a field, such as ``spec.containers[0].image``, or of the nearest field around it."""
        return int(_nearest(self.node, self.node, path, [MAX_STEPS])[1].start_mark.line) + 1

    def key_line_of(self, path: str) -> int:
        """Return the line of the name of a field, which may be before that of its value."""
        return int(_nearest(self.node, self.node, path, [MAX_STEPS])[2].start_mark.line) + 1

    def items(self, name: str) -> "list[YamlValue] | None":
        """Return the items of a list that is a member of this mapping, or None if it has no such list."""
        listed = self.value.get(name) if isinstance(self.value, dict) else None
        if not isinstance(listed, list):
            return None
        _, node, _ = _nearest(self.node, self.node, name, [MAX_STEPS])
        nodes = node.value if isinstance(node, yaml.SequenceNode) else []
        nodes = nodes if len(nodes) == len(listed) else [node] * len(listed)
        return [YamlValue(value=value, node=node) for value, node in zip(listed, nodes, strict=True)]


def yaml_values(text: str, name: object) -> Iterator[YamlValue]:
    """Yield the value of each YAML document of a text; none for an empty document.

    Raise ArgumentError, which names the file, for a text that is not YAML.
    """
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            _require_unique_keys(node)
            value = loader.construct_document(node)
            if value is not None:
                yield YamlValue(value=value, node=node)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        # Some values, such as a date that does not exist, raise ValueError.
        hint = "; it looks like a template, so render it first, for example with helm template"
        raise ArgumentError(f"{name} is not YAML: {problem}{hint if _TEMPLATE.search(text) else ''}") from problem
    finally:
        loader.dispose()


def read_text(file: Path) -> str:
    """Return the text of a file, standard input for ``-``; raise ArgumentError if it cannot be read or is too large."""
    try:
        with click.open_file(str(file), encoding="utf-8") as stream:
            text = str(stream.read(MAX_FILE_BYTES + 1))
    except (OSError, UnicodeDecodeError) as problem:
        raise ArgumentError(f"{file} cannot be read: {problem}") from problem
    if len(text) > MAX_FILE_BYTES:
        raise ArgumentError(f"{file} is larger than {MAX_FILE_BYTES} characters")
    return text


def _require_unique_keys(root: yaml.Node) -> None:
    """Raise YAMLError for a mapping with the same key twice."""
    pending, seen = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if not isinstance(node, yaml.MappingNode):
            pending += node.value
            continue
        keys = set()
        for key, value in node.value:
            pending += (key, value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if (key.tag, key.value) in keys:
                text = f"found the key {key.value!r} twice; is the line --- between two objects missing?"
                raise yaml.MarkedYAMLError("while reading a mapping", node.start_mark, text, key.start_mark)
            keys.add((key.tag, key.value))


def _nearest(node: yaml.Node, key: yaml.Node, path: str, steps: list[int]) -> tuple[int, yaml.Node, yaml.Node]:
    """Return the node at a path, or the nearest one around it, after the number of characters of the path that are left.

    Beside it is its key, or the node itself in a list. A key may have dots, so each key is tried that the path begins with.
    """
    best = len(path), node, key
    for rest, child, at in _children(node, key, path):
        steps[0] -= 1
        if steps[0] < 0:
            break
        if rest is not None:
            best = min(best, _nearest(child, at, rest, steps), key=lambda found: found[0])
    return best


def _children(node: yaml.Node, key: yaml.Node, path: str) -> Iterator[tuple[str | None, yaml.Node, yaml.Node]]:
    """Yield the rest of the path below each member of a node (None if the path leads elsewhere), the member, and its key."""
    if isinstance(node, yaml.SequenceNode):
        found = re.match(r"\[(\d{1,9})\]\.?", path)
        if found and int(found[1]) < len(node.value):
            item = node.value[int(found[1])]
            yield path[found.end() :], item, item
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.tag == _MERGE:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                yield from ((path, one, key) for one in merged)
            elif isinstance(name, yaml.ScalarNode) and path.startswith(name.value):
                rest = path[len(name.value) :]
                yield (rest.removeprefix(".") if rest[:1] in {"", ".", "["} else None), value, name
            else:
                yield None, value, name
