"""``tidegate posture`` against a simulated AWS over HTTP: what is read, what is judged, and what each output says of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.cli.desk import Desk
from tests.sarif import valid_run
from tests.simulator import Simulator, World
from tests.simulator.registry import ScanRule
from tests.unit.cli.commands import Ended
from tests.verdict_objects import runs, verdict
from tidegate.cli.posture import run as run_module
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.verdicts.shape import object_name

PASSED, FAILED, UNKNOWN = 0, 1, 2
OWN, OTHER, REGION = "111122223333", "444455556666", "eu-west-1"
READER = f"arn:aws:iam::{OTHER}:role/tidegate-reader"
REGISTRY = f"{OWN}/{REGION}"
HOST = f"{OWN}.dkr.ecr.{REGION}.amazonaws.com"
CI = f"arn:aws:iam::{OWN}:role/ci-push"
RESTRICTED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyCiMayPush",
                "Effect": "Deny",
                "Principal": "*",
                "Action": [
                    "ecr:PutImage",
                    "ecr:SetRepositoryPolicy",
                    "ecr:DeleteRepositoryPolicy",
                    "ecr:DeleteRepository",
                ],
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": [CI]}},
            }
        ],
    }
)
KEEPS = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 90,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
EXPIRES = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "any",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 30,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
GOOD: dict[str, Any] = {"policy": RESTRICTED, "lifecycle": KEEPS}


@pytest.fixture
def world() -> World:
    world = World()
    world.add_account(OTHER)
    return world


@pytest.fixture(autouse=True)
def hasty(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "ATTEMPTS", 1)
    desk.configure(aws={"ratePerSecond": 2000.0})


def report(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    return found


def open_checks(ended: Ended) -> dict[str, set[tuple[str, str]]]:
    """The checks of each repository that do not pass, with their reasons."""
    return {
        one["name"]: {(each["check"], each["reason"]) for each in one["results"]}
        for registry in report(ended)["registries"]
        for one in registry["repositories"]
    }


def verdict_of(name: str, digest: str) -> dict[str, Any]:
    """Return the ImageVerdict of an image that runs."""
    one = verdict("x/y", 1, where=[runs("shop", "Deployment/web")])
    repository = EcrRepository(EcrRegistry("aws", OWN, REGION), name)
    return one | {
        "spec": {"repository": f"{HOST}/{name}", "digest": digest},
        "metadata": {"name": object_name(repository, Digest(digest))},
    }


def running(desk: Desk, world: World, *images: tuple[str, str]) -> Path:
    """Write the ImageVerdicts of images that run."""
    objects = [verdict_of(name, world.image(name, tag).digest) for name, tag in images]
    return desk.write("verdicts.yaml", {"apiVersion": "v1", "kind": "List", "items": objects})


class TestOutcome:
    def test_a_repository_in_order_passes(self, desk: Desk, world: World) -> None:
        world.add_repository("team/good", **GOOD)
        ended = desk.posture(REGISTRY)
        assert ended.code == PASSED, ended.out
        assert ended.last == "1 repository: 1 passed"

    def test_a_new_repository_of_ecr_is_open(self, desk: Desk, world: World) -> None:
        world.add_repository("team/new", mutability="MUTABLE")
        ended = desk.posture(REGISTRY, "-o", "json")
        assert ended.code == FAILED
        assert open_checks(ended) == {
            "team/new": {
                ("push", "PushNotRestricted"),
                ("tag-immutability", "TagMutable"),
                ("lifecycle", "LifecyclePolicyMissing"),
            }
        }

    def test_each_failure_has_what_mends_it_and_nothing_is_changed(
        self, desk: Desk, world: World, sim: Simulator
    ) -> None:
        world.add_repository("team/new", mutability="MUTABLE")
        results = report(desk.posture(REGISTRY, "-o", "json"))["registries"][0]["repositories"][0]["results"]
        assert all(one["awsCli"].startswith("aws ecr ") and one["terraform"] for one in results)
        assert {call.operation for call in sim.log()} == {
            "BatchGetRepositoryScanningConfiguration",
            "DescribePullThroughCacheRules",
            "DescribeRegistry",
            "DescribeRepositories",
            "GetAccountSetting",
            "GetLifecyclePolicy",
            "GetRegistryPolicy",
            "GetRegistryScanningConfiguration",
            "GetRepositoryPolicy",
            "GetSigningConfiguration",
        }

    def test_low_checks_are_made_on_demand(self, desk: Desk, world: World) -> None:
        world.add_repository("team/good", **GOOD)
        ended = desk.posture(REGISTRY, "--severity", "low", "-o", "json")
        assert ended.code == FAILED
        assert {check for check, _ in open_checks(ended)["team/good"]} == {"encryption", "signing"}

    def test_an_empty_registry_is_in_order(self, desk: Desk) -> None:
        ended = desk.posture(REGISTRY)
        assert (ended.code, ended.last) == (PASSED, "no repositories")

    def test_a_denied_call_leaves_one_check_undetermined(self, desk: Desk, world: World, sim: Simulator) -> None:
        world.add_repository("team/good", **GOOD)
        world.add_repository("team/other", **GOOD)
        sim.inject("access_denied", operation="GetLifecyclePolicy", about="team/good")
        ended = desk.posture(REGISTRY, "-o", "json")
        assert ended.code == UNKNOWN
        assert open_checks(ended) == {"team/good": {("lifecycle", "CouldNotCheck")}, "team/other": set()}
        text = desk.posture(REGISTRY).out
        assert "UNKNOWN lifecycle CouldNotCheck" in text
        assert "AccessDeniedException" in text

    def test_a_failure_counts_more_than_what_is_not_known(self, desk: Desk, world: World, sim: Simulator) -> None:
        world.add_repository("team/open", policy=RESTRICTED)
        sim.inject("access_denied", operation="GetRegistryScanningConfiguration")
        assert desk.posture(REGISTRY).code == FAILED

    def test_a_registry_that_cannot_be_listed_is_not_in_order(self, desk: Desk, sim: Simulator) -> None:
        sim.inject("access_denied", operation="DescribeRepositories")
        ended = desk.posture(REGISTRY)
        assert ended.code == UNKNOWN
        assert f"NOT READ  {REGISTRY}: ecr:DescribeRepositories" in ended.out

    def test_a_registry_that_throttles_is_read_in_the_end(
        self, desk: Desk, world: World, sim: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_module, "ATTEMPTS", 3)
        world.add_repository("team/good", **GOOD)
        sim.inject("throttle", operation="GetRepositoryPolicy", times=1)
        assert desk.posture(REGISTRY).code == PASSED

    def test_what_is_not_read_in_time_is_not_determined(self, desk: Desk, world: World, sim: Simulator) -> None:
        world.add_repository("team/good", **GOOD)
        sim.inject("latency", operation="DescribeRegistry", seconds=1.2)
        ended = desk.posture(f"{HOST}/team/good", "--timeout", "1", "-o", "json")
        assert ended.code == UNKNOWN
        assert open_checks(ended) == {"team/good": {("repository", "CouldNotCheck")}}
        assert "--timeout" in ended.out


class TestScope:
    def test_single_repositories_are_read_without_a_listing(self, desk: Desk, world: World, sim: Simulator) -> None:
        world.add_repository("team/good", **GOOD)
        world.add_repository("team/open")
        ended = desk.posture(f"{HOST}/team/good")
        assert (ended.code, ended.last) == (PASSED, "1 repository: 1 passed")

    def test_a_repository_that_does_not_exist_is_not_determined(self, desk: Desk) -> None:
        ended = desk.posture(f"{HOST}/team/gone")
        assert ended.code == UNKNOWN
        assert "the repository does not exist" in ended.out

    def test_all_accounts_and_regions(self, desk: Desk, world: World) -> None:
        accounts = [{"account": OTHER, "roleArn": READER}]
        desk.configure(aws={"ratePerSecond": 2000.0, "accounts": accounts})
        world.add_repository("team/good", **GOOD)
        world.add_repository("shared/base", account=OTHER, region="us-east-1", **GOOD)
        ended = desk.posture("--all", "--region", REGION, "--region", "us-east-1", "-o", "json")
        found = {
            (one["account"], one["region"]): [each["name"] for each in one["repositories"]]
            for one in report(ended)["registries"]
        }
        assert found == {
            (OWN, REGION): ["team/good"],
            (OWN, "us-east-1"): [],
            (OTHER, REGION): [],
            (OTHER, "us-east-1"): ["shared/base"],
        }
        assert ended.code == PASSED

    def test_another_account_without_a_role_is_not_determined(self, desk: Desk, world: World) -> None:
        """What ECR says of the registry would be about the caller's own."""
        world.add_repository("shared/base", account=OTHER, readers=[OWN], **GOOD)
        ended = desk.posture(f"{OTHER}.dkr.ecr.{REGION}.amazonaws.com/shared/base", "-o", "json")
        assert ended.code == UNKNOWN
        assert ("scanning", "CouldNotCheck") in open_checks(ended)["shared/base"]
        assert f"give account {OTHER} a role to assume" in ended.out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            pytest.param([], "name at least one REGISTRY", id="nothing is named"),
            pytest.param(["team/app"], "expected a registry such as", id="no host"),
            pytest.param([f"{HOST}/team/app:v1"], "leave out the tag", id="an image"),
            pytest.param(["--all", REGISTRY], "without further arguments", id="all and one"),
            pytest.param([REGISTRY, "--region", REGION], "only for --all", id="a region without all"),
        ],
    )
    def test_a_wrong_argument_is_refused(self, desk: Desk, arguments: list[str], words: str) -> None:
        ended = desk.posture(*arguments)
        assert ended.code == UNKNOWN
        assert words in " ".join(ended.err.split())

    def test_a_region_that_does_not_exist_is_not_contacted(self, desk: Desk, sim: Simulator) -> None:
        ended = desk.posture(f"{OWN}/xx-nowhere-1")
        assert ended.code == UNKNOWN
        assert "unknown region" in ended.out
        assert sim.calls() == 0


