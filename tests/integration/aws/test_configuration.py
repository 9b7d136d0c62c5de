"""The configuration of registries and repositories, read through the real SDK: what is there, what is not, what was refused."""

import json
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from tests import frames
from tests.integration.aws.conftest import APP, OTHER, OWN, READER, TROUBLE, Aws
from tests.simulator.registry import ReplicationRule, ScanRule, SigningRule
from tidegate.aws import stored_images as stored_images_module
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.ecr_configuration import EcrConfiguration
from tidegate.aws.stored_images import stored_images
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    PullThroughRule,
    RegistryPolicyScope,
    RegistryScanning,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.registry_configuration import ReplicationRule as Replication
from tidegate.evidence.registry_configuration import ScanRule as Scanned
from tidegate.evidence.registry_configuration import SigningRule as Signing
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
LIFECYCLE = json.dumps({"rules": []})
OF_REGISTRY = {
    "GetRegistryPolicy": "policy",
    "GetAccountSetting": "policy_scope",
    "GetRegistryScanningConfiguration": "scanning",
    "DescribePullThroughCacheRules": "pull_through",
    "DescribeRegistry": "replication",
    "GetSigningConfiguration": "signing",
}
OF_REPOSITORY = {
    "DescribeRepositories": ("settings", "encryption"),
    "GetRepositoryPolicy": ("policy",),
    "GetLifecyclePolicy": ("lifecycle",),
    "BatchGetRepositoryScanningConfiguration": ("scanning",),
}


@pytest.fixture
def source(aws):
    return EcrConfiguration(aws.clients, aws.identity)


def unread(configuration):
    """The fields that could not be read."""
    values = {each.name: getattr(configuration, each.name) for each in fields(configuration)}
    return {name: value.cause for name, value in values.items() if isinstance(value, SourceUnavailableError)}


def set_up(world):
    world.set_scanning("ENHANCED", rules=[ScanRule(frequency="CONTINUOUS_SCAN", filters=("team/*",))])
    world.set_registry_policy(POLICY, scope="V1")
    world.add_pull_through_rule("docker-hub", upstream_prefix="library")
    world.set_replication([ReplicationRule(destinations=((OTHER.account, "us-east-1"),), prefixes=("team/",))])
    world.set_signing([SigningRule(profile_arn=PROFILE, filters=("team/*",))])
    world.add_repository(
        "team/app",
        mutability="IMMUTABLE_WITH_EXCLUSION",
        exclusions=["dev-*"],
        policy=POLICY,
        lifecycle=LIFECYCLE,
        encryption="KMS",
        kms_key=KEY,
    )


