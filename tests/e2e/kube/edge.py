"""The Kubernetes edge put together for a test: everything but the server, whose place a silent host takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from kubernetes.client import Configuration

from tests.chart.render import render
from tests.cluster import ControlPlane
from tests.objects import image_policy
from tests.waiting import until
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.exceptions import AllExceptions
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.platforms import NodePlatforms
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust import WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.errors import PolicyError
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_stores import AnyTrustStore
from tidegate.trust.kms_keys import KmsKeys
from tidegate.trust.trusted_roots import FetchedRoots
from tidegate.trust.tuf.repository import TufRoots
from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.operator import run_operator

T = TypeVar("T")

NEVER_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Who the edge is: a ServiceAccount of the chart."""

    cluster: ControlPlane
    kubeconfig: Path
    namespace: str
    release: str

    @property
    def name(self) -> str:
        """The name of the release's objects."""
        return f"{self.release}-tidegate"

    def render(self, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the objects of the release."""
        return render(values, namespace=self.namespace, release=self.release)


class SilentHost:
    """Stands where KopfHost does; serves nothing and remembers that it was asked to."""

    def __init__(self) -> None:
        self.serving = False
        self.drained = False

    async def __call__(self, _fn: object) -> AsyncIterator[dict[str, Any]]:
        self.serving = True
        try:
            yield {}
            await asyncio.Event().wait()
        finally:
            self.drained = True


class NoKeys:
    """Stands where AWS KMS does."""

    def public_key(self, arn: str) -> bytes:
        raise PolicyError((f"there is no key {arn} here",))


class Edge:
    """The sources of an admission process. ``every_seconds`` is so long by default that only watches can tell."""

    def __init__(
        self,
        configuration: Configuration,
        cluster: ControlPlane,
        *,
        namespace: str | None = None,
        roots: TufRoots | None = None,
        every_seconds: float = NEVER_SECONDS,
    ) -> None:
        self.cluster = cluster
        self.configuration = configuration
        self.api = KubernetesApi(configuration)
        self.roots = None if roots is None else FetchedRoots(roots)
        self.trust_stores = WatchedTrustStores(
            self.api, namespace=namespace, roots=self.roots, every_seconds=every_seconds
        )
        if self.roots is not None:
            self.roots.notify(self.trust_stores.mark_dirty)
        self.keys = KmsKeys(NoKeys())
        trust = WatchedTrust(self.trust_stores, self.keys)
        self.exceptions = AllExceptions(self.api, every_seconds=every_seconds)
        self.policies = WatchedPolicies(self.api, trust=trust, exceptions=self.exceptions, every_seconds=every_seconds)
        self.exceptions.follow(self.policies)
        self.namespaces = WatchedNamespaces(self.api, every_seconds=every_seconds)
        self.platforms = NodePlatforms(self.api, every_seconds=every_seconds)
        self.host = SilentHost()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Run as the admission process does."""
        await run_operator(
            configuration=self.configuration,
            host=cast("KopfHost", self.host),
            policies=self.policies,
            exceptions=self.exceptions,
            trust_stores=self.trust_stores,
            namespaces=self.namespaces,
            background=[self.platforms.run, self.keys.run, *([self.roots.run] if self.roots else [])],
            stop=self.stop,
        )

    def close(self) -> None:
        """Close the connections to the API server."""
        self.api.close()

    def policy(self, name: str) -> Policy | None:
        """Return a policy of the present snapshot."""
        return next((one for one in self.policies.current().policies if one.name == name), None)

    def trust_store(self, name: str) -> AnyTrustStore | None:
        """Return a trust store of the present snapshot."""
        return self.policies.current().trust.stores.get(name)

    async def ready(self) -> None:
        """Wait until all is listed and the watches have told their first state."""
        await until(lambda: self.host.serving and self.policies.current().synced, what="the first list of policies")
        await until(lambda: self.namespaces.labels("default") is not None, what="the first list of namespaces")


async def aside(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run what blocks, such as kubectl, in a thread."""
    return await asyncio.to_thread(work, *arguments, **named)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    """Return an ImagePolicy that nobody else's Pods meet, unless said otherwise."""
    nobody = {"match": {"namespaces": [f"nobody-{name}"]}, "tags": {"immutable": True}}
    return image_policy(name, nobody | spec)
