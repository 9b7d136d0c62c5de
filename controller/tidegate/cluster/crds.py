"""Custom resource definitions: create them, or replace the spec of those that the cluster has.

helm installs the files of a chart's ``crds`` folder once and never changes them afterwards.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.errors import ConfigurationError

GROUP: Final = "tidegate.dev"
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_ATTEMPTS: Final = 5
"""Writes of one CRD, each after another client wrote it meanwhile."""
ESTABLISHED_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.2
_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def read_crds(folder: Path) -> Sequence[Json]:
    """Return the CRDs of a folder's YAML files, in the order of their names; raise ConfigurationError for anything else."""
    crds = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ConfigurationError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
            crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}") from problem
        if not _is_ours(crd):
            raise ConfigurationError(f"{path} is not a CustomResourceDefinition of the group {GROUP}")
        crds.append(crd)
    if not crds:
        raise ConfigurationError(f"{folder} has no YAML files")
    return crds


def _is_ours(crd: object) -> bool:
    match crd:
        case {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": str(name)},
            "spec": {"group": group},
        }:
            return group == GROUP and name.endswith(f".{GROUP}")
    return False


async def apply_crd(api: KubernetesApi, crd: Json) -> str:
    """Create a CRD or replace its spec, and wait until the API server serves it.

    Returns what was done: created, configured or unchanged. Raises ApiError if the API server refuses it.
    """
    path = f"{_PATH}/{crd['metadata']['name']}"
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            change, stored = await _write(api, path, crd)
            break
        except ApiError as error:
            if error.status != CONFLICT or attempt == MAX_ATTEMPTS:
                raise
    await _wait_until_established(api, path, stored)
    return change


async def _write(api: KubernetesApi, path: str, crd: Json) -> tuple[str, Json]:
    try:
        present = await api.get(path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return "created", await api.create(_PATH, crd)
    replaced = await api.replace(path, present | {"spec": crd["spec"]})
    # The API server writes the defaults of a CRD into its spec, so only its generation tells whether it changed.
    is_changed = replaced["metadata"]["generation"] != present["metadata"]["generation"]
    return "configured" if is_changed else "unchanged", replaced


async def _wait_until_established(api: KubernetesApi, path: str, stored: Json) -> None:
    try:
        async with asyncio.timeout(ESTABLISHED_SECONDS):
            while not _is_established(stored):
                await asyncio.sleep(POLL_SECONDS)
                stored = await api.get(path)
    except TimeoutError as exc:
        raise ApiError(f"{path}: not established within {ESTABLISHED_SECONDS:.0f} s") from exc


def _is_established(crd: Json) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)