class TestRegistries:
    def test_everything_that_is_configured(self, world, source, sim):
        set_up(world)
        read = source.registry_configuration(OWN)
        assert (read.registry, read.policy, read.policy_scope) == (OWN, POLICY, RegistryPolicyScope.V1)
        rule = Scanned(frequency=ScanFrequency.CONTINUOUS_SCAN, filters=("team/*",))
        assert read.scanning == RegistryScanning(type=ScanType.ENHANCED, rules=(rule,))
        assert read.pull_through == (
            PullThroughRule(prefix="docker-hub", upstream="registry-1.docker.io", upstream_prefix="library"),
        )
        target = EcrRegistry("aws", OTHER.account, "us-east-1")
        assert read.replication == (Replication(destinations=(target,), prefixes=("team/",)),)
        assert read.signing == (Signing(profile=PROFILE, filters=("team/*",)),)
        assert sim.calls("ecr") == len(OF_REGISTRY)

    def test_nothing_is_configured(self, source):
        read = source.registry_configuration(OWN)
        assert (read.policy, read.policy_scope) == (None, RegistryPolicyScope.V2)
        assert (read.pull_through, read.replication, read.signing) == ((), (), ())
        assert read.scanning == RegistryScanning(type=ScanType.ENHANCED)

    @pytest.mark.parametrize("operation", OF_REGISTRY)
    def test_a_denied_call_hides_only_what_it_would_have_said(self, world, sim, source, operation):
        set_up(world)
        sim.inject("access_denied", operation=operation)
        assert unread(source.registry_configuration(OWN)) == {OF_REGISTRY[operation]: Cause.ACCESS_DENIED}

    @pytest.mark.parametrize("kind", sorted(set(TROUBLE) - {"hang"}))
    def test_trouble_is_told_for_each_part(self, world, sim, kind):
        set_up(world)
        impatient = Aws(sim, attempts=1)
        sim.inject(kind, service="ecr")
        read = EcrConfiguration(impatient.clients, impatient.identity).registry_configuration(OWN)
        assert unread(read) == dict.fromkeys(OF_REGISTRY.values(), TROUBLE[kind])

    @pytest.mark.parametrize(
        ("member", "name", "expected"),
        [
            ("scanType", "scanning", None),
            ("value", "policy_scope", RegistryPolicyScope.UNKNOWN),
        ],
    )
    def test_a_new_value_is_unknown(self, world, sim, source, member, name, expected):
        set_up(world)
        sim.inject("unknown_enum", field=member)
        value = getattr(source.registry_configuration(OWN), name)
        assert (value.type if name == "scanning" else value) is expected

    def test_a_new_frequency_is_unknown(self, world, sim, source):
        set_up(world)
        sim.inject("unknown_enum", field="scanFrequency")
        assert source.registry_configuration(OWN).scanning.rules[0].frequency is ScanFrequency.UNKNOWN
        assert source.repository_configurations(OWN, ["team/app"])["team/app"].scanning.frequency is (
            ScanFrequency.UNKNOWN
        )

    def test_a_filter_of_a_new_kind_is_no_answer(self, world, sim, source):
        set_up(world)
        sim.inject("unknown_enum", field="filterType")
        missing = dict.fromkeys(("scanning", "replication", "signing"), Cause.UNEXPECTED_ANSWER)
        assert unread(source.registry_configuration(OWN)) == missing

    def test_ecr_would_answer_for_the_callers_own_account(self, world, sim, source):
        """Without a role, what it says is about another registry, and "there is no policy" does not name it."""
        world.add_account(OTHER.account)
        read = unread(source.registry_configuration(OTHER))
        assert read == dict.fromkeys(OF_REGISTRY.values(), Cause.ACCESS_DENIED)
        assert sim.calls("ecr", "GetRegistryPolicy") == 0

    def test_a_role_in_the_account_reads_its_registry(self, world, sim):
        world.add_account(OTHER.account)
        world.set_registry_policy(POLICY, account=OTHER.account)
        aws = Aws(sim, accounts=(RegistryAccount(account=OTHER.account, role_arn=READER),))
        read = EcrConfiguration(aws.clients, aws.identity).registry_configuration(OTHER)
        assert (unread(read), read.policy) == ({}, POLICY)

    def test_the_owner_is_proven_by_the_role_where_the_registry_is_not_described(self, world, sim):
        world.add_account(OTHER.account)
        aws = Aws(sim, accounts=(RegistryAccount(account=OTHER.account, role_arn=READER),))
        sim.inject("access_denied", operation="DescribeRegistry")
        read = EcrConfiguration(aws.clients, aws.identity).registry_configuration(OTHER)
        assert unread(read) == {"replication": Cause.ACCESS_DENIED}
        assert sim.calls("sts", "GetCallerIdentity") == 0


