"""Check ``repository``: the repository is configured as required: who may push and pull, scanning, encryption, lifecycle.

What the configuration means is decided in ``tidegate.posture``. A failure has precedence over what could not be decided: all
of it is required. The names of principals and accounts are for operators alone.
"""

from dataclasses import replace
from datetime import datetime

from tidegate.checks.existence import absent, existing_image
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import cause_words, harmless
from tidegate.checks.result import (
    RETRY,
    Check,
    CheckResult,
    Outcome,
    Reason,
    Shortfall,
    failed,
    passed,
    undetermined,
)
from tidegate.checks.staleness import resting_on, usable
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.registry_configuration import RepositoryConfiguration
from tidegate.policy.model import ImagePolicy, RepositoryRules, RequiredLifecycle
from tidegate.posture.assess import of_registry, of_repository
from tidegate.posture.assess_lifecycle import judge_fates, lifecycle_rules
from tidegate.posture.lifecycle import KEPT_FOR, fate_of_reference
from tidegate.posture.result import PostureCheck, PostureReason, PostureResult, PostureStatus
from tidegate.posture.result import passed as posture_passed

MAX_CAUSE = 2_000
MAX_PART = 800
"""Characters of the statements and names that a cause quotes, and those of one requirement."""

_REASONS = {
    PostureReason.PUSH_NOT_RESTRICTED: Reason.PUSH_NOT_RESTRICTED,
    PostureReason.REPLICATION_NOT_RESTRICTED: Reason.REPLICATION_NOT_RESTRICTED,
    PostureReason.PULL_THROUGH_CACHE_WRITES: Reason.PULL_THROUGH_CACHE_WRITES,
    PostureReason.PULL_NOT_RESTRICTED: Reason.PULL_NOT_RESTRICTED,
    PostureReason.PULL_GRANTS_WRITES: Reason.PULL_GRANTS_WRITES,
    PostureReason.SCANNING_NOT_CONFIGURED: Reason.SCANNING_NOT_CONFIGURED,
    PostureReason.ENCRYPTION_NOT_CONFIGURED: Reason.ENCRYPTION_NOT_CONFIGURED,
    PostureReason.LIFECYCLE_POLICY_MISSING: Reason.LIFECYCLE_POLICY_MISSING,
    PostureReason.IMAGE_EXPIRES: Reason.IMAGE_EXPIRES,
    PostureReason.CONFIGURATION_UNDECIDED: Reason.CONFIGURATION_UNDECIDED,
    PostureReason.COULD_NOT_CHECK: Reason.COULD_NOT_CHECK,
}
_CORRECT = "ask the owner of the repository to correct it; tidegate posture prints the command"
_DECIDE = "ask the owner of the repository to write it in a form that tidegate reads; tidegate posture says what it is"


def check_repository(rules: RepositoryRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge the configuration of the image's repository; without what it needs of the registry, only that is undetermined."""
    if subject.reference.ecr is None:
        return failed(
            Check.REPOSITORY,
            Reason.REGISTRY_NOT_SUPPORTED,
            f"{harmless(subject.reference.domain)} is not Amazon ECR, so the repository's configuration is unknown",
            "copy the image into Amazon ECR",
        )
    evidence = subject.evidence
    result = _judged(rules, policy, subject)
    facts = (evidence.detail, evidence.repository_configuration, evidence.registry_configuration)
    return resting_on(result, *facts, policy=policy, subject=subject)


def _judged(rules: RepositoryRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    image = existing_image(subject, policy)
    if isinstance(image, Shortfall):
        return image.of(Check.REPOSITORY)
    repository = usable(subject.evidence.repository_configuration, policy=policy, subject=subject)
    if isinstance(repository, Absence):
        repository = absent(repository, subject.reference)
    if isinstance(repository, Shortfall):
        return repository.of(Check.REPOSITORY)
    lifecycle, holds_until = _lifecycle(rules.lifecycle, repository, image, subject)
    results = [_result(one) for one in (*of_repository(repository, rules), *lifecycle)]
    if rules.push is not None or rules.pull is not None or rules.scanning is not None:
        registry = usable(subject.evidence.registry_configuration, policy=policy, subject=subject)
        if isinstance(registry, Shortfall):
            results.append(registry.of(Check.REPOSITORY))
        else:
            results += [_result(one) for one in of_registry(repository, registry, rules)]
    return _worst(results, holds_until)


def _lifecycle(
    required: RequiredLifecycle | None, repository: RepositoryConfiguration, image: ImageDetail, subject: ImageSubject
) -> tuple[tuple[PostureResult, ...], datetime | None]:
    """Return the result on the lifecycle policy, if one is required, and until when time leaves a pass as it is."""
    if required is None:
        return (), None
    found = lifecycle_rules(repository, required)
    if isinstance(found, PostureResult):
        return (found,), None
    if required is RequiredLifecycle.REQUIRED:
        return (posture_passed(PostureCheck.LIFECYCLE, "the repository has a lifecycle policy"),), None
    now, tag = subject.now, subject.reference.tag
    fate = fate_of_reference(found, image.digest, tag, now=now, pushed_at=image.pushed_at)
    return (judge_fates(repository, (fate,), now=now),), None if fate.at is None else fate.at - KEPT_FOR


def _result(found: PostureResult) -> CheckResult:
    if found.status is PostureStatus.PASS:
        return passed(Check.REPOSITORY)
    is_failure = found.status is PostureStatus.FAIL
    text, remedy = found.message, _CORRECT if is_failure else _DECIDE
    if found.unavailable is not None:
        why = cause_words(found.unavailable.cause, found.unavailable.source)
        text, remedy = f"{found.message}: {why}", RETRY
    return CheckResult(
        check=Check.REPOSITORY,
        outcome=Outcome.FAIL if is_failure else Outcome.UNDETERMINED,
        reason=_REASONS[found.reason],
        found=text,
        remedy=remedy,
        cause=harmless("; ".join(filter(None, (found.cause, found.statement))), MAX_PART),
    )


def _worst(results: list[CheckResult], holds_until: datetime | None) -> CheckResult:
    """Return a failure, with the further ones as its details; else what could not be decided; else a pass.

    The cause is that of all results that do not pass.
    """
    if not results:
        return undetermined(Check.REPOSITORY, Reason.EVIDENCE_LACKING, "nothing of the repository was checked")
    for outcome in (Outcome.FAIL, Outcome.UNDETERMINED):
        if found := [one for one in results if one.outcome is outcome]:
            details = tuple(dict.fromkeys(one.found for one in found[1:]))
            causes = (one.cause for one in (*found, *results))
            cause = "; ".join(dict.fromkeys(filter(None, causes)))
            return replace(found[0], details=details, cause=harmless(cause, MAX_CAUSE))
    return passed(Check.REPOSITORY, holds_until=holds_until)
