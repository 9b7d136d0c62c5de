"""The table of rights in docs/security/permissions.md and the roles that the chart renders say the same."""

import re
from typing import Any

import pytest

from tests.chart.render import ADMISSION, BACKGROUND, CHART, find_all, render, role_of

PAGE = CHART.parents[2] / "docs" / "security" / "permissions.md"
CERT_MANAGER = {"certificate": {"mode": "certManager"}}
PINNING = {"digestPinning": {"enabled": True}}
WHENS = ("self", "self, pinning")
Right = tuple[str, str, str, str]
"""Resource, name, verb, and where."""
OWN = {
    "imageverdicts.tidegate.dev",
    "repositorypostures.tidegate.dev",
    "policyreports.wgpolicyk8s.io",
    "reports.openreports.io",
}
"""What the background role alone writes."""


def table(role: str = ADMISSION) -> list[list[str]]:
    """Return the cells of each line of a role's table, without their backticks."""
    parts = dict(zip((ADMISSION, BACKGROUND), PAGE.read_text().split("## The background role"), strict=True))
    lines = [line for line in parts[role].splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def written(*whens: str, role: str = ADMISSION) -> set[Right]:
    """Return the rights of the table that there are always, and under these conditions."""
    return {
        (resource, name, verb, where)
        for resource, name, verb, where, when, *_ in table(role)
        if when in {"always", *whens}
    }


def rendered(values: dict[str, Any], role: str = ADMISSION) -> set[Right]:
    objects = render({"trustStores": {"configMapNamespaces": ["pki"]}} | values)
    places = {"tidegate": "release", "pki": "trust"}
    roles = [(one, "cluster") for one in find_all(objects, "ClusterRole")]
    roles += [(one, places[one["metadata"]["namespace"]]) for one in find_all(objects, "Role")]
    return {
        (_full_name(resource, group), name, verb, where)
        for one, where in roles
        if role_of(one) == role or where == "trust"
        for rule in one["rules"]
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


@pytest.mark.parametrize(
    ("reports", "postures", "whens"),
    [(True, False, ["reports"]), (False, False, []), (True, True, ["reports", "postures"])],
)
def test_the_same_holds_for_the_background_role(reports, postures, whens):
    values = {"background": {"policyReports": reports, "repositoryPostures": postures}}
    assert rendered(values, BACKGROUND) == written(*whens, role=BACKGROUND)


def test_a_background_role_that_is_off_has_no_rights():
    objects = render({"background": {"enabled": False}})
    assert [one["kind"] for one in objects if role_of(one) == BACKGROUND] == []


def test_no_right_is_told_twice():
    assert len(table()) == len(written(*WHENS))
    assert len(table(BACKGROUND)) == len(written("reports", "postures", role=BACKGROUND))


@pytest.mark.parametrize("role", [ADMISSION, BACKGROUND])
def test_each_line_says_what_the_right_is_for_and_what_its_loss_costs(role):
    for resource, *_, purpose, cost in table(role):
        assert re.match(r"[A-Z]", purpose), resource
        assert re.match(r"(\*\*)?(Learn|Write|Read|Switch|Serve|The same)", cost), resource


def test_nothing_is_given_by_a_wildcard_and_nothing_but_events_and_own_objects_may_be_created_or_deleted():
    for resource, name, verb, _ in rendered(PINNING) | rendered(
        {"background": {"repositoryPostures": True}}, BACKGROUND
    ):
        assert "*" not in (resource, name, verb)
        assert (
            verb in {"get", "list", "watch", "patch", "update"}
            or resource in OWN
            or ((resource, verb) == ("events", "create"))
        )
        assert resource not in OWN or (resource, verb) not in {(one, "patch") for one in OWN}
        assert (resource != "secrets" and "webhookconfigurations" not in resource) or name != "any"
