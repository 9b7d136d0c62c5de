"""Verdicts of any content, in files and from a cluster: named as not valid or reported, never a crash and never markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_json
from tests.unit.builders import NOW, evidence, findings, report
from tests.unit.verdicts.given import given
from tests.verdict_objects import entries_of, hostile, shop
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.report.reading import verdicts_in
from tidegate.reports.as_json import report_as_json
from tidegate.reports.html_page import render_page
from tidegate.reports.model import Inventory
from tidegate.reports.policy_report import MAX_REPORT_BYTES, WG_POLICY, build_report, merged
from tidegate.reports.read import read_inventory
from tidegate.reports.summary import summarize
from tidegate.verdicts.encode import encode

SEEDS = [*shop(), *hostile(), encode(given(), NOW), encode(given(evidence(report(*findings(CRITICAL=3)))), NOW)]
MARKUP = re.compile(r"<(script|img|link|iframe|object|embed|form|base)\b|<[^>]*\s(on\w+|style|src|action)=")


def make_every_report(inventory: Inventory) -> None:
    """Make all outputs of an inventory."""
    summary = summarize(inventory)
    json.dumps(report_as_json(summary, inventory, now=NOW, images=inventory.images))
    assert not MARKUP.search(render_page(summary, inventory, now=NOW))
    entries = entries_of(inventory)
    for namespace in {one.namespace for one in entries}:
        built = build_report(namespace, [one for one in entries if one.namespace == namespace], WG_POLICY)
        assert built is not None
        assert len(json.dumps(built)) < 2 * MAX_REPORT_BYTES
        assert sum(built["summary"].values()) >= len(built["results"])
        assert merged(built, None, now=NOW) is not None


@fuzzed()
def test_a_changed_verdict_is_reported_or_named(rng: Random) -> None:
    content = json.dumps(rng.choice(SEEDS)).encode()
    changed = changed_json(rng, content) if rng.random() < 0.8 else blind(rng, content)
    with shown(changed):
        inventory = read_inventory([changed, rng.choice(SEEDS)])
        assert 1 <= len(inventory.images) + len(inventory.unreadable) <= 2
        make_every_report(inventory)


@fuzzed()
def test_a_changed_file_is_read_or_refused(rng: Random) -> None:
    whole: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": [rng.choice(SEEDS), rng.choice(SEEDS)]}
    content = json.dumps(whole, indent=rng.choice((None, 2))).encode()
    changed = changed_json(rng, content) if rng.random() < 0.5 else blind(rng, content)
    # A line before it makes it YAML.
    changed = b"# \n" + changed if rng.random() < 0.5 else changed
    with shown(changed):
        try:
            objects = verdicts_in(changed, Path("verdicts"))
        except ArgumentError:
            return
        make_every_report(read_inventory(objects))
