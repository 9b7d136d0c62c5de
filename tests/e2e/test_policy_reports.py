"""PolicyReports on a real API server with the definitions of the real projects, and as Policy Reporter reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.cluster import ControlPlane
from tests.cluster.report_definitions import OPEN_REPORTS as OPEN_REPORTS_DEFINITION
from tests.cluster.report_definitions import WG_POLICY as WG_POLICY_DEFINITION
from tests.cluster.report_definitions import read_definition
from tests.cluster.waiting import wait_for
from tests.prerequisites import make_ready, require
from tests.verdict_objects import NOW, entries_of, shop
from tidegate.checks.result import Outcome
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.policy_reports import PolicyReportWriter
from tidegate.reports.policy_report import NAME, OPEN_REPORTS, WG_POLICY, PolicyReportKind
from tidegate.reports.read import read_inventory
from tidegate.reports.report_book import ReportBook
from tidegate.reports.report_entry import ReportEntry
from tidegate.verdicts.usage import OwningWorkload

DEFINITIONS = {WG_POLICY: WG_POLICY_DEFINITION, OPEN_REPORTS: OPEN_REPORTS_DEFINITION}
KINDS = pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda kind: kind.group)
FOREIGN = {"summary": {"fail": 1}, "results": [{"policy": "other", "result": "fail"}]}


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Install both APIs, and remove them at the end."""
    require("definitions of reports", make_ready(lambda: [read_definition(one) for one in DEFINITIONS.values()]))
    install(control_plane)
    yield control_plane
    for kind in DEFINITIONS:
        control_plane.kubectl("delete", "crd", f"{kind.plural}.{kind.group}", "--ignore-not-found")


def install(control_plane: ControlPlane) -> None:
    """Install both APIs; for a moment the API server asks to retry, as it prepares their storage."""
    control_plane.apply_definitions([yaml.safe_load(read_definition(one)) for one in DEFINITIONS.values()])
    for kind in DEFINITIONS:
        wait_for(lambda: serves(control_plane, kind), what=kind.plural)  # noqa: B023 - asked at once


def remove(control_plane: ControlPlane, kind: PolicyReportKind) -> None:
    """Delete an API; for a moment the API server still lists what it does not create any more."""
    control_plane.kubectl("delete", "crd", f"{kind.plural}.{kind.group}")
    wait_for(lambda: not serves(control_plane, kind), what=f"the end of {kind.plural}")


def serves(control_plane: ControlPlane, kind: PolicyReportKind) -> bool:
    return control_plane.kubectl("get", "--raw", kind.path, check=False).returncode == 0


@dataclass(kw_only=True)
class Cluster:
    """The API server with a book, and the writer of one leader."""

    control_plane: ControlPlane
    api: KubernetesApi
    book: ReportBook
    now: datetime = NOW

    def leader(self) -> PolicyReportWriter:
        return PolicyReportWriter(self.api, self.book, is_complete=lambda: True, now=lambda: self.now)

    async def report(self, namespace: str, kind: PolicyReportKind = WG_POLICY) -> dict[str, Any]:
        return await self.api.get(f"{kind.path_in(namespace)}/{NAME}")

    async def namespaces(self, kind: PolicyReportKind = WG_POLICY) -> set[str]:
        return {one.namespace for one in await self.api.list_metadata(kind.path)}

    def create(self, obj: dict[str, Any]) -> None:
        self.control_plane.kubectl("create", "-f", "-", stdin=json.dumps(obj))


@pytest.fixture
async def cluster(installed: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(installed.admin_kubeconfig))
    api = KubernetesApi(load_configuration())
    yield Cluster(control_plane=installed, api=api, book=ReportBook())
    api.close()
    for kind in DEFINITIONS:
        installed.kubectl("delete", f"{kind.plural}.{kind.group}", "--all", "--all-namespaces")


@pytest.fixture
def entries(namespace: str) -> list[ReportEntry]:
    """Give the guide's cluster, all in the test's namespace."""
    found = entries_of(read_inventory(shop()))
    return [replace(one, namespace=namespace, policy=f"{one.policy}-of-{one.namespace}") for one in found]


