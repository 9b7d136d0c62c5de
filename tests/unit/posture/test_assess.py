"""The results of all checks, with what mends a failure."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.posture.assessed import (
    FAIL,
    GOOD,
    IMAGE,
    PASS,
    RULES,
    SIGNS,
    STORED,
    UNDETERMINED,
    expiring,
    results,
)
from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    DENIED,
    OTHER,
    PULL_ACTIONS,
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
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry
from tidegate.policy.model import PushRules, RepositoryRules, RequiredScanning
from tidegate.posture.assess_settings import frequency_of
from tidegate.posture.result import SEVERITIES, PostureCheck, PostureReason, PostureResult, PostureStatus


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
