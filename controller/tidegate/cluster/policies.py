"""The image policies of the cluster: listed, compiled, published as one snapshot, then reported in each policy's status.

The snapshot has the exceptions from them too, which are listed elsewhere.

A watch event only triggers the next list. Before the first successful list the snapshot is unsynced; when a later list
fails, the last snapshot stays, and ``age_seconds`` is its age. A policy is in force as soon as it is listed: it does not
wait for keys, trusted roots or trust stores. An authority whose trust is not loaded yet is undetermined. Only the
readiness of a process that just started waits for it, for LOADING_SECONDS.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from tidegate.admission.known_bad import POLICY as KNOWN_BAD_POLICY
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.objects import WatchedObjects, utc_now
from tidegate.cluster.policy_status import status_patch
from tidegate.cluster.resync import RESYNC_SECONDS
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.parse import GROUP, PLURAL, VERSION, compile_policy
from tidegate.policy.snapshot import Policy, PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot

POLICIES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
LOADING_SECONDS: Final = 10.0
"""How long statuses wait for the trust that policies use, and the readiness of a process that just started."""

_log = structlog.get_logger(__name__)


class TrustSource(Protocol):
    """Provides the trust stores and keys that policies use."""

    def notify(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the next snapshot may differ."""
        ...

    def is_read(self, policies: Iterable[Policy]) -> bool:
        """Tell whether each trust store and key that the policies use was read or refused at least once."""
        ...

    def snapshot(self, policies: Iterable[Policy]) -> TrustSnapshot:
        """Return the trust, the same object until something changes. What was not read yet is broken in it."""
        ...


