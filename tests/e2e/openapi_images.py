"""Where the API server's own schema says that an image can stand, and which of those places tidegate does not list.

Every kind that Kubernetes itself serves is walked, not only those that run Pods today. A text counts as a place when its name, its description or the
name of what holds it speaks of an image; what speaks of one and is never pulled is named below, with the reason.
"""

import json
import re
from collections.abc import Iterator

from tidegate.admission.request import BadReviewError, decode_review
from tidegate.admission.workload import WORKLOAD_KINDS

MARKER = "registry.example/found-here:1"

_NAME = re.compile(r"image|artifact|oci(?![a-z])", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\b(?:images?|artifacts?|OCI)\b", re.IGNORECASE)

IN_ANY_POD_SPEC = {
    **dict.fromkeys(
        (
            f"{containers}[].{field}"
            for containers in ("containers", "initContainers", "ephemeralContainers")
            for field in ("args[]", "command[]", "workingDir")
        ),
        "runs in the image, replaces what the image says",
    ),
    **dict.fromkeys(
        (f"{containers}[].imagePullPolicy" for containers in ("containers", "initContainers", "ephemeralContainers")),
        "says when to pull",
    ),
    **dict.fromkeys(
        (
            f"{where}securityContext.windowsOptions.runAsUserName"
            for where in ("", "containers[].", "initContainers[].", "ephemeralContainers[].")
        ),
        "a user's name, by default the image's",
    ),
    **dict.fromkeys(
        (
            f"{containers}[].volumeMounts[].bindMountOptions[]"
            for containers in ("containers", "initContainers", "ephemeralContainers")
        ),
        "options of a mount",
    ),
    "imagePullSecrets[].name": "a Secret's name",
    "volumes[].image.pullPolicy": "says when to pull",
    "volumes[].rbd.image": "a disk image of RADOS",
}
ELSEWHERE = {
    **{
        ("Pod", f"status.{containers}[].{field}"): "says what runs"
        for containers in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for field in ("image", "imageID", "volumeMounts[].volumeStatus.image.imageRef")
    },
    ("Pod", "status.phase"): "says whether images were pulled",
    ("Node", "status.images[].names[]"): "says what a node has stored",
    ("Node", "status.nodeInfo.osImage"): "the node's operating system",
    ("PersistentVolume", "spec.rbd.image"): "a disk image of RADOS",
    ("VolumeAttachment", "spec.source.inlineVolumeSpec.rbd.image"): "a disk image of RADOS",
    ("RuntimeClass", "handler"): "the name of a configuration of the node's container runtime",
    ("ServiceAccount", "imagePullSecrets[].name"): "a Secret's name",
}


def image_places(openapi: dict) -> set[tuple[str, str]]:
    """Return every place that may carry an image, as kind and path, of an OpenAPI v2 or v3 document."""
    schemas = openapi.get("definitions") or openapi["components"]["schemas"]
    return {
        (gvk["kind"], path)
        for schema in schemas.values()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
        if _built_in(gvk["group"]) and not gvk["kind"].endswith("List")
        for path in _smelling(schema, schemas, "", inherited=False, above=())
    }


def _built_in(group: str) -> bool:
    """Tell whether a group is Kubernetes' own; custom resources of the cluster, tidegate's too, run nothing."""
    return "." not in group or group.endswith(".k8s.io")


def uncovered(openapi: dict) -> set[tuple[str, str]]:
    """Return the places whose image tidegate would not list and that are not named above as never pulled."""
    return {
        (kind, path)
        for kind, path in image_places(openapi)
        if (kind, path) not in ELSEWHERE and _in_pod_spec(kind, path) not in IN_ANY_POD_SPEC and not _listed(kind, path)
    }


def _smelling(schema: dict, schemas: dict, path: str, *, inherited: bool, above: tuple[dict, ...]) -> Iterator[str]:
    """Give the paths of the texts below a schema that speak of images; a schema within itself is walked once."""
    for name, member in schema.get("properties", {}).items():
        inner, suffix = _resolved(member, schemas)
        below = f"{path}.{name}{suffix}".lstrip(".")
        smells = inherited or bool(_NAME.search(name))
        if inner.get("properties"):
            if not any(inner is schema for schema in above):
                yield from _smelling(inner, schemas, below, inherited=smells, above=(*above, inner))
        elif _is_free_text(inner) and (smells or _DESCRIPTION.search(member.get("description", ""))):
            yield below


def _is_free_text(schema: dict) -> bool:
    return schema.get("type") == "string" and "format" not in schema and "enum" not in schema


def _resolved(member: dict, schemas: dict) -> tuple[dict, str]:
    """Return what a property holds in the end, with ``[]`` for each list and ``{}`` for each map on the way."""
    suffix = ""
    while True:
        if "$ref" in member:
            member = schemas[member["$ref"].rpartition("/")[2]]
        elif len(member.get("allOf", ())) == 1:
            member = member["allOf"][0]
        elif "items" in member:
            member, suffix = member["items"], suffix + "[]"
        elif isinstance(member.get("additionalProperties"), dict):
            member, suffix = member["additionalProperties"], suffix + "{}"
        else:
            return member, suffix


def _prefix(kind: str) -> str:
    """Return the path of the kind's Pod spec, or one that no path starts with."""
    return next(
        (f"{workload_kind.prefix}." for workload_kind in WORKLOAD_KINDS.values() if workload_kind.kind == kind), "\0"
    )


def _in_pod_spec(kind: str, path: str) -> str:
    prefix = _prefix(kind)
    return path.removeprefix(prefix) if path.startswith(prefix) else ""


def _listed(kind: str, path: str) -> bool:
    """Tell whether an image at the place is found in an admission request for an object with nothing else."""
    found = [key for key, workload_kind in WORKLOAD_KINDS.items() if workload_kind.kind == kind]
    if not found:
        return False
    group, version, _ = found[0]
    document: dict = {}
    _put(document, f"{_prefix(kind)}containers[].name", "app")
    _put(document, path, MARKER)
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "operation": "CREATE",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": WORKLOAD_KINDS[found[0]].resource},
            "object": document,
        },
    }
    try:
        request = decode_review(json.dumps(review).encode())
    except BadReviewError:
        return False
    return (path.replace("[]", "[0]"), MARKER) in {(use.path, use.text) for use in request.images}


def _put(document: dict, path: str, text: str) -> None:
    """Set the text at a path, with one item in each list on the way."""
    *holders, last = path.split(".")
    for holder in holders:
        name, is_list, _ = holder.partition("[")
        if is_list:
            document = document.setdefault(name, [{}])[0]
        else:
            document = document.setdefault(name.removesuffix("{}"), {"key": {}} if "{}" in name else {})
    document[last.removesuffix("[]")] = [text] if last.endswith("[]") else text