def entry(namespace: str, **given: Any) -> ReportEntry:
    whole: dict[str, Any] = {
        "namespace": namespace,
        "workload": OwningWorkload(kind="Deployment", name="web", api_version="apps/v1", uid="u-1"),
        "image": "registry.example/team/app@sha256:1",
        "policy": "baseline",
        "actions": ("Audit",),
        "outcome": Outcome.FAIL,
        "check": "tags",
        "reason": "TagMutable",
        "message": "the tag v1 can be moved",
    }
    return ReportEntry(**(whole | given))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A result as Policy Reporter shows it."""

    identity: str
    source: str
    category: str
    severity: str
    result: str
    policy: str
    rule: str
    message: str
    resource: str
    properties: dict[str, str]


def as_policy_reporter(report: dict[str, Any]) -> list[Shown]:
    """Read a report as Policy Reporter does.

    The source of a report is that of its first result. A result has the identity in its property ``resultID``, "Other" for
    a missing category, and the first of its resources, or else the scope of the report.
    """
    source = report["results"][0].get("source", "")
    found = []
    for one in report["results"]:
        resource = (one.get("resources") or [report.get("scope") or {}])[0]
        place = [resource.get("namespace"), (resource.get("kind") or "").lower(), resource.get("name")]
        shown = Shown(
            identity=one.get("properties", {}).get("resultID", ""),
            source=one.get("source", source),
            category=one.get("category", "Other"),
            severity=one.get("severity", ""),
            result=one["result"],
            policy=one["policy"],
            rule=one.get("rule", ""),
            message=one.get("message", ""),
            resource="/".join(part for part in place if part),
            properties=one.get("properties", {}),
        )
        found.append(shown)
    return found


@KINDS
async def test_policy_reporter_reads_every_result(
    cluster: Cluster, namespace: str, entries: list[ReportEntry], kind: PolicyReportKind
) -> None:
    cluster.book.put("all", entries)
    leader = cluster.leader()
    await leader.write()
    assert leader.counts.failed == 0
    stored = await cluster.report(namespace, kind)
    wanted = cluster.book.report(namespace, kind)
    assert wanted is not None
    # Nothing was dropped by the API server: the definition has every field that is written.
    assert stored["summary"] == wanted["summary"]
    written = {"timestamp": {"seconds": int(NOW.timestamp()), "nanos": 0}}
    assert stored["results"] == [one | written for one in wanted["results"]]
    shown = as_policy_reporter(stored)
    assert len({one.identity for one in shown}) == len(shown) == len(entries)
    assert {one.source for one in shown} == {"tidegate"}
    assert "Other" not in {one.category for one in shown}
    worst = shown[0]
    assert (worst.result, worst.severity, worst.category, worst.rule) == (
        "fail",
        "critical",
        "Vulnerabilities",
        "vulnerabilities",
    )
    assert worst.resource.startswith(f"{namespace}/")
    assert worst.message.startswith("VulnerabilitiesFound: 2 CRITICAL (allowed 0): CVE-2023-38545 in curl")
    assert worst.properties["remedy"] == "update curl to the fixed version, then rebuild and push the image"
    printed = cluster.control_plane.kubectl("get", f"{kind.plural}.{kind.group}", "-n", namespace).stdout
    assert printed.split("\n")[1].split()[:6] == [
        NAME,
        *(str(wanted["summary"][word]) for word in ("pass", "fail", "warn", "error", "skip")),
    ]


@KINDS
async def test_what_is_the_same_is_not_written(cluster: Cluster, namespace: str, kind: PolicyReportKind) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    before = await cluster.report(namespace, kind)
    cluster.now += timedelta(hours=1)
    await leader.write()
    # Nor does the next leader, which knows nothing of the last one.
    successor = cluster.leader()
    await successor.write()
    assert await cluster.report(namespace, kind) == before
    assert (leader.counts.written, successor.counts.written) == (2, 0)


async def test_a_change_is_written_and_what_was_known_keeps_its_time(cluster: Cluster, namespace: str) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    cluster.now += timedelta(hours=1)
    cluster.book.put("b", [entry(namespace, image="other")])
    await leader.write()
    times = [one["timestamp"]["seconds"] - int(NOW.timestamp()) for one in (await cluster.report(namespace))["results"]]
    assert sorted(times) == [0, 3600]


async def test_a_namespace_with_nothing_left_to_say_has_no_report(cluster: Cluster, namespace: str) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    cluster.book.put("a", [])
    await leader.write()
    assert await cluster.namespaces() == set()
    assert leader.counts.deleted == 2


@pytest.mark.parametrize("edit", [{"results": []}, {"summary": {"fail": 0}}, {"results": [{"policy": "x"}]}])
async def test_a_report_that_was_edited_is_written_anew(cluster: Cluster, namespace: str, edit: dict[str, Any]) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    before = await cluster.report(namespace)
    await cluster.api.merge_patch(f"{WG_POLICY.path_in(namespace)}/{NAME}", edit)
    await leader.write()
    after = await cluster.report(namespace)
    assert after["summary"] == before["summary"]
    assert [one["policy"] for one in after["results"]] == ["baseline"]


async def test_a_report_that_was_deleted_is_written_anew(cluster: Cluster, namespace: str) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    cluster.control_plane.kubectl("delete", "policyreports", "--all", "-n", namespace)
    await leader.write()
    assert await cluster.namespaces() == {namespace}


async def test_reports_of_others_are_left_alone(cluster: Cluster, namespace: str) -> None:
    """Those of another name, and one of tidegate's name without its label."""
    for name in ("other", NAME):
        metadata = {"name": name, "namespace": namespace}
        cluster.create({"apiVersion": WG_POLICY.api_version, "kind": WG_POLICY.kind, "metadata": metadata, **FOREIGN})
    before = await cluster.report(namespace)
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    await leader.write()
    assert await cluster.report(namespace) == before
    assert await cluster.namespaces(OPEN_REPORTS) == {namespace}
    cluster.book.put("a", [])
    await leader.write()
    assert {one.name for one in await cluster.api.list_metadata(WG_POLICY.path)} == {"other", NAME}
    # Once its owner deletes it, tidegate writes its own.
    cluster.book.put("a", [entry(namespace)])
    cluster.control_plane.kubectl("delete", "policyreports", NAME, "-n", namespace)
    await leader.write()
    assert (await cluster.report(namespace))["results"][0]["policy"] == "baseline"


