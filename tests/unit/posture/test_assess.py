"""The results of all checks, with what mends a failure."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    DENIED,
    OTHER,
    PULL_ACTIONS,
    REGISTRY,
    REPOSITORY,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    PullThroughRule,
    RegistryScanning,
    ReplicationRule,
    RepositoryScanning,
    ScanFrequency,
    ScanRule,
    SigningRule,
    StoredImage,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry
from tidegate.policy.model import PullRules, PushRules, RepositoryRules, RequiredLifecycle, RequiredScanning
from tidegate.posture.assess import assess
from tidegate.posture.assess_settings import frequency_of
from tidegate.posture.push_access import PushAnswer, push_access
from tidegate.posture.result import SEVERITIES, PostureCheck, PostureReason, PostureResult, PostureStatus

NOW = datetime(2026, 11, 28, tzinfo=UTC)
IMAGE = Digest(f"sha256:{1:064x}")
RULES = RepositoryRules(push=PushRules(restricted_to=(CI,)), pull=PullRules(accounts=(OTHER,)))
GUARDED = deny_push(Action=["ecr:PutImage", "ecr:Set*", "ecr:Delete*"])
GOOD = policy(GUARDED, allow({"AWS": OTHER}))
SIGNS = SigningRule(profile="arn:aws:signer:eu-west-1:111122223333:/signing-profiles/p", filters=("team/*",))
PASS, FAIL, UNDETERMINED = PostureStatus


def results(
    configured: Any = None, of: Any = None, rules: RepositoryRules = RULES, **more: Any
) -> dict[str, PostureResult]:
    found = assess(configured or repository(), of or registry(), rules, now=NOW, **more)
    return {one.check.value: one for one in found}


def expiring(**selection: Any) -> str:
    chosen = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30} | selection
    return json.dumps({"rules": [{"rulePriority": 1, "selection": chosen, "action": {"type": "expire"}}]})


STORED = StoredImage(digest=IMAGE, tags=("v1",), pushed_at=NOW - timedelta(days=10))


def test_a_well_configured_repository_passes_everything() -> None:
    """A result for each check, and nothing to mend."""
    found = results(
        repository(GOOD),
        registry(signing=(SIGNS,)),
    )
    assert list(found) == [check.value for check in PostureCheck]
    assert {(one.status, one.reason, one.aws_cli, one.terraform) for one in found.values()} == {
        (PASS, PostureReason.OK, "", "")
    }
    assert set(SEVERITIES) == set(PostureCheck)


WORST = (
    repository(
        policy(allow("*", "ecr:*")),
        settings=RepositorySettings(mutability=TagMutability.MUTABLE_WITH_EXCLUSION, exclusion_filters=("v*",)),
        encryption=Encryption(type=EncryptionType.AES256),
        lifecycle=expiring(),
        scanning=RepositoryScanning(frequency=ScanFrequency.MANUAL),
    ),
    registry(
        policy(allow({"AWS": OTHER}, "ecr:ReplicateImage", Resource="*")),
        scanning=RegistryScanning(type=ScanType.BASIC),
        pull_through=(PullThroughRule(prefix="team", upstream="quay.io"),),
    ),
)


def worst(**more: Any) -> dict[str, PostureResult]:
    return results(*WORST, images=(STORED,), running=(IMAGE,), **more)


def test_a_badly_configured_one_fails_everything() -> None:
    """Each with its own reason, and what mends it."""
    found = worst()
    reasons = {check: one.reason.value for check, one in found.items()}
    assert {one.status for one in found.values()} == {FAIL}
    assert reasons == {
        "push": "PushNotRestricted",
        "replication": "ReplicationNotRestricted",
        "pull-through-cache": "PullThroughCacheWrites",
        "pull": "PullNotRestricted",
        "pull-writes": "PullGrantsWrites",
        "tag-immutability": "TagMutable",
        "scanning": "ScanningNotConfigured",
        "encryption": "EncryptionNotConfigured",
        "lifecycle": "ImageExpires",
        "signing": "SigningNotConfigured",
    }
    assert "2026-12-18" in found["lifecycle"].message
    assert {check: one.severity.value for check, one in found.items() if one.severity.value == "LOW"} == {
        "encryption": "LOW",
        "signing": "LOW",
    }
    assert results(repository(policy(deny_push())))["push-guard"].reason is PostureReason.POLICY_CAN_BE_REPLACED


def test_one_call_that_was_denied_hides_no_other_result() -> None:
    """Whichever it is."""
    good = results(repository(GOOD))
    parts: dict[str, set[str]] = {
        "policy": {"push", "push-guard", "pull", "pull-writes"},
        "settings": {"tag-immutability"},
        "encryption": {"encryption"},
        "lifecycle": {"lifecycle"},
        "scanning": set(),
    }
    for part, checks in parts.items():
        found = results(repository(**({"text": GOOD} | {"text" if part == "policy" else part: DENIED})))
        unlike = {check for check in good if found.get(check) != good[check]}
        assert unlike == checks
        for check in checks - {"push-guard"}:
            assert (found[check].status, found[check].reason) == (UNDETERMINED, PostureReason.COULD_NOT_CHECK)
            assert found[check].unavailable == DENIED.missing()
    of_registry: dict[str, set[str]] = {
        "policy": {"replication", "pull", "pull-writes"},
        "scanning": {"scanning"},
        "pull_through": {"pull-through-cache"},
        "signing": {"signing"},
        "replication": set(),
    }
    for part, checks in of_registry.items():
        found = results(repository(GOOD), registry(**{"text" if part == "policy" else part: DENIED}))
        assert {check for check in good if found[check] != good[check]} == checks
        assert {found[check].status for check in checks} <= {UNDETERMINED}


def commands() -> list[str]:
    found = [*worst().values(), *worst(rules=RepositoryRules()).values()]
    found += results(repository(policy(deny_push()))).values()
    found += results(repository("{"), rules=RepositoryRules(lifecycle=RequiredLifecycle.REQUIRED)).values()
    found += results(repository(policy(allow({"AWS": OTHER}, "ecr:PutImage")))).values()
    return sorted({one.aws_cli for one in found if one.aws_cli})


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_that_aws_takes(line: str) -> None:
    """By the service model of ECR: operation, parameters, and bounds."""
    aws, service, operation, *arguments = shlex.split(line)
    assert (aws, service) == ("aws", "ecr")
    client = Session().create_client("ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    names = {name.replace("_", "-"): api for name, api in client.meta.method_to_api_mapping.items()}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    members = {} if shape is None else {_option(name): (name, one) for name, one in shape.members.items()}
    given: dict[str, Any] = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if option == "--region":
            assert value == REGISTRY.region
            continue
        name, one = members[option]
        given[name] = _value(value) if one.type_name in ("structure", "list") else value
    report = ParamValidator().validate(given, shape) if shape is not None else None
    assert report is None or not report.has_errors(), report.generate_report()


def _option(member: str) -> str:
    return "--" + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in member)


def _value(text: str) -> Any:
    if text[:1] in "[{":
        return json.loads(text)
    name, _, value = text.partition("=")
    return {name: value}


def _new_policy(line: str) -> str:
    words = shlex.split(line)
    return words[words.index("--policy-text") + 1]


@pytest.mark.parametrize(
    "text",
    [
        None,
        policy(),
        policy(allow({"AWS": OTHER})),
        json.dumps({"Statement": allow("*", "ecr:*")}),
        policy(deny_push(CI, "*")),
    ],
    ids=["none", "empty", "pulls", "one statement", "too wide"],
)
def test_the_command_restricts_pushes_and_keeps_the_present_statements(text: str | None) -> None:
    """Read by the same evaluator, and by the guard's."""
    line = results(repository(text))["push"].aws_cli
    after = _new_policy(line)
    found = push_access(repository(after), registry())
    assert (found.answer, [str(one) for one in found.principals]) == (PushAnswer.PRINCIPALS, [CI])
    before = [] if text is None else json.loads(text)["Statement"]
    for statement in before if isinstance(before, list) else [before]:
        assert statement in json.loads(after)["Statement"]
    guarded = _new_policy(results(repository(after))["push-guard"].aws_cli)
    found = push_access(repository(guarded), registry())
    assert (found.is_guarded, [str(one) for one in found.principals]) == (True, [CI])


