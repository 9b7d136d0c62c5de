"""The Kubernetes edge on a real API server, with the rights of the chart's ServiceAccount and no others."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chart.render import custom_resource_definitions, find_all, rbac, render
from tests.cluster import ControlPlane, wait_for
from tests.cluster.ports import free_ports
from tests.e2e.kube.edge import Edge, Rights
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.watches import CLOSE_SECONDS


def install_rights(cluster: ControlPlane) -> Rights:
    """Create the CRD and, in a namespace of their own, the chart's ServiceAccount, roles, bindings and Secret."""
    cluster.apply_definitions(custom_resource_definitions())
    release = f"edge-{uuid.uuid4().hex[:6]}"
    namespace = cluster.create_namespace("edge")
    values = {"background": {"repositoryPostures": True}}
    objects = render(values, namespace=namespace, release=release)
    beside = [one for kind in ("Secret", "ConfigMap", "Lease") for one in find_all(objects, kind)]
    cluster.apply([*rbac(objects), *beside])
    kubeconfig = cluster.token_kubeconfig(namespace, f"{release}-tidegate")
    # The authorizer reads roles from a watch of its own, a moment behind the objects.
    wait_for(
        lambda: cluster.kubectl("get", "imagepolicies", kubeconfig=kubeconfig, check=False).returncode == 0,
        what="the chart's rights in force",
    )
    return Rights(cluster=cluster, kubeconfig=kubeconfig, namespace=namespace, release=release)


@pytest.fixture(scope="session")
def rights(control_plane: ControlPlane) -> Rights:
    """Give the run's rights; policies are cluster-wide, so tests look at their own by name."""
    return install_rights(control_plane)


@pytest.fixture(scope="session")
def lonely_rights(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    """Give rights on a control plane of these tests' own, which may be stopped, and whose CRD may be deleted."""
    with ControlPlane(folder=tmp_path_factory.mktemp("lonely")) as cluster:
        yield install_rights(cluster)


RunEdge = Callable[..., AbstractAsyncContextManager[Edge]]
RunEdges = Callable[[Rights, int], AbstractAsyncContextManager[list[Edge]]]


@pytest.fixture
def run_edge(monkeypatch: pytest.MonkeyPatch) -> RunEdge:
    """Give what runs the edge as the chart's ServiceAccount: ``async with run_edge(rights) as edge``."""

    @asynccontextmanager
    async def run(rights: Rights, *, kubeconfig: Path | None = None, **settings: Any) -> AsyncIterator[Edge]:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig or rights.kubeconfig))
        edge = Edge(load_configuration(), rights.cluster, **settings)
        async with _running([edge]):
            yield edge

    return run


@pytest.fixture
def run_edges(monkeypatch: pytest.MonkeyPatch) -> RunEdges:
    """Give what runs several edges at once: ``async with run_edges(rights, 3) as replicas``."""

    @asynccontextmanager
    async def run(rights: Rights, count: int) -> AsyncIterator[list[Edge]]:
        monkeypatch.setenv("KUBECONFIG", str(rights.kubeconfig))
        edges = [Edge(load_configuration(), rights.cluster) for _ in range(count)]
        async with _running(edges):
            yield edges

    return run


@asynccontextmanager
async def _running(edges: list[Edge]) -> AsyncIterator[None]:
    """Run edges, and end them together: kopf cancels every task of the loop when one of its operators ends."""
    tasks = [asyncio.create_task(edge.run()) for edge in edges]
    try:
        yield
        assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
    finally:
        for edge in edges:
            edge.stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
        # Connections that kopf has closed end their TLS in the loop's own time, and with a busy API server's answer.
        await asyncio.sleep(CLOSE_SECONDS)
        for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
            transport.abort()
        await asyncio.sleep(0)
        for edge in edges:
            edge.api.close()


@contextmanager
def _sources(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setenv("KUBECONFIG", str(rights.kubeconfig))
    with closing(Edge(load_configuration(), rights.cluster)) as edge:
        yield edge


@pytest.fixture
async def lone_edge(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    """Give the sources alone, without what lists and watches."""
    with _sources(rights, monkeypatch) as edge:
        yield edge


@pytest.fixture
async def lone_lonely_edge(lonely_rights: Rights, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    """Give the same on the control plane that may be stopped."""
    with _sources(lonely_rights, monkeypatch) as edge:
        yield edge


@pytest.fixture
def unused_port() -> int:
    """Give a free port on loopback."""
    (port,) = free_ports(1)
    return port
