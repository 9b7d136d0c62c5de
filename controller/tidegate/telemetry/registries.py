"""Which registries are named in metrics: those that the operator knows, and few others.

Where no policy lists registries, everyone who may create a Pod chooses accounts and regions that are then asked for. A
registry that nobody listed is named once it answered with something that it holds; until then it is ``other``.
"""

from collections.abc import Callable, Collection, Iterable

from tidegate.images.repository import EcrRegistry, Registry
from tidegate.policy.model import BrokenPolicy, EcrScope, ImagePolicy

MAX_ANSWERED = 50
"""Registries named that no policy lists: few enough that the listed ones keep room among the series of a metric."""
SHOWING = "ecr:DescribeImages"
"""The call that shows that a registry holds something; others may give an empty list for an account that is not there."""
OTHER = "other"

RegistryKey = tuple[str, str, str | None]
"""Partition, account and region; None is every region."""


class RegistryLabels:
    """Gives the label of a registry. ``listed`` returns the places that are always named."""

    def __init__(self) -> None:
        self.listed: Callable[[], Collection[RegistryKey]] = frozenset
        self._answered: set[EcrRegistry] = set()

    def answered(self, source: str, registry: Registry) -> None:
        """Take note that a registry gave what it was asked for."""
        if source == SHOWING and isinstance(registry, EcrRegistry) and len(self._answered) < MAX_ANSWERED:
            self._answered.add(registry)

    def label(self, registry: Registry) -> str:
        """Return the registry's name, or ``other``. Only ECR is asked without being listed by an operator."""
        if not isinstance(registry, EcrRegistry) or registry in self._answered:
            return str(registry)
        listed = self.listed()
        places = ((registry.partition, registry.account, region) for region in (registry.region, None))
        return str(registry) if any(place in listed for place in places) else OTHER


def listed_registry_keys(policies: Iterable[ImagePolicy | BrokenPolicy]) -> frozenset[RegistryKey]:
    """Return the ECR registries that policies list or are about."""
    scopes = (
        scope
        for policy in policies
        for scope in (*policy.match.images, *((policy.registries or ()) if isinstance(policy, ImagePolicy) else ()))
    )
    return frozenset((one.partition, one.account, one.region) for one in scopes if isinstance(one, EcrScope))