def test_no_command_locks_everyone_out() -> None:
    """A Deny without a condition would also keep the owner from correcting it."""
    for rules in (RULES, RepositoryRules()):
        for text in (None, policy(deny_push(Condition=None))):
            for one in results(repository(text), rules=rules).values():
                if "--policy-text" in one.aws_cli:
                    after = json.loads(_new_policy(one.aws_cli))["Statement"][-1]
                    assert after["Condition"]["ArnNotLike"]["aws:PrincipalArn"]


def test_a_policy_that_is_not_understood_is_not_replaced() -> None:
    """The command shows it."""
    failing = registry(policy(allow({"AWS": OTHER}, "ecr:PutImage", Resource="*"), deny_push(Resource=REPOSITORY.arn)))
    found = results(repository("{"), failing, RepositoryRules(push=PushRules(accounts=(OTHER,))))["push"]
    assert found.status is FAIL
    assert found.aws_cli.startswith("aws ecr get-repository-policy ")


def test_the_command_for_accounts_and_organizations() -> None:
    """Has their own condition keys."""
    rules = RepositoryRules(push=PushRules(accounts=(OTHER,), organizations=("o-a1b2c3d4e5",), restricted_to=(CI,)))
    after = _new_policy(results(rules=rules)["push"].aws_cli)
    found = push_access(repository(after), registry())
    assert sorted(map(str, found.principals)) == [f"account {OTHER}", CI, "organization o-a1b2c3d4e5"]
    assert results(repository(after), rules=rules)["push"].status is PASS