class TestRepositories:
    def test_everything_that_is_configured(self, world, source, sim):
        set_up(world)
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert read.repository == APP
        assert read.settings == RepositorySettings(
            mutability=TagMutability.IMMUTABLE_WITH_EXCLUSION, exclusion_filters=("dev-*",)
        )
        assert read.encryption == Encryption(type=EncryptionType.KMS, key=KEY)
        assert (read.policy, read.lifecycle) == (POLICY, LIFECYCLE)
        assert read.scanning == RepositoryScanning(frequency=ScanFrequency.CONTINUOUS_SCAN, filters=("team/*",))
        assert sim.calls("ecr") == len(OF_REPOSITORY)

    def test_what_does_not_exist_is_none(self, world, source):
        world.add_repository("team/app")
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert (read.policy, read.lifecycle) == (None, None)
        assert read.encryption == Encryption(type=EncryptionType.AES256)

    @pytest.mark.parametrize("operation", OF_REPOSITORY)
    def test_a_denied_call_hides_only_what_it_would_have_said(self, world, sim, source, operation):
        set_up(world)
        sim.inject("access_denied", operation=operation)
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert unread(read) == dict.fromkeys(OF_REPOSITORY[operation], Cause.ACCESS_DENIED)

    def test_a_call_that_is_denied_for_one_repository_hides_nothing_of_the_others(self, world, sim, source):
        world.add_repository("team/app", policy=POLICY)
        world.add_repository("team/secret", policy=POLICY)
        sim.inject("access_denied", operation="GetRepositoryPolicy", about="team/secret")
        read = source.repository_configurations(OWN, ["team/app", "team/secret"])
        assert read["team/app"].policy == POLICY
        assert unread(read["team/secret"]) == {"policy": Cause.ACCESS_DENIED}

    def test_nothing_could_be_read(self, world, sim, source):
        world.add_repository("team/app")
        sim.inject("access_denied", service="ecr")
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert isinstance(read, SourceUnavailableError)
        assert read.cause is Cause.ACCESS_DENIED

    @pytest.mark.parametrize(
        ("operation", "calls"),
        [
            ("GetRepositoryPolicy", {"GetRepositoryPolicy": 1, "GetLifecyclePolicy": 0}),
            ("GetLifecyclePolicy", {"GetRepositoryPolicy": 1, "GetLifecyclePolicy": 1}),
            ("DescribeRepositories", {"GetRepositoryPolicy": 0, "GetLifecyclePolicy": 0}),
        ],
    )
    def test_no_more_is_asked_of_what_cannot_be_reached(self, world, sim, operation, calls):
        """A call that hangs takes seconds: 25 repositories held a thread for minutes."""
        impatient = Aws(sim, attempts=1)
        names = [f"team/{number}" for number in range(3)]
        for name in names:
            world.add_repository(name, policy=POLICY, lifecycle=LIFECYCLE)
        sim.inject("drop", operation=operation)
        read = EcrConfiguration(impatient.clients, impatient.identity).repository_configurations(OWN, names)
        assert {name: sim.calls("ecr", name) for name in calls} == calls
        assert all(Cause.UNREACHABLE in unread(one).values() for one in read.values())

    @pytest.mark.parametrize(
        "operation", ["GetRepositoryPolicy", "DescribeRepositories", "BatchGetRepositoryScanningConfiguration"]
    )
    def test_what_is_kept_of_a_denied_call_keeps_nothing_of_its_callers(self, world, sim, source, operation):
        """Configurations are cached for hours."""
        world.add_repository("team/app")
        sim.inject("access_denied", operation=operation)
        kept = []
        assert not frames.are_kept(lambda: kept.append(source.repository_configurations(OWN, ["team/app"])))
        assert unread(kept[0]["team/app"])

    def test_a_missing_repository_is_missing_and_the_others_are_read(self, world, sim, source):
        world.add_repository("team/app")
        read = source.repository_configurations(OWN, ["team/gone", "team/app", "No Name"])
        assert list(read) == ["team/gone", "team/app", "No Name"]
        assert (read["team/gone"], read["No Name"]) == (Absence.REPOSITORY, Absence.REPOSITORY)
        assert unread(read["team/app"]) == {}

    def test_a_repository_that_is_deleted_meanwhile_is_missing(self, world, sim, source):
        world.add_repository("team/app")
        sim.inject(
            "error", operation="GetLifecyclePolicy", code="RepositoryNotFoundException", message="it does not exist"
        )
        assert source.repository_configurations(OWN, ["team/app"]) == {"team/app": Absence.REPOSITORY}

    def test_a_repository_that_ecr_describes_and_does_not_scan_has_no_answer(self, world, sim, source):
        world.add_repository("team/app")
        failure = {"repositoryName": "team/app", "failureCode": "REPOSITORY_NOT_FOUND"}
        sim.inject(
            "body",
            operation="BatchGetRepositoryScanningConfiguration",
            value={"scanningConfigurations": [], "failures": [failure]},
        )
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert unread(read) == {"scanning": Cause.UNEXPECTED_ANSWER}

    def test_a_new_kind_of_encryption_is_unknown(self, world, sim, source):
        world.add_repository("team/app")
        sim.inject("unknown_enum", field="encryptionType")
        read = source.repository_configurations(OWN, ["team/app"])["team/app"]
        assert read.encryption == Encryption(type=EncryptionType.UNKNOWN)

    def test_another_account_shows_what_its_repository_policy_allows(self, world, source):
        """ECR would say how the caller's own repository of that name is scanned."""
        world.add_account(OTHER.account)
        world.add_repository("team/app")
        world.add_repository("team/app", account=OTHER.account, readers=[OWN.account], policy=POLICY)
        read = source.repository_configurations(OTHER, ["team/app"])["team/app"]
        assert read.policy == POLICY
        assert unread(read) == {"scanning": Cause.ACCESS_DENIED}

    def test_more_names_than_ecr_takes_are_refused(self, source):
        with pytest.raises(ValueError, match="25"):
            source.repository_configurations(OWN, [f"team/app{number}" for number in range(26)])

    def test_a_batch_takes_two_calls_and_two_for_each_repository(self, world, sim, source):
        names = [f"team/app{number}" for number in range(25)]
        for name in names:
            world.add_repository(name)
        assert len(source.repository_configurations(OWN, names)) == 25
        assert sim.calls("ecr") == 2 + 2 * 25

    def test_no_names_take_no_call(self, source, sim):
        assert source.repository_configurations(OWN, []) == {}
        assert sim.calls() == 0

    def test_all_repositories_are_listed_with_their_settings(self, world, sim, source):
        for number in range(2500):
            world.add_repository(f"team/app{number}")
        pages = list(source.repositories(OWN))
        assert [len(page) for page in pages] == [1000, 1000, 500]
        assert sim.calls("ecr", "DescribeRepositories") == 3
        some = dict(list(pages[0].items())[:2])
        read = source.repository_configurations(OWN, list(some), described=some)
        assert [unread(each) for each in read.values()] == [{}, {}]
        assert sim.calls("ecr", "DescribeRepositories") == 3

    def test_a_listing_without_an_end_is_an_error(self, world, sim, source):
        world.add_repository("team/app")
        sim.inject("endless", operation="DescribeRepositories")
        with pytest.raises(SourceUnavailableError, match="more than 110 pages"):
            list(source.repositories(OWN))


