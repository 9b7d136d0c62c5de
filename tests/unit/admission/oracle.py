"""What must be allowed, derived anew from the reference page of the ImagePolicy and from nothing that decides in tidegate.

A word for each demanded check of an image under one policy: GOOD, EXEMPT, BAD or UNKNOWN.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from tidegate.errors import InvalidReferenceError
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference, parse_reference
from tidegate.policy.model import BrokenPolicy, ImagePolicy, ScanRules, VulnerabilityRules
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import requirements_of

GOOD, EXEMPT, BAD, UNKNOWN = "good", "exempt", "bad", "unknown"
SKEW = timedelta(minutes=5)
"""Clocks differ by no more than this: a scan further in the future has no time."""

AnyPolicy = ImagePolicy | BrokenPolicy
Words = dict[str, str]


def may_run(policy: AnyPolicy, words: Words) -> bool:
    """Whether the object may be let in as far as this policy is concerned, given a word for each demanded check."""
    if "Deny" not in {action.value for action in policy.actions} and policy.actions:
        return True
    bad = [word for word in words.values() if word not in (GOOD, EXEMPT)]
    tolerated = policy.on_undetermined.value == "Allow" and all(word == UNKNOWN for word in bad)
    return not bad or tolerated


def is_about(policy: AnyPolicy, text: str) -> bool:
    reference = parsed(text)
    scopes = policy.match.images
    return reference is None or not scopes or any(in_scope(scope, reference) for scope in scopes)


def words_for(
    policy: AnyPolicy, text: str, evidence: ImageEvidence, nodes: tuple[Platform, ...], now: datetime
) -> Words:
    """One word for each check that the policy demands of an image that it is about."""
    reference = parsed(text)
    if reference is None:
        return {"reference": BAD}
    if isinstance(policy, BrokenPolicy):
        return {"policy": UNKNOWN}
    words: Words = {}
    if policy.registries is not None:
        words["registries"] = GOOD if any(in_scope(one, reference) for one in policy.registries) else BAD
    if policy.tags is not None:
        words["tags"] = tags(policy, reference, evidence, now)
    children = Children(policy, reference, evidence, nodes, now)
    if policy.scan is not None:
        words["scan"] = children.worst(
            lambda report, read: scan(policy.scan or ScanRules(), report, children.there, read, now)
        )
    if policy.vulnerabilities is not None:
        rules, required = policy.vulnerabilities, policy.scan or ScanRules()
        words["vulnerabilities"] = children.worst(
            lambda report, read: vulnerabilities(rules, report, scan(required, report, children.there, read, now), now)
        )
    if policy.signatures is not None:
        words["signatures"] = signatures(policy, reference, evidence, children, now)
    if policy.attestations is not None:
        words["attestations"] = attestations(policy, reference, evidence, now)
    return words or {"policy": UNKNOWN}


def parsed(text: str) -> ImageReference | None:
    try:
        return parse_reference(text)
    except InvalidReferenceError:
        return None


def fits(glob: Any, value: str) -> bool:
    parts = re.split(r"(\*\*|\*)", glob.text)
    stars = {"**": ".*", "*": "[^/]*"}
    return re.fullmatch("".join(stars.get(part, re.escape(part)) for part in parts), value) is not None


def in_scope(scope: Any, reference: ImageReference) -> bool:
    if hasattr(scope, "host"):
        place = "" if reference.ecr else reference.domain.removesuffix(":443")
        return place == scope.host and any(fits(glob, reference.path) for glob in scope.repositories)
    if reference.ecr is None:
        return False
    registry = reference.ecr.registry
    return (
        (registry.partition, registry.account) == (scope.partition, scope.account)
        and scope.region in (None, registry.region)
        and any(fits(glob, reference.path) for glob in scope.repositories)
    )


def value_of(fact: Any, policy: ImagePolicy, now: datetime) -> Any:
    """The value of a fact that may be used, else None."""
    if not hasattr(fact, "value"):
        return None
    return fact.value if fact.stale is None or now - fact.observed_at <= policy.max_stale else None


def image(policy: ImagePolicy, reference: ImageReference, evidence: ImageEvidence, now: datetime) -> str:
    """Whether the image is there and can be pulled."""
    detail = value_of(evidence.detail, policy, now)
    if detail is None:
        return UNKNOWN
    if not hasattr(detail, "status"):
        return BAD
    if reference.digest not in (None, detail.digest):
        return UNKNOWN
    return {"ACTIVE": GOOD, "UNKNOWN": UNKNOWN}.get(detail.status.value, BAD)


def tags(policy: ImagePolicy, reference: ImageReference, evidence: ImageEvidence, now: datetime) -> str:
    rules = policy.tags
    assert rules is not None
    if reference.digest is not None:
        return GOOD
    tag = reference.tag or "latest"
    if rules.digest_required or any(fits(glob, tag) for glob in rules.forbidden):
        return BAD
    if not rules.immutable:
        return GOOD
    if reference.ecr is None:
        return BAD
    settings = value_of(evidence.settings, policy, now)
    if settings is None:
        return UNKNOWN
    if not hasattr(settings, "mutability"):
        return BAD
    excluded = any(re.fullmatch(one.replace("*", ".*"), tag) for one in settings.exclusion_filters)
    stays = {"IMMUTABLE": True, "IMMUTABLE_WITH_EXCLUSION": not excluded, "MUTABLE_WITH_EXCLUSION": excluded}
    if not stays.get(settings.mutability.value, False):
        return BAD
    return image(policy, reference, evidence, now)


class Children:
    """The images that nodes may run, each with its report, or the word that stands in their place."""

    def __init__(
        self,
        policy: ImagePolicy,
        reference: ImageReference,
        evidence: ImageEvidence,
        nodes: tuple[Platform, ...],
        now: datetime,
    ) -> None:
        detail = value_of(evidence.detail, policy, now)
        self.there = [getattr(detail, name, None) for name in ("pushed_at", "restored_at")]
        self.scanner_known = value_of(evidence.scan_type, policy, now) is not None
        self.word = BAD if reference.ecr is None else image(policy, reference, evidence, now)
        if self.word is not GOOD:
            return
        found = value_of(evidence.runnable, policy, now)
        if found is None or not isinstance(found, tuple):
            self.word = UNKNOWN if found is None else BAD
            return
        wanted = {(one.os, one.architecture) for one in policy.platforms or nodes}
        self.here = here = [
            one
            for one in found
            if not wanted or not one.platform or (one.platform.os, one.platform.architecture) in wanted
        ]
        self.word = GOOD if here else BAD
        facts = [evidence.scans.get(one.digest) for one in here]
        self.reports = [(value_of(fact, policy, now), getattr(fact, "observed_at", now)) for fact in facts]

    def worst(self, judge: Callable[[Any, datetime], str]) -> str:
        """The worst word for a report and the moment at which it was read."""
        if self.word is not GOOD:
            return self.word
        if not self.scanner_known:
            return UNKNOWN
        return worst_of(UNKNOWN if report is None else judge(report, read) for report, read in self.reports)


def worst_of(words: Iterable[str]) -> str:
    found = list(words)
    return next(word for word in (BAD, UNKNOWN, EXEMPT, GOOD) if word in found)


def scan(rules: ScanRules, report: Any, there: list[datetime | None], read: datetime, now: datetime) -> str:
    state = report.coverage.state.name
    tolerances = {"PENDING": rules.when_pending, "EXPIRED": rules.when_expired, "UNSUPPORTED": rules.when_unsupported}
    if state in tolerances:
        return EXEMPT if tolerances[state].value == "Allow" else BAD
    if state in ("FAILED", "UNKNOWN"):
        return UNKNOWN
    if state not in ("SCANNED", "SCANNED_ONCE", "SCANNED_AGAIN"):
        return BAD
    last = report.coverage.last_scanned_at
    if last is None or last > now + SKEW:
        return UNKNOWN
    period = rules.settling_period
    begun = starts(report, there, period)
    if period and not (begun and all(start + period <= min(read, now) for start in begun)):
        return EXEMPT if rules.when_pending.value == "Allow" else BAD
    if rules.max_age is not None and now - last > rules.max_age:
        return BAD
    return GOOD


def starts(report: Any, there: list[datetime | None], period: timedelta) -> list[datetime]:
    """The moments from which the findings of a first scan arrive: push, return from the archive, that scan; or none."""
    last = report.coverage.last_scanned_at
    known = [one for one in there if one]
    scans = [last] if report.coverage.state.name != "SCANNED_AGAIN" else []
    if there[0] and "Inspector" in report.scanner.value:
        seen = [report.scanned_since] if report.scanned_since else []
        seen += [one.first_observed_at for one in report.findings if one.first_observed_at]
        # What Inspector knew a whole period before its last scan, or was seen to know, it knew by an earlier one.
        scans += [one for one in seen if (one + period < last or one == report.scanned_since) and one >= max(known)]
    return [*known, min(scans)] if scans else []


def vulnerabilities(rules: VulnerabilityRules, report: Any, scanned: str, now: datetime) -> str:
    found = findings(rules, report, now)
    if found is BAD or scanned is GOOD:
        return found
    return scanned


def findings(rules: VulnerabilityRules, report: Any, now: datetime) -> str:
    left = [one for one in report.findings if not (one.suppressed and rules.suppressed.value == "Allow")]
    left = [one for one in left if not any(one.id == each.id and now < each.until for each in rules.ignore)]
    unknown = False
    if rules.exploit_available.value == "Deny":
        if any(one.exploit.value == "YES" for one in left):
            return BAD
        unknown = unknown or any(one.exploit.value != "NO" for one in left)
    if rules.only_fixable:
        left = [one for one in left if one.fix.value != "NO"]
    left = [one for one in left if not in_grace(one.first_observed_at, rules.grace_period, now)]
    threshold = rules.epss_threshold
    if threshold is not None and any(one.epss is not None and one.epss >= threshold for one in left):
        return BAD
    if threshold is not None and rules.when_epss_unknown.value == "Deny":
        unknown = unknown or any(one.epss is None for one in left)
    for severity, limit in rules.max_counts.items():
        if len([one for one in left if one.severity is severity]) > limit:
            return BAD
    if not report.complete:
        return BAD
    unknown = unknown or any(one.severity.name == "UNKNOWN" for one in left)
    asks_inspector = threshold is not None or rules.exploit_available.value == "Deny"
    unknown = unknown or (asks_inspector and "Inspector" not in report.scanner.value)
    return UNKNOWN if unknown else GOOD


def in_grace(seen: datetime | None, grace: timedelta, now: datetime) -> bool:
    return seen is not None and seen <= now + SKEW and now - seen < grace


def may_be_asked(policy: ImagePolicy, reference: ImageReference) -> bool:
    """Whether anybody may be asked for the image's signatures: Amazon ECR, or a registry that the policy lists."""
    return reference.ecr is not None or policy.registries is not None