class TestScanning:
    """What ECR applies counts; else the registry's filters are matched here."""

    @pytest.mark.parametrize(
        ("scan_filter", "fitting"),
        [
            ("prod", {"prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"}),
            ("*prod", {"prod", "repo-prod"}),
            ("prod*", {"prod", "prod-repo", "prodrepo"}),
            ("*prod*", {"prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"}),
            ("prod*repo", {"prod-repo", "prodrepo"}),
        ],
    )
    def test_filters(self, scan_filter: str, fitting: set[str]) -> None:
        """As the user guide's table has it."""
        rules = (ScanRule(frequency=ScanFrequency.CONTINUOUS_SCAN, filters=(scan_filter,)),)
        scanning = RegistryScanning(type=ScanType.ENHANCED, rules=rules)
        names = ("prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo")
        assert {one for one in names if frequency_of(one, scanning) is ScanFrequency.CONTINUOUS_SCAN} == fitting

    def test_precedence(self) -> None:
        """Continuous before on push; without rules all, and what none fits not at all."""
        both = tuple(
            ScanRule(frequency=one, filters=("*",))
            for one in (ScanFrequency.SCAN_ON_PUSH, ScanFrequency.CONTINUOUS_SCAN)
        )
        assert frequency_of("a", RegistryScanning(type=ScanType.ENHANCED, rules=both)) is ScanFrequency.CONTINUOUS_SCAN
        assert frequency_of("a", RegistryScanning(type=ScanType.ENHANCED, rules=both[:1])) is ScanFrequency.SCAN_ON_PUSH
        assert frequency_of("a", RegistryScanning(type=ScanType.ENHANCED)) is ScanFrequency.CONTINUOUS_SCAN
        assert frequency_of("a", RegistryScanning(type=ScanType.BASIC)) is ScanFrequency.MANUAL
        strange = (ScanRule(frequency=ScanFrequency.UNKNOWN, filters=("*",)), both[1])
        assert frequency_of("a", RegistryScanning(type=ScanType.ENHANCED, rules=strange)) is ScanFrequency.UNKNOWN

    @pytest.mark.parametrize(
        ("kind", "frequency", "required", "status"),
        [
            (ScanType.ENHANCED, ScanFrequency.CONTINUOUS_SCAN, RequiredScanning.CONTINUOUS, PASS),
            (ScanType.ENHANCED, ScanFrequency.SCAN_ON_PUSH, RequiredScanning.CONTINUOUS, FAIL),
            (ScanType.ENHANCED, ScanFrequency.SCAN_ON_PUSH, RequiredScanning.ON_PUSH, PASS),
            (ScanType.BASIC, ScanFrequency.SCAN_ON_PUSH, RequiredScanning.ON_PUSH, PASS),
            (ScanType.BASIC, ScanFrequency.CONTINUOUS_SCAN, RequiredScanning.CONTINUOUS, FAIL),
            (ScanType.ENHANCED, ScanFrequency.MANUAL, RequiredScanning.ON_PUSH, FAIL),
            (ScanType.ENHANCED, ScanFrequency.UNKNOWN, RequiredScanning.ON_PUSH, UNDETERMINED),
            (None, ScanFrequency.CONTINUOUS_SCAN, RequiredScanning.ON_PUSH, UNDETERMINED),
        ],
    )
    def test_what_is_required(self, kind: Any, frequency: Any, required: Any, status: PostureStatus) -> None:
        """A value that is not known decides nothing."""
        configured = repository(scanning=RepositoryScanning(frequency=frequency))
        rules = RepositoryRules(scanning=required)
        assert results(configured, registry(scanning=RegistryScanning(type=kind)), rules)["scanning"].status is status


