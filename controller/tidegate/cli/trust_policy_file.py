"""Reads a ``trustpolicy.json``, and reports every problem with line and column."""

import json
import re
from pathlib import Path

import yaml

from tidegate.cli.argument_files import ArgumentError, read_file
from tidegate.errors import PolicyError
from tidegate.verify.notation.trust_policy.document import MAX_POLICY_BYTES, parse_trust_policy
from tidegate.verify.notation.trust_policy.statement import TrustPolicyDocument

_PATH = re.compile(r"(?P<path>[A-Za-z][A-Za-z0-9_.\[\]-]*): ")
_PART = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)|\[(?P<index>[0-9]{1,6})\]")

Place = tuple[int, int]
"""Line and column, from 1."""


def read_trust_policy_file(path: Path) -> TrustPolicyDocument:
    """Return the parsed document; raise ArgumentError with every problem as ``file:line:column: problem``."""
    content = read_file(path, maximum=MAX_POLICY_BYTES)
    try:
        return parse_trust_policy(content)
    except PolicyError as error:
        raise ArgumentError("\n".join(_placed(path, content, problem) for problem in error.problems)) from error


def place_of(text: str, field: str) -> Place | None:
    """Return the place of a field such as ``trustPolicies[0].name`` in a JSON text, or of its nearest parent.

    Return None for invalid JSON.
    """
    try:
        # JSON is YAML except for tabs between tokens, and the YAML reader keeps places.
        node = yaml.compose(text.replace("\t", " "), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    for part in _PART.finditer(field):
        below = _below(node, part)
        if below is None:
            break
        node = below
    return None if node is None else (node.start_mark.line + 1, node.start_mark.column + 1)


def _below(node: yaml.Node | None, part: re.Match[str]) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode) and part["name"]:
        return next((value for key, value in node.value if key.value == part["name"]), None)
    if isinstance(node, yaml.SequenceNode) and part["index"]:
        index = int(part["index"])
        return node.value[index] if index < len(node.value) else None
    return None


def _placed(path: Path, content: bytes, problem: str) -> str:
    text = content.decode("utf-8", errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{path}:{error.lineno}:{error.colno}: malformed trust policy: {error.msg}"
    except RecursionError:
        return f"{path}: {problem}"
    field = _PATH.match(problem)
    place = place_of(text, field["path"]) if field else None
    return f"{path}:{place[0]}:{place[1]}: {problem}" if place else f"{path}: {problem}"
