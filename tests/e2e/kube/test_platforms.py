"""The platforms of a real API server's nodes."""

from __future__ import annotations

from tests.e2e.kube.conftest import RunEdge
from tests.e2e.kube.edge import Rights, aside
from tests.waiting import until
from tidegate.images.platform import Platform


async def test_platforms_follow_the_nodes(lonely_rights: Rights, run_edge: RunEdge) -> None:
    """None is not known; then those of the nodes; the same tuple while they stay the same."""
    cluster = lonely_rights.cluster
    async with run_edge(lonely_rights, every_seconds=0.5) as edge:
        await edge.ready()
        assert edge.platforms.platforms() == ()
        first = await aside(cluster.add_node, "linux", "arm64")
        await until(edge.platforms.platforms, what="the first platform")
        found = edge.platforms.platforms()
        assert found == (Platform(os="linux", architecture="arm64"),)
        twin = await aside(cluster.add_node, "linux", "arm64")
        assert await edge.platforms.resync.refresh_once()
        assert edge.platforms.platforms() is found
        other = await aside(cluster.add_node, "linux", "amd64")
        await until(lambda: len(edge.platforms.platforms()) == 2, what="the second platform")
        await aside(cluster.kubectl, "delete", "node", first, twin, other)
        await until(lambda: edge.platforms.platforms() == (), what="no platform")
