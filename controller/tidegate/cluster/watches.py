"""kopf's watches of policies, trust stores and namespaces, in a separate operator, event loop and thread.

A kopf operator ends when a watch fails for good, for example because a CRD was deleted. This operator has no server, so it
can end, and is restarted. It only passes events on: it has no index, timer, daemon, finalizer or annotation.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import kopf
import structlog
from kubernetes.client import Configuration

from tidegate.cluster.connection import KopfLogin
from tidegate.cluster.kopf_settings import common_settings
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.policy.parse import GROUP, PLURAL, VERSION
from tidegate.policy.trust_store_object import PLURAL as TRUST_STORES

RESTART_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 0.25
"""Time for closed connections to end TLS before their event loop ends."""
STOP_SECONDS: Final = 10.0
"""How long to wait for the thread to end. It is a daemon thread, so it cannot block the exit."""

_log = structlog.get_logger(__name__)


class Watches:
    """Passes watch events to policies, trust stores and namespaces, on their own event loop."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        policies: WatchedPolicies,
        trust_stores: WatchedTrustStores,
        namespaces: WatchedNamespaces,
    ) -> None:
        self._configuration = configuration
        self._policies = policies
        self._trust_stores = trust_stores
        self._namespaces = namespaces
        self._home: asyncio.AbstractEventLoop | None = None
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._stop_present: Callable[[], object] | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        _quieten_kopf()
        self._home = asyncio.get_running_loop()
        self._policies.on_return = self._trust_stores.on_return = self.restart
        thread = threading.Thread(target=self._run_thread, name="kopf-watches", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._ending.set()
            self.restart()
            await asyncio.to_thread(thread.join, STOP_SECONDS)

    def restart(self) -> None:
        """End the present operator, so that the next one repeats API discovery. Callable from any thread."""
        with self._lock:
            if self._stop_present is not None:
                self._stop_present()

    def _run_thread(self) -> None:
        while not self._ending.is_set():
            try:
                asyncio.run(self._watch())
            except Exception as error:  # noqa: BLE001 - the next one may work
                _log.warning("watches ended, restarting them", error=str(error) or type(error).__name__)
                self._ending.wait(RESTART_SECONDS)
            # Deletions between two watches cause no event.
            for each in (self._policies, self._trust_stores, self._namespaces):
                self._tell(each.mark_dirty)

    async def _watch(self) -> None:
        """Run one operator until it fails or is stopped."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._lock:
            self._stop_present = lambda: loop.call_soon_threadsafe(stop.set)
        try:
            if self._ending.is_set():
                return
            settings = common_settings()
            # kopf must not kill the process if this operator ends slowly.
            settings.process.ultimate_exiting_timeout = None
            registry = self._registry()
            await kopf.operator(registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop)
        finally:
            with self._lock:
                self._stop_present = None
            await asyncio.sleep(CLOSE_SECONDS)

    def _registry(self) -> kopf.OperatorRegistry:
        """Return a registry for this operator; kopf's default registry is global."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(KopfLogin(self._configuration).log_in)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="policies")
        async def policy_changed(**_: Any) -> None:
            self._tell(self._policies.mark_dirty)

        @kopf.on.event(GROUP, VERSION, TRUST_STORES, registry=registry, id="trust-stores")
        async def trust_store_changed(**_: Any) -> None:
            self._tell(self._trust_stores.mark_dirty)

        @kopf.on.event("", "v1", "namespaces", registry=registry, id="namespaces")
        async def namespace_changed(event: kopf.RawEvent, **_: Any) -> None:
            metadata = event["object"]["metadata"]
            labels = None if event["type"] == "DELETED" else dict(metadata.get("labels") or {})
            self._tell(self._namespaces.told, metadata["name"], labels)

        return registry

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        """Call on the event loop of the process, which may have ended."""
        assert self._home is not None
        with contextlib.suppress(RuntimeError):
            self._home.call_soon_threadsafe(what, *arguments)


def _quieten_kopf() -> None:
    """Suppress kopf's log lines for each event, and the one about signals in threads."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("OS signals are ignored")
