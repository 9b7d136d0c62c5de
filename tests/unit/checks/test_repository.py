"""The check of the repository's configuration."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.builders import (
    ACCOUNT,
    DAY,
    HOUR,
    NOW,
    PINNED,
    detail,
    evidence,
    known,
    missing,
    policy,
    registry_configuration,
    repository_configuration,
    subject,
)
from tidegate.admission.plan import make_plan
from tidegate.checks.judge import judge, required_checks
from tidegate.checks.repository import check_repository
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    PullThroughRule,
    RegistryScanning,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import ScanType
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.policy.model import (
    PullRules,
    PushRules,
    RepositoryRules,
    RequiredEncryption,
    RequiredLifecycle,
    RequiredScanning,
)
from tidegate.policy.snapshot import PolicySet
from tidegate.posture.result import PostureReason

CI = f"arn:aws:iam::{ACCOUNT}:role/ci-push"
OTHER = "444455556666"
PUSH = RepositoryRules(push=PushRules(restricted_to=(CI,)))
PULL = RepositoryRules(pull=PullRules(accounts=(OTHER,)))
SCANNING = RepositoryRules(scanning=RequiredScanning.CONTINUOUS)
ENCRYPTION = RepositoryRules(encryption=RequiredEncryption.KMS)
KEEPS = RepositoryRules(lifecycle=RequiredLifecycle.KEEPS_RUNNING_IMAGES)
REQUIRED = RepositoryRules(lifecycle=RequiredLifecycle.REQUIRED)
PLAIN = Encryption(type=EncryptionType.AES256)


def denied(source: str) -> SourceUnavailableError:
    return SourceUnavailableError(Cause.ACCESS_DENIED, source, "arn:aws:iam::1:role/x is not authorized")


def statements(*written: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(written)})


def deny_push(**changed: Any) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:PutImage",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": CI}},
    } | changed


def allow(principal: Any, *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": actions or ["ecr:BatchGetImage"]}


def lifecycle(**selection: Any) -> str:
    chosen = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30} | selection
    kept = {name: value for name, value in chosen.items() if value is not None}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": kept, "action": {"type": "expire"}}]})


def check(rules: RepositoryRules, *, image: str | None = None, **collected: Any) -> CheckResult:
    judged = subject(collected=evidence(**collected)) if image is None else subject(image, evidence(**collected))
    return check_repository(rules, policy(repository=rules), judged)


def of(text: Any = None, **changed: Any) -> dict[str, Any]:
    return {"repository": repository_configuration(text, **changed)}


PASSES = {
    "pushes are restricted": (PUSH, of(statements(deny_push()))),
    "pushes are restricted by the registry": (
        PUSH,
        {"registry": registry_configuration(statements(deny_push(Resource="*")))},
    ),
    "a listed account pulls": (PULL, of(statements(allow({"AWS": OTHER})))),
    "no other account pulls": (PULL, of()),
    "scanned continuously": (SCANNING, of()),
    "encrypted": (ENCRYPTION, of()),
    "encrypted twice": (ENCRYPTION, of(encryption=Encryption(type=EncryptionType.KMS_DSSE))),
    "no lifecycle policy loses the image": (KEEPS, of()),
    "a lifecycle policy is there": (REQUIRED, of(lifecycle=lifecycle())),
    "the lifecycle policy is about other tags": (
        KEEPS,
        of(lifecycle=lifecycle(tagStatus="tagged", tagPatternList=["dev-*"])),
    ),
}


@pytest.mark.parametrize("case", PASSES)
def test_a_repository_that_is_configured_as_required_passes(case: str) -> None:
    """With nothing to say of it."""
    rules, collected = PASSES[case]
    result = check(rules, **collected)
    assert (result.outcome, result.reason, result.found) == (Outcome.PASS, Reason.OK, "")


FAILS = {
    "no policy": (
        PUSH,
        of(),
        Reason.PUSH_NOT_RESTRICTED,
        "no policy keeps other principals of the account from pushing",
    ),
    "an Allow for the CI alone": (
        PUSH,
        of(statements(allow({"AWS": CI}, "ecr:PutImage"))),
        Reason.PUSH_NOT_RESTRICTED,
        "no policy keeps other principals of the account from pushing",
    ),
    "another account pushes": (
        PUSH,
        of(statements(allow({"AWS": OTHER}, "ecr:PutImage"))),
        Reason.PUSH_NOT_RESTRICTED,
        "a policy allows principals of other accounts to push",
    ),
    "another role may push too": (
        PUSH,
        of(statements(deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": [CI, f"{CI}2"]}}))),
        Reason.PUSH_NOT_RESTRICTED,
        "a policy restricts pushes to single principals, others than the policy lists among them",
    ),
    "another account replicates": (
        PUSH,
        of(statements(deny_push()))
        | {
            "registry": registry_configuration(
                statements(allow({"AWS": OTHER}, "ecr:ReplicateImage") | {"Resource": "*"})
            )
        },
        Reason.REPLICATION_NOT_RESTRICTED,
        "the registry policy lets other accounts replicate images into the repository",
    ),
    "a cache fills it": (
        PUSH,
        of(statements(deny_push()))
        | {"registry": registry_configuration(pull_through=(PullThroughRule(prefix="team", upstream="quay.io"),))},
        Reason.PULL_THROUGH_CACHE_WRITES,
        "a pull-through-cache rule fills the repository from another registry (prefix team)",
    ),
    "everyone pulls": (
        PULL,
        of(statements(allow("*"))),
        Reason.PULL_NOT_RESTRICTED,
        "a policy lets every AWS account pull",
    ),
    "a pull that is a write": (
        PULL,
        of(statements(allow({"AWS": OTHER}, "ecr:*"))),
        Reason.PULL_GRANTS_WRITES,
        "a statement that lets other accounts pull also lets them change the repository",
    ),
    "scanned on push": (
        SCANNING,
        of(scanning=RepositoryScanning(frequency=ScanFrequency.SCAN_ON_PUSH)),
        Reason.SCANNING_NOT_CONFIGURED,
        "the repository is not scanned as required (ENHANCED, SCAN_ON_PUSH)",
    ),
    "scanned by ECR": (
        SCANNING,
        {"registry": registry_configuration(scanning=RegistryScanning(type=ScanType.BASIC))},
        Reason.SCANNING_NOT_CONFIGURED,
        "the repository is not scanned as required (BASIC, CONTINUOUS_SCAN)",
    ),
    "a key of ECR": (
        ENCRYPTION,
        of(encryption=PLAIN),
        Reason.ENCRYPTION_NOT_CONFIGURED,
        "no key of AWS KMS encrypts the repository (AES256)",
    ),
    "no lifecycle policy": (REQUIRED, of(), Reason.LIFECYCLE_POLICY_MISSING, "the repository has no lifecycle policy"),
    "the image expires": (
        KEEPS,
        of(lifecycle=lifecycle()),
        Reason.IMAGE_EXPIRES,
        "the lifecycle policy expires the image on 2026-06-21 (rule 1)",
    ),
    "newer images push it out": (
        KEEPS,
        of(lifecycle=lifecycle(countType="imageCountMoreThan", countUnit=None, countNumber=10)),
        Reason.IMAGE_EXPIRES,
        "the lifecycle policy expires the image once 10 newer images are pushed (rule 1)",
    ),
}


@pytest.mark.parametrize("case", FAILS)
def test_a_repository_that_is_not_fails(case: str) -> None:
    """The message says what is wrong and names no principal; the cause does."""
    rules, collected, reason, found = FAILS[case]
    result = check(rules, **collected)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.found.startswith(found)
    assert result.remedy == "ask the owner of the repository to correct it; tidegate posture prints the command"
    assert not any(name in result.summary for name in (CI, OTHER, "arn:", "quay.io"))


UNDECIDED = {
    "an operator that is not known": of(statements(deny_push(Condition={"ArnNotMatches": {"aws:PrincipalArn": CI}}))),
    "a policy that is no JSON": of("{"),
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_is_not_understood_is_undetermined(case: str) -> None:
    """Never a pass."""
    result = check(PUSH, **UNDECIDED[case])
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.CONFIGURATION_UNDECIDED)
    assert result.found == "it cannot be decided who may push to the repository"
    assert result.cause


@pytest.mark.parametrize(
    ("rules", "part"),
    [(PUSH, "policy"), (PULL, "policy"), (ENCRYPTION, "encryption"), (KEEPS, "lifecycle"), (REQUIRED, "lifecycle")],
    ids=["push", "pull", "encryption", "keeps", "required"],
)
def test_a_call_that_was_denied_leaves_only_what_needs_it_undetermined(rules: RepositoryRules, part: str) -> None:
    """The message names the permission."""
    parts = {"policy": statements(deny_push()), "lifecycle": lifecycle(countNumber=365)} | {part: denied("ecr:GetX")}
    configured = repository_configuration(**parts)
    result = check(rules, repository=configured)
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert "tidegate lacks the permission ecr:GetX" in result.found
    assert "arn:" not in result.summary
    for other, needed in ((PUSH, "policy"), (ENCRYPTION, "encryption"), (KEEPS, "lifecycle"), (SCANNING, "scanning")):
        if needed != part:
            assert check(other, repository=configured).outcome is Outcome.PASS


def test_what_the_registry_does_not_tell_is_undetermined() -> None:
    """What needs the repository alone is not."""
    lost: dict[str, Any] = {"registry": missing(source="ecr:GetRegistryPolicy")}
    assert check(PUSH, **lost, **of(statements(deny_push()))).reason is Reason.COULD_NOT_CHECK
    assert check(ENCRYPTION, **lost).outcome is Outcome.PASS
    refused = registry_configuration(pull_through=denied("ecr:DescribePullThroughCacheRules"))
    result = check(PUSH, registry=refused, **of(statements(deny_push())))
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)


def test_a_failure_has_precedence_and_names_the_others() -> None:
    """Whatever could not be decided beside it."""
    rules = RepositoryRules(push=PUSH.push, encryption=RequiredEncryption.KMS, scanning=RequiredScanning.CONTINUOUS)
    unscanned = RepositoryScanning(frequency=ScanFrequency.MANUAL)
    result = check(rules, **of("{", encryption=PLAIN, scanning=unscanned))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.ENCRYPTION_NOT_CONFIGURED)
    assert result.details == ("the repository is not scanned as required (ENHANCED, MANUAL)",)


def test_an_image_that_is_not_there_fails() -> None:
    """As does a repository that is not."""
    assert check(ENCRYPTION, detail=Absence.IMAGE).reason is Reason.IMAGE_NOT_FOUND
    assert check(ENCRYPTION, repository=Absence.REPOSITORY).reason is Reason.REPOSITORY_NOT_FOUND


def test_another_registry_never_passes() -> None:
    """It has no such configuration."""
    result = check(ENCRYPTION, image="ghcr.io/team/app:v1")
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.REGISTRY_NOT_SUPPORTED)


def test_an_image_by_digest_has_tags_that_are_not_known() -> None:
    """A rule about tags leaves it undetermined; one about all images does not."""
    tagged = lifecycle(tagStatus="tagged", tagPatternList=["v*"])
    assert check(KEEPS, image=PINNED, **of(lifecycle=tagged)).outcome is Outcome.UNDETERMINED
    assert check(KEEPS, image=PINNED, **of(lifecycle=lifecycle())).reason is Reason.IMAGE_EXPIRES


def test_a_pass_holds_until_the_image_is_lost_soon() -> None:
    """Time alone makes it a failure then."""
    year = of(lifecycle=lifecycle(countNumber=365))
    result = check(KEEPS, **year, detail=detail(pushed_at=NOW - 10 * DAY))
    assert (result.outcome, result.holds_until) == (Outcome.PASS, NOW + (355 - 90) * DAY)
    at = subject(collected=evidence(**year, detail=detail(pushed_at=NOW - 275 * DAY)))
    assert check_repository(KEEPS, policy(), at).reason is Reason.IMAGE_EXPIRES


def test_stale_configuration_counts_as_long_as_the_policy_says() -> None:
    """And the result says so."""
    stale = known(repository_configuration(), stale=Cause.THROTTLED, old=HOUR / 2)
    result = check(ENCRYPTION, repository=stale)
    assert result.outcome is Outcome.PASS
    assert result.holds_until == NOW + HOUR / 2
    assert len(result.notes) == 1
    old = known(repository_configuration(), stale=Cause.THROTTLED, old=HOUR + timedelta(seconds=1))
    assert check(ENCRYPTION, repository=old).reason is Reason.STALE


def test_rules_that_require_nothing_do_not_pass() -> None:
    """The parser refuses them; nothing passes by default."""
    assert check(RepositoryRules()).outcome is Outcome.UNDETERMINED


def test_a_policy_with_the_section_requires_the_check_and_asks_for_the_facts() -> None:
    """Of Amazon ECR alone."""
    required = policy(repository=ENCRYPTION)
    assert required_checks(required) == (Check.REPOSITORY,)
    (result,) = judge(required, subject())
    assert (result.check, result.outcome) == (Check.REPOSITORY, Outcome.PASS)
    wanted = make_plan(PINNED, PolicySet.of([required]), ()).wanted
    assert wanted is not None
    assert (wanted.configuration, wanted.settings, wanted.scan) == (True, False, False)
    assert make_plan("ghcr.io/team/app:v1", PolicySet.of([required]), ()).wanted is None
    assert make_plan(PINNED, PolicySet.of([policy()]), ()).wanted is None


def test_every_reason_of_a_required_check_has_a_reason_of_the_check() -> None:
    """By the same code."""
    never = {
        PostureReason.OK,
        PostureReason.POLICY_CAN_BE_REPLACED,
        PostureReason.TAG_MUTABLE,
        PostureReason.SIGNING_NOT_CONFIGURED,
    }
    codes = {one.value for one in Reason}
    assert {one.value for one in PostureReason if one not in never} <= codes
