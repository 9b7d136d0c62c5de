"""Converts Notation's registry scopes to an ImagePolicy's: Amazon ECR by account and region, others by host."""

from collections.abc import Iterable
from typing import Any

from tidegate.errors import InvalidReferenceError
from tidegate.images.reference import parse_reference
from tidegate.images.repository import parse_ecr_host
from tidegate.policy.scopes import MAX_REPOSITORIES

_HTTPS = ":443"


def image_scopes(scopes: Iterable[str]) -> list[dict[str, Any]]:
    """Return the scopes of repositories ``host/path``, grouped by registry."""
    repositories: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for scope in scopes:
        host, _, path = scope.partition("/")
        repositories.setdefault(_registry(host), []).append(path)
    return [
        dict(registry) | {"repositories": sorted(paths)[start : start + MAX_REPOSITORIES]}
        for registry, paths in repositories.items()
        for start in range(0, len(paths), MAX_REPOSITORIES)
    ]


def is_unreachable(scope: str) -> bool:
    """Tell whether no image reference can match the scope, such as a local scope of Notation, which is an OCI layout.

    Container runtimes read a first part without dot, colon and capital letter as a repository of Docker Hub.
    """
    try:
        reference = parse_reference(f"{scope}:latest")
    except InvalidReferenceError:
        return True
    return f"{reference.domain}/{reference.path}" != scope


def _registry(host: str) -> tuple[tuple[str, str], ...]:
    registry = parse_ecr_host(host.removesuffix(_HTTPS))
    if registry is None:
        return (("host", host),)
    return ("account", registry.account), ("region", registry.region)