class TestRunning:
    def test_a_running_image_that_would_expire_is_found(self, desk: Desk, world: World) -> None:
        world.add_repository("team/app", policy=RESTRICTED, lifecycle=EXPIRES)
        world.add_image("team/app", "v1", pushed_at="-25d")
        ended = desk.posture("--running", running(desk, world, ("team/app", "v1")), "-o", "json")
        assert ended.code == FAILED
        assert open_checks(ended) == {"team/app": {("lifecycle", "ImageExpires")}}
        assert report(ended)["registries"][0]["repositories"][0]["runningDigests"] == 1

    def test_a_running_image_that_is_kept_passes(self, desk: Desk, world: World) -> None:
        world.add_repository("team/app", **GOOD)
        world.add_image("team/app", "v1")
        file = running(desk, world, ("team/app", "v1"))
        assert desk.posture("--running", file).code == PASSED
        assert desk.posture("--running", "-", stdin=file.read_text()).code == PASSED

    def test_a_verdict_that_is_not_valid_is_refused(self, desk: Desk, world: World) -> None:
        """What it is about may run."""
        world.add_image("team/app", "v1")
        file = running(desk, world, ("team/app", "v1"))
        file.write_text(file.read_text().replace("digest: sha256:", "digest: sha512:"))
        ended = desk.posture("--running", file)
        assert ended.code == UNKNOWN
        assert "ImageVerdict objects are not valid" in ended.err

    def test_nothing_of_amazon_ecr_runs(self, desk: Desk, world: World) -> None:
        """Nothing was checked, so nothing passes."""
        world.add_image("team/app", "v1")
        file = running(desk, world, ("team/app", "v1"))
        file.write_text(file.read_text().replace("pods: 1", "pods: 0"))
        ended = desk.posture("--running", file)
        assert (ended.code, ended.last) == (UNKNOWN, "no repositories")

    def test_images_are_listed_only_where_something_runs(self, desk: Desk, world: World, sim: Simulator) -> None:
        world.add_repository("team/idle", **GOOD)
        world.add_repository("team/app", **GOOD)
        world.add_image("team/app", "v1")
        desk.posture(REGISTRY, "--running", running(desk, world, ("team/app", "v1")))
        assert sim.calls("ecr", "DescribeImages") == 1

    def test_images_that_cannot_be_listed_leave_the_lifecycle_undetermined(
        self, desk: Desk, world: World, sim: Simulator
    ) -> None:
        world.add_repository("team/app", **GOOD)
        world.add_image("team/app", "v1")
        sim.inject("access_denied", operation="DescribeImages")
        ended = desk.posture("--running", running(desk, world, ("team/app", "v1")), "-o", "json")
        assert (ended.code, open_checks(ended)) == (UNKNOWN, {"team/app": {("lifecycle", "CouldNotCheck")}})


