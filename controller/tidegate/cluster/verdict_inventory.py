"""Every ImageVerdict of the cluster, read once, for a report."""

import asyncio

from tidegate.cluster.api import KubernetesApi
from tidegate.reports.model import Inventory
from tidegate.reports.read import read_inventory
from tidegate.verdicts.shape import VERDICTS_PATH


async def read_verdicts(api: KubernetesApi) -> Inventory:
    """Return what the verdicts say, without evidence for replicas; raise ApiError."""
    objects = await api.list_raw(VERDICTS_PATH)
    # In a thread: 10,000 verdicts take seconds.
    return await asyncio.to_thread(read_inventory, objects)
