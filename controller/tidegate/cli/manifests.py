"""The images of manifests: of workloads, of custom resources by field paths, and fields that look like an image."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.admission.workload import MAX_LISTED, InvalidWorkloadError, images_of_manifest, workload_kind_of
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.image_paths import (
    DEFAULTS,
    WORKLOADS,
    ImagePaths,
    SearchBudget,
    is_image_path,
    kind_and_group,
    likely_images,
    values_at,
)
from tidegate.cli.yaml_files import YamlValue
from tidegate.policy.objects import GROUP
from tidegate.strict.quotation import printable

_WITHOUT_IMAGES: Final = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition.apiextensions.k8s.io"})
"""Kinds whose fields are data or a schema, however they are named."""
_VARIABLE: Final = re.compile(r"\$[({]|\{\{")
"""What Tekton, Argo and others replace when they create the Pod."""


STANDARD_INPUT: Final = "standard input"
"""The name of standard input in place of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image to judge: its place, its namespace, and its reference as written, or None where there is no image.

    ``file`` and ``line`` are where it is written: empty and 0 for an argument, ``STANDARD_INPUT`` for what has no file.
    ``not_judged`` is why it cannot be judged, with the fix; empty for the others.
    """

    place: str
    namespace: str
    text: str | None
    not_judged: str = ""
    file: str = ""
    line: int = 0

    @property
    def path(self) -> str:
        """Return the file; empty for an argument and standard input."""
        return "" if self.file == STANDARD_INPUT else self.file


def images_of_object(
    document: YamlValue, *, file: str, namespace: str, image_paths: ImagePaths
) -> Sequence[FoundImage]:
    """Return the images of a Kubernetes object; ``image_paths`` are added to the default ones of its kind.

    Raise ArgumentError for an invalid object.
    """
    value = document.value
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName")
    where = printable(f"{value['kind']}/{name if isinstance(name, str) else '?'}")
    try:
        own = _namespace(metadata) or namespace
        uses = list(_images(value, image_paths))
    except InvalidWorkloadError as problem:
        raise ArgumentError(f"{file}: {where}: {problem}") from problem
    return [
        FoundImage(
            place=f"{where} {path}".rstrip(),
            namespace=own,
            text=text,
            not_judged=why,
            file=file,
            line=document.line_of(path),
        )
        for path, text, why in uses
    ]


def _namespace(metadata: dict[str, Any]) -> str:
    namespace = metadata.get("namespace") or ""
    if not isinstance(namespace, str):
        raise InvalidWorkloadError(f"metadata.namespace: expected a text, got {type(namespace).__name__}")
    return namespace


_Use = tuple[str, str | None, str]
"""Path, reference, and why it is not judged."""


def _images(document: dict[str, Any], image_paths: ImagePaths) -> Iterator[_Use]:
    if workload_kind_of(document) is not None:
        yield from ((use.path, use.text, "") for use in images_of_manifest(document))
        return
    kind = kind_and_group(document)
    if kind not in _WITHOUT_IMAGES and not kind.endswith(f".{GROUP}"):
        yield from _of_custom_resource(document, kind, image_paths.get(kind, ()))


def _of_custom_resource(document: dict[str, Any], kind: str, named: Sequence[str]) -> Iterable[_Use]:
    """Return the images at the paths that are known or named by the user, and the fields that look like others."""
    paths, named_paths = DEFAULTS.get(kind, ()), [path for path in named if path]
    budget = SearchBudget()
    values = (found for path in (*paths, *named_paths) for found in values_at(document, path, budget))
    uses = {where: _use(where, value) for where, value in values if value is not None}
    if named_paths and not uses:
        uses[""] = "", None, f"no image at {', '.join(named_paths)} in this {kind}. To fix: correct --image-path"
    if "" not in named:
        for where, text in likely_images(document, budget):
            uses.setdefault(where, (where, text, _unknown(kind, where)))
    if len(uses) > MAX_LISTED:
        raise InvalidWorkloadError(f"a {kind} with more than {MAX_LISTED:,} images")
    return uses.values()


def _use(where: str, value: object) -> _Use:
    if not isinstance(value, str):
        return where, None, f"expected an image reference, got {type(value).__name__}. To fix: correct --image-path"
    if _VARIABLE.search(value):
        return where, value, "the reference has a variable, so the image is known only when the Pod is created"
    return where, value, ""


def _unknown(kind: str, where: str) -> str:
    if kind in WORKLOADS:
        return f"tidegate does not know this API version of a {kind}. To fix: use the version v1"
    similar = next((one for one in (*WORKLOADS, *DEFAULTS) if one.lower() == kind.lower()), None)
    if similar is not None and similar != kind:
        return f"tidegate does not know the kind {kind}. To fix: write the kind as in {similar}"
    path = re.sub(r"\[\d+\]", "[*]", where)
    no_others = f"--image-path {shlex.quote(f'{kind}=')} if no other field of a {kind} has an image that runs"
    if where.endswith(".repository") or not is_image_path(f"{kind}={path}"):
        found = f"the {kind} has the image in several fields, or in a field that --image-path cannot name"
        return f"{found}. To fix: judge the whole reference as an IMAGE argument, and add {no_others}"
    option = shlex.quote(f"{kind}={path}")
    return f"tidegate does not know this field of a {kind}. To fix: add --image-path {option}, or {no_others}"
