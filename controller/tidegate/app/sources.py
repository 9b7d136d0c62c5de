"""What both roles of the controller read: policies, exceptions, trust stores, namespaces and nodes of the cluster, and evidence."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from tidegate import __version__
from tidegate.admission.known_bad import POLICY as KNOWN_BAD
from tidegate.app.engine import Engine
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.exceptions import AllExceptions
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.platforms import NodePlatforms
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust import WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.clock import ClockWatch
from tidegate.policy.trust_stores import BrokenTrustStore
from tidegate.settings import Settings
from tidegate.signing.prepare import warm_up
from tidegate.telemetry.exceptions import ExceptionMetrics
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.registries import listed_registry_keys
from tidegate.trust.kms_keys import KmsKeys
from tidegate.trust.trusted_roots import FetchedRoots
from tidegate.webhook.server import Listener, Route, ServerLimits, ServerResponse

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS_CONNECTIONS: Final = 64
"""Connections of Prometheus and the kubelet."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSources:
    """The sources, and the engine that collects evidence. ``keeps`` are the works that keep them fresh."""

    api: KubernetesApi
    engine: Engine
    policies: WatchedPolicies
    exceptions: AllExceptions
    trust_stores: WatchedTrustStores
    trust: WatchedTrust
    namespaces: WatchedNamespaces
    platforms: NodePlatforms
    keeps: tuple[Callable[[], Coroutine[Any, Any, None]], ...]

    def close(self) -> None:
        """Release threads and connections."""
        self.engine.close()
        self.api.close()


def cluster_sources(settings: Settings, api: KubernetesApi, engine: Engine, *, writes_statuses: bool) -> ClusterSources:
    """Return the sources, and add their metrics to the engine's.

    One role writes the statuses of policies, exceptions and trust stores, so that the other needs no permission for it.
    """
    roots = FetchedRoots(engine.trusted_roots)
    stores = WatchedTrustStores(api, namespace=own_namespace(settings), roots=roots, writes_statuses=writes_statuses)
    roots.notify(stores.mark_dirty)
    trust = WatchedTrust(stores, KmsKeys(engine.kms))
    exceptions = AllExceptions(api, writes_statuses=writes_statuses)
    policies = watched_policies(api, trust, exceptions, writes_statuses=writes_statuses)
    namespaces, platforms = WatchedNamespaces(api), NodePlatforms(api)
    watch_policies(engine.metrics, policies)
    watch_trust_stores(engine.metrics, stores)
    engine.metrics.registry.register(ExceptionMetrics(exceptions.states, exceptions.left_out))
    engine.observer.registries.listed = lambda: listed_registry_keys(policies.current().policies)
    return ClusterSources(
        api=api,
        engine=engine,
        policies=policies,
        exceptions=exceptions,
        trust_stores=stores,
        trust=trust,
        namespaces=namespaces,
        platforms=platforms,
        keeps=(platforms.run, trust.keys.run, roots.run),
    )


def watched_policies(
    api: KubernetesApi, trust: WatchedTrust, exceptions: AllExceptions, *, writes_statuses: bool = True
) -> WatchedPolicies:
    """Return the policies with their exceptions, and with signature verification warmed up for each snapshot."""
    policies = WatchedPolicies(
        api, trust=trust, exceptions=exceptions, warm_up=warm_up, writes_statuses=writes_statuses
    )
    exceptions.follow(policies)
    return policies


def own_namespace(settings: Settings) -> str | None:
    """Return the namespace that this process runs in, or None if it is unknown."""
    return settings.namespace or os.environ.get("POD_NAMESPACE") or None


def watch_clock(engine: Engine, *, jumped: Callable[[], None]) -> ClockWatch:
    """Return the watch that counts jumps of the wall clock and calls ``jumped`` at each."""
    watch = ClockWatch(engine.clock, jumped=jumped)
    text = "Jumps of the wall clock by five seconds or more since the start; the log has each with its size."
    engine.metrics.watch("tidegate_clock_jumps", text, lambda: watch.jumps)
    return watch


def metrics_listener(metrics: Metrics, probes: tuple[Route, ...]) -> Listener:
    """Return the plain HTTP listener for Prometheus, and for the kubelet's probes where it has no certificate."""

    def answer(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        return ServerResponse(body=metrics.render(), content_type=METRICS_TYPE)

    routes = (Route(method="GET", path="/metrics", handler=answer), *probes)
    return Listener(name="metrics", routes=routes, limits=ServerLimits(max_connections=METRICS_CONNECTIONS), tls=None)


def watch_policies(metrics: Metrics, policies: WatchedPolicies) -> None:
    """Add gauges of the policies in force, without the built-in policy of the self-check."""

    def own() -> int:
        return sum(one.name != KNOWN_BAD.name for one in policies.current().policies)

    metrics.watch("tidegate_policies", "Policies in force.", own)
    metrics.watch("tidegate_policies_broken", "Invalid policies.", lambda: len(policies.current().broken))
    metrics.watch("tidegate_policies_age_seconds", "Seconds since policies were read.", lambda: policies.age_seconds)


def watch_trust_stores(metrics: Metrics, stores: WatchedTrustStores) -> None:
    """Add gauges of the trust stores; before the first list there are none."""

    def broken() -> int:
        return sum(isinstance(one, BrokenTrustStore) for one in stores.current() or ())

    metrics.watch("tidegate_trust_stores", "Trust stores.", lambda: len(stores.current() or ()))
    metrics.watch("tidegate_trust_stores_broken", "Unusable trust stores.", broken)
    age = "Seconds since trust stores were read."
    metrics.watch("tidegate_trust_stores_age_seconds", age, lambda: stores.age_seconds)


async def log_identity(engine: Engine) -> None:
    """Log the AWS identity of this process, which explains most permission problems."""
    try:
        caller = await asyncio.to_thread(engine.identity.caller_arn)
    except SourceUnavailableError as problem:
        _log.warning("sts:GetCallerIdentity failed", cause=problem.cause.value, detail=problem.detail)
    else:
        _log.info("AWS identity", caller=caller, version=__version__)
