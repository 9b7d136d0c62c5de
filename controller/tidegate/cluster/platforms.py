"""The platforms of the cluster's nodes, read from their labels at regular intervals. Nodes are not watched."""

from collections.abc import Iterable
from typing import Final

import structlog

from tidegate.cluster.api import KubernetesApi, ObjectMetadata
from tidegate.cluster.resync import RESYNC_SECONDS, Resynced
from tidegate.images.platform import InvalidPlatformError, Platform, parse_platform

NODES_PATH: Final = "/api/v1/nodes"
OS_LABEL: Final = "kubernetes.io/os"
ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"
MAX_PLATFORMS: Final = 32

_log = structlog.get_logger(__name__)


class NodePlatforms(Resynced):
    """Implements the reviewer's PlatformSource."""

    def __init__(self, api: KubernetesApi, *, every_seconds: float = RESYNC_SECONDS) -> None:
        self._api = api
        self._platforms: tuple[Platform, ...] = ()
        super().__init__("nodes", every_seconds=every_seconds)

    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms, sorted; empty while they are unknown. The same tuple until they change."""
        return self._platforms

    async def _refresh(self) -> None:
        platforms = platforms_of(await self._api.list_metadata(NODES_PATH))
        if platforms != self._platforms:
            self._platforms = platforms
            _log.info("node platforms changed", platforms=[str(one) for one in platforms])


def platforms_of(nodes: Iterable[ObjectMetadata]) -> tuple[Platform, ...]:
    """Return the platforms of nodes by their labels, sorted; empty, which means unknown, unless every node has the labels.

    A node without the labels may run any platform, so that ignoring it could leave the image that it runs unjudged.
    """
    found: set[str] = set()
    for node in nodes:
        found.add(f"{node.labels.get(OS_LABEL, '')}/{node.labels.get(ARCHITECTURE_LABEL, '')}")
    try:
        platforms = [parse_platform(text) for text in sorted(found)]
    except InvalidPlatformError:
        return ()
    return tuple(platforms) if len(platforms) <= MAX_PLATFORMS else ()
