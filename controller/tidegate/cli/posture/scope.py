"""What ``tidegate posture`` is about: registries and repositories, as arguments name them. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import click

from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository, parse_ecr_host
from tidegate.policy.scopes import partition_of
from tidegate.reports.model import Inventory
from tidegate.reports.posture_judging import NOTHING_RUNS, RunningDigests

MAX_REGISTRIES: Final = 200
"""Registries of one run."""
_REGISTRY: Final = re.compile(r"(?P<account>[0-9]{12})/(?P<region>[a-z]{2,8}(?:-[a-z0-9]{1,16}){1,4})")
_EXPECTED: Final = (
    "expected a registry such as 111122223333/eu-west-1, or a repository such as "
    "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to look at: every repository of ``registries``, and some of others."""

    registries: tuple[EcrRegistry, ...] = ()
    repositories: Mapping[EcrRegistry, tuple[str, ...]] = field(default_factory=dict)


def scope_of(arguments: Sequence[str]) -> Scope:
    """Return what the arguments name; raise click.UsageError for one that names neither."""
    registries: dict[EcrRegistry, None] = {}
    repositories: dict[EcrRegistry, dict[str, None]] = {}
    for text in arguments:
        registry, name = _parse(text)
        if name:
            repositories.setdefault(registry, {})[name] = None
        else:
            registries[registry] = None
    if len(registries | repositories) > MAX_REGISTRIES:
        raise click.UsageError(f"more than {MAX_REGISTRIES} registries")
    some = {one: tuple(names) for one, names in repositories.items() if one not in registries}
    return Scope(registries=tuple(registries), repositories=some)


def every_registry(accounts: Iterable[str], regions: Sequence[str]) -> Scope:
    """Return the registries of all accounts in all regions."""
    found = tuple(
        EcrRegistry(partition_of(region), account, region) for account in dict.fromkeys(accounts) for region in regions
    )
    if len(found) > MAX_REGISTRIES:
        raise click.UsageError(f"more than {MAX_REGISTRIES} registries")
    return Scope(registries=found)


def running_in(inventory: Inventory) -> dict[EcrRepository, RunningDigests]:
    """Return what runs by the verdicts of a cluster. Registries other than Amazon ECR have no posture."""
    found: dict[EcrRepository, RunningDigests] = {}
    for image in inventory.images:
        host, _, name = image.repository.partition("/")
        registry = parse_ecr_host(host)
        if registry is None or not image.status.runs.pods:
            continue
        repository, digest = EcrRepository(registry, name), Digest(image.digest)
        judged = frozenset(Digest(child.digest) for child in image.status.images) - {digest}
        known = found.get(repository, NOTHING_RUNS)
        found[repository] = RunningDigests(
            digests=known.digests | judged | {digest},
            children={**known.children, **({digest: judged} if judged else {})},
            images=known.images + 1,
        )
    return found


def scope_of_running(running: Iterable[EcrRepository]) -> Scope:
    """Return the repositories of which something runs."""
    found: dict[EcrRegistry, list[str]] = {}
    for one in running:
        found.setdefault(one.registry, []).append(one.name)
    return Scope(repositories={registry: tuple(sorted(names)) for registry, names in found.items()})


def _parse(text: str) -> tuple[EcrRegistry, str]:
    if found := _REGISTRY.fullmatch(text):
        return EcrRegistry(partition_of(found["region"]), found["account"], found["region"]), ""
    host, _, name = text.partition("/")
    registry = parse_ecr_host(host)
    if registry is None:
        raise click.UsageError(f"{text}: {_EXPECTED}")
    if ":" in name or "@" in name:
        raise click.UsageError(f"{text}: {_EXPECTED}; leave out the tag and the digest")
    return registry, name
