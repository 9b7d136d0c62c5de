"""How far the background role has followed each registry, from its ConfigMap: by that, stored facts are younger.

The ConfigMap may be edited by hand: what is not valid, lies in the future, or is later than the ConfigMap was written, is
logged and not used.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from tidegate.checks.scan import MAX_CLOCK_SKEW
from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.objects import utc_now
from tidegate.cluster.resync import Resynced
from tidegate.gather.stored_verdicts import Confirmation
from tidegate.images.repository import EcrRegistry, Registry, parse_ecr_host

EVERY_SECONDS: Final = 60.0
STATE: Final = "state"
MAX_STATE_BYTES: Final = 1024 * 1024
MAX_REGISTRIES: Final = 10_000

_log = structlog.get_logger(__name__)


class _FollowedRegistry(msgspec.Struct, frozen=True, rename="camel"):
    since: datetime
    confirmed_at: datetime


class WatchedChangeFeed(Resynced):
    """Reads the ConfigMap again and again; ``confirm`` takes what it says."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        name: str,
        confirm: Callable[[Mapping[Registry, Confirmation]], None],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__("change feed", every_seconds=EVERY_SECONDS)
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._confirm = confirm
        self._now = now
        self._said = ""

    async def _refresh(self) -> None:
        try:
            found = await self._api.get(self._path)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            found = {}
        confirmations, problem = read_state(found, self._now())
        if problem and problem != self._said:
            _log.warning("the state of the change feed is not used", path=self._path, problem=problem)
        self._said = problem
        self._confirm(confirmations)


def read_state(config_map: Mapping[str, Any], now: datetime) -> tuple[dict[Registry, Confirmation], str]:
    """Return what a ConfigMap says of each registry, and the first problem, empty where there is none."""
    text = (config_map.get("data") or {}).get(STATE, "{}")
    if not isinstance(text, str) or len(text) > MAX_STATE_BYTES:
        return {}, f"expected a text of at most {MAX_STATE_BYTES} characters"
    try:
        entries = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        return {}, str(problem)
    latest = min(now, _written_at(config_map) or now) + MAX_CLOCK_SKEW
    confirmations: dict[Registry, Confirmation] = {}
    problems: list[str] = []
    for host, raw in list(entries.items())[:MAX_REGISTRIES]:
        entry = _entry(host, raw, latest)
        if isinstance(entry, str):
            problems.append(entry)
        else:
            confirmations[entry[0]] = entry[1]
    return confirmations, problems[0] if problems else ""


def _entry(host: str, raw: msgspec.Raw, latest: datetime) -> tuple[EcrRegistry, Confirmation] | str:
    registry = parse_ecr_host(host)
    if registry is None:
        return f"{host[:100]!a}: expected the host of an Amazon ECR registry"
    try:
        entry = msgspec.json.decode(raw, type=_FollowedRegistry)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        return f"{host}: {problem}"
    if entry.since.tzinfo is None or entry.confirmed_at.tzinfo is None:
        return f"{host}: expected times with a time zone"
    if not entry.since <= entry.confirmed_at <= latest:
        return f"{host}: expected since, then confirmedAt, and no time after {latest:%Y-%m-%dT%H:%M:%SZ}"
    return registry, Confirmation(since=entry.since, confirmed_at=entry.confirmed_at)


def _written_at(config_map: Mapping[str, Any]) -> datetime | None:
    """Return when the API server last wrote the ConfigMap, by its own clock."""
    metadata = config_map.get("metadata") or {}
    texts = [one.get("time") for one in metadata.get("managedFields") or ()] or [metadata.get("creationTimestamp")]
    times = [datetime.fromisoformat(one).astimezone(UTC) for one in texts if isinstance(one, str)]
    return max(times, default=None)
