"""The statuses of many objects written one after the other, no more of them in one round than the API server should bear."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi

MAX_STATUS_WRITES: Final = 100
"""Patches of one round; the rest follows with the next list."""

_log = structlog.get_logger(__name__)


async def write_statuses(
    api: KubernetesApi, path: str, patches: Iterable[tuple[str, Mapping[str, Any] | None]]
) -> bool:
    """Send each object's patch by name, those that are None left out; return whether nothing was put off to the next list.

    What fails is logged and tried again with the next list.
    """
    wanted = [(name, patch) for name, patch in patches if patch is not None]
    for name, patch in wanted[:MAX_STATUS_WRITES]:
        try:
            await api.merge_patch(f"{path}/{name}/status", patch)
        except ApiError as error:
            # Another replica was faster, or the object is gone: the next list shows what is left to say.
            if error.status not in (CONFLICT, NOT_FOUND):
                _log.warning("cannot update a status", path=path, name=name, error=str(error))
    return len(wanted) <= MAX_STATUS_WRITES
