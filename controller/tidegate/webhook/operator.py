"""The kopf operator of either role: it hosts the admission server, if any, and ends in order. ``watches`` has what is watched.

This operator has no handlers but those of its login and its end: after API discovery it sends the API server nothing, so that no outage, no
refusal and no missing resource can end it, and the server with it.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import kopf
from kubernetes.client import Configuration

from tidegate.cluster.connection import KopfLogin
from tidegate.cluster.exceptions import AllExceptions
from tidegate.cluster.kopf_settings import common_settings
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.cluster.watches import Watches
from tidegate.webhook.kopf_host import KopfHost

Forever = Callable[[], Coroutine[Any, Any, None]]
"""Background work: runs until cancelled."""


async def run_operator(
    *,
    configuration: Configuration,
    host: KopfHost | None,
    policies: WatchedPolicies,
    exceptions: AllExceptions,
    trust_stores: WatchedTrustStores,
    namespaces: WatchedNamespaces,
    background: Sequence[Forever] = (),
    stop: asyncio.Event | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or ``stop``; the host, if any, drains before this returns. Raise what else ended it.

    ``background`` runs beside the watches of policies, exceptions, trust stores and namespaces until the host has drained:
    kopf cancels every task that starts after its own, so these start before. They end in kopf's cleanup: kopf would wait five
    seconds for each task that they have started since, and a leader would release its Lease only then.
    """
    watches = Watches(configuration, policies=policies, trust_stores=trust_stores, namespaces=namespaces)
    lists = (policies, *exceptions.kinds, trust_stores, namespaces)
    reflectors = (one.reflector.run for one in exceptions.kinds)
    works = (*(one.run for one in lists), *reflectors, watches.run, *background)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_forever(work)) for work in works]

            async def end(**_: object) -> None:
                for task in tasks:
                    if not task.cancelling():
                        task.cancel()
                await asyncio.wait(tasks)

            await kopf.operator(
                registry=build_registry(configuration, end),
                settings=build_settings(host),
                identity=cast("Any", own_identity()),
                standalone=True,
                clusterwide=True,
                stop_flag=stop,
            )
            await end()
    except* Exception as failures:  # noqa: BLE001 - unwrapped and raised
        raise failures.exceptions[0] from None


async def _forever(work: Forever) -> None:
    await work()
    raise RuntimeError(f"{getattr(work, '__qualname__', work)} ended unexpectedly")


def own_identity() -> str:
    """Return the Pod's name, else the host's. Otherwise kopf uses the user's name, and a user id may have none."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def build_settings(host: KopfHost | None) -> kopf.OperatorSettings:
    """Return the operator's settings. ``admission.managed`` stays unset: kopf would wipe the configuration at exit."""
    settings = common_settings()
    # KopfHost is such a server, but kopf has its own name for the type of the dictionary that it yields.
    if host is not None:
        settings.admission.server = cast("Any", host)
    return settings


def build_registry(
    configuration: Configuration, end: Callable[..., Coroutine[Any, Any, None]]
) -> kopf.OperatorRegistry:
    """Return a registry of this operator's own, which calls ``end`` when kopf's tasks have ended; kopf's default one is global."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="login")(KopfLogin(configuration).log_in)
    kopf.on.cleanup(registry=registry, id="end")(cast("Any", end))
    return registry
