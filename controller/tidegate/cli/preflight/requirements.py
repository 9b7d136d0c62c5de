"""What the policies in use need of AWS: the calls, and the registries, keys and signing profiles that they are about. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.permissions import Need
from tidegate.images.repository import EcrRegistry
from tidegate.policy.model import EcrScope, Glob, ImagePolicy
from tidegate.policy.scopes import partition_of
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_problems import authorities_of, kms_keys_of
from tidegate.verify.notation.signer_names import PROFILE

MAX_REGISTRIES: Final = 50
"""Registries that are tried; each takes about a dozen calls."""
STAND_IN: Final = "tidegate-preflight"
"""A repository name that takes the place of the wildcards of a glob. It need not exist."""
_PROFILE_ACCOUNT: Final = 4
"""The place of the account between the colons of an ARN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A registry to try. ``repository`` is a name that a policy covers; ``own`` is false without configured access."""

    registry: EcrRegistry
    repository: str = STAND_IN
    own: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What policies and settings need. ``left_out`` counts the registries beyond MAX_REGISTRIES."""

    needs: frozenset[Need]
    subjects: tuple[Subject, ...]
    left_out: int
    keys: tuple[str, ...]
    profiles: tuple[str, ...]


def needs_of(policies: Iterable[Policy], settings: AwsSettings) -> frozenset[Need]:
    """Return what policies and settings need. An invalid policy is treated as needing nothing: it is reported itself."""
    valid = [one for one in policies if isinstance(one, ImagePolicy)]
    found = {
        Need.IMAGES: True,
        Need.TAGS: any(one.tags is not None and one.tags.immutable for one in valid),
        Need.SCANS: any(one.scan is not None or one.vulnerabilities is not None for one in valid),
        Need.SIGNATURES: any(one.signatures is not None or one.attestations is not None for one in valid),
        Need.SIGNER: bool(_profiles(valid)),
        Need.KMS: bool(kms_keys_of(valid)),
        Need.REPOSITORY: any(one.repository is not None for one in valid),
        Need.EVENTS: settings.event_queue is not None,
        Need.OTHER_ACCOUNTS: any(one.role_arn is not None for one in settings.accounts),
    }
    found[Need.PREFLIGHT] = found[Need.SCANS]
    return frozenset(need for need, wanted in found.items() if wanted)


def requirements_of(
    policies: Sequence[Policy], settings: AwsSettings, *, account: str | None, region: str | None
) -> Requirements:
    """Return the requirements; ``account`` and ``region`` are those of the caller, None if unknown."""
    valid = [one for one in policies if isinstance(one, ImagePolicy)]
    with_access = {each.account for each in settings.accounts} | ({account} if account else set())
    subjects: dict[EcrRegistry, Subject] = {}
    for scope in _scopes(valid):
        if where := scope.region or region:
            registry = EcrRegistry(scope.partition, scope.account, where)
            name = _name(scope.repositories[0])
            subjects.setdefault(registry, Subject(registry=registry, repository=name, own=scope.account in with_access))
    known = {registry.account for registry in subjects}
    for each in sorted(with_access - known) if region else ():
        registry = EcrRegistry(partition_of(region), each, region or "")
        subjects[registry] = Subject(registry=registry)
    ordered = sorted(subjects.values(), key=lambda one: (not one.own, str(one.registry)))
    return Requirements(
        needs=needs_of(policies, settings),
        subjects=tuple(ordered[:MAX_REGISTRIES]),
        left_out=len(ordered[MAX_REGISTRIES:]),
        keys=kms_keys_of(valid),
        profiles=_profiles(valid),
    )


def registry_of_profile(arn: str) -> EcrRegistry:
    """Return partition, account and region of a signing profile."""
    found = PROFILE.fullmatch(arn)
    assert found is not None
    return EcrRegistry(found["partition"], arn.split(":")[_PROFILE_ACCOUNT], found["region"])


def _scopes(policies: Iterable[ImagePolicy]) -> list[EcrScope]:
    scopes = [scope for one in policies for scope in (*(one.registries or ()), *one.match.images)]
    return [scope for scope in scopes if isinstance(scope, EcrScope)]


def _name(glob: Glob) -> str:
    """Return a repository name that a glob covers and that ECR allows."""
    name = glob.text.replace("**", "*").replace("*", STAND_IN)
    return name.strip("/") or STAND_IN


def _profiles(policies: Iterable[ImagePolicy]) -> tuple[str, ...]:
    """Return the signing profiles of AWS Signer that policies trust."""
    notation = [one for policy in policies for one in authorities_of(policy) if isinstance(one, NotationAuthority)]
    named = {identity for one in notation for identity in one.trusted_identities}
    return tuple(sorted(identity for identity in named if PROFILE.fullmatch(identity)))
