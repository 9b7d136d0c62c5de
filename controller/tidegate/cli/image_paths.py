"""Where objects of kinds that are not workloads of Kubernetes keep their images: field paths by kind and API group.

Fields that are only named like an image are found too, so that no image of an unknown kind is overlooked. A path is written as in ``spec.tasks[*].taskSpec.steps[*].image``: ``[*]`` is each item of a list, ``*`` each member of a
mapping. The kinds are those of widely used custom resources; a user can name others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tidegate.admission.workload import WORKLOAD_KINDS, InvalidWorkloadError
from tidegate.cli.argument_files import ArgumentError
from tidegate.strict.quotation import quoted

MAX_PATH: Final = 4096
"""Characters of a field path."""
_PATH: Final = re.compile(r"\.?(?:[A-Za-z0-9_-]+|\*)(?:\[\*\])*(?:\.(?:[A-Za-z0-9_-]+|\*)(?:\[\*\])*)*")
_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[a-z0-9.-]+)?")

MAX_FIELDS: Final = 200_000
"""Fields of one object that are looked at; aliases in YAML can make a small file a large object."""
MAX_DEPTH: Final = 100
"""Levels of one object."""
_IMAGE_NAME: Final = re.compile(r"image(?:s|name|ref|reference|uri|url)?$", re.IGNORECASE)
_PARTS: Final = frozenset({"repository", "reference"})
"""Members of an object named like an image that hold its name."""
_NO_IMAGES_BELOW: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


class SearchBudget:
    """Limits what one object costs to search."""

    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def spend(self, where: str, *, depth: int = 0) -> None:
        """Count a field; raise InvalidWorkloadError past a limit."""
        self._left -= 1
        if self._left < 0:
            raise InvalidWorkloadError(f"more than {MAX_FIELDS:,} fields")
        if depth > MAX_DEPTH:
            raise InvalidWorkloadError(f"more than {MAX_DEPTH} levels")
        if len(where) > MAX_PATH:
            raise InvalidWorkloadError(f"a field path of more than {MAX_PATH:,} characters")


ImagePaths = Mapping[str, Sequence[str]]
"""Field paths by ``Kind.group``, or ``Kind`` for the core group."""


def kind_and_group(document: Mapping[str, Any]) -> str:
    """Return the kind of an object with its API group, such as ``Rollout.argoproj.io``."""
    group = str(document.get("apiVersion") or "").rpartition("/")[0]
    return f"{document['kind']}.{group}" if group else str(document["kind"])


WORKLOADS: Final = frozenset(
    kind_and_group({"apiVersion": f"{group}/{version}" if group else version, "kind": kind})
    for group, version, kind in WORKLOAD_KINDS
)
"""The workloads of Kubernetes, in any version."""


def is_image_path(text: str) -> bool:
    """Tell whether a text has the form KIND.GROUP=PATH."""
    kind, equals, path = text.partition("=")
    is_path = not path or (len(path) <= MAX_PATH and _PATH.fullmatch(path) is not None)
    return bool(equals) and _KIND.fullmatch(kind) is not None and is_path


def parse_image_paths(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths of ``KIND.GROUP=PATH`` arguments by kind; an empty path says that no other field has an image.

    Raise ArgumentError for an invalid argument, and for a workload of Kubernetes, whose images are always judged.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        kind, _, path = text.partition("=")
        if not is_image_path(text):
            raise ArgumentError(
                f"--image-path {quoted(text)}: expected KIND.GROUP=PATH, "
                "such as Rollout.argoproj.io=spec.template.spec.containers[*].image"
            )
        if kind in WORKLOADS:
            raise ArgumentError(
                f"--image-path {quoted(text)}: tidegate judges every image of a {kind}; omit the option"
            )
        found.setdefault(kind, []).append(path.removeprefix("."))
    return found


def values_at(document: object, path: str, budget: SearchBudget) -> Iterator[tuple[str, object]]:
    """Yield each value at a path with the path of its field; nothing where a member is absent."""
    yield from _below(document, "", re.findall(r"\[\*\]|[^.\[\]]+", path), budget)


def _below(value: object, where: str, steps: Sequence[str], budget: SearchBudget) -> Iterator[tuple[str, object]]:
    budget.spend(where)
    if not steps:
        yield where, value
        return
    step, *rest = steps
    if step == "[*]":
        items = enumerate(value) if isinstance(value, list) else ()
        for index, item in items:
            yield from _below(item, f"{where}[{index}]", rest, budget)
    elif isinstance(value, dict):
        names = list(value) if step == "*" else [step] if step in value else []
        for name in names:
            yield from _below(value[name], f"{where}.{name}" if where else str(name), rest, budget)


def likely_images(document: Mapping[str, Any], budget: SearchBudget) -> Iterator[tuple[str, str]]:
    """Yield each text whose field is named like an image, with the field's path, except in metadata and status."""
    for name, value in document.items():
        if name not in _NO_IMAGES_BELOW:
            yield from _likely(value, str(name), (str(name),), budget)