async def test_an_api_that_is_not_installed_is_left_out_until_it_is(cluster: Cluster, namespace: str) -> None:
    remove(cluster.control_plane, WG_POLICY)
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    assert await cluster.namespaces(OPEN_REPORTS) == {namespace}
    # The other one is deleted while tidegate runs, with every report.
    remove(cluster.control_plane, OPEN_REPORTS)
    cluster.book.put("b", [entry(namespace, image="other")])
    await leader.write()
    assert leader.counts.failed == 0
    install(cluster.control_plane)
    await leader.write()
    for kind in DEFINITIONS:
        assert (await cluster.report(namespace, kind))["summary"]["fail"] == 2


async def test_a_namespace_that_is_gone_stops_no_other(cluster: Cluster, namespace: str) -> None:
    cluster.book.put("a", [entry("gone-since"), entry(namespace)])
    leader = cluster.leader()
    await leader.write()
    assert await cluster.namespaces() == {namespace}
    assert leader.counts.failed == 0


async def test_two_leaders_for_a_moment_write_nothing_wrong(cluster: Cluster, namespace: str) -> None:
    entries = [entry(namespace, image=f"image-{number}") for number in range(20)]
    other = Cluster(control_plane=cluster.control_plane, api=cluster.api, book=ReportBook())
    leaders = [cluster.leader(), other.leader()]
    for one in entries:
        for each in (cluster, other):
            each.book.put(one.image, [one])
        await asyncio.gather(*(leader.write() for leader in leaders))
    await asyncio.gather(*(leader.write() for leader in leaders))
    stored = await cluster.report(namespace)
    assert stored["summary"]["fail"] == len(entries)
    assert len(stored["results"]) == len(entries)
    assert [leader.counts.failed for leader in leaders] == [0, 0]


@KINDS
async def test_the_largest_report_is_stored(cluster: Cluster, namespace: str, kind: PolicyReportKind) -> None:
    text = "\u20ac" * 300
    entries = [
        entry(namespace, policy="p" * 253, image=f"{number}{text}", message=text, remedy=text)
        for number in range(2_500)
    ]
    cluster.book.put("a", entries)
    leader = cluster.leader()
    await leader.write()
    assert leader.counts.failed == 0
    stored = await cluster.report(namespace, kind)
    assert stored["summary"]["fail"] == len(entries)
    last = as_policy_reporter(stored)[-1]
    assert last.result == "warn"
    assert last.message == (
        f"{len(entries) - len(stored['results']) + 1} further results are not listed; "
        f"run: tidegate report --namespace {namespace}"
    )


async def test_an_api_server_that_does_not_answer_is_survived(cluster: Cluster, namespace: str) -> None:
    cluster.book.put("a", [entry(namespace)])
    leader = cluster.leader()
    configuration = load_configuration()
    configuration.host = "https://127.0.0.1:1"
    there, leader._api = leader._api, KubernetesApi(configuration)
    await leader.write()
    assert leader.counts.failed == 2
    leader._api.close()
    leader._api = there
    await leader.write()
    assert await cluster.namespaces() == {namespace}


async def test_nothing_is_written_before_every_image_was_judged(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A namespace would seem to have less to report than it has, and its report would be deleted at each start."""
    monkeypatch.setattr("tidegate.cluster.policy_reports.ROUND_SECONDS", 0.01)
    cluster.book.put("a", [entry(namespace)])
    await cluster.leader().write()
    complete = asyncio.Event()
    book = ReportBook()
    successor = PolicyReportWriter(cluster.api, book, is_complete=complete.is_set, now=lambda: NOW)
    running = asyncio.create_task(successor.run())
    await asyncio.sleep(0.1)
    assert await cluster.namespaces() == {namespace}
    complete.set()
    await until(cluster.namespaces, set())
    # What changes later is written by itself.
    book.put("a", [entry(namespace)])
    await until(cluster.namespaces, {namespace})
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def until(ask: Callable[[], Awaitable[set[str]]], expected: set[str]) -> None:
    """Wait until the answer is what is expected."""
    for _ in range(1_000):
        if await ask() == expected:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not {expected} in time")
