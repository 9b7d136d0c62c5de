"""Scenarios: a world written as YAML, so that tests, the demo and a person can share one.

`load` reads a file, `build` a parsed document; an unknown key or a wrong type is a ScenarioError that names its place.
The keys are those of scenario_model.py; scenarios/README.md explains them, scenarios/demo.yaml shows most.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.simulator.clock import Clock, Moment
from tests.simulator.registry import ReplicationRule, ScanRule, SigningRule
from tests.simulator.scans import Finding, Package
from tests.simulator.scenario_error import ScenarioError, wrong_at
from tests.simulator.scenario_model import (
    KINDS,
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
from tests.simulator.scenario_signatures import add_signatures
from tests.simulator.world import World

__all__ = ["DEMO", "ScenarioError", "build", "load"]

DEMO = Path(__file__).parent / "scenarios" / "demo.yaml"
"""The scenario of the demo, which shows most of what a scenario can say."""


def load(path: Path | str, *, clock: Clock | None = None, program: bytes | None = None) -> World:
    """Read a scenario file and build its world (ScenarioError, OSError); `program` is World's."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        raise ScenarioError(f"{path}: not YAML: {exc}") from exc
    try:
        return build(document, clock=clock, program=program)
    except ScenarioError as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def build(document: Any, *, clock: Clock | None = None, program: bytes | None = None) -> World:
    """Build the world of a parsed scenario (ScenarioError)."""
    try:
        scenario = msgspec.convert(document or {}, Scenario)
    except msgspec.ValidationError as exc:
        known = f"; expected one of {', '.join(KINDS)}" if str(exc).endswith(".kind`") else ""
        raise ScenarioError(f"{exc}{known}") from exc
    world = World(account=scenario.account, region=scenario.region, clock=clock, program=program)
    for account in scenario.accounts:
        world.add_account(
            account.id,
            roles=account.roles,
            scan_type=account.scan_type,
            inspector=account.inspector,
            members=account.members,
        )
    for number, registry in enumerate(scenario.registries):
        with wrong_at(f"$.registries[{number}]"):
            _registry(world, registry)
    for number, repository in enumerate(scenario.repositories):
        with wrong_at(place := f"$.repositories[{number}]"):
            _repository(world, repository, place)
    for number, revocation in enumerate(scenario.revocations):
        with wrong_at(f"$.revocations[{number}]"):
            world.add_revocation(world.signing.profile_arn(revocation.profile), since=revocation.since)
    for key in scenario.kms_keys:
        world.add_kms_key(key.id, private=world.authorities.key(key.key))
    return world


def _registry(world: World, part: RegistryPart) -> None:
    where: dict[str, Any] = {"account": part.account, "region": part.region}
    rules = [ScanRule(frequency=rule.frequency, filters=tuple(rule.filters)) for rule in part.rules]
    world.set_scanning(part.scan_type, rules=rules, **where)
    for rule in part.pull_through:
        world.add_pull_through_rule(
            rule.prefix,
            upstream=rule.upstream,
            upstream_url=rule.upstream_url,
            upstream_prefix=rule.upstream_prefix,
            miss=rule.miss,
            **where,
        )
    world.set_registry_policy(_text(part.policy), scope=part.policy_scope, **where)
    own = part.account or world.account
    world.set_replication(
        [
            ReplicationRule(
                destinations=tuple((each.account or own, each.region) for each in rule.destinations),
                prefixes=tuple(rule.prefixes),
            )
            for rule in part.replication
        ],
        **where,
    )
    signing = [
        SigningRule(profile_arn=world.signing.profile_arn(each.profile), filters=tuple(each.filters))
        for each in part.signing
    ]
    world.set_signing(signing, **where)


def _text(policy: dict[str, Any] | None) -> str | None:
    return None if policy is None else msgspec.json.encode(policy).decode()


def _repository(world: World, part: RepositoryPart, place: str) -> None:
    where: dict[str, Any] = {"account": part.account, "region": part.region}
    world.add_repository(
        part.name,
        mutability=part.mutability,
        exclusions=part.exclusions,
        readers=part.readers,
        policy=_text(part.policy),
        lifecycle=_text(part.lifecycle),
        encryption=part.encryption,
        kms_key=part.kms_key,
        **where,
    )
    made = [_add_image(world, part.name, image, where) for image in part.images]
    for number, (image, digests) in enumerate(zip(part.images, made, strict=True)):
        _sign(world, part.name, image, digests, where, place=f"{place}.images[{number}]")


def _add_image(world: World, name: str, part: ImagePart, where: dict[str, Any]) -> dict[str, str]:
    """Give the digests, that of the image itself by "", its children by their platforms."""
    digests = _index(world, name, part, where) if part.platforms else {"": _image(world, name, part, where)}
    for tag in part.tags:
        world.move_tag(name, tag, digests[""], **where)
    if part.pulled_at is not None:
        world.image(name, digests[""], **where).pulled_at = world.clock.moment(part.pulled_at)
    return digests


def _sign(
    world: World, name: str, part: ImagePart, digests: dict[str, str], where: dict[str, Any], *, place: str
) -> None:
    """Sign an image and its children, now that every image is there that a signature may be of."""
    add_signatures(world, name, digests[""], part.signatures, where, place=place)
    for platform, child in (part.platforms or {}).items():
        add_signatures(world, name, digests[platform], child.signatures, where, place=f"{place}.platforms.{platform}")
    if part.signing is not None:
        arn = world.signing.profile_arn(part.signing.profile)
        world.set_signing_status(name, digests[""], part.signing.status, profile_arn=arn, **where)


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


def _index(world: World, name: str, part: ImagePart, where: dict[str, Any]) -> dict[str, str]:
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
    return {"": digest} | children


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