class TestOutputs:
    @pytest.fixture(autouse=True)
    def repositories(self, world: World) -> None:
        world.add_repository("team/good", **GOOD)
        world.add_repository("team/open", mutability="MUTABLE")

    def test_a_table_shows_open_repositories_and_counts(self, desk: Desk) -> None:
        out = desk.posture(REGISTRY).out
        assert f"{REGISTRY}/team/open\n  FAIL push PushNotRestricted (HIGH): " in out
        assert "    AWS CLI: aws ecr put-image-tag-mutability --region eu-west-1" in out
        assert "    Terraform: aws_ecr_repository: image_tag_mutability" in out
        assert "CHECK" in out
        assert out.endswith("2 repositories: 1 failed, 1 passed\n")

    def test_sarif_is_valid(self, desk: Desk) -> None:
        ended = desk.posture(REGISTRY, "-o", "sarif")
        assert ended.code == FAILED
        run = valid_run(json.loads(ended.out))
        assert {one["ruleId"] for one in run["results"]} == {
            "PushNotRestricted",
            "TagMutable",
            "LifecyclePolicyMissing",
        }

    def test_html_is_one_closed_page(self, desk: Desk) -> None:
        ended = desk.posture(REGISTRY, "-o", "html")
        assert ended.code == FAILED
        assert ended.out.startswith("<!DOCTYPE html>")
        assert "<script" not in ended.out
        assert "team/open" in ended.out

    def test_prometheus_can_read_its_format(self, desk: Desk) -> None:
        ended = desk.posture(REGISTRY, "-o", "prometheus")
        assert ended.code == FAILED
        samples = {
            (one.name, one.labels.get("repository"), one.labels.get("check")): one.value
            for family in text_string_to_metric_families(ended.out)
            for one in family.samples
        }
        assert samples["tidegate_posture_open", "team/open", "push"] == 1


