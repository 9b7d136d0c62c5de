"""One image under a set of policies: which of them apply to it, which facts they need, and the verdict.

Shared by the admission reviewer and the command line. Pure: facts come in as evidence, the time as an argument.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from tidegate.admission.verdict import AnyPolicy, ImageVerdict, Judgement, conclude
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.judge import judge
from tidegate.checks.registry import check_registry
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.errors import InvalidReferenceError
from tidegate.evidence.fact import Known
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.needs import Needs, needs
from tidegate.images.digest import Digest
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference, parse_reference
from tidegate.policy.match import image_matches
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import Children
from tidegate.policy.snapshot import PolicySet
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.signing.requirements import requirements_of


@dataclass(slots=True, eq=False, kw_only=True)
class MatchingPolicies:
    """The policies of a set that match an image, and the facts that they want: the same for many images.

    ``cluster_platforms`` are those that the facts were chosen for, so that they are judged for no others. ``passed`` are
    the judgements on an image that passes every check, with nothing to say of it; None before there was one.
    """

    policy_set: PolicySet
    policies: tuple[AnyPolicy, ...]
    wanted: Needs | None
    cluster_platforms: tuple[Platform, ...]
    passed: tuple[Judgement, ...] | None = None


class Plan(msgspec.Struct, eq=False, gc=False, kw_only=True):
    """What one image means under one set of policies, and the last verdict on it with its use-by time (monotonic).

    From ``renew_at`` on, a use of the verdict is worth telling the evidence's source, once, so that it is renewed in time.
    ``size`` is about how many bytes it takes where it is remembered. There may be tens of thousands.
    """

    text: str
    reference: ImageReference | None
    matching: MatchingPolicies
    problem: str = ""
    verdict: ImageVerdict | None = None
    until: float = 0.0
    renew_at: float = float("inf")
    size: int = 0

    @property
    def wanted(self) -> Needs | None:
        """Return the facts that the policies want of the image, or None where they want none."""
        return self.matching.wanted


def make_plan(text: str, policies: PolicySet, cluster_platforms: tuple[Platform, ...]) -> Plan:
    """Return the plan of an image under a set of policies: which of them apply to it, and which facts they need.

    Every policy applies to a reference that cannot be parsed. Only policies whose list of registries contains the image
    need facts, so that no other registry is ever contacted.
    """
    try:
        reference = parse_reference(text)
    except InvalidReferenceError as problem:
        every = MatchingPolicies(
            policy_set=policies, policies=policies.policies, wanted=None, cluster_platforms=cluster_platforms
        )
        return Plan(text=text, reference=None, matching=every, problem=str(problem))
    about = tuple(policy for policy in policies.policies if image_matches(policy.match, reference))
    asking = [
        policy
        for policy in about
        if isinstance(policy, ImagePolicy)
        and (policy.registries is None or check_registry(policy.registries, reference).lets_through)
    ]
    wanted = _wanted(reference, asking, policies.trust, cluster_platforms)
    matching = MatchingPolicies(policy_set=policies, policies=about, wanted=wanted, cluster_platforms=cluster_platforms)
    return Plan(text=text, reference=reference, matching=matching)


def _wanted(
    reference: ImageReference, asking: list[ImagePolicy], trust: TrustSnapshot, cluster_platforms: tuple[Platform, ...]
) -> Needs | None:
    """Return the facts that policies need of an image, or None where they need none.

    From a registry that is not Amazon ECR they need only signatures, and only where they list it.
    """
    settings = reference.digest is None and any(one.tags is not None and one.tags.immutable for one in asking)
    scanning = [one for one in asking if one.scan is not None or one.vulnerabilities is not None]
    signing = [one for one in asking if one.signatures is not None or one.attestations is not None]
    configuration = reference.ecr is not None and any(one.repository is not None for one in asking)
    if reference.ecr is None:
        settings, scanning = False, []
        signing = [one for one in signing if one.registries is not None]
    if not settings and not scanning and not signing and not configuration:
        return None
    whole = [one for one in signing if one.signatures is not None and one.signatures.children is Children.ALL]
    chosen = [one.platforms or cluster_platforms for one in (*scanning, *whole)]
    return needs(
        settings=settings,
        scan=bool(scanning),
        configuration=configuration,
        platforms=() if () in chosen else tuple(dict.fromkeys(one for some in chosen for one in some)),
        requirements=tuple(required for one in signing for required in requirements_of(one, trust).all),
        child_requirements=tuple(required for one in whole for required in requirements_of(one, trust).signatures),
    )


def judge_plan(
    plan: Plan,
    evidence: ImageEvidence,
    *,
    now: datetime,
    monotonic: float,
    audit_only: bool,
    running_since: datetime | None = None,
) -> ImageVerdict:
    """Return the verdict on the plan's image by each of its policies, at one moment of either clock.

    ``running_since`` is since when one namespace runs the image: then the verdict is about that namespace alone.
    """
    matching = plan.matching
    if plan.reference is None:
        result = CheckResult(
            check=Check.REFERENCE,
            outcome=Outcome.FAIL,
            reason=Reason.INVALID_REFERENCE,
            found=plan.problem,
            remedy="correct the image reference",
        )
        judgements = tuple(Judgement(policy=policy, results=(result,)) for policy in matching.policies)
    else:
        subject = ImageSubject(
            reference=plan.reference,
            evidence=evidence,
            cluster_platforms=matching.cluster_platforms,
            now=now,
            monotonic=monotonic,
            trust=matching.policy_set.trust,
            running_since=running_since,
        )
        exceptions = matching.policy_set.exceptions
        judgements = tuple(
            Judgement(policy=policy, results=judge(policy, subject, exceptions)) for policy in matching.policies
        )
        if all(result.is_plain_pass for one in judgements for result in one.results):
            matching.passed = matching.passed or judgements
            judgements = matching.passed if matching.passed == judgements else judgements
    return conclude(plan.text, _digest(plan, evidence), judgements, audit_only=audit_only, stale=evidence.is_stale)


def _digest(plan: Plan, evidence: ImageEvidence) -> Digest | None:
    fact = evidence.detail
    if isinstance(fact, Known) and isinstance(fact.value, ImageDetail):
        return fact.value.digest
    return plan.reference.digest if plan.reference is not None else None
