"""Namespaces' labels on a real API server: told by a watch, purged by a list, asked for live."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.e2e.kube.conftest import RunEdge
from tests.e2e.kube.edge import Edge, Rights, aside
from tests.waiting import until


def soon() -> float:
    return time.monotonic() + 10


async def test_labels_follow_the_namespace_by_the_watch(rights: Rights, run_edge: RunEdge) -> None:
    """Regular lists are an hour apart here."""
    cluster = rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        name = await aside(cluster.create_namespace, labels={"team": "blue"})
        found = await until(lambda: edge.namespaces.labels(name), what="the namespace")
        assert found["team"] == "blue"
        assert found["kubernetes.io/metadata.name"] == name
        await aside(cluster.kubectl, "label", "namespace", name, "team=red", "--overwrite")
        await until(lambda: (edge.namespaces.labels(name) or {}).get("team") == "red", what="the new label")
        assert found["team"] == "blue", "a labels object is never changed in place"
        await aside(cluster.kubectl, "delete", "namespace", name)
        await until(lambda: edge.namespaces.labels(name) is None, what="the namespace's end")


async def test_the_same_labels_are_the_same_object(rights: Rights, run_edge: RunEdge) -> None:
    """The policies of a namespace are remembered for as long as its labels object is the same."""
    async with run_edge(rights) as edge:
        await edge.ready()
        before = edge.namespaces.labels("default")
        assert await edge.namespaces.resync.refresh_once()
        await aside(rights.cluster.kubectl, "annotate", "namespace", "default", "seen=yes", "--overwrite")
        assert await edge.namespaces.resync.refresh_once()
        assert edge.namespaces.labels("default") is before


async def test_a_relist_purges_what_a_lost_watch_missed(rights: Rights, run_edge: RunEdge, monkeypatch: Any) -> None:
    """With every event of the watches lost, a deleted namespace is forgotten and a change is seen."""
    monkeypatch.setattr("tidegate.cluster.watches.Watches._tell", lambda *_: None)
    cluster = rights.cluster
    gone = await aside(cluster.create_namespace)
    kept = await aside(cluster.create_namespace)
    async with run_edge(rights, every_seconds=0.5) as edge:
        await until(lambda: edge.namespaces.labels(gone) and edge.namespaces.labels(kept), what="both namespaces")
        await aside(cluster.kubectl, "delete", "namespace", gone)
        await aside(cluster.kubectl, "label", "namespace", kept, "team=red")
        await until(lambda: edge.namespaces.labels(gone) is None, what="the namespace's end")
        await until(lambda: (edge.namespaces.labels(kept) or {}).get("team") == "red", what="the new label")
    await aside(cluster.kubectl, "delete", "namespace", kept, "--wait=false")


def not_running(edge: Edge) -> Edge:
    """Say that a test needs the sources only: nothing lists or watches."""
    assert edge.namespaces.labels("default") is None
    return edge


async def test_a_namespace_made_a_moment_ago_is_asked_for(rights: Rights, lone_edge: Edge) -> None:
    """No watch and no list has told of it yet; the answer is kept."""
    edge = not_running(lone_edge)
    name = await aside(rights.cluster.create_namespace, labels={"team": "blue"})
    found = await edge.namespaces.fetch_labels(name, deadline=soon())
    assert found is not None
    assert found["team"] == "blue"
    assert edge.namespaces.labels(name) is found
    await aside(rights.cluster.kubectl, "delete", "namespace", name, "--wait=false")


async def test_those_who_ask_at_one_time_share_one_question(rights: Rights, lone_edge: Edge, monkeypatch: Any) -> None:
    """A Deployment's Pods arrive together; one who gives up fails nobody else."""
    asked: list[str] = []
    ask = lone_edge.api.list_metadata

    async def counted(path: str, **named: Any) -> Any:
        asked.append(path)
        return await ask(path, **named)

    monkeypatch.setattr(lone_edge.api, "list_metadata", counted)
    first = asyncio.create_task(lone_edge.namespaces.fetch_labels("default", deadline=soon()))
    others = [asyncio.create_task(lone_edge.namespaces.fetch_labels("default", deadline=soon())) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()
    answers = await asyncio.gather(*others)
    assert len(asked) == 1
    assert all(one is answers[0] is not None for one in answers)


async def test_a_namespace_that_is_not_there_has_no_labels(rights: Rights, lone_edge: Edge) -> None:
    """Not known is not the same as no labels."""
    assert await lone_edge.namespaces.fetch_labels("never-made", deadline=soon()) is None
    assert lone_edge.namespaces.labels("never-made") is None
