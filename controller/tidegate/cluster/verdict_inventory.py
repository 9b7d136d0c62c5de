"""Every ImageVerdict of the cluster, read once, for a report."""

import asyncio
from typing import Final

from tidegate.cluster.api import KubernetesApi
from tidegate.policy.objects import GROUP, VERSION
from tidegate.reports.model import Inventory
from tidegate.reports.read import read_inventory
from tidegate.verdicts.shape import PLURAL

VERDICTS_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"


async def read_verdicts(api: KubernetesApi) -> Inventory:
    """Return what the verdicts say, without evidence for replicas; raise ApiError."""
    objects = await api.list_raw(VERDICTS_PATH)
    # In a thread: 10,000 verdicts take seconds.
    return await asyncio.to_thread(read_inventory, objects)