def test_pull_through_cache_rules_fill_what_is_below_their_prefix() -> None:
    """ROOT is for all names that no other rule is about."""

    def status(*prefixes: str) -> PostureResult:
        rules = tuple(PullThroughRule(prefix=one, upstream="quay.io") for one in prefixes)
        return results(of=registry(pull_through=rules))["pull-through-cache"]

    assert status("tea", "team/ap", "other", "app").status is PASS
    assert "prefix team)" in status("team", "ROOT").message
    assert "prefix ROOT)" in status("ROOT", "other").message


def test_replication_to_other_registries_is_told() -> None:
    """Their repositories do not get the policies."""
    there = EcrRegistry("aws", OTHER, "us-east-1")
    for prefixes, told in (((), True), (("team/",), True), (("other",), False)):
        rules = (ReplicationRule(destinations=(there,), prefixes=prefixes),)
        assert bool(results(of=registry(replication=rules))["replication"].cause) is told


def test_signing_rules_are_plain_wildcards() -> None:
    """No filter is for every repository."""
    for filters, status in ((("team/*",), PASS), ((), PASS), (("team",), FAIL), (("other", "*app"), PASS)):
        rules = (replace(SIGNS, filters=filters),)
        assert results(of=registry(signing=rules))["signing"].status is status


def test_encryption_that_is_not_known_is_undetermined() -> None:
    """It may be none of AWS KMS."""
    found = results(repository(encryption=Encryption(type=EncryptionType.UNKNOWN)))["encryption"]
    assert (found.status, found.reason) == (UNDETERMINED, PostureReason.CONFIGURATION_UNDECIDED)
    keyed = results(repository(encryption=Encryption(type=EncryptionType.KMS, key="arn:aws:kms:x")))["encryption"]
    assert "arn:aws:kms:x" in keyed.cause


def test_tags() -> None:
    """Immutable with exclusions passes, and says which; a mode that is not known fails."""
    for mode in TagMutability:
        found = results(repository(settings=RepositorySettings(mutability=mode, exclusion_filters=("x*",))))
        is_good = mode in {TagMutability.IMMUTABLE, TagMutability.IMMUTABLE_WITH_EXCLUSION}
        assert (found["tag-immutability"].status is PASS) is is_good
        assert "x*" in found["tag-immutability"].cause


@pytest.mark.parametrize("every", ["*", "**"])
def test_an_exclusion_of_all_tags_leaves_none_immutable(every: str) -> None:
    """The mode says immutable, and each tag can be moved."""
    settings = RepositorySettings(mutability=TagMutability.IMMUTABLE_WITH_EXCLUSION, exclusion_filters=("v*", every))
    found = results(repository(settings=settings))["tag-immutability"]
    assert (found.status, found.reason) == (PostureStatus.FAIL, PostureReason.TAG_MUTABLE)


class TestLifecycle:
    """With the images of the repository, and those that run."""

    def result(self, text: str | None, rules: RepositoryRules = RULES, **more: Any) -> PostureResult:
        given = {"images": (STORED,), "running": (IMAGE,)} | more
        return results(repository(lifecycle=text), rules=rules, **given)["lifecycle"]

    def test_only_running_images_matter(self) -> None:
        """Others may be lost."""
        assert self.result(expiring()).status is FAIL
        assert self.result(expiring(), running=()).status is PASS

    def test_several_are_counted(self) -> None:
        """And the first ones named."""
        stored = [replace(STORED, digest=Digest(f"sha256:{number:064x}")) for number in range(8)]
        found = self.result(expiring(), images=stored, running=[one.digest for one in stored])
        assert "and 7 more running images" in found.message
        assert found.cause.count("rule 1") == 5

    def test_what_could_not_be_read(self) -> None:
        """The policy, its rules, or the images."""
        assert self.result(expiring(), images=DENIED).reason is PostureReason.COULD_NOT_CHECK
        assert self.result("{").reason is PostureReason.CONFIGURATION_UNDECIDED
        assert self.result(expiring(tagStatus="most")).reason is PostureReason.CONFIGURATION_UNDECIDED
        assert self.result(expiring(countNumber=365)).status is PASS

    def test_archiving_is_told(self) -> None:
        """Also at once, and by pushes."""
        archive = json.loads(expiring(countNumber=1))
        archive["rules"][0]["action"] = {"type": "transition", "targetStorageClass": "archive"}
        assert "archives the image now (rule 1)" in self.result(json.dumps(archive)).message


