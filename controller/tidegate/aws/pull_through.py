"""Pull-through-cache rules: the repositories that ECR fills from an upstream registry at the first pull.

They tell "missing" from "not cached yet".
"""

import threading
from collections import OrderedDict
from time import monotonic

from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.errors import unexpected
from tidegate.aws.pages import read_pages
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import PullThroughRule
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

RULES_SECONDS = 300.0
"""How long rules are kept."""
UNREADABLE_SECONDS = 60.0
"""How long rules are not read again after a failure, such as a missing permission."""
MAX_REGISTRIES = 1024
MAX_PAGES = 5
"""A registry has at most 50 rules: one page."""

_API = Api("ecr", "DescribePullThroughCacheRules")
_NO_RULES = frozenset({"PullThroughCacheRuleNotFoundException"})
_EVERY_REPOSITORY = "ROOT"


class PullThroughRules:
    """Tells which repositories are caches of an upstream registry."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._prefixes: OrderedDict[EcrRegistry, tuple[float, frozenset[str]]] = OrderedDict()

    def cover(self, repository: EcrRepository) -> bool:
        """Tell whether a rule covers this repository: by the last known rules if they cannot be read, else False."""
        prefixes = self._of(repository.registry)
        return _EVERY_REPOSITORY in prefixes or any(repository.name.startswith(f"{each}/") for each in prefixes)

    def absence(self, repository: EcrRepository, absence: Absence) -> Absence:
        """Return the absence, or CACHE_MISS if a rule covers the repository."""
        return Absence.CACHE_MISS if self.cover(repository) else absence

    def _of(self, registry: EcrRegistry) -> frozenset[str]:
        with self._lock:
            until, prefixes = self._prefixes.get(registry, (0.0, frozenset()))
        if monotonic() < until:
            return prefixes
        try:
            prefixes = frozenset(rule.prefix for rule in read_rules(self._clients, registry))
            seconds = RULES_SECONDS
        except SourceUnavailableError:
            seconds = UNREADABLE_SECONDS
        with self._lock:
            self._prefixes[registry] = (monotonic() + seconds, prefixes)
            self._prefixes.move_to_end(registry)
            while len(self._prefixes) > MAX_REGISTRIES:
                self._prefixes.popitem(last=False)
        return prefixes


def read_rules(clients: Clients, registry: EcrRegistry) -> tuple[PullThroughRule, ...]:
    """Return the rules of a registry; raise SourceUnavailableError."""
    rules: list[PullThroughRule] = []
    parameters, more = {"registryId": registry.account, "maxResults": 1000}, False
    pages = read_pages(clients, _API, registry, parameters, most=MAX_PAGES, answers=_NO_RULES)
    try:
        for page, more in pages:  # noqa: B007 - used below
            rules += (_rule(each, registry) for each in ApiResponse(page, _API.source).listed("pullThroughCacheRules"))
    except AnsweredError:
        pass
    if more:
        raise unexpected(_API.source, f"more than {MAX_PAGES} pages of rules")
    return tuple(rules)


def _rule(described: ApiResponse, registry: EcrRegistry) -> PullThroughRule:
    described.require_same("registryId", registry.account)
    return PullThroughRule(
        prefix=described.text("ecrRepositoryPrefix"),
        upstream=described.optional_text("upstreamRegistryUrl"),
        upstream_prefix=described.optional_text("upstreamRepositoryPrefix"),
    )