class TestManyRepositories:
    NUMBER = 3_000

    def test_the_number_of_calls_is_bounded(self, desk: Desk, world: World, sim: Simulator) -> None:
        for number in range(self.NUMBER):
            world.add_repository(f"team/app{number}", **GOOD)
        ended = desk.posture(REGISTRY)
        assert (ended.code, ended.last) == (PASSED, f"{self.NUMBER} repositories: {self.NUMBER} passed")
        assert sim.calls("ecr", "DescribeRepositories") == self.NUMBER / 1000
        assert sim.calls("ecr", "BatchGetRepositoryScanningConfiguration") == self.NUMBER / 25
        assert sim.calls("ecr", "GetRepositoryPolicy") == self.NUMBER
        assert sim.calls("ecr", "GetLifecyclePolicy") == self.NUMBER
        assert sim.calls("ecr") == self.NUMBER / 1000 + self.NUMBER / 25 + 2 * self.NUMBER + 6


def test_scan_filters_are_those_of_the_registry(desk: Desk, world: World) -> None:
    world.set_scanning("ENHANCED", rules=[ScanRule(frequency="CONTINUOUS_SCAN", filters=("team/*",))])
    world.add_repository("team/app", **GOOD)
    world.add_repository("other/app", **GOOD)
    ended = desk.posture(REGISTRY, "-o", "json")
    assert open_checks(ended) == {"team/app": set(), "other/app": {("scanning", "ScanningNotConfigured")}}
