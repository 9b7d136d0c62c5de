"""Exception objects from the arguments of the command line."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidegate.cli.argument_files import ArgumentError
from tidegate.errors import InvalidReferenceError, PolicyError
from tidegate.images.reference import parse_reference
from tidegate.images.repository import parse_ecr_host
from tidegate.policy.durations import parse_duration
from tidegate.policy.exception_object import (
    KIND,
    NAMESPACED_KIND,
    NAMESPACED_PLURAL,
    PLURAL,
    parse_exception,
)
from tidegate.policy.exceptions import MAX_LIFETIME
from tidegate.policy.objects import API_VERSION, GROUP, VERSION
from tidegate.policy.scopes import canonical_host, partition_of
from tidegate.strict.quotation import TIME_FORMAT

SHORTEST: Final = timedelta(minutes=1)
NAME_PATTERN: Final = "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
NAMESPACE_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def exception_object(
    name: str,
    *,
    namespace: str | None,
    policies: Sequence[str],
    checks: Sequence[str],
    vulnerabilities: Sequence[str],
    images: Sequence[str],
    namespaces: Sequence[str],
    duration: str,
    reason: str,
    requested_by: str,
) -> tuple[dict[str, Any], list[str]]:
    """Return the object, and notes for the user; raise ArgumentError for arguments that make no valid one.

    ``namespace`` makes a NamespacedImagePolicyException, None one of the cluster.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise ArgumentError(f"{name!r} is not a valid object name: use lower-case letters, digits, - and .")
    if namespace is not None and re.fullmatch(NAMESPACE_PATTERN, namespace) is None:
        raise ArgumentError(f"{namespace!r} is not a valid namespace name: use lower-case letters, digits and -")
    lifetime = parse_duration(duration)
    if lifetime is None or not SHORTEST <= lifetime <= MAX_LIFETIME:
        raise ArgumentError(f"--for {duration!r}: expected a duration from 1m to {MAX_LIFETIME.days}d, such as 4h")
    ends = datetime.now(UTC) + lifetime
    notes: list[str] = []
    scopes = [_scope(image, notes) for image in dict.fromkeys(images)]
    spec: dict[str, Any] = {"policies": list(dict.fromkeys(policies))}
    spec |= {"checks": list(dict.fromkeys(checks))} if checks else {}
    spec |= {"vulnerabilities": list(dict.fromkeys(vulnerabilities))} if vulnerabilities else {}
    spec["images"] = scopes
    spec |= {"namespaces": list(dict.fromkeys(namespaces))} if namespace is None else {}
    spec |= {"expiresAt": ends.strftime(TIME_FORMAT), "reason": reason, "requestedBy": requested_by}
    kind = KIND if namespace is None else NAMESPACED_KIND
    metadata = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    made = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    try:
        parse_exception(made, kind)
    except PolicyError as error:
        raise ArgumentError("\n  ".join(("the exception would be invalid:", *error.problems))) from error
    return made, notes


def path_of(obj: Mapping[str, Any]) -> str:
    """Return the path of an exception in the API, or of all of its kind where it has no name."""
    metadata = obj["metadata"]
    place = f"namespaces/{metadata['namespace']}/" if metadata.get("namespace") else ""
    plural = PLURAL if obj["kind"] == KIND else NAMESPACED_PLURAL
    path = f"/apis/{GROUP}/{VERSION}/{place}{plural}"
    return f"{path}/{metadata['name']}" if "name" in metadata else path


def _scope(image: str, notes: list[str]) -> dict[str, Any]:
    """Return the repositories that an image reference without tag and digest names; a star may stand in its path."""
    host, slash, path = image.partition("/")
    if "*" not in path:
        try:
            reference = parse_reference(image)
        except InvalidReferenceError as problem:
            raise ArgumentError(f"--image {image!r} is not an image reference: {problem}") from problem
        host, path = reference.domain, reference.path
        if image.endswith((f":{reference.tag}", f"@{reference.digest}")):
            notes.append(f"the exception applies to every tag and digest of {host}/{path}")
    elif not slash or not host or not ("." in host or ":" in host):
        raise ArgumentError(f"--image {image!r}: write the registry's host before the pattern, such as HOST/team/*")
    registry = parse_ecr_host(host)
    if registry is None:
        return {"host": canonical_host(host), "repositories": [path]}
    scope = {"account": registry.account, "region": registry.region, "repositories": [path]}
    if partition_of(registry.region) != registry.partition:
        raise ArgumentError(f"--image {image!r}: the region {registry.region} is not in the partition of the host")
    return scope
