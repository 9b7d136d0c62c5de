"""Checks SARIF logs against the JSON Schema of SARIF 2.1.0, and against what GitHub code scanning demands beyond it."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).parent / "schemas/sarif-2.1.0-rtm.5.json").read_text())
URI_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/%")


def valid_run(log: dict[str, Any]) -> dict[str, Any]:
    """Return the one run of a log; fail if it is not valid."""
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    runs: list[dict[str, Any]] = log["runs"]
    (run,) = runs
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for rule in run["tool"]["driver"]["rules"]:
        assert all(rule[name]["text"] for name in ("shortDescription", "fullDescription", "help"))
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        # SARIF 2.1.0, 3.27.10: only a failure has a level.
        assert (result["level"] == "none") == (result["kind"] != "fail")
        # GitHub refuses the whole file otherwise.
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri
        assert set(uri) <= URI_CHARACTERS
        assert uri.startswith("file:///") or ":" not in uri
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    return run
