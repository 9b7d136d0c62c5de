"""What policies would newly refuse of the images that run in a cluster, by the facts in their ImageVerdicts.

The verdicts have the facts that the present policies need. If a policy newly needs another fact, the image may be refused:
this is a finding of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from tidegate.admission.plan import Plan, judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict, Judgement, effective_actions
from tidegate.checks.result import CheckResult, Outcome
from tidegate.cli.lint.objects import LintedObjects, Source
from tidegate.cli.lint.rules import LintFinding, Rule
from tidegate.cli.namespace_labels import NamespaceLabels
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import PlatformImage
from tidegate.evidence.image_evidence import SCAN_TYPE_SOURCE, ImageEvidence
from tidegate.evidence.index_children import images_within
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationResults, VerificationState
from tidegate.images.manifest import INDEX_TYPES
from tidegate.images.repository import repository_text
from tidegate.policy.model import Action
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.signing.fingerprint import fingerprint
from tidegate.signing.requirements import Requirement
from tidegate.verdicts.decode import StoredVerdict

MAX_NAMED: Final = 5
"""Namespaces that a finding names."""
_UNKNOWN: Final = VerificationResult(state=VerificationState.UNKNOWN, outage=Cause.NOT_ASKED)
_REFUSING: Final = frozenset({Outcome.FAIL, Outcome.UNDETERMINED})

T = TypeVar("T")


def check_against(
    found: LintedObjects, verdicts: Sequence[StoredVerdict], labels: NamespaceLabels, now: datetime
) -> Iterator[LintFinding]:
    """Yield a finding for each policy and running image, if the policy would refuse it and no policy refuses it now."""
    trust = TrustSnapshot.of(found.stores.values())
    sources = {policy.name: source for source, policy in found.policies}
    snapshot = PolicySnapshot.of(
        [policy for _, policy in found.policies], trust, [exception for _, exception in found.exceptions]
    )
    for verdict in verdicts:
        refusals: dict[str, tuple[list[str], CheckResult]] = {}
        for run in verdict.status.runs.namespaces:
            if run.name in _refused_in(verdict):
                continue
            policies = snapshot.for_namespace(run.name, labels.get(run.name))
            for text in _references(verdict):
                judged = _judge(make_plan(text, policies, ()), verdict, now, run.since)
                for name, result in _refusals(judged):
                    names = refusals.setdefault(name, ([], result))[0]
                    names += [] if run.name in names else [run.name]
        for name, (namespaces, result) in refusals.items():
            yield _finding(sources[name], verdict, namespaces, result)


def _refused_in(verdict: StoredVerdict) -> frozenset[str]:
    """Return the namespaces in which a policy of the cluster refuses the image already."""
    return frozenset(
        namespace
        for one in verdict.status.policies
        if one.outcome in _REFUSING and Action.DENY in (one.actions or (Action.DENY,))
        for namespace in one.namespaces
    )


def _references(verdict: StoredVerdict) -> list[str]:
    """Return the references by which Pods name the image: its tags, or its digest."""
    place = repository_text(verdict.repository)
    return [f"{place}:{tag}" for tag in verdict.status.runs.tags] or [f"{place}@{verdict.digest}"]


def _judge(plan: Plan, verdict: StoredVerdict, now: datetime, since: datetime | None) -> ImageVerdict:
    """Return the verdict on an image that has run since a time, with the grace for running images."""
    evidence = _evidence(plan, verdict, now)
    judged = judge_plan(plan, evidence, now=now, monotonic=0.0, audit_only=False)
    if not judged.denied or since is None or not plan.matching.policy_set.has_running_images:
        return judged
    again = judge_plan(plan, evidence, now=now, monotonic=0.0, audit_only=False, running_since=since)
    return judged if again.denied else again


def _refusals(verdict: ImageVerdict) -> Iterator[tuple[str, CheckResult]]:
    """Yield each policy that would refuse the image, with its worst result."""
    for one in verdict.judgements:
        if not one.allowed and Action.DENY in effective_actions(one, audit_only=False):
            yield one.policy.name, _worst(one)


def _worst(judgement: Judgement) -> CheckResult:
    refusing = [one for one in judgement.results if not one.lets_through]
    return min(refusing, key=lambda one: one.outcome is Outcome.UNDETERMINED)


def _finding(source: Source, verdict: StoredVerdict, namespaces: Sequence[str], result: CheckResult) -> LintFinding:
    more = f" and {len(namespaces) - MAX_NAMED} more" if len(namespaces) > MAX_NAMED else ""
    where = f"{', '.join(namespaces[:MAX_NAMED])}{more}"
    image = f"{repository_text(verdict.repository)}@{verdict.digest}"
    if result.outcome is Outcome.UNDETERMINED:
        message = f"{image} runs in {where}, and its verdict does not have the evidence that the check {result.check.value} needs"
        fix = f"check the image with tidegate check, or apply the policy with the action Audit first: {result.found}"
        return source.finding(Rule.COULD_REFUSE, f"spec.{result.check.value}", message, fix)
    message = (
        f"{image} runs in {where} and would be refused: {result.check.value} {result.reason.value}: {result.found}"
    )
    fix = result.remedy or "use another image, or start the policy with the actions Warn and Audit"
    return source.finding(Rule.WOULD_REFUSE, f"spec.{result.check.value}", message, fix)


def _evidence(plan: Plan, verdict: StoredVerdict, now: datetime) -> ImageEvidence:
    """Return the facts of a verdict as if they were looked up now."""
    facts = verdict.facts
    detail = _known(facts.detail, "ecr:DescribeImages", now)
    children = facts.runnable
    if children is None and facts.detail is not None and facts.detail.media_type not in INDEX_TYPES:
        children = (PlatformImage(digest=facts.detail.digest, platform=None),)
    digests = [one.digest for one in images_within(children or ())]
    required = plan.wanted.requirements if plan.wanted is not None else ()
    return ImageEvidence(
        detail=detail,
        settings=_known(facts.settings, "ecr:DescribeRepositories", now),
        runnable=_known(children, "ecr:BatchGetImage", now),
        scan_type=_known(facts.scan_type, SCAN_TYPE_SOURCE, now),
        scans={one: _known(facts.scans.get(one), "inspector2:ListCoverage", now) for one in digests},
        proofs={
            one: Known(_proofs(required, facts.verified_attempts.get(one, {})), now)
            for one in dict.fromkeys([verdict.digest, *digests])
        },
    )


def _known(value: T | None, source: str, now: datetime) -> Fact[T]:
    return Missing(Cause.NOT_ASKED, source) if value is None else Known(value, now)


def _proofs(requirements: Sequence[Requirement], verified: Mapping[str, Attempt]) -> VerificationResults:
    """Return the requirements that were met. All others are unknown."""
    met = {one: verified.get(fingerprint(one)) for one in requirements}
    return VerificationResults(
        by_requirement={
            one: _UNKNOWN
            if attempt is None
            else VerificationResult(state=VerificationState.VERIFIED, decisive=attempt, attempts=(attempt,))
            for one, attempt in met.items()
        }
    )
