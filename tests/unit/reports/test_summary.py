"""What a report counts and chooses: refusals by namespace, reason, policy, image and workload, and what turned bad."""

import json

import pytest

from tests.unit.builders import NOW as WRITTEN
from tests.unit.builders import evidence, findings, report
from tests.unit.verdicts.given import given
from tests.verdict_objects import HOSTILE, REGISTRY, ago, crowd, hostile, policy, result, runs, shop, verdict
from tidegate.checks.result import Outcome
from tidegate.errors import InvalidReferenceError
from tidegate.reports.model import NOT_LISTED, Inventory
from tidegate.reports.read import read_inventory
from tidegate.reports.selection import Selection, find_images
from tidegate.reports.summary import Group, summarize
from tidegate.verdicts.encode import encode

FAILING = result("VulnerabilitiesFound", "1 CRITICAL")
UNKNOWN = result("CouldNotCheck", "no answer", outcome="Undetermined", check="scan")


def inventory_of(*objects: object) -> Inventory:
    found = read_inventory(objects)
    assert not found.unreadable
    return found


def counts(groups: tuple[Group, ...]) -> dict[str, tuple[int, int]]:
    return {one.name: (one.refused_workloads, one.unchecked_workloads) for one in groups}


def test_the_shop_is_counted():
    found = summarize(inventory_of(*shop()))
    assert (found.images, found.pods, found.namespaces, found.workloads) == (7, 38, 4, 9)
    assert (found.refused_images, found.refused_workloads) == (4, 6)
    assert (found.unchecked_images, found.unchecked_workloads, found.exempt_workloads) == (1, 1, 1)
    assert counts(found.by_namespace) == {"shop": (3, 0), "data": (2, 0), "shop-staging": (1, 0), "ops": (0, 1)}
    assert counts(found.by_reason) == {
        "VulnerabilitiesFound": (4, 0),
        "SignatureMissing": (1, 0),
        "TagMutable": (1, 0),
        "CouldNotCheck": (0, 1),
    }
    assert counts(found.by_policy) == {"baseline": (5, 1), "production": (2, 0), "strict": (1, 0)}
    assert [one.name for one in found.by_policy if one.enforced] == ["production"]
    assert found.by_workload[0].name == "data/Job/import-2026-11"


def test_a_workload_that_is_refused_and_not_checked_counts_as_refused():
    policies = [policy("p", ["shop"], FAILING, UNKNOWN)]
    found = summarize(inventory_of(verdict("a/b", 1, policies=policies, where=[runs("shop", "Job/x")])))
    assert (found.refused_workloads, found.unchecked_workloads) == (1, 0)
    assert counts(found.by_reason) == {"VulnerabilitiesFound": (1, 0), "CouldNotCheck": (0, 1)}


def test_an_audited_refusal_counts_as_an_enforced_one():
    """The question is what would be refused if everything were enforced."""
    objects = [
        verdict("a/b", one, policies=[policy("p", ["a"], FAILING, actions=[one])], where=[runs("a", f"Job/{one}")])
        for one in ("Audit", "Warn", "Deny")
    ]
    assert summarize(inventory_of(*objects)).refused_workloads == 3


@pytest.mark.parametrize("cut", ["policies", "results", "namespaces"])
def test_a_refusal_is_counted_where_its_verdict_lists_no_reason(cut):
    one = verdict("a/b", 1, policies=[policy("p", ["shop"], FAILING)], where=[runs("shop", "Job/x")])
    if cut == "policies":
        one["status"] |= {"policies": [], "omittedPolicies": 1}
    else:
        one["status"]["policies"][0] |= {cut: [], f"omitted{cut.capitalize()}": 1}
    found = summarize(inventory_of(one))
    assert (found.refused_workloads, found.refused_images, found.incomplete) == (1, 1, 1)
    assert [row.result.reason for row in found.rows] == [NOT_LISTED]


def test_a_refusal_is_counted_where_no_namespace_is_listed():
    one = verdict("a/b", 1, policies=[policy("p", [], FAILING, omittedNamespaces=3)])
    found = summarize(inventory_of(one))
    assert (found.refused_workloads, found.incomplete) == (1, 1)


def test_an_image_that_passes_has_no_row():
    one = verdict("a/b", 1, policies=[policy("p", ["shop"])], where=[runs("shop", "Job/x")])
    found = summarize(inventory_of(one))
    assert (found.images, found.workloads, found.rows, found.turned_bad) == (1, 1, (), ())


@pytest.mark.parametrize(
    ("started", "turned", "listed"),
    [("before", {"days": 2}, True), ("at the same time", {"days": 20}, False), ("after", {"days": 21}, False)],
)
def test_turned_bad_is_what_ran_before(started, turned, listed):
    policies = [policy("p", ["shop"], FAILING)]
    one = verdict("a/b", 1, policies=policies, where=[runs("shop", "Job/x")], since=ago(**turned))
    assert bool(summarize(inventory_of(one)).turned_bad) is listed, started


