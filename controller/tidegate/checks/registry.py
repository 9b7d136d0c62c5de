"""Check ``registries``: the policy lists the registry and repository of the image. Compares parsed fields; looks nothing up."""

from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry
from tidegate.policy.match import scope_contains
from tidegate.policy.model import EcrScope, RegistryScope

_SHOWN = 3
"""Scopes named in the remedy."""


def check_registry(scopes: tuple[RegistryScope, ...], reference: ImageReference) -> CheckResult:
    """Return PASS when one of the scopes contains the reference, else FAIL."""
    if any(scope_contains(scope, reference) for scope in scopes):
        return CheckResult(check=Check.REGISTRY, outcome=Outcome.PASS, reason=Reason.OK)
    shown = ", ".join(describe_scope(scope) for scope in scopes[:_SHOWN])
    more = f" and {len(scopes) - _SHOWN} more" if len(scopes) > _SHOWN else ""
    return CheckResult(
        check=Check.REGISTRY,
        outcome=Outcome.FAIL,
        reason=Reason.REGISTRY_NOT_ALLOWED,
        found=f"the policy does not allow the registry or repository {reference.domain}/{reference.path}",
        remedy=f"use an image from {shown}{more}",
    )


def describe_scope(scope: RegistryScope) -> str:
    """Return a scope as image references are written: ``111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/*``."""
    host = (
        EcrRegistry(scope.partition, scope.account, scope.region or "*").host
        if isinstance(scope, EcrScope)
        else scope.host
    )
    repositories = [glob.text for glob in scope.repositories[:_SHOWN]]
    return " or ".join(f"{host}/{repository}" for repository in repositories if repository != "**") or host
