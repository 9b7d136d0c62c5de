"""The kopf operator of the admission role: it hosts the server, watches policies and namespaces, and ends in order.

Watch events are triggers and nothing is kept in kopf: no index, timer, daemon, peering, finalizer or annotation.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, cast

import kopf
from kubernetes.client import Configuration

from tidegate.kube.connection import KopfLogin
from tidegate.kube.namespaces import WatchedNamespaces
from tidegate.kube.policies import WatchedPolicies
from tidegate.kube.server import KopfHost
from tidegate.policy.parse import GROUP, PLURAL, VERSION

FIRST_BACKOFFS: Final = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0)
LAST_BACKOFF: Final = 30.0
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 30.0

Forever = Callable[[], Coroutine[Any, Any, None]]
"""Background work: runs until cancelled."""


class UnboundedBackoffs:
    """Pauses between tries, without end. kopf counts what has a length, and exits when the count is over."""

    def __iter__(self) -> Iterator[float]:
        """Yield seconds."""
        yield from FIRST_BACKOFFS
        while True:
            yield LAST_BACKOFF


async def run_operator(
    *,
    configuration: Configuration,
    host: KopfHost,
    policies: WatchedPolicies,
    namespaces: WatchedNamespaces,
    background: Sequence[Forever] = (),
) -> None:
    """Run until SIGTERM or SIGINT; the host drains before this returns. Raise what ended the operator or a background.

    ``background`` holds what else runs beside, besides the policies' and namespaces' own lists. It runs until the host
    has drained: kopf cancels every task begun after its own, so these are begun before.
    """
    # A line for each event of each object is no use to anybody; what kopf says of itself stays.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_forever(work)) for work in (policies.run, namespaces.run, *background)]
            await asyncio.sleep(0)
            await kopf.operator(
                registry=build_registry(configuration, policies, namespaces),
                settings=build_settings(host),
                standalone=True,
                clusterwide=True,
            )
            for task in tasks:
                task.cancel()
    except* Exception as failures:  # noqa: BLE001 - unwrapped and raised
        raise failures.exceptions[0] from None


async def _forever(work: Forever) -> None:
    await work()
    raise RuntimeError(f"{getattr(work, '__qualname__', work)} ended, which it never should")


def build_settings(host: KopfHost) -> kopf.OperatorSettings:
    """Return kopf's settings. ``admission.managed`` stays unset: kopf would wipe the configuration at exit."""
    settings = kopf.OperatorSettings()
    # KopfHost is such a server but for the name that kopf has for the dictionary it yields.
    settings.admission.server = cast("Any", host)
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.networking.error_backoffs = UnboundedBackoffs()
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = REQUEST_SECONDS
    return settings


def build_registry(
    configuration: Configuration, policies: WatchedPolicies, namespaces: WatchedNamespaces
) -> kopf.OperatorRegistry:
    """Return a registry of this operator's own; kopf's default one is global."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="login")(KopfLogin(configuration).log_in)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="policies")
    async def policy_changed(**_: Any) -> None:
        policies.mark_dirty()

    @kopf.on.event("", "v1", "namespaces", registry=registry, id="namespaces")
    async def namespace_changed(event: kopf.RawEvent, **_: Any) -> None:
        metadata = event["object"]["metadata"]
        if event["type"] == "DELETED":
            namespaces.told_gone(metadata["name"])
        else:
            namespaces.told(metadata["name"], dict(metadata.get("labels") or {}))

    return registry