def _likely(value: object, where: str, names: tuple[str, ...], budget: SearchBudget) -> Iterator[tuple[str, str]]:
    budget.spend(where, depth=len(names))
    if isinstance(value, str):
        of_image = names[-1] in _PARTS and len(names) > 1 and _IMAGE_NAME.search(names[-2])
        if value and (of_image or _IMAGE_NAME.search(names[-1])):
            yield where, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _likely(member, f"{where}.{name}", (*names, str(name)), budget)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # Objects in a list count as deeper, texts as values of the list's own field.
            yield from _likely(item, f"{where}[{index}]", names if isinstance(item, str) else (*names, ""), budget)


def _pod_spec(prefix: str) -> tuple[str, ...]:
    lists = ("containers", "initContainers", "ephemeralContainers")
    return (*(f"{prefix}.{name}[*].image" for name in lists), f"{prefix}.volumes[*].image.reference")


def _tekton_task(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}.image" for name in ("steps[*]", "sidecars[*]", "stepTemplate"))


def _tekton_pipeline(prefix: str) -> tuple[str, ...]:
    return (*_tekton_task(f"{prefix}.tasks[*].taskSpec"), *_tekton_task(f"{prefix}.finally[*].taskSpec"))


def _argo_workflow(prefix: str) -> tuple[str, ...]:
    fields = ("container", "script", "initContainers[*]", "sidecars[*]", "containerSet.containers[*]")
    return tuple(f"{prefix}.templates[*].{field}.image" for field in fields)


_PROMETHEUS = ("spec.image", "spec.containers[*].image", "spec.initContainers[*].image")
_TEMPLATE = _pod_spec("spec.template.spec")

DEFAULTS: Final[ImagePaths] = {
    "Rollout.argoproj.io": _TEMPLATE,
    "AnalysisTemplate.argoproj.io": _pod_spec("spec.metrics[*].provider.job.spec.template.spec"),
    "ClusterAnalysisTemplate.argoproj.io": _pod_spec("spec.metrics[*].provider.job.spec.template.spec"),
    "Workflow.argoproj.io": _argo_workflow("spec"),
    "WorkflowTemplate.argoproj.io": _argo_workflow("spec"),
    "ClusterWorkflowTemplate.argoproj.io": _argo_workflow("spec"),
    "CronWorkflow.argoproj.io": _argo_workflow("spec.workflowSpec"),
    "Service.serving.knative.dev": _TEMPLATE,
    "Configuration.serving.knative.dev": _TEMPLATE,
    "Revision.serving.knative.dev": _pod_spec("spec"),
    "Task.tekton.dev": _tekton_task("spec"),
    "ClusterTask.tekton.dev": _tekton_task("spec"),
    "StepAction.tekton.dev": ("spec.image",),
    "TaskRun.tekton.dev": _tekton_task("spec.taskSpec"),
    "Pipeline.tekton.dev": _tekton_pipeline("spec"),
    "PipelineRun.tekton.dev": _tekton_pipeline("spec.pipelineSpec"),
    "Prometheus.monitoring.coreos.com": (*_PROMETHEUS, "spec.thanos.image"),
    "PrometheusAgent.monitoring.coreos.com": _PROMETHEUS,
    "Alertmanager.monitoring.coreos.com": _PROMETHEUS,
    "ThanosRuler.monitoring.coreos.com": _PROMETHEUS,
    "ScaledJob.keda.sh": _pod_spec("spec.jobTargetRef.template.spec"),
    "DeploymentConfig.apps.openshift.io": _TEMPLATE,
    "JobSet.jobset.x-k8s.io": _pod_spec("spec.replicatedJobs[*].template.spec.template.spec"),
}
"""The paths of well-known kinds. Images of these kinds that are in other fields are found, but not judged."""
