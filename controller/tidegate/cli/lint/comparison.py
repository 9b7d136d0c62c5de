"""Policies that no image can meet, pairs that no image can meet, and policies that another policy makes superfluous."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Final, TypeVar

from tidegate.cli.lint.objects import Source
from tidegate.cli.lint.rules import LintFinding, Rule
from tidegate.cli.lint.scopes import (
    any_scopes_overlap,
    each_contained,
    match_contained,
    matches_overlap,
    scope_contained,
)
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import (
    Action,
    HostScope,
    ImagePolicy,
    PullRules,
    PushRules,
    RegistryScope,
    RepositoryRules,
    RequiredScanning,
    ScanRules,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.signatures import AttestationRules, Children, SignatureRules
from tidegate.posture.assess_access import allowed_by
from tidegate.posture.principals import is_within

T = TypeVar("T")
Policies = Sequence[tuple[Source, ImagePolicy]]

MAX_PAIRED: Final = 300
"""Policies that are compared with each other."""
_COMPARED: Final = frozenset(
    {
        "actions",
        "match",
        "registries",
        "tags",
        "scan",
        "vulnerabilities",
        "signatures",
        "attestations",
        "repository",
        "platforms",
        "on_undetermined",
        "max_stale",
        "namespaced_exceptions",
    }
)
_IDENTITY: Final = frozenset({"name", "uid", "generation"})
_NOT_COMPARED: Final = tuple(one.name for one in fields(ImagePolicy) if one.name not in _COMPARED | _IDENTITY)
"""Fields of a policy that are compared by equality: a policy is not stricter if it omits the field or has the same value."""


def compare(policies: Policies, exceptions: Sequence[ImagePolicyException]) -> Iterator[LintFinding]:
    """Yield a finding for each policy that no image can meet, each contradicting pair, and each superfluous policy."""
    for source, policy in policies:
        yield from _nothing_passes(source, policy)
    paired = policies[:MAX_PAIRED]
    for index, (source, policy) in enumerate(paired):
        for _, other in paired[:index]:
            yield from _contradiction(source, policy, other)
        others = [one for at, (_, one) in enumerate(paired) if at != index]
        yield from _never_stricter(source, policy, others, earlier=index, exceptions=exceptions)


def _never_stricter(
    source: Source,
    policy: ImagePolicy,
    others: Sequence[ImagePolicy],
    *,
    earlier: int,
    exceptions: Sequence[ImagePolicyException],
) -> Iterator[LintFinding]:
    """Yield a finding if one of the others makes a policy superfluous. Of two equal policies, the later one is superfluous."""
    for index, other in enumerate(others):
        if not is_never_stricter(policy, other) or _is_excepted_alone(policy, other, exceptions):
            continue
        if index >= earlier and is_never_stricter(other, policy):
            continue
        yield source.finding(
            Rule.NEVER_STRICTER,
            "metadata.name",
            f"policy {other.name} is at least as strict as policy {policy.name}, and applies to all of its images",
            f"remove {policy.name}, or make it stricter than {other.name}",
        )
        return


def _nothing_passes(source: Source, policy: ImagePolicy) -> Iterator[LintFinding]:
    matched, allowed = policy.match.images, policy.registries
    if matched and allowed is not None and not any_scopes_overlap(matched, allowed):
        yield source.finding(
            Rule.NOTHING_PASSES,
            "spec.registries",
            f"policy {policy.name} allows none of the repositories that match.images names, so it refuses every image",
            "name the same repositories in registries and match.images, or remove one of them",
        )
    scopes, path = (matched, "spec.match.images") if matched else (allowed or (), "spec.registries")
    # Only images in Amazon ECR meet these. A reference by digest meets ``tags`` everywhere.
    demanded = [name for name in ("scan", "vulnerabilities", "repository") if getattr(policy, name) is not None]
    if demanded and scopes and all(isinstance(one, HostScope) for one in scopes):
        yield source.finding(
            Rule.NOTHING_PASSES,
            path,
            f"policy {policy.name} applies to registries other than Amazon ECR, and images there never meet {', '.join(demanded)}",
            f"remove {', '.join(demanded)} from {policy.name}, or name repositories of Amazon ECR",
        )


def _contradiction(source: Source, policy: ImagePolicy, other: ImagePolicy) -> Iterator[LintFinding]:
    """Yield a finding where the registries of two policies have nothing in common, and an image may be in both matches."""
    if policy.registries is None or other.registries is None or not matches_overlap(policy.match, other.match):
        return
    if any_scopes_overlap(policy.registries, other.registries):
        return
    yield source.finding(
        Rule.CONTRADICTING_POLICIES,
        "spec.registries",
        f"policies {other.name} and {policy.name} apply to the same images and allow no common registry, so one of them"
        " refuses each image",
        f"allow a common registry in both, or limit {policy.name} and {other.name} to different images with match",
    )


def is_never_stricter(policy: ImagePolicy, other: ImagePolicy) -> bool:
    """Tell whether the other policy surely refuses, warns about and audits every image that this policy does."""
    return (
        match_contained(policy.match, other.match)
        and _actions_within(policy.actions, other.actions)
        and _weaker(policy.registries, other.registries, _registries)
        and _weaker(policy.tags, other.tags, _tags)
        and _scan(policy, other)
        and _weaker(policy.vulnerabilities, other.vulnerabilities, _vulnerabilities)
        and _weaker(policy.signatures, other.signatures, _signatures)
        and _weaker(policy.attestations, other.attestations, _attestations)
        and _weaker(policy.repository, other.repository, _repository)
        and policy.platforms == other.platforms
        and (policy.on_undetermined is Tolerance.ALLOW or other.on_undetermined is Tolerance.DENY)
        and other.max_stale <= policy.max_stale
        and other.namespaced_exceptions in {None, policy.namespaced_exceptions}
        and all(getattr(policy, name) in (None, getattr(other, name)) for name in _NOT_COMPARED)
    )


def _is_excepted_alone(policy: ImagePolicy, other: ImagePolicy, exceptions: Sequence[ImagePolicyException]) -> bool:
    """Tell whether an exception names the other policy alone: then this policy refuses images that the other one admits."""
    return any(other.name in one.policies and policy.name not in one.policies for one in exceptions)


def _actions_within(actions: frozenset[Action], others: frozenset[Action]) -> bool:
    # The user also sees a refusal, so a refusal counts as a warning.
    return actions <= others or (Action.DENY in others and actions - others <= {Action.WARN})


def _weaker(part: T | None, whole: T | None, is_weaker: Callable[[T, T], bool]) -> bool:
    return part is None or (whole is not None and is_weaker(part, whole))


def _registries(part: tuple[RegistryScope, ...], whole: tuple[RegistryScope, ...]) -> bool:
    return all(scope_contained(one, part) for one in whole)


def _tags(part: TagRules, whole: TagRules) -> bool:
    return (
        part.immutable <= (whole.immutable or whole.digest_required)
        and part.digest_required <= whole.digest_required
        and each_contained(part.forbidden, whole.forbidden)
    )


def _scan(policy: ImagePolicy, other: ImagePolicy) -> bool:
    """Tell whether the requirements on the scan are weaker; ``vulnerabilities`` requires one by the defaults."""
    part, whole = _scan_rules(policy), _scan_rules(other)
    return _weaker(part, whole, _scans)


def _scan_rules(policy: ImagePolicy) -> ScanRules | None:
    return policy.scan or (None if policy.vulnerabilities is None else ScanRules())


def _scans(part: ScanRules, whole: ScanRules) -> bool:
    pairs = (
        (part.when_pending, whole.when_pending),
        (part.when_expired, whole.when_expired),
        (part.when_unsupported, whole.when_unsupported),
    )
    return (
        all(_tolerates(*pair) for pair in pairs)
        and (part.max_age is None or (whole.max_age is not None and whole.max_age <= part.max_age))
        and whole.settling_period >= part.settling_period
    )


def _tolerates(part: Tolerance, whole: Tolerance) -> bool:
    return part is Tolerance.ALLOW or whole is Tolerance.DENY


def _vulnerabilities(part: VulnerabilityRules, whole: VulnerabilityRules) -> bool:
    limits = part.epss_threshold, whole.epss_threshold
    return (
        all(whole.max_counts.get(severity, count + 1) <= count for severity, count in part.max_counts.items())
        and whole.only_fixable <= part.only_fixable
        and _tolerates(part.exploit_available, whole.exploit_available)
        and (limits[0] is None or (limits[1] is not None and limits[1] <= limits[0]))
        and (limits[0] is None or _tolerates(part.when_epss_unknown, whole.when_epss_unknown))
        and whole.grace_period <= part.grace_period
        and _tolerates(part.suppressed, whole.suppressed)
        and set(whole.ignore) <= set(part.ignore)
        and whole.running_images in {None, part.running_images}
    )


def _signatures(part: SignatureRules, whole: SignatureRules) -> bool:
    return (
        all(one in part.any_of for one in whole.any_of)
        and (part.children is Children.INDEX_ONLY or whole.children is Children.ALL)
        and part.same_repository <= whole.same_repository
    )


def _attestations(part: tuple[AttestationRules, ...], whole: tuple[AttestationRules, ...]) -> bool:
    return all(any(_attestation(one, other) for other in whole) for one in part)


def _attestation(part: AttestationRules, whole: AttestationRules) -> bool:
    return (
        part.predicate_type == whole.predicate_type
        and all(one in part.any_of for one in whole.any_of)
        and set(part.conditions) <= set(whole.conditions)
    )


def _repository(part: RepositoryRules, whole: RepositoryRules) -> bool:
    """Tell whether less is required of the configuration: a lifecycle policy that keeps images may be none, so both differ."""
    return (
        _weaker(part.push, whole.push, _push)
        and _weaker(part.pull, whole.pull, _pull)
        # Who may pull may also change the repository where ``push`` lists them.
        and (part.pull is None or whole.push is None or (part.push is not None and _push(part.push, whole.push)))
        and _weaker(part.scanning, whole.scanning, lambda one, other: one in {RequiredScanning.ON_PUSH, other})
        and part.encryption in {None, whole.encryption}
        and part.lifecycle in {None, whole.lifecycle}
    )


def _push(part: PushRules, whole: PushRules) -> bool:
    allowed = allowed_by(part)
    return all(is_within(one, allowed) for one in allowed_by(whole))


def _pull(part: PullRules, whole: PullRules) -> bool:
    return (
        set(whole.accounts) <= set(part.accounts)
        and set(whole.organizations) <= set(part.organizations)
        and set(whole.services) <= set(part.services)
    )