def test_what_could_not_be_checked_has_not_turned_bad():
    one = verdict("a/b", 1, policies=[policy("p", ["shop"], UNKNOWN)], where=[runs("shop", "Job/x")], since=ago(days=2))
    found = summarize(inventory_of(one))
    assert (found.unchecked_workloads, found.turned_bad) == (1, ())


def test_turned_bad_is_the_latest_first_and_names_where():
    found = summarize(inventory_of(*shop())).turned_bad
    assert [(one.image.repository.rpartition("/")[2], one.namespaces) for one in found] == [
        ("checkout", ("shop", "shop-staging")),
        ("warehouse", ("data",)),
    ]
    assert found[0].reasons == ("VulnerabilitiesFound",)


def test_an_image_that_stopped_running_has_not_turned_bad():
    one = verdict("a/b", 1, policies=[policy("p", [], FAILING)], since=ago(days=1))
    assert not summarize(inventory_of(one)).turned_bad


@pytest.mark.parametrize(
    ("selection", "rows"),
    [
        (Selection(), 9),
        (Selection(namespaces=frozenset({"shop"})), 5),
        (Selection(policies=frozenset({"strict"})), 1),
        (Selection(reasons=frozenset({"TagMutable", "CouldNotCheck"})), 2),
        (Selection(namespaces=frozenset({"shop"}), reasons=frozenset({"TagMutable"})), 1),
        (Selection(namespaces=frozenset({"absent"})), 0),
    ],
)
def test_a_selection_leaves_out_the_rest(selection, rows):
    found = summarize(inventory_of(*shop()), selection)
    assert len(found.rows) == rows
    assert all(map(selection.takes, (*found.rows, *found.exempt_rows)))
    if selection.namespaces:
        assert found.namespaces <= len(selection.namespaces)


def test_images_are_found_by_digest_reference_tag_and_repository():
    images = inventory_of(*shop()).images
    one = next(each for each in images if each.repository.endswith("shop/checkout"))
    repository = f"{REGISTRY}/shop/checkout"
    named = [
        one.digest,
        one.digest[:19],
        one.digest[7:19],
        repository,
        f"{repository}:v1.14.2",
        f"{repository}@{one.digest}",
        f"{repository}:other@{one.digest}",
        "shop/checkout",
        "shop/checkout:v1.14.2",
    ]
    for text in named:
        assert find_images(images, text) == [one], text
    other = f"other.example/shop/checkout@{one.digest}"
    for text in (f"{repository}:v9", "shop/check", other, "0" * 64, "shop/checkout:v9"):
        assert find_images(images, text) == [], text
    with pytest.raises(InvalidReferenceError):
        find_images(images, "Not/A Reference")


def test_fips_and_dual_stack_hosts_name_the_same_repository():
    images = inventory_of(*shop()).images
    fips = "123456789012.dkr.ecr-fips.eu-central-1.amazonaws.com/shop/checkout"
    assert len(find_images(images, fips)) == 1


def test_objects_that_are_not_verdicts_are_named_and_left_out():
    good = shop()[0]
    bad = [
        {"kind": "ImageVerdict", "metadata": {"name": "no-status"}, "spec": good["spec"]},
        good | {"spec": good["spec"] | {"extra": 1}},
        {"kind": "Pod", "metadata": {"name": "pod"}},
        "text",
        None,
        good | {"metadata": {"name": "another-name"}},
    ]
    found = read_inventory([good, *bad])
    assert len(found.images) == 1
    assert len(found.unreadable) == len(bad)
    assert all(one.problem for one in found.unreadable)


def test_of_two_verdicts_of_one_image_the_last_one_counts():
    old, new = shop()[0], shop()[0]
    old["status"] |= {"outcome": "Pass", "policies": [], "writtenAt": ago(days=1)}
    for order in ((old, new), (new, old)):
        (image,) = read_inventory(order).images
        assert image.status.outcome is Outcome.FAIL


def test_a_verdict_is_read_as_it_was_written():
    """By the encoder of the background role, from JSON, without the facts for replicas."""
    written = encode(given(evidence(report(*findings(CRITICAL=2)))), WRITTEN)
    for one in (written, json.dumps(written).encode()):
        (image,) = read_inventory([one]).images
        assert image.status.evidence is not None
        assert image.status.evidence.data == ""
        (row,) = image.rows()
        assert (row.namespace, row.workload_name, row.policy.name) == ("shop", "Deployment/web", "full")
        assert (row.result.reason, image.severity) == ("VulnerabilitiesFound", "CRITICAL")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"\xff", b'{"\xff": 1}', b'{"metadata": {"name": 7}}', b"[" * 100_000]
)
def test_bytes_that_are_no_verdict_are_named(text):
    (one,) = read_inventory([text]).unreadable
    assert one.name == "an object without a name"


def test_texts_of_an_attacker_are_read_as_texts():
    found = inventory_of(*hostile())
    assert len(found.images) == len(HOSTILE)
    assert len(summarize(found).rows) == len(HOSTILE)


def test_the_order_does_not_depend_on_the_order_of_the_objects():
    objects = [*crowd(30), *shop()]
    assert summarize(read_inventory(objects)) == summarize(read_inventory(objects[::-1]))
