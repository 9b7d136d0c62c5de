"""An API server that stops answering, or refuses: what was known stays known, and nothing of this process ends."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from typing import Any

from tests.e2e.kube.conftest import RunEdge
from tests.e2e.kube.edge import Edge, Rights, aside, policy
from tests.waiting import until


async def test_an_outage_keeps_the_snapshot_and_ends_with_it(
    lonely_rights: Rights, run_edge: RunEdge, monkeypatch: Any
) -> None:
    """The API server is stopped, not ended: connections hang, as they do when a network is lost."""
    monkeypatch.setattr("tidegate.cluster.api.READ_SECONDS", 1.0)
    name, cluster = f"policy-{uuid.uuid4().hex[:8]}", lonely_rights.cluster
    server = cluster.find_program("kube-apiserver")
    await aside(cluster.apply, policy(name))
    async with run_edge(lonely_rights, every_seconds=0.5) as edge:
        await edge.ready()
        await until(lambda: edge.policy(name), what="the policy")
        known, labels = edge.policies.current(), edge.namespaces.labels("default")
        server.signal(signal.SIGSTOP)
        try:
            await until(lambda: edge.policies.resync.failures >= 2, what="failing lists")
            assert edge.policies.resync.problem
            assert edge.policies.current() is known
            assert edge.namespaces.labels("default") is labels
            assert await edge.namespaces.fetch_labels("not-known", deadline=time.monotonic() + 1) is None
            assert not edge.host.drained
        finally:
            server.signal(signal.SIGCONT)
        await until(lambda: edge.policies.resync.failures == 0, what="lists that work again")
        assert edge.policies.current() is known
        await aside(cluster.kubectl, "delete", "imagepolicy", name)
        await until(lambda: edge.policy(name) is None, what="the policy's end")


async def test_the_loop_is_free_while_the_api_server_hangs(lonely_rights: Rights, lone_lonely_edge: Edge) -> None:
    """Calls hang in threads of their own, and whoever waits for one may give up at a deadline."""
    server = lonely_rights.cluster.find_program("kube-apiserver")
    server.signal(signal.SIGSTOP)
    try:
        asking = [
            asyncio.create_task(lone_lonely_edge.namespaces.fetch_labels(f"n-{n}", deadline=time.monotonic() + 3))
            for n in range(100)
        ]
        ticks = 0
        while not all(one.done() for one in asking):
            await asyncio.sleep(0.01)
            ticks += 1
        assert [one.result() for one in asking] == [None] * 100
        assert ticks >= 10
    finally:
        server.signal(signal.SIGCONT)


async def test_a_refused_token_keeps_what_is_known_and_tries_on(
    lonely_rights: Rights, run_edge: RunEdge, tmp_path: Any
) -> None:
    """A 401 is no list: unsynced stays unsynced, and the process lives for the day the token is good."""
    spoilt = tmp_path / "kubeconfig"
    text = lonely_rights.kubeconfig.read_text()
    token = text.split('"token": "')[1].split('"')[0]
    spoilt.write_text(text.replace(token, "nobody"))
    async with run_edge(lonely_rights, kubeconfig=spoilt) as edge:
        await until(lambda: edge.policies.resync.failures >= 2, what="refused lists")
        assert "401" in edge.policies.resync.problem
        assert not edge.policies.current().synced
