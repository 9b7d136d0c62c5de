"""Every image of every kind of workload, with the path of its field.

Only the fields that can hold an image are decoded; all else is skipped unread. One set of types covers every kind, since
a field that two kinds share has one meaning in both, so that a whole AdmissionReview is decoded in one pass.
Images are listed as written; references are parsed elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from tidegate.errors import Error


class InvalidWorkloadError(Error):
    """An object is not a valid workload of its kind."""


class PodSpecField(StrEnum):
    """The list of a Pod's spec that an image is in."""

    CONTAINERS = "containers"
    INIT_CONTAINERS = "initContainers"
    EPHEMERAL_CONTAINERS = "ephemeralContainers"
    VOLUMES = "volumes"


class ImageUse(msgspec.Struct, frozen=True, gc=False):
    """One image that an object would run or mount.

    ``path`` is the field, such as ``spec.template.spec.containers[0].image``; ``name`` is that of the container or
    volume; ``text`` is the reference as written, empty where the field is missing.
    """

    path: str
    name: str
    text: str
    spec_field: PodSpecField


class Container(msgspec.Struct, frozen=True, gc=False):
    """The decoded fields of a container of any type."""

    name: str = ""
    image: str = ""


class ImageVolume(msgspec.Struct, frozen=True, gc=False):
    """The image of an image volume."""

    reference: str = ""


class Volume(msgspec.Struct, frozen=True, gc=False):
    """The decoded fields of a volume."""

    name: str = ""
    image: ImageVolume | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The decoded fields of a Pod's spec. Go writes an empty list as null, so each may be None."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    volumes: list[Volume] | None = None


class PodTemplate(msgspec.Struct, frozen=True, gc=False):
    """The template that a workload makes Pods from."""

    spec: PodSpec | None = None


class JobSpec(msgspec.Struct, frozen=True, gc=False):
    """The decoded fields of a Job's spec."""

    template: PodTemplate | None = None


class JobTemplate(msgspec.Struct, frozen=True, gc=False):
    """The template that a CronJob makes Jobs from."""

    spec: JobSpec | None = None


class WorkloadSpec(PodSpec, frozen=True, gc=False, rename="camel"):
    """The spec of any workload: of a Pod, of a controller of Pods, or of a CronJob."""

    template: PodTemplate | None = None
    job_template: JobTemplate | None = None


class WorkloadMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The decoded fields of an object's metadata, for messages only."""

    name: str = ""
    generate_name: str = ""


class Workload(msgspec.Struct, frozen=True, gc=False):
    """The decoded fields of an object of any kind. ``template`` is that of a PodTemplate, which has no spec."""

    metadata: WorkloadMetadata | None = None
    spec: WorkloadSpec | None = None
    template: PodTemplate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadKind:
    """Where a kind keeps its Pod spec: ``prefix`` is that spec's path, ``resource`` the kind's name in URLs."""

    kind: str
    resource: str
    prefix: str
    pod_spec: Callable[[Workload], PodSpec | None]


def _own_spec(workload: Workload) -> PodSpec | None:
    return workload.spec


def _template_spec(workload: Workload) -> PodSpec | None:
    return _of_template(workload.spec.template if workload.spec else None)


def _job_template_spec(workload: Workload) -> PodSpec | None:
    job_template = workload.spec.job_template if workload.spec else None
    job = job_template.spec if job_template else None
    return _of_template(job.template if job else None)


def _bare_template_spec(workload: Workload) -> PodSpec | None:
    return _of_template(workload.template)


def _of_template(template: PodTemplate | None) -> PodSpec | None:
    return template.spec if template else None


_TEMPLATE = "spec.template.spec"
WORKLOAD_KINDS = {
    (group, "v1", kind): WorkloadKind(kind=kind, resource=f"{kind.lower()}s", prefix=prefix, pod_spec=pod_spec)
    for group, kind, prefix, pod_spec in (
        ("", "Pod", "spec", _own_spec),
        ("", "PodTemplate", "template.spec", _bare_template_spec),
        ("", "ReplicationController", _TEMPLATE, _template_spec),
        ("apps", "DaemonSet", _TEMPLATE, _template_spec),
        ("apps", "Deployment", _TEMPLATE, _template_spec),
        ("apps", "ReplicaSet", _TEMPLATE, _template_spec),
        ("apps", "StatefulSet", _TEMPLATE, _template_spec),
        ("batch", "CronJob", f"spec.jobTemplate.{_TEMPLATE}", _job_template_spec),
        ("batch", "Job", _TEMPLATE, _template_spec),
    )
}
"""Every supported kind, by API group, version and kind."""


MAX_LISTED = 10_000
"""Containers and volumes of one object, new or not. etcd's limit of 1.5 MiB an object leaves room for fewer of any useful
size."""


def images_of(workload: Workload, workload_kind: WorkloadKind) -> tuple[ImageUse, ...]:
    """Return every image of a workload; raise InvalidWorkloadError where it has no containers to look at, or too many."""
    spec = workload_kind.pod_spec(workload)
    if spec is None:
        raise InvalidWorkloadError(f"a {workload_kind.kind} without {workload_kind.prefix}")
    if not spec.containers:
        raise InvalidWorkloadError(f"a {workload_kind.kind} without containers in {workload_kind.prefix}.containers")
    beside = len(spec.init_containers or ()) + len(spec.ephemeral_containers or ()) + len(spec.volumes or ())
    if len(spec.containers) + beside > MAX_LISTED:
        raise InvalidWorkloadError(f"a {workload_kind.kind} with more than {MAX_LISTED:,} containers and volumes")
    prefix = workload_kind.prefix
    uses = _of_containers(spec.containers, prefix, PodSpecField.CONTAINERS)
    if spec.init_containers:
        uses += _of_containers(spec.init_containers, prefix, PodSpecField.INIT_CONTAINERS)
    if spec.ephemeral_containers:
        uses += _of_containers(spec.ephemeral_containers, prefix, PodSpecField.EPHEMERAL_CONTAINERS)
    if spec.volumes:
        path = f"{prefix}.volumes["
        uses += [
            ImageUse(f"{path}{index}].image.reference", volume.name, volume.image.reference, PodSpecField.VOLUMES)
            for index, volume in enumerate(spec.volumes)
            if volume.image is not None
        ]
    return tuple(uses)


def _of_containers(containers: list[Container], prefix: str, spec_field: PodSpecField) -> list[ImageUse]:
    path = prefix + "." + spec_field + "["
    return [
        ImageUse(f"{path}{index}].image", container.name, container.image, spec_field)
        for index, container in enumerate(containers)
    ]


def images_of_manifest(document: object) -> tuple[ImageUse, ...]:
    """Return every image of a parsed manifest; raise InvalidWorkloadError for an unsupported kind."""
    workload_kind = workload_kind_of(document)
    if workload_kind is None:
        raise InvalidWorkloadError("not a supported kind of workload")
    try:
        workload = msgspec.convert(document, Workload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise InvalidWorkloadError(f"not a {workload_kind.kind}: {exc}") from exc
    return images_of(workload, workload_kind)


def workload_kind_of(document: object) -> WorkloadKind | None:
    """Return the workload kind of a parsed manifest, or None for an unsupported kind."""
    if not isinstance(document, dict):
        return None
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return None
    group, slash, version = api_version.rpartition("/")
    return None if slash and not group else WORKLOAD_KINDS.get((group, version, kind))
