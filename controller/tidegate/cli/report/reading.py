"""Where ``tidegate report`` reads ImageVerdict objects: a file of ``kubectl get -o yaml`` or ``-o json``, or the cluster."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from tidegate.cli.argument_files import ArgumentError
from tidegate.reports.model import Inventory
from tidegate.reports.read import read_inventory
from tidegate.verdicts.shape import KIND

MAX_INPUT_BYTES: Final = 256 * 1024 * 1024
"""Bytes of one file: 100,000 verdicts of 2.5 KiB."""
MAX_OBJECTS: Final = 100_000
MAX_DEPTH: Final = 64
"""Lists and mappings within each other; a verdict has eight."""


def read_files(files: tuple[Path, ...]) -> Inventory:
    """Return the verdicts of the files, standard input for ``-``; objects of other kinds are left out.

    Raise ArgumentError for a file that cannot be read or has none.
    """
    found = []
    for file in files:
        documents = _documents(_read(file), file)
        objects = [one for document in documents for one in _objects(document, file, depth=0)]
        verdicts = [one for one in objects if one.get("kind") == KIND]
        if not verdicts:
            raise ArgumentError(
                f"{file} has no objects of kind {KIND}; write them with: kubectl get imageverdicts -o json"
            )
        found += verdicts
    if len(found) > MAX_OBJECTS:
        raise ArgumentError(f"more than {MAX_OBJECTS} objects of kind {KIND}")
    return read_inventory(found)


def verdicts_in(content: bytes, file: Path) -> list[dict[str, Any]]:
    """Return the objects of kind ImageVerdict in the content of a file; raise ArgumentError, also where it has none."""
    documents = _documents(content, file)
    objects = [one for document in documents for one in _objects(document, file, depth=0)]
    verdicts = [one for one in objects if one.get("kind") == KIND]
    if not verdicts:
        raise ArgumentError(f"{file} has no objects of kind {KIND}; write them with: kubectl get imageverdicts -o json")
    return verdicts


def read_cluster() -> Inventory:
    """Return the verdicts of the cluster that the kubeconfig names.

    Raise ApiError where the API server does not answer, ArgumentError where it has none.
    """
    # Imported late: with a file, the command starts without the Kubernetes client.
    from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi  # noqa: PLC0415
    from tidegate.cluster.connection import load_configuration  # noqa: PLC0415
    from tidegate.cluster.verdict_inventory import read_verdicts  # noqa: PLC0415

    api = KubernetesApi(load_configuration(), threads=1)
    try:
        found = asyncio.run(read_verdicts(api))
    except ApiError as problem:
        if problem.status != NOT_FOUND:
            raise
        raise ArgumentError(
            "the cluster does not know ImageVerdict objects; install the CRDs of the chart"
        ) from problem
    finally:
        api.close()
    if found == Inventory():
        raise ArgumentError("the cluster has no ImageVerdict objects; check that tidegate's background role runs")
    return found


def _read(file: Path) -> bytes:
    try:
        with click.open_file(str(file), "rb") as stream:
            content: bytes = stream.read(MAX_INPUT_BYTES + 1)
    except OSError as problem:
        raise ArgumentError(f"{file} cannot be read: {problem.strerror or problem}") from problem
    if len(content) > MAX_INPUT_BYTES:
        raise ArgumentError(f"{file} is larger than {MAX_INPUT_BYTES} bytes")
    return content


def _documents(content: bytes, file: Path) -> list[Any]:
    """Return the documents of JSON or YAML. An alias of YAML is as long as what it repeats."""
    try:
        if content.lstrip()[:1] in {b"{", b"["}:
            return [msgspec.json.decode(content)]
        documents = list(yaml.load_all(content, Loader=yaml.CSafeLoader))
        limit = len(content) + 1
        if _count(documents, limit, depth=0) > limit:
            raise ArgumentError(
                f"{file} has YAML aliases that repeat more than the file holds; save it with kubectl get imageverdicts -o json"
            )
    except (yaml.YAMLError, msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as problem:
        words = " ".join(str(problem).split())
        raise ArgumentError(f"{file} is neither JSON nor YAML: {words}") from problem
    return documents


def _count(node: Any, limit: int, *, depth: int) -> int:
    """Return how many values there are, at most one more than the limit; raise ValueError beyond MAX_DEPTH."""
    if not isinstance(node, dict | list):
        return 1
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} lists and mappings within each other")
    count = 1
    for one in node.values() if isinstance(node, dict) else node:
        count += _count(one, limit - count, depth=depth + 1)
        if count > limit:
            return limit + 1
    return count


def _objects(document: Any, file: Path, *, depth: int) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or depth > MAX_DEPTH:
        raise ArgumentError(f"{file}: expected Kubernetes objects with a kind, got {type(document).__name__}")
    items = document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        # The API server leaves out the kind of the items of a typed list.
        default = {"kind": kind.removesuffix("List")} if kind != "List" else {}
        for item in items:
            yield from _objects(default | item if isinstance(item, dict) else item, file, depth=depth + 1)
    else:
        yield document
