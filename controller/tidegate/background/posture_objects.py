"""The RepositoryPosture objects of the cluster: listed as a whole, and written where they say something new.

Each write names the version that it replaces. The objects are listed again after a write that failed, and from time to time,
so that one that another client changed or deleted is written anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from tidegate.background.counts import Counts
from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi
from tidegate.evidence.clock import Clock
from tidegate.images.repository import EcrRepository
from tidegate.policy.objects import GROUP, VERSION
from tidegate.reports.posture_lines import RepositoryLines
from tidegate.reports.repository_posture import PLURAL, encode_posture, posture_name, says_same

RESYNC_SECONDS: Final = 300.0
SENT_SECONDS: Final = 3_600.0
"""How long an object counts as stored as it was sent. An older CRD drops fields that it does not have, and an upgraded one
has them."""
POSTURES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredPosture:
    """An object as it is stored."""

    uid: str
    resource_version: str
    spec: Any
    status: Any
    sent_until: float


class PostureObjects:
    """Writes objects; used by the leader alone."""

    def __init__(self, api: KubernetesApi, clock: Clock, counts: Counts) -> None:
        self._api = api
        self._clock = clock
        self._counts = counts
        self._stored: dict[str, _StoredPosture] = {}
        self._listed_until = float("-inf")
        self._missing = False

    async def sync(self, found: Iterable[RepositoryLines], kept: Iterable[EcrRepository]) -> None:
        """Write the object of each repository that differs; delete all others but those of ``kept``.

        A write that fails is logged, and made by the next call.
        """
        if self._clock.monotonic() >= self._listed_until and not await self._list():
            return
        wanted = {posture_name(one.repository): one for one in found}
        for name, one in wanted.items():
            await self._write(name, one)
        for name in self._stored.keys() - wanted.keys() - set(map(posture_name, kept)):
            await self._delete(name)

    def forget(self) -> None:
        """List the objects again before the next write."""
        self._listed_until = float("-inf")

    async def _list(self) -> bool:
        try:
            objects = await self._api.list_objects(POSTURES_PATH)
        except ApiError as problem:
            if problem.status != NOT_FOUND or not self._missing:
                _log.warning("cannot list RepositoryPostures", error=str(problem))
            self._missing = problem.status == NOT_FOUND
            return False
        self._missing = False
        now = self._clock.monotonic()
        self._stored = {
            one["metadata"]["name"]: self._known(_stored(one), one["metadata"]["name"], now) for one in objects
        }
        self._listed_until = now + RESYNC_SECONDS
        return True

    async def _write(self, name: str, found: RepositoryLines) -> None:
        stored = self._stored.get(name)
        obj = encode_posture(found, self._clock.now(), before=None if stored is None else stored.status)
        if stored is not None and stored.spec == obj["spec"] and says_same(stored.status, obj["status"]):
            return
        try:
            if stored is None:
                made = await self._api.create(POSTURES_PATH, obj)
            else:
                metadata = {**obj["metadata"], "resourceVersion": stored.resource_version}
                made = await self._api.replace(f"{POSTURES_PATH}/{name}", {**obj, "metadata": metadata})
        except ApiError as problem:
            self._failed(name, problem)
        else:
            self._counts.postures.add("created" if stored is None else "replaced")
            sent_until = self._clock.monotonic() + SENT_SECONDS
            self._stored[name] = _stored({**made, "spec": obj["spec"], "status": obj["status"]}, sent_until)

    def _known(self, listed: _StoredPosture, name: str, now: float) -> _StoredPosture:
        """Return an object as it was sent, unless another client has changed it since."""
        sent = self._stored.get(name)
        is_known = sent is not None and sent.resource_version == listed.resource_version and now < sent.sent_until
        return sent if sent is not None and is_known else listed

    async def _delete(self, name: str) -> None:
        stored = self._stored[name]
        try:
            await self._api.delete(f"{POSTURES_PATH}/{name}", uid=stored.uid, resource_version=stored.resource_version)
        except ApiError as problem:
            self._failed(name, problem)
        else:
            self._counts.postures.add("deleted")
            del self._stored[name]

    def _failed(self, name: str, problem: ApiError) -> None:
        """Have the objects listed again by the next call, which makes the write once more."""
        self._counts.postures.add("conflict" if problem.status in {CONFLICT, NOT_FOUND} else "failed")
        if problem.status not in {CONFLICT, NOT_FOUND}:
            _log.warning("cannot write a RepositoryPosture", name=name, error=str(problem))
        self.forget()


def _stored(obj: Any, sent_until: float = 0.0) -> _StoredPosture:
    metadata = obj["metadata"]
    return _StoredPosture(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        spec=obj.get("spec"),
        status=obj.get("status"),
        sent_until=sent_until,
    )
