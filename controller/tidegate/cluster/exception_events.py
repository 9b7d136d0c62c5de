"""Events that tell that an exception ends soon. Which ones do is ``tidegate.policy.exceptions``; this writes the Events.

Every replica tells it, under a name that is the same for all: the API server stores the first of them.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog

from tidegate.cluster.api import CONFLICT, ApiError, Json, KubernetesApi
from tidegate.policy.exceptions import ImagePolicyException, ending_soon
from tidegate.policy.objects import API_VERSION
from tidegate.strict.quotation import TIME_FORMAT

MAX_EVENTS: Final = 20
"""Events that are written after one list; the rest follows after the next."""
REASON: Final = "ExceptionEndsSoon"
CLUSTER_EVENTS: Final = "default"
"""The namespace of Events about objects without a namespace, which the API server demands."""
_MAX_NAME = 200
_DIGITS = 16

_log = structlog.get_logger(__name__)


class EndNotices:
    """Writes one Event for each exception of a kind that ends soon."""

    def __init__(self, api: KubernetesApi, kind: str) -> None:
        self._api = api
        self._kind = kind
        self._told: set[tuple[str, datetime]] = set()

    async def tell(self, exceptions: Iterable[ImagePolicyException], now: datetime) -> None:
        """Write the Events that are not written yet. A failed write is logged and repeated after the next list."""
        soon = {(one.uid, one.expires_at): one for one in ending_soon(exceptions, now)}
        self._told &= soon.keys()
        for key, one in [(key, one) for key, one in soon.items() if key not in self._told][:MAX_EVENTS]:
            event = ending_event(one, self._kind, now)
            try:
                await self._api.create(f"/api/v1/namespaces/{event['metadata']['namespace']}/events", event)
            except ApiError as error:
                if error.status != CONFLICT:
                    _log.warning("cannot write an Event", exception=one.label, error=str(error))
                    continue
            self._told.add(key)


def ending_event(exception: ImagePolicyException, kind: str, now: datetime) -> Json:
    """Return the Event that an exception ends soon; the same name for every replica."""
    identity = f"{exception.uid} {exception.expires_at.isoformat()}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]
    about = {"apiVersion": API_VERSION, "kind": kind, "name": exception.name, "uid": exception.uid}
    at = now.strftime(TIME_FORMAT)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{exception.name[:_MAX_NAME]}.{digest}",
            "namespace": exception.namespace or CLUSTER_EVENTS,
        },
        "involvedObject": about | ({} if exception.namespace is None else {"namespace": exception.namespace}),
        "type": "Warning",
        "reason": REASON,
        "message": f"the exception ends at {exception.expires_at.strftime(TIME_FORMAT)}; images that need it are refused"
        f" from then on (requested by {exception.requested_by}: {exception.reason})",
        "source": {"component": "tidegate"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
