"""The registry labels of metrics: the registries that policies list, and a few others.

Without a list of registries in a policy, any user who can create a Pod chooses accounts and regions. A registry that no
policy lists gets its own label once an image was found in it; until then its label is ``other``.
"""

from collections.abc import Callable, Collection, Iterable

from tidegate.images.repository import EcrRegistry, Registry
from tidegate.policy.model import BrokenPolicy, EcrScope, ImagePolicy

MAX_ANSWERED = 50
"""Registries with a label that no policy lists, few enough to leave room for the listed ones in MAX_SERIES."""
SHOWING = "ecr:DescribeImages"
"""The call that proves that a registry has images; others return an empty list for an unknown account."""
OTHER = "other"

RegistryKey = tuple[str, str, str | None]
"""Partition, account and region; None means every region."""


class RegistryLabels:
    """Returns the label of a registry. ``listed`` returns the registries that always have their own."""

    def __init__(self) -> None:
        self.listed: Callable[[], Collection[RegistryKey]] = frozenset
        self._answered: set[EcrRegistry] = set()

    def answered(self, source: str, registry: Registry) -> None:
        """Record that a registry had what a call asked for."""
        if source == SHOWING and isinstance(registry, EcrRegistry) and len(self._answered) < MAX_ANSWERED:
            self._answered.add(registry)

    def label(self, registry: Registry) -> str:
        """Return the registry's name, or ``other``. Registries other than ECR are contacted only if a policy lists them."""
        if not isinstance(registry, EcrRegistry) or registry in self._answered:
            return str(registry)
        listed = self.listed()
        places = ((registry.partition, registry.account, region) for region in (registry.region, None))
        return str(registry) if any(place in listed for place in places) else OTHER


def listed_registry_keys(policies: Iterable[ImagePolicy | BrokenPolicy]) -> frozenset[RegistryKey]:
    """Return the ECR registries that policies list under ``registries`` or ``match.images``."""
    scopes = (
        scope
        for policy in policies
        for scope in (*policy.match.images, *((policy.registries or ()) if isinstance(policy, ImagePolicy) else ()))
    )
    return frozenset((one.partition, one.account, one.region) for one in scopes if isinstance(one, EcrScope))
