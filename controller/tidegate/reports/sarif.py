"""Results as a SARIF log (OASIS Static Analysis Results Interchange Format, version 2.1.0), for code scanning in CI.

GitHub code scanning shows every result as an alert, whatever its kind, and refuses a file in which a result has no
location. So what is in order is no result here: ``properties`` of the run have room for it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from tidegate import __version__
from tidegate.strict.quotation import printable

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS: Final = 25_000
"""Results of one run: what GitHub code scanning takes."""
MAX_MESSAGE_CHARACTERS: Final = 8_000
MAX_PATH_CHARACTERS: Final = 1_024
_ROOT: Final = "%SRCROOT%"
"""The name that GitHub and others use for the root of the repository."""
_NO_FILE: Final = "no-file"
"""The folder in the location of a result that is about no file."""


class SarifLevel(StrEnum):
    """How bad a failure is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class SarifKind(StrEnum):
    """What a result is. Only a failure has a level; SARIF demands ``none`` of the others."""

    FAIL = "fail"
    OPEN = "open"
    """It could not be decided whether there is a problem."""
    REVIEW = "review"
    """It was not evaluated: a person has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifRule:
    """What results are about. ``id`` is stable, ``short`` one sentence, ``help`` says how to fix it.

    ``security_severity`` is 0.1 to 10.0 as in CVSS, by which GitHub sorts alerts, or None.
    """

    id: str
    name: str
    short: str
    help: str
    security_severity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifResult:
    """One result. ``path`` is a file, relative to the root of the repository where it is below it, with its 1-based ``line``.

    Without a file, ``path`` is empty, and ``logical_name`` is the location: an image or a repository, for instance. A
    result with the same rule, ``fingerprint`` and place is the same in the next run; ``fingerprint`` is any text that does
    not change with line numbers, dates or counts.
    """

    rule_id: str
    level: SarifLevel
    message: str
    kind: SarifKind = SarifKind.FAIL
    path: str = ""
    line: int = 1
    logical_name: str = ""
    fingerprint: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


def sarif_log(
    command: str,
    rules: Sequence[SarifRule],
    results: Sequence[SarifResult],
    *,
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a log with one run of ``tidegate COMMAND``: its rules, and the results, worst first.

    Raise ValueError for a result whose rule is not among the rules. Past ``MAX_RESULTS``, the worst results stay, and the
    property ``omittedResults`` of the run counts the others.
    """
    indexes = {rule.id: index for index, rule in enumerate(rules)}
    if unknown := {one.rule_id for one in results} - indexes.keys():
        raise ValueError(f"results of rules that are not listed: {', '.join(sorted(unknown))}")
    ordered = sorted(results, key=_rank)
    omitted = {"omittedResults": len(ordered) - MAX_RESULTS} if len(ordered) > MAX_RESULTS else {}
    bag = {**(properties or {}), **omitted}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": f"tidegate {command}",
                "semanticVersion": __version__,
                "rules": [_rule(one) for one in rules],
            }
        },
        "automationDetails": {"id": f"tidegate/{command}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, indexes[one.rule_id]) for one in ordered[:MAX_RESULTS]],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run | ({"properties": bag} if bag else {})]}


def _rank(result: SarifResult) -> int:
    """Failures come by level, and what is not decided or not evaluated after errors alone."""
    if result.kind is not SarifKind.FAIL:
        return 1
    return (0, 2, 3)[list(SarifLevel).index(result.level)]


def _rule(rule: SarifRule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": rule.short},
        "help": {"text": rule.help},
    }
    if rule.security_severity is not None:
        described["properties"] = {"tags": ["security"], "security-severity": f"{rule.security_severity:.1f}"}
    return described


def _result(result: SarifResult, rule_index: int) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _physical(result)}
    if result.logical_name:
        location["logicalLocations"] = [{"fullyQualifiedName": _message(result.logical_name)}]
    described: dict[str, Any] = {
        "ruleId": result.rule_id,
        "ruleIndex": rule_index,
        "kind": result.kind.value,
        "level": result.level.value if result.kind is SarifKind.FAIL else "none",
        "message": {"text": _message(result.message)},
        "locations": [location],
    }
    if result.fingerprint:
        digest = hashlib.sha256(f"{result.rule_id}\n{result.fingerprint}".encode(errors="replace")).hexdigest()
        # GitHub's upload action makes its own from the line of the file; there is none without a file.
        described["partialFingerprints"] = {"tidegate/v1": digest} | (
            {} if result.path else {"primaryLocationLineHash": digest}
        )
    if result.properties:
        described["properties"] = dict(result.properties)
    return described


def _physical(result: SarifResult) -> dict[str, Any]:
    # A logical name has colons, which would make its first part the scheme of a URI.
    path = PurePosixPath((result.path or f"{_NO_FILE}/{result.logical_name}")[:MAX_PATH_CHARACTERS])
    uri = quote(str(path), errors="replace")
    artifact = {"uri": f"file://{uri}"} if path.is_absolute() else {"uri": uri, "uriBaseId": _ROOT}
    return {"artifactLocation": artifact, "region": {"startLine": max(result.line, 1)}}


def _message(text: str) -> str:
    """Return the text in printable lines, cut where it is long."""
    cut = text if len(text) <= MAX_MESSAGE_CHARACTERS else text[:MAX_MESSAGE_CHARACTERS] + " ..."
    return "\n".join(printable(line) for line in cut.split("\n")) or "-"