def listed(aws):
    found = stored_images(aws.clients, APP)
    assert not isinstance(found, Absence)
    return found


class TestStoredImages:
    def test_images_are_as_a_lifecycle_policy_sees_them(self, world, aws):
        digest = world.add_image("team/app", "v1", pushed_at="2026-01-02T03:04:05+00:00")
        world.image("team/app", "v1").pulled_at = world.clock.moment("2026-02-03T04:05:06+00:00")
        referrer = world.add_referrer("team/app", digest, artifact_type="a/b", layers=[("a/b", b"x")])
        old = world.add_image("team/app", "old")
        world.archive_image("team/app", "old")
        found = {each.digest: each for each in listed(aws)}
        assert (found[digest].tags, found[digest].subject, found[digest].is_archived) == (("v1",), None, False)
        assert found[digest].pushed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert found[digest].pulled_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
        assert (found[referrer].tags, found[referrer].subject) == ((), digest)
        assert found[old].is_archived
        assert found[old].archived_at is not None
        assert found[old].restored_at is None

    def test_an_image_that_was_restored_says_since_when(self, world, aws):
        world.add_image("team/app", "v1")
        world.archive_image("team/app", "v1")
        world.archive_image("team/app", "v1", status="ACTIVE")
        (image,) = listed(aws)
        assert not image.is_archived
        assert image.restored_at is not None

    def test_pages_are_read_to_their_end(self, world, sim, aws):
        world.add_scanned_images("team/app", 1001)
        assert len(listed(aws)) == 1001
        assert sim.calls("ecr", "DescribeImages") == 2

    def test_a_missing_repository_is_missing(self, aws):
        assert stored_images(aws.clients, EcrRepository(OWN, "team/gone")) is Absence.REPOSITORY

    def test_an_image_without_a_time_is_no_answer(self, world, sim, aws):
        world.add_image("team/app", "v1")
        sim.inject("missing", field="imagePushedAt")
        with pytest.raises(SourceUnavailableError, match="imagePushedAt"):
            listed(aws)

    def test_smaller_pages_are_asked_for_where_an_answer_would_be_too_long(self, world, sim, aws):
        world.add_image("team/app", "v1")
        sim.inject("body", operation="DescribeImages", about='"maxResults": 1000', value=["x" * 6_000_000])
        assert len(listed(aws)) == 1
        assert sim.calls("ecr", "DescribeImages") == 2

    def test_tags_without_end_are_an_error(self, world, aws, monkeypatch):
        """Who pushes could fill the memory with them; the page that is too much is the last one that is asked for."""
        world.add_image("team/app", "v1")
        world.add_image("team/app", "v2")
        monkeypatch.setattr(stored_images_module, "MAX_STORED_TAGS", 2)
        assert len(listed(aws)) == 2
        monkeypatch.setattr(stored_images_module, "MAX_STORED_TAGS", 1)
        with pytest.raises(SourceUnavailableError, match="more than 1 tags"):
            listed(aws)

    def test_more_images_than_ecr_keeps_are_an_error(self, world, sim, aws, monkeypatch):
        monkeypatch.setattr(stored_images_module, "MAX_STORED_IMAGES", 1000)
        world.add_scanned_images("team/app", 1001)
        with pytest.raises(SourceUnavailableError, match="more than 1 pages"):
            listed(aws)
