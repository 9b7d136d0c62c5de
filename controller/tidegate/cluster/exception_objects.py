"""Exception objects from their JSON, in short: what each means, and what its status says. Pure: it makes no calls.

Labels, annotations and managed fields are not read: only the API server bounds them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from tidegate.cluster.api import Json
from tidegate.cluster.status import READY, ready_patch
from tidegate.policy.exception_object import NAMESPACED_KIND, compile_exception
from tidegate.policy.exceptions import AnyException, BrokenException, ExceptionState, ImagePolicyException
from tidegate.policy.objects import API_VERSION

MAX_SPEC_BYTES: Final = 16_384
"""Bytes of a spec as JSON; one with 100 vulnerabilities has 3,000."""
MAX_STATUS_BYTES: Final = 16_384
"""Bytes of a status that is kept; a larger one is written anew."""


class ExceptionMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """The metadata that is read."""

    name: str
    uid: str = ""
    namespace: str | None = None
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None


class _ExceptionJson(msgspec.Struct, frozen=True):
    metadata: ExceptionMetadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedException:
    """One object in short; ``size`` is that of its spec, in bytes."""

    exception: AnyException
    metadata: ExceptionMetadata
    status: Json
    size: int

    @property
    def is_finished(self) -> bool:
        """Tell whether the status says already that the exception has ended."""
        ready = self._ready
        return (
            ready.get("reason") == ExceptionState.EXPIRED
            and ready.get("observedGeneration") == self.metadata.generation
        )

    @property
    def _ready(self) -> Json:
        listed = self.status.get("conditions")
        conditions = listed if isinstance(listed, list) else []
        return next((one for one in conditions if isinstance(one, dict) and one.get("type") == READY), {})

    def ends_at(self, now: datetime) -> bool:
        """Tell whether the exception has ended at a time; one that is broken never does."""
        return isinstance(self.exception, ImagePolicyException) and not self.exception.is_active(now)

    def status_patch(self, state: ExceptionState, message: str, now: datetime) -> Json | None:
        """Return the JSON merge patch that makes the status true, or None if it is true already."""
        metadata = {"resourceVersion": self.metadata.resource_version}
        return ready_patch(
            {"metadata": metadata, "status": self.status},
            now,
            generation=self.metadata.generation,
            status=state is ExceptionState.ACTIVE,
            reason=state.value,
            message=message,
        )


def read_exception(raw: msgspec.Raw, kind: str) -> ListedException:
    """Return an object in short; raise msgspec's errors if it is none."""
    found = msgspec.json.decode(raw, type=_ExceptionJson)
    size = len(found.spec)
    return ListedException(
        exception=_broken(found.metadata, kind, size) if size > MAX_SPEC_BYTES else _compiled(found, kind),
        metadata=found.metadata,
        status=_status(found.status),
        size=size,
    )


def _compiled(found: _ExceptionJson, kind: str) -> AnyException:
    metadata = {
        "name": found.metadata.name,
        "namespace": found.metadata.namespace,
        "uid": found.metadata.uid,
        "generation": found.metadata.generation,
        "creationTimestamp": found.metadata.creation_timestamp,
    }
    spec: Any = msgspec.json.decode(found.spec)
    return compile_exception({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}, kind)


def _broken(metadata: ExceptionMetadata, kind: str, size: int) -> BrokenException:
    return BrokenException(
        name=metadata.name,
        uid=metadata.uid,
        generation=metadata.generation,
        namespace=metadata.namespace if kind == NAMESPACED_KIND else None,
        problems=(f"spec: got {size} bytes, expected at most {MAX_SPEC_BYTES}; write two exceptions",),
    )


def _status(raw: msgspec.Raw) -> Json:
    """Return the status if it is a mapping of usual size, else an empty one."""
    found = msgspec.json.decode(raw) if len(raw) <= MAX_STATUS_BYTES else None
    return found if isinstance(found, dict) else {}
