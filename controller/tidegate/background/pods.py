"""Pods as the API server sends them, reduced while they are decoded to what tells which images run, and for whom."""

import re
import sys
from datetime import datetime
from typing import Final

import msgspec

from tidegate.admission.workload import MAX_LISTED, PodSpec, PodSpecField
from tidegate.verdicts.usage import OwningWorkload, RunningContainer, RunningPod

PODS_PATH: Final = "/api/v1/pods"
MAX_IMAGE_CHARACTERS: Final = 1_024
"""A longer image is no reference, and never runs."""
_NEVER_STARTED: Final = 1970
"""The year in which a container that failed to start was started, as containerd says."""
_ENDED: Final = frozenset({"Succeeded", "Failed"})


class _Owner(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class _PodMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    name: str
    namespace: str
    uid: str = ""
    owner_references: list[_Owner] | None = None


class _Moment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    started_at: datetime | None = None


class _State(msgspec.Struct, frozen=True, gc=False):
    running: _Moment | None = None
    terminated: _Moment | None = None


class _ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    name: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    state: _State | None = None


class _PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    phase: str = ""
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    ephemeral_container_statuses: list[_ContainerStatus] | None = None


class _Pod(msgspec.Struct, frozen=True, gc=False):
    metadata: _PodMetadata
    spec: PodSpec = PodSpec()
    status: _PodStatus = _PodStatus()


_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?")
_MAX_VERSION, _MAX_UID = 320, 128

_DECODER: Final = msgspec.json.Decoder(_Pod)


def pods_query(exempt_namespaces: tuple[str, ...]) -> dict[str, str]:
    """Return what selects the Pods that have not ended, outside of the exempt namespaces."""
    ended = [f"status.phase!={phase}" for phase in sorted(_ENDED)]
    return {"fieldSelector": ",".join([*ended, *(f"metadata.namespace!={name}" for name in exempt_namespaces)])}


def decode_pod(raw: bytes | msgspec.Raw) -> RunningPod:
    """Return a Pod; one that has ended has no containers. Raise msgspec's errors for what is no Pod."""
    pod = _DECODER.decode(raw)
    metadata, status = pod.metadata, pod.status
    containers: list[RunningContainer] = []
    if status.phase not in _ENDED:
        lists = (
            (PodSpecField.CONTAINERS, pod.spec.containers, status.container_statuses),
            (PodSpecField.INIT_CONTAINERS, pod.spec.init_containers, status.init_container_statuses),
            (PodSpecField.EPHEMERAL_CONTAINERS, pod.spec.ephemeral_containers, status.ephemeral_container_statuses),
        )
        for field, specified, reported in lists:
            statuses = {one.name: one for one in reported or ()}
            for index, one in enumerate(specified or ()):
                containers.append(_container(f"spec.{field}[{index}].image", one.image, statuses.get(one.name)))
        for index, volume in enumerate(pod.spec.volumes or ()):
            if volume.image is not None:
                path = f"spec.{PodSpecField.VOLUMES}[{index}].image.reference"
                containers.append(_container(path, volume.image.reference, None))
    return RunningPod(
        namespace=sys.intern(metadata.namespace),
        workload=_workload(metadata),
        containers=tuple(containers[:MAX_LISTED]),
    )


def _container(path: str, image: str, status: _ContainerStatus | None) -> RunningContainer:
    # Tens of thousands of Pods have the same few paths, images and digests: each text is kept once.
    text = image[:MAX_IMAGE_CHARACTERS]
    if status is None:
        return RunningContainer(path=sys.intern(path), image=sys.intern(text))
    state = status.state or _State()
    moment = state.running or state.terminated
    started_at = None if moment is None else moment.started_at
    return RunningContainer(
        path=sys.intern(path),
        image=sys.intern(text),
        image_id=sys.intern(status.image_id[:MAX_IMAGE_CHARACTERS]),
        since=None if started_at is None or started_at.year <= _NEVER_STARTED else started_at,
    )


def _workload(metadata: _PodMetadata) -> OwningWorkload:
    """Return the Pod's controller, or the Pod itself where it has none that could be an object.

    Users write the owners of their Pods, and the API server takes any text as kind or name.
    """
    for owner in metadata.owner_references or ():
        if owner.controller and _is_possible(owner):
            return OwningWorkload(
                kind=sys.intern(owner.kind),
                name=sys.intern(owner.name),
                api_version=sys.intern(owner.api_version),
                uid=sys.intern(owner.uid),
            )
    return OwningWorkload(kind="Pod", name=metadata.name, api_version="v1", uid=metadata.uid)


def _is_possible(owner: _Owner) -> bool:
    return (
        _KIND.fullmatch(owner.kind) is not None
        and _NAME.fullmatch(owner.name) is not None
        and len(owner.api_version) <= _MAX_VERSION
        and len(owner.uid) <= _MAX_UID
    )
