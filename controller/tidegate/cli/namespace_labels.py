"""The labels of namespaces, from Namespace objects in files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tidegate.cli.argument_files import ArgumentError
from tidegate.strict.quotation import printable

NamespaceLabels = Mapping[str, Mapping[str, str]]
"""Labels by the namespace's name."""


def is_namespace(document: Mapping[str, Any]) -> bool:
    """Tell whether an object is a Namespace."""
    return document["kind"] == "Namespace" and document.get("apiVersion") == "v1"


def labels_of(objects: Iterable[tuple[Path, Mapping[str, Any]]]) -> NamespaceLabels:
    """Return the labels of the Namespace objects among these; of two with one name, the later counts.

    Raise ArgumentError for an invalid Namespace.
    """
    return dict(_labels(file, one) for file, one in objects if is_namespace(one))


def _labels(file: Path, document: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, labels = metadata.get("name"), metadata.get("labels")
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"{file}: Namespace without metadata.name")
    labels = {} if labels is None else labels
    if not isinstance(labels, dict) or not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise ArgumentError(f"{file}: Namespace {printable(name)}: metadata.labels: expected texts by name")
    return name, labels
