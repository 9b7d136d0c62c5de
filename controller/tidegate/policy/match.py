"""Which policies apply to a namespace and to an image. Pure; compares parsed fields, never whole strings.

Unknown labels count as a match: a policy applies rather than being skipped.
"""

from collections.abc import Iterable, Mapping

from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRepository
from tidegate.policy.model import EcrScope, Match, RegistryScope, SelectorOperator, SelectorRequirement
from tidegate.policy.scopes import canonical_host

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace to the namespace's name; it cannot be changed."""


def namespace_matches(match: Match, name: str, labels: Mapping[str, str] | None) -> bool:
    """Tell whether the match applies to a namespace. ``labels`` None means that they are unknown: they may match."""
    if match.namespaces and not any(glob.matches(name) for glob in match.namespaces):
        return False
    if any(glob.matches(name) for glob in match.excluded_namespaces):
        return False
    known = {NAME_LABEL: name} if labels is None else {**labels, NAME_LABEL: name}
    return all(
        requirement_holds(requirement, known)
        for requirement in match.namespace_selector
        if labels is not None or requirement.key == NAME_LABEL
    )


def requirement_holds(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Tell whether labels meet one requirement, as Kubernetes' labels.Requirement.Matches does.

    NotIn holds for labels without the key.
    """
    present = requirement.key in labels
    if requirement.operator is SelectorOperator.IN:
        return present and labels[requirement.key] in requirement.values
    if requirement.operator is SelectorOperator.NOT_IN:
        return not present or labels[requirement.key] not in requirement.values
    return present is (requirement.operator is SelectorOperator.EXISTS)


def image_matches(match: Match, reference: ImageReference) -> bool:
    """Tell whether the match applies to an image; a match that names no images applies to every image."""
    return not match.images or any_scope_contains(match.images, reference)


def any_scope_contains(scopes: Iterable[RegistryScope], reference: ImageReference) -> bool:
    """Tell whether a reference names a repository of one of the scopes."""
    return any(scope_contains(scope, reference) for scope in scopes)


def repository_matches(match: Match, repository: EcrRepository) -> bool:
    """Tell whether the match applies to images of a repository of Amazon ECR, in whichever namespace."""
    scopes = (scope for scope in match.images if isinstance(scope, EcrScope))
    return not match.images or any(_contains(scope, repository) for scope in scopes)


def scope_contains(scope: RegistryScope, reference: ImageReference) -> bool:
    """Tell whether a reference names a repository of the scope."""
    if isinstance(scope, EcrScope):
        return reference.ecr is not None and _contains(scope, reference.ecr)
    if reference.ecr is not None or canonical_host(reference.domain) != scope.host:
        return False
    return any(glob.matches(reference.path) for glob in scope.repositories)


def _contains(scope: EcrScope, repository: EcrRepository) -> bool:
    registry = repository.registry
    if (registry.account, registry.partition) != (scope.account, scope.partition):
        return False
    if scope.region is not None and registry.region != scope.region:
        return False
    return any(glob.matches(repository.name) for glob in scope.repositories)
