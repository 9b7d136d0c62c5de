"""``tidegate lint``: policies that contradict each other, or match nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.builders import IMAGE
from tests.unit.cli.linting import ACCOUNT, FINDINGS, NO_CRITICAL, Linter, excepted, found, policy, rules
from tidegate.cli.lint import command, comparison


# Policies beside each other
def test_policies_without_a_common_registry_contradict_each_other(linted: Linter) -> None:
    one = policy("a", registries=[{"account": ACCOUNT}])
    other = policy("b", registries=[{"account": "444455556666"}])
    ended = linted(one, other, arguments=("-o", "json"))
    assert ended.code == FINDINGS
    assert found(ended)[0][:2] == (
        "ContradictingPolicies",
        "policies a and b apply to the same images and allow no common registry, so one of them refuses each image",
    )
    elsewhere = policy("b", registries=[{"account": "444455556666"}], match={"namespaces": ["shop"]})
    inside = policy("a", registries=[{"account": ACCOUNT}], match={"excludedNamespaces": ["shop"]})
    assert rules(linted, inside, elsewhere) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"match": {"images": [{"account": ACCOUNT}]}, "registries": [{"account": "444455556666"}]},
        {"match": {"images": [{"host": "ghcr.io"}]}, **NO_CRITICAL},
        {"registries": [{"host": "ghcr.io"}], "scan": {}},
        {"registries": [{"host": "ghcr.io"}], "repository": {"encryption": "KMS"}},
    ],
)
def test_a_policy_that_no_image_can_meet(linted: Linter, spec: dict[str, Any]) -> None:
    assert rules(linted, policy(**spec)) == ["NothingPasses"]


def test_a_policy_that_is_never_stricter(linted: Linter) -> None:
    weaker = policy("weak", vulnerabilities={"maxCounts": {"CRITICAL": 2}}, match={"namespaces": ["shop"]})
    ended = linted(weaker, policy(), arguments=("-o", "json"))
    assert found(ended) == [
        (
            "NeverStricter",
            "policy production is at least as strict as policy weak, and applies to all of its images",
            "remove weak, or make it stricter than production",
        )
    ]
    assert rules(linted, weaker, policy(), excepted()) == [], "production has an exception that weak has not"
    equal = [rule for rule in rules(linted, policy("a"), policy("b")) if rule == "NeverStricter"]
    assert len(equal) == 1, "of two that are equal, one"


def test_only_so_many_policies_are_compared(linted: Linter, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (command, comparison):
        monkeypatch.setattr(module, "MAX_PAIRED", 2)
    distinct = [policy(f"p{n}", tags={"forbidden": [f"t{n}"]}) for n in range(2)]
    ended = linted(*distinct, policy("p2", tags={"forbidden": ["t0"]}))
    assert (ended.out, ended.err) == ("no findings\n", "only the first 2 policies were compared with each other\n")


# Images and namespaces
def test_scopes_that_match_no_listed_image(linted: Linter) -> None:
    Path("images.txt").write_text(f"# in use\n{IMAGE}\n\nghcr.io/acme/app:v1 # too\n")
    document = policy(
        match={
            "images": [{"account": ACCOUNT, "repositories": ["team/*"]}, {"account": ACCOUNT, "repositories": ["x"]}]
        },
        registries=[{"host": "ghcr.io"}, {"account": ACCOUNT, "repositories": ["team/**"]}],
        **NO_CRITICAL,
    )
    ended = linted(document, arguments=("-o", "json", "--images", "images.txt"))
    assert found(ended) == [
        (
            "MatchesNoImage",
            "spec.match.images[1]: matches none of the 2 listed images",
            "correct the scope, or remove it",
        )
    ]
    scope = {"account": ACCOUNT, "repositories": ["team/*", "taem/*", "**/web"]}
    ended = linted(policy(match={"images": [scope]}, **NO_CRITICAL), arguments=("-o", "json", "--images", "images.txt"))
    assert [one[1].partition(":")[0] for one in found(ended)] == [
        "spec.match.images[0].repositories[1]",
        "spec.match.images[0].repositories[2]",
    ]


def test_patterns_that_match_no_listed_namespace(linted: Linter) -> None:
    Path("namespaces.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    )
    document = policy(match={"namespaces": ["shop", "shp-*"]}, **NO_CRITICAL)
    (one,) = found(linted(document, arguments=("-o", "json", "--namespaces", "namespaces.yaml")))
    assert one[:2] == ("MatchesNoNamespace", "spec.match.namespaces[1]: shp-* matches none of the 1 listed namespaces")