def signatures(
    policy: ImagePolicy, reference: ImageReference, evidence: ImageEvidence, children: Children, now: datetime
) -> str:
    if not may_be_asked(policy, reference):
        return BAD
    word = image(policy, reference, evidence, now)
    if word is not GOOD:
        return word
    requirements = requirements_of(policy, NO_TRUST).signatures
    itself = proved(policy, evidence, value_of(evidence.detail, policy, now).digest, requirements, now)
    if policy.signatures is None or policy.signatures.children.value != "All" or itself not in (GOOD, EXEMPT):
        return itself
    if children.word is not GOOD:
        return children.word
    return worst_of([itself, *(proved(policy, evidence, one.digest, requirements, now) for one in children.here)])


def attestations(policy: ImagePolicy, reference: ImageReference, evidence: ImageEvidence, now: datetime) -> str:
    if not may_be_asked(policy, reference):
        return BAD
    word = image(policy, reference, evidence, now)
    if word is not GOOD:
        return word
    digest = value_of(evidence.detail, policy, now).digest
    required = requirements_of(policy, NO_TRUST).attestations
    return (
        worst_of(proved(policy, evidence, digest, requirements, now) for _, requirements in required)
        if required
        else UNKNOWN
    )


def proved(
    policy: ImagePolicy, evidence: ImageEvidence, digest: Any, requirements: Iterable[Any], now: datetime
) -> str:
    """The word for an image of which one of the demands has to be proved: the best word of any of them."""
    found = value_of(evidence.proofs.get(digest), policy, now)
    if found is None:
        return UNKNOWN
    words = [state_of(found.by_requirement.get(one), now) for one in requirements]
    return next(word for word in (GOOD, EXEMPT, UNKNOWN, BAD) if word in words)


def state_of(proof: Any, now: datetime) -> str:
    if proof is None:
        return UNKNOWN
    state = proof.state.name
    if state in ("VERIFIED", "LOGGED"):
        until = proof.decisive.good_until
        lapsed = until is not None and now >= until
        return UNKNOWN if lapsed else {"VERIFIED": GOOD, "LOGGED": EXEMPT}[state]
    return {"FAILED": BAD, "ABSENT": BAD}.get(state, UNKNOWN)
