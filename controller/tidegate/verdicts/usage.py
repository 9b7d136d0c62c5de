"""Where an image runs, as the Pods of a cluster say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class OwningWorkload:
    """What a Pod belongs to: its outermost owner that is known, such as a Deployment, or the Pod itself."""

    kind: str
    name: str
    api_version: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningContainer:
    """One container of a Pod.

    ``path`` is its field in the Pod and ``image`` the reference there. ``image_id`` is what the kubelet says that it runs,
    and ``since`` when it started; "" and None where it has not started.
    """

    path: str
    image: str
    image_id: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPod:
    """One Pod that has not ended."""

    namespace: str
    workload: OwningWorkload
    containers: tuple[RunningContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceUsage:
    """Where one image runs in a namespace. ``since`` is when the first of the Pods that still run started, if known.

    It is earlier where Pods ran before that and were replaced; then ``pods`` may be 0 for a while (``background.starts``).
    """

    pods: int
    since: datetime | None = None
    workloads: tuple[OwningWorkload, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Where one image runs, by namespace, and the tags by which Pods name it. Empty where it does not run."""

    namespaces: Mapping[str, NamespaceUsage] = field(default_factory=lambda: MappingProxyType({}))
    tags: tuple[str, ...] = ()

    @property
    def pods(self) -> int:
        """Return how many Pods run it."""
        return sum(one.pods for one in self.namespaces.values())