class ExceptionSource(Protocol):
    """Provides the exceptions from policies."""

    def notify(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the next snapshot may differ."""
        ...

    def is_read(self) -> bool:
        """Tell whether the exceptions were read, or could not be read, at least once."""
        ...

    def current(self) -> tuple[ImagePolicyException, ...]:
        """Return the exceptions in force, the same tuple until something changes."""
        ...


WarmUp = Callable[[Iterable[Policy], TrustSnapshot], None]
"""Prepares verifiers before the first request needs them; runs in a thread."""


class WatchedPolicies(WatchedObjects):
    """Implements the reviewer's PolicySource. Every synced snapshot also has the built-in policy of the self-check.

    Without ``trust`` there are no trust stores, and authorities that name one are undetermined. Without ``exceptions`` there
    are none. ``on_change`` is called when the policies have changed.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        trust: TrustSource | None = None,
        exceptions: ExceptionSource | None = None,
        warm_up: WarmUp | None = None,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = utc_now,
        writes_statuses: bool = True,
    ) -> None:
        super().__init__(
            "image policies", api, POLICIES_PATH, every_seconds=every_seconds, now=now, writes_statuses=writes_statuses
        )
        self._snapshot = PolicySnapshot.unsynced()
        self._trust = trust
        self._exceptions = exceptions
        self.on_change: Callable[[], None] | None = None
        self._warm_up = warm_up
        self._compiled: tuple[Sequence[object], Sequence[Policy]] = ((), ())
        self._taken: Sequence[Policy] = ()
        self._warming: asyncio.Task[None] | None = None
        self._first_at: float | None = None
        self._unread_since: float | None = None
        self._waiting: asyncio.TimerHandle | None = None
        if trust is not None:
            trust.notify(self.mark_dirty)
        if exceptions is not None:
            exceptions.notify(self._take_exceptions)

    def current(self) -> PolicySnapshot:
        """Return the present snapshot; the same object until a policy changes."""
        return self._snapshot

    def is_loading(self) -> bool:
        """Tell whether this process just started and still reads trust or prepares verifiers for its first policies."""
        return self._has_just_started() and (not self._is_read() or self._warming is not None)

    def _is_read(self) -> bool:
        """Tell whether the trust that the policies use, and the exceptions from them, were read or refused."""
        has_trust = self._trust is None or self._trust.is_read(self._taken)
        return has_trust and (self._exceptions is None or self._exceptions.is_read())

    def _is_reading(self) -> bool:
        """Tell whether something is still to be read, and has been for less than LOADING_SECONDS."""
        if self._is_read():
            self._unread_since = None
            return False
        if self._unread_since is None:
            self._unread_since = time.monotonic()
        return time.monotonic() - self._unread_since <= LOADING_SECONDS

    def _has_just_started(self) -> bool:
        return self._first_at is not None and time.monotonic() - self._first_at <= LOADING_SECONDS

    async def _refresh(self) -> None:
        # A missing resource is a failure here: it never means that there are no policies.
        objects = await self._list()
        policies = self._compile(objects)
        trust = NO_TRUST if self._trust is None else self._trust.snapshot(policies)
        self._take(policies, trust)
        if self._is_reading():
            # Other replicas may know more until the trust is read, so their statuses stay. The next list comes with the
            # trust, at the latest when nothing waits for it any more.
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().call_later(LOADING_SECONDS, self._end_waiting)
            return
        compiled, now = {policy.uid: policy for policy in policies}, self._now()
        found = ((one, compiled.get(one["metadata"]["uid"])) for one in objects)
        await self._write_statuses(
            (policy.name, policy.uid, status_patch(one, policy, now, trust))
            for one, policy in found
            if policy is not None
        )

    def _end_waiting(self) -> None:
        self._waiting = None
        self.mark_dirty()

    def _compile(self, objects: Sequence[Mapping[str, Any]]) -> Sequence[Policy]:
        """Return the policies; the same objects unless something that a policy is compiled from has changed."""
        material = [_material(one) for one in objects]
        if material != self._compiled[0]:
            self._compiled = (material, [compile_policy(one) for one in objects])
        return self._compiled[1]

    def _take(self, policies: Sequence[Policy], trust: TrustSnapshot) -> None:
        """Publish a new snapshot if something changed, and warm up signature verification for it."""
        exceptions = () if self._exceptions is None else self._exceptions.current()
        present = self._snapshot
        is_same = present.synced and self._taken is policies
        if is_same and present.trust is trust and present.exceptions is exceptions:
            return
        if not present.synced:
            self._first_at = time.monotonic()
        snapshot = PolicySnapshot.of([*policies, KNOWN_BAD_POLICY], trust, exceptions)
        self._snapshot, self._taken = snapshot, policies
        if not is_same and self.on_change is not None:
            self.on_change()
        broken = [policy.name for policy in snapshot.broken]
        _log.info(
            "policies in force",
            revision=snapshot.revision,
            broken=broken,
            policies=len(policies),
            exceptions=len(exceptions),
        )
        if self._warm_up is not None and self._warming is None:
            self._warming = asyncio.create_task(self._make_ready(self._warm_up), name="warm up verification")

    def _take_exceptions(self) -> None:
        """Publish changed exceptions at once, whether or not the policies can be listed now."""
        if self._snapshot.synced:
            self._take(self._taken, self._snapshot.trust)

    async def _make_ready(self, warm_up: WarmUp) -> None:
        """Warm up for the newest snapshot. Problems show in the verification itself."""
        ready: PolicySnapshot | None = None
        try:
            while ready is not self._snapshot:
                ready = self._snapshot
                await asyncio.to_thread(warm_up, self._taken, ready.trust)
        except Exception as error:  # noqa: BLE001 - verification works without it
            _log.warning("cannot warm up signature verification", error=type(error).__name__)
        finally:
            self._warming = None


def _material(one: Mapping[str, Any]) -> object:
    """Return the parts of an object that a policy is compiled from; the status is none of them."""
    metadata = one.get("metadata") or {}
    rest = {name: part for name, part in one.items() if name not in {"metadata", "status"}}
    return metadata.get("name"), metadata.get("uid"), metadata.get("generation"), rest