def test_notes_of_a_push_that_is_restricted() -> None:
    """A session's ARN matches nobody; Denies that do not count are told with a failure."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/ci-push/build"
    found = results(repository(policy(deny_push(session))))["push"]
    assert found.status is FAIL
    assert "never the ARN of a session" in found.cause
    narrow = deny_push(Condition={"Bool": {"aws:SecureTransport": "false"}})
    needless = results(repository(policy(narrow)))["push"]
    assert "it denies only where Bool aws:securetransport holds" in needless.cause
    assert "SecureTransport" in needless.statement


def test_a_failure_beside_a_deny_that_is_unclear_is_undecided() -> None:
    """It may leave out the others."""
    unclear = deny_push(Sid="tagged", Condition={"StringNotEquals": {"aws:PrincipalTag/team": "ci"}})
    found = results(repository(policy(deny_push(CI, f"{CI}2"), unclear)))["push"]
    assert (found.status, found.reason) == (UNDETERMINED, PostureReason.CONFIGURATION_UNDECIDED)
    assert "tagged" in found.cause
    assert results(repository(policy(deny_push(), unclear)))["push"].status is PASS


def test_open_to_the_account_passes_where_the_account_is_listed() -> None:
    """If no statement lets others push."""
    rules = RepositoryRules(push=PushRules(accounts=(ACCOUNT,)))
    assert results(rules=rules)["push"].status is PASS
    others = repository(policy(allow({"AWS": OTHER}, "ecr:PutImage")))
    assert results(others, rules=rules)["push"].status is FAIL
    both = RepositoryRules(push=PushRules(accounts=(ACCOUNT, OTHER)))
    assert results(others, rules=both)["push"].status is PASS


def test_accounts_that_replicate_are_allowed_by_the_rules() -> None:
    """As accounts that push."""
    text = policy(allow({"AWS": OTHER}, "ecr:ReplicateImage", Resource="*"))
    assert results(of=registry(text))["replication"].status is FAIL
    rules = RepositoryRules(push=PushRules(accounts=(OTHER,)))
    assert results(of=registry(text), rules=rules)["replication"].status is PASS


def test_a_pull_that_writes_is_allowed_to_those_who_may_push() -> None:
    """And told for everyone else."""
    text = policy(allow({"AWS": OTHER}, [*PULL_ACTIONS, "ecr:PutImage"]))
    assert results(repository(text))["pull-writes"].status is FAIL
    rules = RepositoryRules(push=PushRules(accounts=(OTHER,)))
    assert results(repository(text), rules=rules)["pull-writes"].status is PASS


def test_a_listed_account_without_a_grant_is_told() -> None:
    """It is no failure: nobody else may pull."""
    found = results(repository(policy(allow({"AWS": f"arn:aws:iam::{OTHER}:role/x"}))))["pull"]
    assert (found.status, found.cause) == (PASS, "")
    assert OTHER in results()["pull"].cause


def test_texts_of_strangers_are_cut_and_printable() -> None:
    """A policy may hold anything."""
    name = f"arn:aws:iam::{OTHER}:role/" + "\u0007\u001b[31m" + "x" * 3_000
    found = results(repository(policy(allow({"AWS": [name, *(f"{CI}{number}" for number in range(9))]}, "ecr:*"))))
    for one in found.values():
        assert one.message.isprintable()
        assert one.cause.isprintable()
        assert len(one.cause) < 3_000
        assert one.statement.replace("\n", "").isprintable()
        assert len(one.statement) < 2_000
