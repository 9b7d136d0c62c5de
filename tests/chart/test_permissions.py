"""The table of rights in docs/security/permissions.md and the roles that the chart renders say the same."""

import re
from typing import Any

import pytest

from tests.chart.render import CHART, find_all, render

PAGE = CHART.parents[2] / "docs" / "security" / "permissions.md"
CERT_MANAGER = {"certificate": {"mode": "certManager"}}
PINNING = {"digestPinning": {"enabled": True}}
WHENS = ("self", "self, pinning")
Right = tuple[str, str, str, str]
"""Resource, name, verb, and where."""


def table() -> list[list[str]]:
    """Return the cells of each line of the table, without their backticks."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def written(*whens: str) -> set[Right]:
    """Return the rights of the table that there are always, and under these conditions."""
    return {
        (resource, name, verb, where) for resource, name, verb, where, when, *_ in table() if when in {"always", *whens}
    }


def rendered(values: dict[str, Any]) -> set[Right]:
    objects = render({"trustStores": {"configMapNamespaces": ["pki"]}} | values)
    places = {"tidegate": "release", "pki": "trust"}
    roles = [(role, "cluster") for role in find_all(objects, "ClusterRole")]
    roles += [(role, places[role["metadata"]["namespace"]]) for role in find_all(objects, "Role")]
    return {
        (_full_name(resource, group), name, verb, where)
        for role, where in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["any"])
        for verb in rule["verbs"]
    }


def _full_name(resource: str, group: str) -> str:
    """Return ``imagepolicies.tidegate.dev/status`` for a subresource of a group."""
    plural, slash, subresource = resource.partition("/")
    return (f"{plural}.{group}" if group else plural) + slash + subresource


@pytest.mark.parametrize(
    ("values", "whens"),
    [
        ({}, ["self"]),
        (PINNING, ["self", "self, pinning"]),
        (CERT_MANAGER, []),
        (CERT_MANAGER | PINNING, []),
    ],
)
def test_every_right_has_a_line_and_every_line_is_a_right(values, whens):
    assert rendered(values) == written(*whens)


def test_no_right_is_told_twice():
    assert len(table()) == len(written(*WHENS))


def test_each_line_says_what_the_right_is_for_and_what_its_loss_costs():
    for resource, *_, purpose, cost in table():
        assert re.match(r"[A-Z]", purpose), resource
        assert re.match(r"(\*\*)?(Learn|Write|Read|Switch|Serve|The same)", cost), resource


def test_nothing_is_given_by_a_wildcard_and_nothing_but_events_may_be_created_or_deleted():
    for resource, name, verb, _ in rendered(PINNING):
        assert "*" not in (resource, name, verb)
        assert verb in {"get", "list", "watch", "patch", "update"} or (resource, verb) == ("events", "create")
        assert (resource != "secrets" and "webhookconfigurations" not in resource) or name != "any"
