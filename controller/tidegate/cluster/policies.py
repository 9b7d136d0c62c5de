"""The image policies of the cluster: listed, compiled, swapped as one snapshot; then told in each policy's status.

Events of a watch only ask for the next list. Until the first list succeeded the snapshot is unsynced; when a later list
fails, the last snapshot stays, and ``age_seconds`` says how old it is. A policy is in force as soon as it is listed: it waits
for no key, trusted root or trust store. What is not loaded yet is undetermined for the authority that relies on it, and only
the readiness of a process that just started waits for it a moment.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from tidegate.admission.known_bad import POLICY as KNOWN_BAD_POLICY
from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.policy_status import status_patch
from tidegate.cluster.resync import RESYNC_SECONDS, Resynced
from tidegate.cluster.status_writing import write_statuses
from tidegate.policy.parse import GROUP, PLURAL, VERSION, compile_policy
from tidegate.policy.snapshot import Policy, PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot

POLICIES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
LOADING_SECONDS: Final = 10.0
"""How long the readiness of a process that just started waits for what its policies rely on."""

_log = structlog.get_logger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TrustSource(Protocol):
    """Tells what policies' signatures rely on."""

    def notify(self, changed: Callable[[], None]) -> None:
        """Have it called whenever the next snapshot may be another."""
        ...

    def is_read(self, policies: Iterable[Policy]) -> bool:
        """Tell whether what the policies rely on was ever asked for, whatever came of it."""
        ...

    def snapshot(self, policies: Iterable[Policy]) -> TrustSnapshot:
        """Return the trust, the same object while nothing changes. What was not read is in it as broken."""
        ...


WarmUp = Callable[[Iterable[Policy], TrustSnapshot], None]
"""Makes ready what the first request would otherwise have to; runs in a thread."""


class WatchedPolicies(Resynced):
    """Implements the reviewer's PolicySource. Every synced snapshot also holds the self-check's built-in policy.

    Without ``trust`` there are no trust stores, and what relies on one is undetermined.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        trust: TrustSource | None = None,
        warm_up: WarmUp | None = None,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._api = api
        self._now = now
        self._snapshot = PolicySnapshot.unsynced()
        self._trust = trust
        self._warm_up = warm_up
        self._compiled: tuple[Sequence[object], Sequence[Policy]] = ((), ())
        self._taken: Sequence[Policy] = ()
        self._warming: asyncio.Task[None] | None = None
        self._first_at: float | None = None
        self._missing = False
        self.on_return: Callable[[], None] | None = None
        """Called when policies can be listed after the resource was not there."""
        super().__init__("image policies", every_seconds=every_seconds)
        if trust is not None:
            trust.notify(self.mark_dirty)

    def current(self) -> PolicySnapshot:
        """Return the present snapshot; the same object for as long as no policy changes."""
        return self._snapshot

    def is_loading(self) -> bool:
        """Tell whether what the first policies rely on is still being read, or made ready, since a moment ago."""
        return self._is_first_reading() or (self._has_just_started() and self._warming is not None)

    def _is_first_reading(self) -> bool:
        return self._has_just_started() and self._trust is not None and not self._trust.is_read(self._taken)

    def _has_just_started(self) -> bool:
        return self._first_at is not None and time.monotonic() - self._first_at <= LOADING_SECONDS

    async def _refresh(self) -> None:
        objects = await self._list()
        policies = self._compile(objects)
        trust = NO_TRUST if self._trust is None else self._trust.snapshot(policies)
        self._take(policies, trust)
        if self._is_first_reading():
            # News of it ask for the next list, and so does the end of the moment that readiness waits. Until then other
            # replicas know more, and what they told stands.
            asyncio.get_running_loop().call_later(LOADING_SECONDS, self.mark_dirty)
            return
        await self._write_status(objects, {policy.uid: policy for policy in policies})

    async def _list(self) -> Sequence[Mapping[str, Any]]:
        """List; that there is no such resource is a failure, and never the same as no policies."""
        try:
            objects = await self._api.list_objects(POLICIES_PATH)
        except ApiError as error:
            self._missing = self._missing or error.status == NOT_FOUND
            raise
        if self._missing and self.on_return is not None:
            self.on_return()
        self._missing = False
        return objects

    def _compile(self, objects: Sequence[Mapping[str, Any]]) -> Sequence[Policy]:
        """Return the policies: the same objects, unless anything that policies are made of has changed."""
        material = [_material(one) for one in objects]
        if material != self._compiled[0]:
            self._compiled = (material, [compile_policy(one) for one in objects])
        return self._compiled[1]

    def _take(self, policies: Sequence[Policy], trust: TrustSnapshot) -> None:
        """Swap, unless nothing has changed, and have ready meanwhile what the first request would have to."""
        if self._snapshot.synced and self._taken is policies and self._snapshot.trust is trust:
            return
        if not self._snapshot.synced:
            self._first_at = time.monotonic()
        snapshot = PolicySnapshot.of([*policies, KNOWN_BAD_POLICY], trust)
        self._snapshot, self._taken = snapshot, policies
        broken = [policy.name for policy in snapshot.broken]
        _log.info("policies in force", revision=snapshot.revision, policies=len(policies), broken=broken)
        if self._warm_up is not None and self._warming is None:
            self._warming = asyncio.create_task(self._make_ready(self._warm_up), name="make verifiers ready")

    async def _make_ready(self, warm_up: WarmUp) -> None:
        """Make ready what verifies, for the newest snapshot. What goes wrong there is told by the verification itself."""
        ready: PolicySnapshot | None = None
        try:
            while ready is not self._snapshot:
                ready = self._snapshot
                await asyncio.to_thread(warm_up, self._taken, ready.trust)
        except Exception as error:  # noqa: BLE001 - it is a convenience
            _log.warning("cannot warm up signature verification", error=type(error).__name__)
        finally:
            self._warming = None

    async def _write_status(self, objects: Sequence[Mapping[str, Any]], compiled: Mapping[str, Policy]) -> None:
        """Tell each policy what became of it."""
        trust, now = self._snapshot.trust, self._now()
        found = ((one, compiled.get(one["metadata"]["uid"])) for one in objects)
        patches = [(policy.name, status_patch(one, policy, now, trust)) for one, policy in found if policy is not None]
        if not await write_statuses(self._api, POLICIES_PATH, patches):
            self.mark_dirty()


def _material(one: Mapping[str, Any]) -> object:
    """Return what of an object a compiled policy depends on; its status is not part of that."""
    metadata = one.get("metadata") or {}
    rest = {name: part for name, part in one.items() if name not in {"metadata", "status"}}
    return metadata.get("name"), metadata.get("uid"), metadata.get("generation"), rest
