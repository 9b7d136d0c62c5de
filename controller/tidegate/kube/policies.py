"""The image policies of the cluster: listed, compiled, swapped as one snapshot; then told in each policy's status.

Events of a watch only ask for the next list. Until the first list succeeded the snapshot is unsynced; when a later one
fails, the last snapshot stays, and ``age_seconds`` says how old it is.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tidegate.kube.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi
from tidegate.kube.known_bad import POLICY as KNOWN_BAD_POLICY
from tidegate.kube.policy_status import status_patch
from tidegate.kube.relisting import RELIST_SECONDS, Relisting
from tidegate.policy.parse import GROUP, PLURAL, VERSION, compile_policy
from tidegate.policy.snapshot import Policy, PolicySnapshot

POLICIES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
MAX_STATUS_WRITES: Final = 100
"""Status patches of one round; the rest follows with the next list."""

_log = structlog.get_logger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class WatchedPolicies:
    """Implements the reviewer's PolicySource. Every synced snapshot also holds the self-check's built-in policy."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        every_seconds: float = RELIST_SECONDS,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._api = api
        self._now = now
        self._snapshot = PolicySnapshot.unsynced()
        self._compiled_from: Sequence[object] | None = None
        self._missing = False
        self.on_return: Callable[[], None] | None = None
        """Called when policies can be listed after the resource was not there."""
        self.relisting = Relisting("image policies", self._refresh, every_seconds=every_seconds)

    def current(self) -> PolicySnapshot:
        """Return the present snapshot; the same object for as long as no policy changes."""
        return self._snapshot

    @property
    def age_seconds(self) -> float:
        """Seconds since the policies were last read; infinite before the first time."""
        return self.relisting.age_seconds

    def mark_dirty(self) -> None:
        """Ask for a list soon."""
        self.relisting.trigger()

    async def run(self) -> None:
        """Keep the snapshot fresh until cancelled."""
        await self.relisting.run()

    async def _refresh(self) -> None:
        objects = await self._list()
        compiled = self._take(objects)
        await self._write_status(objects, compiled)

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

    def _take(self, objects: Sequence[Mapping[str, Any]]) -> dict[str, Policy]:
        """Compile and swap, unless nothing that policies are made of has changed; return the policies by uid."""
        material = [_material(one) for one in objects]
        if material != self._compiled_from:
            compiled = [compile_policy(one) for one in objects]
            snapshot = PolicySnapshot.of([*compiled, KNOWN_BAD_POLICY])
            self._snapshot, self._compiled_from = snapshot, material
            broken = [policy.name for policy in snapshot.broken]
            _log.info("policies in force", revision=snapshot.revision, policies=len(compiled), broken=broken)
        return {policy.uid: policy for policy in self._snapshot.policies}

    async def _write_status(self, objects: Sequence[Mapping[str, Any]], compiled: Mapping[str, Policy]) -> None:
        """Tell each policy what became of it. What fails is logged and tried again with the next list."""
        written = 0
        for one in objects:
            policy = compiled.get(one["metadata"]["uid"])
            patch = status_patch(one, policy, self._now()) if policy is not None else None
            if policy is None or patch is None:
                continue
            if written >= MAX_STATUS_WRITES:
                self.mark_dirty()
                return
            written += 1
            try:
                await self._api.merge_patch(f"{POLICIES_PATH}/{policy.name}/status", patch)
            except ApiError as error:
                # Another replica was faster, or the policy is gone: the next list shows what is left to say.
                if error.status not in (CONFLICT, NOT_FOUND):
                    _log.warning("cannot write a policy's status", policy=policy.name, error=str(error))


def _material(one: Mapping[str, Any]) -> object:
    """Return what of an object a compiled policy depends on; its status is not part of that."""
    metadata = one.get("metadata") or {}
    rest = {name: part for name, part in one.items() if name not in {"metadata", "status"}}
    return metadata.get("name"), metadata.get("uid"), metadata.get("generation"), rest
