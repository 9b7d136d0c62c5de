"""Check ``registries``: the policy lists the registry and repository of the image. Compares parsed fields; looks nothing up."""

from tidegate.checks.result import Check, CheckResult, Reason, failed, passed
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry
from tidegate.policy.match import any_scope_contains
from tidegate.policy.model import EcrScope, RegistryScope

_SHOWN = 3
"""Scopes named in the remedy."""


def check_registry(scopes: tuple[RegistryScope, ...], reference: ImageReference) -> CheckResult:
    """Return PASS when one of the scopes contains the reference, else FAIL."""
    if any_scope_contains(scopes, reference):
        return passed(Check.REGISTRY)
    shown = ", ".join(describe_scope(scope) for scope in scopes[:_SHOWN])
    more = f" and {len(scopes) - _SHOWN} more" if len(scopes) > _SHOWN else ""
    found = f"the policy does not allow the registry or repository {reference.domain}/{reference.path}"
    return failed(Check.REGISTRY, Reason.REGISTRY_NOT_ALLOWED, found, f"use an image from {shown}{more}")


def describe_scope(scope: RegistryScope) -> str:
    """Return a scope as image references are written: ``111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/*``."""
    if isinstance(scope, EcrScope):
        host = EcrRegistry(scope.partition, scope.account, scope.region or "*").host
    else:
        host = scope.host
    return " or ".join(f"{host}/{glob.text}" for glob in scope.repositories[:_SHOWN] if glob.text != "**") or host
