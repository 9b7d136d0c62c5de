"""No documented field is ignored: for each, another value on the wire is another value in the policy."""

from dataclasses import fields
from typing import Any

import pytest

from tests.unit.policy import schema
from tests.unit.policy.examples import ACCOUNT, FULL, IGNORED, changed, with_spec
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy

Path = tuple[str | int, ...]

CHANGES: dict[str, tuple[Path, Any, str]] = {
    "spec.validationActions": (("validationActions",), ["Deny"], "actions"),
    "spec.match": (("match",), {}, "match"),
    "spec.match.namespaceSelector": (("match", "namespaceSelector"), {}, "match"),
    "spec.match.namespaceSelector.matchLabels": (
        ("match", "namespaceSelector", "matchLabels"),
        {"team": "other"},
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions": (("match", "namespaceSelector", "matchExpressions"), [], "match"),
    "spec.match.namespaceSelector.matchExpressions[].key": (
        ("match", "namespaceSelector", "matchExpressions", 0, "key"),
        "stage",
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions[].operator": (
        ("match", "namespaceSelector", "matchExpressions", 0, "operator"),
        "NotIn",
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions[].values": (
        ("match", "namespaceSelector", "matchExpressions", 0, "values"),
        ["test"],
        "match",
    ),
    "spec.match.namespaces": (("match", "namespaces"), ["other"], "match"),
    "spec.match.excludedNamespaces": (("match", "excludedNamespaces"), [], "match"),
    "spec.match.images": (("match", "images"), [], "match"),
    "spec.match.images[].account": (("match", "images", 0, "account"), "000000000001", "match"),
    "spec.match.images[].partition": (
        ("match", "images"),
        [{"account": ACCOUNT, "partition": "aws-cn", "repositories": ["shop/**"]}],
        "match",
    ),
    "spec.match.images[].region": (("match", "images", 0, "region"), "eu-west-2", "match"),
    "spec.match.images[].host": (("match", "images"), [{"host": "ghcr.io"}], "match"),
    "spec.match.images[].repositories": (("match", "images", 0, "repositories"), ["shop/*"], "match"),
    "spec.registries": (("registries",), [{"host": "ghcr.io"}], "registries"),
    "spec.registries[].account": (("registries", 0, "account"), "000000000001", "registries"),
    "spec.registries[].partition": (("registries", 0, "partition"), "aws-us-gov", "registries"),
    "spec.registries[].region": (("registries", 2, "region"), "eu-west-3", "registries"),
    "spec.registries[].host": (("registries", 1, "host"), "ghcr.io", "registries"),
    "spec.registries[].repositories": (("registries", 1, "repositories"), ["**"], "registries"),
    "spec.tags": (("tags",), {"immutable": True}, "tags"),
    "spec.tags.immutable": (("tags", "immutable"), False, "tags"),
    "spec.tags.digestRequired": (("tags", "digestRequired"), False, "tags"),
    "spec.tags.forbidden": (("tags", "forbidden"), ["dev-*"], "tags"),
    "spec.scan": (("scan",), {}, "scan"),
    "spec.scan.whenPending": (("scan", "whenPending"), "Deny", "scan"),
    "spec.scan.whenExpired": (("scan", "whenExpired"), "Deny", "scan"),
    "spec.scan.whenUnsupported": (("scan", "whenUnsupported"), "Deny", "scan"),
    "spec.scan.maxAge": (("scan", "maxAge"), "31d", "scan"),
    "spec.scan.settlingPeriod": (("scan", "settlingPeriod"), "6m", "scan"),
    "spec.vulnerabilities": (("vulnerabilities",), {"maxCounts": {"LOW": 1}}, "vulnerabilities"),
    "spec.vulnerabilities.maxCounts": (("vulnerabilities", "maxCounts"), {"LOW": 1}, "vulnerabilities"),
    **{
        f"spec.vulnerabilities.maxCounts.{severity}": (
            ("vulnerabilities", "maxCounts", severity),
            99,
            "vulnerabilities",
        )
        for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED")
    },
    "spec.vulnerabilities.onlyFixable": (("vulnerabilities", "onlyFixable"), False, "vulnerabilities"),
    "spec.vulnerabilities.exploitAvailable": (("vulnerabilities", "exploitAvailable"), "Allow", "vulnerabilities"),
    "spec.vulnerabilities.epssThreshold": (("vulnerabilities", "epssThreshold"), 0.6, "vulnerabilities"),
    "spec.vulnerabilities.gracePeriod": (("vulnerabilities", "gracePeriod"), "8d", "vulnerabilities"),
    "spec.vulnerabilities.suppressed": (("vulnerabilities", "suppressed"), "Allow", "vulnerabilities"),
    "spec.vulnerabilities.ignore": (
        ("vulnerabilities", "ignore"),
        [IGNORED, IGNORED | {"id": "CVE-2"}],
        "vulnerabilities",
    ),
    "spec.vulnerabilities.ignore[].id": (("vulnerabilities", "ignore", 0, "id"), "CVE-2", "vulnerabilities"),
    "spec.vulnerabilities.ignore[].until": (
        ("vulnerabilities", "ignore", 0, "until"),
        "2027-02-01",
        "vulnerabilities",
    ),
    "spec.vulnerabilities.ignore[].reason": (
        ("vulnerabilities", "ignore", 0, "reason"),
        "fixed upstream",
        "vulnerabilities",
    ),
    "spec.platforms": (("platforms",), ["linux/amd64"], "platforms"),
    "spec.onUndetermined": (("onUndetermined",), "Deny", "on_undetermined"),
    "spec.maxStale": (("maxStale",), "3h", "max_stale"),
}


def content(spec: dict[str, Any]) -> dict[str, Any]:
    policy = parse_policy(with_spec(spec))
    return {field.name: getattr(policy, field.name) for field in fields(ImagePolicy)}


def test_every_documented_field_has_a_case():
    assert set(CHANGES) == set(schema.fields())


@pytest.mark.parametrize("field", CHANGES, ids=str)
def test_the_parser_reads(field):
    """Changing the field on the wire changes its part of the policy, and no other part."""
    path, value, attribute = CHANGES[field]
    before, after = content(FULL), content(changed(path, value))
    assert {name for name in before if before[name] != after[name]} == {attribute}


@pytest.mark.parametrize("name", ["name", "uid", "generation"])
def test_the_parser_reads_of_the_metadata(name):
    other = {"name": "other", "uid": "other", "generation": 9}[name]
    obj = with_spec(FULL)
    obj["metadata"][name] = other
    assert getattr(parse_policy(obj), name) == other
