"""The reports of the background role, with the chart's rights: PolicyReports of what runs, and the page on loopback."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import yaml

from tests.background import BackgroundReplica
from tests.cluster import ControlPlane, wait_for
from tests.cluster.ports import free_ports
from tests.cluster.report_definitions import OPEN_REPORTS, WG_POLICY, read_definition
from tests.e2e.conftest import require_programs
from tests.gate import Gate
from tests.objects import ECR, POLICY, workload
from tests.prerequisites import make_ready, require
from tests.simulator import Simulator, World

DEFINITIONS = (WG_POLICY, OPEN_REPORTS)
SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """A control plane with both APIs of reports, one replica, and the port of its page."""

    cluster: ControlPlane
    world: World
    replica: BackgroundReplica
    page: int

    def summary(self, resource: str, namespace: str) -> dict[str, int]:
        """Return the summary of the report of a namespace; empty where there is none."""
        found = self.cluster.get(resource, "--namespace", namespace)["items"]
        summary: dict[str, int] = found[0]["summary"] if found else {}
        return summary

    def read(self, host: str = "localhost") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=60)
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def reporting(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reporting]:
    require_programs(pytestconfig)
    require("definitions of reports", make_ready(lambda: [read_definition(one) for one in DEFINITIONS]))
    world = World()
    world.add_repository("team/web", mutability="IMMUTABLE")
    (page,) = free_ports(1)
    values = {"background": {"callsPerSecond": 100, "reportPort": page}}
    with ExitStack() as stack:
        cluster = stack.enter_context(ControlPlane(folder=tmp_path_factory.mktemp("reports")))
        cluster.apply_definitions([yaml.safe_load(read_definition(one)) for one in DEFINITIONS])
        for path in ("/apis/wgpolicyk8s.io/v1alpha2/policyreports", "/apis/openreports.io/v1alpha1/reports"):
            # For a moment the API server asks to retry, as it prepares their storage.
            asked = ("get", "--raw", path)
            wait_for(lambda: cluster.kubectl(*asked, check=False).returncode == 0, what=path)  # noqa: B023 - asked at once
        aws = stack.enter_context(Simulator(world))
        gate = stack.enter_context(Gate(cluster, aws, values=values))
        gate.apply_policy("production", POLICY)
        replica = stack.enter_context(BackgroundReplica(gate, "one", simulated=aws.environment()))
        yield Reporting(cluster=cluster, world=world, replica=replica, page=page)


def test_what_runs_is_in_the_report_of_its_namespace_and_on_the_page(reporting: Reporting) -> None:
    reporting.world.add_image("team/web", "v1")
    namespace = reporting.cluster.create_namespace()
    manifest = workload("Deployment", f"{ECR}/team/web:v1", name="app")
    manifest["metadata"]["namespace"] = namespace
    reporting.cluster.apply(manifest)
    for resource in ("policyreports.wgpolicyk8s.io", "reports.openreports.io"):
        wait_for(
            lambda: reporting.summary(resource, namespace).get("pass") == 1,  # noqa: B023 - asked at once
            what=f"{resource} in {namespace}",
            timeout_seconds=SECONDS,
        )
    (report,) = reporting.cluster.get("policyreports.wgpolicyk8s.io", "--namespace", namespace)["items"]
    (resource,) = report["results"][0]["resources"]
    assert (resource["kind"], resource["name"]) == ("Deployment", "app")
    assert resource["uid"]
    status, page = reporting.read()
    assert status == 200
    assert "team/web" in page
    assert reporting.read(host="attacker.example")[0] == 421


def test_a_finding_changes_the_report_and_an_end_removes_it(reporting: Reporting) -> None:
    reporting.world.add_image("team/web", "v2", content="two")
    namespace = reporting.cluster.create_namespace()
    manifest = workload("Deployment", f"{ECR}/team/web:v2", name="app")
    manifest["metadata"]["namespace"] = namespace
    reporting.cluster.apply(manifest)
    resource = "policyreports.wgpolicyk8s.io"
    wait_for(lambda: reporting.summary(resource, namespace).get("pass") == 1, what="a report", timeout_seconds=SECONDS)
    reporting.world.add_finding("team/web", "v2", severity="CRITICAL")
    wait_for(
        lambda: reporting.summary(resource, namespace).get("fail") == 1,
        what="the finding in the report",
        timeout_seconds=200,
    )
