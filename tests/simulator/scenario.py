"""Scenarios: a world written as YAML, so that tests, the demo and a person can share one.

`load` reads a file, `build` a parsed document; an unknown key or a wrong type is a ScenarioError that names its place.
The keys are those of scenario_model.py; scenarios/demo.yaml shows most of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.simulator.clock import Clock, Moment
from tests.simulator.registry import ScanRule
from tests.simulator.scans import Finding, Package
from tests.simulator.scenario_model import (
    BasicPart,
    CoveragePart,
    FindingPart,
    ImagePart,
    LeaveOut,
    RegistryPart,
    RepositoryPart,
    Scenario,
    StatePart,
)
from tests.simulator.world import World


class ScenarioError(ValueError):
    """A scenario that cannot be built; the text says where and why."""


def load(path: Path | str, *, clock: Clock | None = None) -> World:
    """Read a scenario file and build its world (ScenarioError, OSError)."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        raise ScenarioError(f"{path}: not YAML: {exc}") from exc
    try:
        return build(document, clock=clock)
    except ScenarioError as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def build(document: Any, *, clock: Clock | None = None) -> World:
    """Build the world of a parsed scenario (ScenarioError)."""
    try:
        scenario = msgspec.convert(document or {}, Scenario)
    except msgspec.ValidationError as exc:
        raise ScenarioError(str(exc)) from exc
    world = World(account=scenario.account, region=scenario.region, clock=clock)
    for account in scenario.accounts:
        world.add_account(
            account.id,
            roles=account.roles,
            scan_type=account.scan_type,
            inspector=account.inspector,
            members=account.members,
        )
    _build_each("registries", scenario.registries, lambda part: _registry(world, part))
    _build_each("repositories", scenario.repositories, lambda part: _repository(world, part))
    return world


def _build_each(place: str, parts: Sequence[Any], make: Any) -> None:
    for number, part in enumerate(parts):
        try:
            make(part)
        except KeyError as exc:
            raise ScenarioError(f"unknown {exc} - at `$.{place}[{number}]`") from exc
        except (TypeError, ValueError) as exc:
            raise ScenarioError(f"{exc} - at `$.{place}[{number}]`") from exc


def _registry(world: World, part: RegistryPart) -> None:
    where: dict[str, Any] = {"account": part.account, "region": part.region}
    rules = [ScanRule(frequency=rule.frequency, filters=tuple(rule.filters)) for rule in part.rules]
    world.set_scanning(part.scan_type, rules=rules, **where)
    for rule in part.pull_through:
        world.add_pull_through_rule(
            rule.prefix, upstream=rule.upstream, upstream_url=rule.upstream_url, miss=rule.miss, **where
        )


def _repository(world: World, part: RepositoryPart) -> None:
    where: dict[str, Any] = {"account": part.account, "region": part.region}
    world.add_repository(
        part.name,
        mutability=part.mutability,
        exclusions=part.exclusions,
        readers=part.readers,
        policy=None if part.policy is None else msgspec.json.encode(part.policy).decode(),
        lifecycle=None if part.lifecycle is None else msgspec.json.encode(part.lifecycle).decode(),
        **where,
    )
    for image in part.images:
        digest = _index(world, part.name, image, where) if image.platforms else _image(world, part.name, image, where)
        for tag in image.tags:
            world.move_tag(part.name, tag, digest, **where)


def _image(world: World, name: str, part: ImagePart, where: dict[str, Any]) -> str:
    digest = world.add_image(
        name,
        None,
        content=part.content or f"{name} {' '.join(part.tags)}",
        platform=part.platform,
        media_type=part.media_type,
        pushed_at=part.pushed_at,
        status=part.status,
        scanned=part.scanned,
        in_use=part.in_use,
        **where,
    )
    first = StatePart(at=part.pushed_at, coverage=part.coverage, basic=part.basic, findings=part.findings)
    _play(world, name, digest, [first, *part.history], where)
    return digest


def _index(world: World, name: str, part: ImagePart, where: dict[str, Any]) -> str:
    platforms = part.platforms or {}
    digest, children = world.add_index(
        name,
        None,
        platforms=list(platforms),
        content=part.content or f"{name} {' '.join(part.tags)}",
        attestations=part.attestations,
        docker=part.docker,
        pushed_at=part.pushed_at,
        **where,
    )
    for platform, child in platforms.items():
        first = StatePart(at=part.pushed_at, coverage=child.coverage, findings=child.findings)
        if not child.scanned:
            world.remove_coverage(name, children[platform], at=part.pushed_at, **where)
        _play(world, name, children[platform], [first, *child.history], where)
    return digest


def _play(world: World, name: str, digest: str, states: Sequence[StatePart], where: dict[str, Any]) -> None:
    for state in sorted(states, key=lambda each: world.clock.moment(each.at)):
        at: Moment | None = state.at
        if isinstance(state.coverage, CoveragePart):
            row = state.coverage
            world.set_coverage(
                name, digest, row.status, row.reason, last_scanned_at=row.last_scanned_at, at=at, **where
            )
        elif state.coverage is None:
            world.remove_coverage(name, digest, at=at, **where)
        if isinstance(state.basic, BasicPart):
            world.set_basic_scan(name, digest, state.basic.status, description=state.basic.description, at=at, **where)
        elif state.basic is None:
            world.set_basic_scan(name, digest, None, at=at, **where)
        if not isinstance(state.findings, LeaveOut):
            found = [_finding(world, each, at) for each in state.findings]
            world.set_findings(name, digest, found, at=at, **where)


def _finding(world: World, part: FindingPart, at: Moment | None) -> Finding:
    seen = world.clock.moment(at if part.first_observed_at is None else part.first_observed_at)
    package = Package(
        name=part.package, installed=part.installed, fixed=part.fixed, manager=part.manager, path=part.path
    )
    return Finding(
        id=part.id,
        severity=part.severity,
        packages=(package,),
        first_observed_at=seen,
        last_observed_at=max(seen, world.clock.moment(at)),
        status=part.status,
        exploit=part.exploit,
        epss=part.epss,
        score=part.score,
        title=part.title,
        description=part.description,
    )
