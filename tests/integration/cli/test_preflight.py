"""``tidegate preflight`` against a simulated AWS: what each check finds, the fix that it names, and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.desk import Desk, policy
from tests.simulator import Simulator, World
from tidegate.aws.permissions import PERMISSIONS, Need
from tidegate.cli.preflight import aws_checks
from tidegate.cli.preflight.event_checks import MANY_WAITING
from tidegate.cli.preflight.row import PreflightCheck

FINE, FAILED, UNKNOWN = 0, 1, 2
OTHER = "444455556666"
READER = f"arn:aws:iam::{OTHER}:role/tidegate-reader"
REGISTRIES: list[dict[str, Any]] = [{"account": "111122223333", "repositories": ["team/**"]}]
SCANNED: dict[str, Any] = {
    "registries": REGISTRIES,
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
SIGNED = {"anyOf": [{"name": "ours", "notation": {"trustStores": ["own"], "trustedIdentities": [PROFILE]}}]}
OF_IMAGES = [one for one in PERMISSIONS if one.need in {Need.IMAGES, Need.TAGS}]
OF_REPOSITORIES = [one for one in PERMISSIONS if one.serves({Need.REPOSITORY})]
OF_SIGNATURES = [one for one in PERMISSIONS if one.need in {Need.SIGNATURES, Need.SIGNER}]


@pytest.fixture(autouse=True)
def no_cluster(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch, sim: Simulator) -> None:
    monkeypatch.setattr(aws_checks, "layer_bucket_url", lambda _: f"{sim.url}/no-such-layer")


class Preflight:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def run(self, *arguments: str, **spec: Any) -> tuple[int, list[dict[str, str]]]:
        file = self.desk.write("policies.yaml", policy("production", **(spec or SCANNED)))
        ended = self.desk.preflight("--policy", file, "-o", "json", *arguments)
        return ended.code, json.loads(ended.out)

    def only(self, check: PreflightCheck, **spec: Any) -> tuple[int, list[dict[str, str]]]:
        return self.run("--only", check.value, **spec)


@pytest.fixture
def preflight(desk: Desk) -> Preflight:
    return Preflight(desk)


def bad(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if row["state"] != "ok"]


def test_everything_is_fine(preflight: Preflight) -> None:
    code, rows = preflight.run()
    assert (code, bad(rows)) == (FINE, [])
    assert {row["check"] for row in rows} == set(PreflightCheck) - {PreflightCheck.WEBHOOK, PreflightCheck.EVENTS}


def test_the_caller_and_region_are_named(preflight: Preflight) -> None:
    _, (caller, region) = preflight.only(PreflightCheck.IDENTITY)
    assert caller["found"].startswith("arn:aws:sts::111122223333:assumed-role/tidegate/")
    assert caller["found"].endswith(", account 111122223333")
    assert region["found"] == "eu-west-1"


@pytest.mark.parametrize("permission", OF_IMAGES, ids=lambda each: each.api.operation)
def test_a_denied_action_is_named(preflight: Preflight, sim: Simulator, permission: Any) -> None:
    sim.inject("access_denied", service=permission.api.service, operation=permission.api.operation)
    code, rows = preflight.only(PreflightCheck.PERMISSIONS)
    (row,) = bad(rows)
    assert (code, row["state"]) == (FAILED, "failed")
    assert row["subject"] == f"{permission.api.source} in 111122223333/eu-west-1"
    assert row["fix"].startswith(f"allow {permission.api.source} in the IAM policy")


@pytest.mark.parametrize("permission", OF_SIGNATURES, ids=lambda each: each.api.operation)
def test_a_denied_action_of_signatures_is_named(preflight: Preflight, sim: Simulator, permission: Any) -> None:
    service = permission.api.service.removesuffix("-data")
    sim.inject("access_denied", service=service, operation=permission.api.operation)
    code, rows = preflight.only(PreflightCheck.PERMISSIONS, registries=REGISTRIES, signatures=SIGNED)
    (row,) = bad(rows)
    assert (code, row["state"]) == (FAILED, "failed")
    assert f"allow {' and '.join(permission.actions)} in the IAM policy" in row["fix"]


@pytest.mark.parametrize("permission", OF_REPOSITORIES, ids=lambda each: each.api.operation)
def test_a_denied_action_of_repositories_is_named(preflight: Preflight, sim: Simulator, permission: Any) -> None:
    sim.inject("access_denied", service="ecr", operation=permission.api.operation)
    code, rows = preflight.only(
        PreflightCheck.PERMISSIONS, registries=REGISTRIES, repository={"scanning": "Continuous"}
    )
    (row,) = bad(rows)
    assert (code, row["state"]) == (FAILED, "failed")
    assert row["fix"].startswith(f"allow {permission.api.source} in the IAM policy")


def test_only_what_the_policies_need_is_tried(preflight: Preflight, sim: Simulator) -> None:
    code, _ = preflight.run(
        "--only", "permissions", "--only", "scan-type", "--only", "inspector", registries=REGISTRIES
    )
    assert code == FINE
    assert sim.calls("inspector2") == 0
    assert sim.calls("ecr", "DescribeRepositories") == 0
    assert sim.calls("ecr", "DescribeImages") == 1


def test_nothing_that_is_called_writes(preflight: Preflight, sim: Simulator, layers: None) -> None:
    preflight.run(**SCANNED, signatures=SIGNED)
    allowed = {each.api.operation for each in PERMISSIONS} | {"GetCallerIdentity"}
    assert {call.operation for call in sim.log()} <= allowed


@pytest.mark.parametrize(
    ("kind", "unused"),
    [("ENHANCED", "ecr:DescribeImageScanFindings"), ("BASIC", "inspector2:ListFindings")],
)
def test_the_actions_of_the_other_scanner_may_be_denied(
    preflight: Preflight, sim: Simulator, world: World, kind: str, unused: str
) -> None:
    world.set_scanning(kind)
    service, _, operation = unused.partition(":")
    sim.inject("access_denied", service=service, operation=operation)
    code, rows = preflight.only(PreflightCheck.PERMISSIONS)
    assert (code, bad(rows)) == (FINE, [])


@pytest.mark.parametrize("kind", ["ENHANCED", "BASIC"])
def test_the_scan_type_is_told(preflight: Preflight, world: World, kind: str) -> None:
    world.set_scanning(kind)
    code, (row,) = preflight.only(PreflightCheck.SCAN_TYPE)
    assert (code, row["found"].partition(":")[0]) == (FINE, kind)


def test_a_check_makes_its_own_calls_only(preflight: Preflight, sim: Simulator) -> None:
    preflight.only(PreflightCheck.SCAN_TYPE)
    assert {call.operation for call in sim.log()} == {"GetCallerIdentity", "GetRegistryScanningConfiguration"}


def test_an_unknown_scan_type_is_no_answer(preflight: Preflight, sim: Simulator) -> None:
    sim.inject("unknown_enum", field="scanType")
    code, (row,) = preflight.only(PreflightCheck.SCAN_TYPE)
    assert (code, row["state"]) == (UNKNOWN, "unknown")


def test_inspector_that_is_off_is_a_failure(preflight: Preflight, world: World) -> None:
    world.accounts["111122223333"].inspector = "DISABLED"
    code, (row,) = preflight.only(PreflightCheck.INSPECTOR)
    assert (code, row["found"]) == (FAILED, "scanning of Amazon ECR is 'DISABLED'")
    assert row["fix"] == "run: aws inspector2 enable --resource-types ECR --region eu-west-1"


def test_basic_scanning_needs_no_inspector(preflight: Preflight, world: World, sim: Simulator) -> None:
    world.set_scanning("BASIC")
    world.accounts["111122223333"].inspector = "DISABLED"
    code, rows = preflight.run()
    assert (code, bad(rows)) == (FINE, [])


def test_the_status_of_inspector_may_be_denied_without_a_failure(preflight: Preflight, sim: Simulator) -> None:
    """Only this command needs the action."""
    sim.inject("access_denied", service="inspector2", operation="BatchGetAccountStatus")
    code, rows = preflight.run()
    (row,) = bad(rows)
    assert (code, row["check"], row["state"]) == (UNKNOWN, "inspector", "unknown")
    assert "allow inspector2:BatchGetAccountStatus" in row["fix"]


@pytest.mark.parametrize(("seconds", "code"), [(30, FINE), (-30, FINE), (200, FAILED), (-200, FAILED)])
def test_a_clock_that_is_wrong_is_a_failure(preflight: Preflight, sim: Simulator, seconds: int, code: int) -> None:
    sim.clock.advance(seconds)
    assert preflight.only(PreflightCheck.CLOCK)[0] == code


def test_the_clock_is_compared_also_if_aws_rejects_the_credentials(preflight: Preflight, sim: Simulator) -> None:
    """A wrong clock is one of the reasons for that."""
    sim.inject("error", service="sts", code="SignatureDoesNotMatch", status=403)
    sim.clock.advance(3600)
    code, rows = preflight.run("--only", "clock", "--only", "identity")
    assert code == FAILED
    assert [row["check"] for row in bad(rows)] == ["identity", "clock"]


@pytest.mark.parametrize("service", ["ecr", "inspector2", "signer", "sts"])
def test_an_endpoint_that_is_not_reached_is_a_failure(
    preflight: Preflight, sim: Simulator, layers: None, service: str
) -> None:
    sim.inject("down", service=service)
    code, rows = preflight.only(PreflightCheck.ENDPOINTS, **SCANNED, signatures=SIGNED)
    failed = [row for row in rows if row["state"] == "failed"]
    assert (code, [row["subject"] for row in failed]) == (FAILED, [f"{service} in eu-west-1"])
    assert f"com.amazonaws.eu-west-1.{service}" in failed[0]["fix"]


def test_an_endpoint_that_refuses_is_reached(preflight: Preflight, sim: Simulator) -> None:
    sim.inject("access_denied", service="ecr")
    code, rows = preflight.only(PreflightCheck.ENDPOINTS)
    assert (code, bad(rows)) == (FINE, [])


def test_the_bucket_with_layers_must_be_reached_for_signatures(
    preflight: Preflight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_checks, "layer_bucket_url", lambda _: "http://127.0.0.1:9/")
    code, rows = preflight.only(PreflightCheck.ENDPOINTS, **SCANNED, signatures=SIGNED)
    (row,) = bad(rows)
    assert (code, row["subject"], row["state"]) == (FAILED, "s3 in eu-west-1", "failed")


def test_the_role_of_another_account_is_tried(preflight: Preflight, sim: Simulator, world: World) -> None:
    world.add_account(OTHER)
    preflight.desk.configure(aws=aws_of(preflight.desk, roleArn=READER))
    spec = SCANNED | {"registries": [*REGISTRIES, {"account": OTHER}]}
    assert preflight.run(**spec)[0] == FINE
    sim.inject("access_denied", service="sts", operation="AssumeRole")
    code, rows = preflight.run(**spec)
    assert code == FAILED
    assert all("sts:AssumeRole" in row["fix"] and OTHER in row["subject"] for row in bad(rows))


def test_a_scanner_that_is_configured_is_not_asked_for(preflight: Preflight, sim: Simulator) -> None:
    """ECR answers for the account of the caller, so that the scanner of another account without a role is configured."""
    preflight.desk.configure(aws=aws_of(preflight.desk, account="111122223333", scanner="basic"))
    sim.inject("access_denied", service="ecr", operation="GetRegistryScanningConfiguration")
    sim.inject("access_denied", service="inspector2")
    code, rows = preflight.run()
    assert (code, bad(rows)) == (FINE, [])
    assert "BASIC, as aws.accounts says; ECR was not asked" in [row["found"] for row in rows]


def test_a_registry_without_access_is_a_warning(preflight: Preflight) -> None:
    """The add-ons of EKS are such a registry."""
    code, rows = preflight.run(**SCANNED | {"registries": [*REGISTRIES, {"account": "602401143452"}]})
    (row,) = bad(rows)
    assert (code, row["state"]) == (FINE, "warning")
    assert "undetermined" in row["found"]


def test_credentials_that_are_missing_are_a_failure(preflight: Preflight, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    code, rows = preflight.run()
    assert code == FAILED
    assert "ServiceAccount for IRSA" in rows[0]["fix"]


def test_throttling_is_no_answer(preflight: Preflight, sim: Simulator) -> None:
    sim.inject("throttle", service="ecr", operation="DescribeImages")
    code, rows = preflight.only(PreflightCheck.PERMISSIONS)
    assert (code, [row["state"] for row in bad(rows)]) == (UNKNOWN, ["unknown"])


def test_an_unknown_result_may_be_allowed_but_a_failure_never_is(preflight: Preflight, sim: Simulator) -> None:
    sim.inject("throttle", service="ecr", operation="DescribeImages")
    assert preflight.run("--allow-unknown")[0] == FINE
    sim.inject("access_denied", service="ecr", operation="BatchGetImage")
    assert preflight.run("--allow-unknown")[0] == FAILED


def test_it_ends_in_time(preflight: Preflight, sim: Simulator) -> None:
    sim.inject("hang", seconds=60, service="ecr", operation="DescribeImages")
    code, rows = preflight.run("--only", "permissions", "--timeout", "1")
    assert (code, "not finished in time" in bad(rows)[0]["found"]) == (UNKNOWN, True)


def test_a_broken_policy_is_a_failure_with_its_problems(preflight: Preflight) -> None:
    code, rows = preflight.only(PreflightCheck.POLICIES, tags={"immutable": "yes"})
    assert (code, rows[0]["state"]) == (FAILED, "failed")
    assert "spec.tags.immutable" in rows[0]["found"]


def test_a_key_in_kms_that_is_not_there_is_a_failure(preflight: Preflight) -> None:
    arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    keyed = {"anyOf": [{"name": "k", "sigstore": {"key": {"kms": arn}, "transparencyLog": "NotRequired"}}]}
    code, rows = preflight.only(PreflightCheck.PERMISSIONS, registries=REGISTRIES, signatures=keyed)
    (row,) = bad(rows)
    assert (code, row["subject"]) == (FAILED, f"kms:GetPublicKey for {arn}")
    assert "NotFoundException" in row["found"]


def test_without_policies_or_cluster_nothing_is_known(desk: Desk) -> None:
    ended = desk.preflight("--only", "policies")
    assert ended.code == UNKNOWN
    assert "To fix: set KUBECONFIG, or name the policies with --policy FILE" in ended.out


def test_the_webhook_is_unknown_without_a_cluster(desk: Desk) -> None:
    ended = desk.preflight("--only", "webhook")
    assert (ended.code, ended.out.startswith("unknown  webhook")) == (UNKNOWN, True)


def test_the_text_has_a_line_for_each_result_and_its_fix(desk: Desk, sim: Simulator) -> None:
    sim.inject("access_denied", service="ecr", operation="BatchGetImage")
    file = desk.write("policies.yaml", policy("production", **SCANNED))
    ended = desk.preflight("--policy", file)
    assert "ok       identity    region: eu-west-1\n" in ended.out
    assert "failed   permissions ecr:BatchGetImage in 111122223333/eu-west-1: " in ended.out
    assert "\n                     To fix: allow ecr:BatchGetImage in the IAM policy" in ended.out


def test_the_iam_policy_has_what_the_policies_need(desk: Desk, sim: Simulator) -> None:
    file = desk.write("policies.yaml", policy("production", registries=REGISTRIES, signatures=SIGNED))
    ended = desk.preflight("--policy", file, "--iam-policy")
    assert ended.code == FINE
    assert [one["Sid"] for one in json.loads(ended.out)["Statement"]] == ["Images", "Registry", "Revocation"]


def aws_of(desk: Desk, **account: str) -> dict[str, Any]:
    return {"region": "eu-west-1", "endpoints": desk.endpoints, "accounts": [{"account": OTHER} | account]}


def test_the_iam_policy_has_what_the_background_role_needs(desk: Desk) -> None:
    file = desk.write("policies.yaml", policy("production", tags={"immutable": True}))
    needed = "ecr:GetRepositoryPolicy"
    assert needed not in desk.preflight("--policy", file, "--iam-policy").out
    desk.configure(background={"repositoryPostures": True})
    assert needed in desk.preflight("--policy", file, "--iam-policy").out


def test_no_iam_policy_is_made_of_an_invalid_policy(desk: Desk) -> None:
    """It would lack what the policy needs."""
    file = desk.write("policies.yaml", policy("production", tags={"immutable": "yes"}))
    ended = desk.preflight("--policy", file, "--iam-policy")
    assert (ended.code, ended.out) == (UNKNOWN, "")
    assert ended.err == "tidegate: invalid policies: production; correct them, see --only policies\n"


class TestEvents:
    """The queue with AWS's events, where the configuration names one."""

    @pytest.fixture
    def queue(self, preflight: Preflight, world: World) -> str:
        url = world.add_queue(max_receives=5)
        preflight.desk.configure(aws={"eventQueueUrl": url})
        return url

    def test_a_queue_that_can_be_read_is_fine_and_no_message_is_taken(
        self, preflight: Preflight, sim: Simulator, queue: str
    ) -> None:
        sim.world.add_message("{}")
        code, (row,) = preflight.only(PreflightCheck.EVENTS)
        assert (code, row["state"], row["found"]) == (FINE, "ok", "about 1 messages wait")
        assert row["subject"] == "arn:aws:sqs:eu-west-1:111122223333:tidegate-events"
        assert sim.calls("sqs", "ReceiveMessage") == 0
        assert sim.calls("sqs", "DeleteMessageBatch") == 1
        assert len(sim.world.queue().messages) == 1

    def test_a_queue_without_dead_letters_is_a_warning(self, preflight: Preflight, world: World) -> None:
        preflight.desk.configure(aws={"eventQueueUrl": world.add_queue()})
        code, (row,) = preflight.only(PreflightCheck.EVENTS)
        assert (code, row["state"]) == (FINE, "warning")
        assert "RedrivePolicy" in row["fix"]

    def test_a_queue_that_is_not_there_is_named(self, preflight: Preflight, world: World, queue: str) -> None:
        world.remove_queue()
        code, (row,) = preflight.only(PreflightCheck.EVENTS)
        assert (code, row["state"], row["fix"]) == (FAILED, "failed", "correct aws.eventQueueUrl")

    @pytest.mark.parametrize(
        ("operation", "action"),
        [("GetQueueAttributes", "sqs:GetQueueAttributes"), ("DeleteMessageBatch", "sqs:DeleteMessage")],
    )
    def test_a_denied_action_is_named(
        self, preflight: Preflight, sim: Simulator, queue: str, operation: str, action: str
    ) -> None:
        sim.inject("access_denied", service="sqs", operation=operation)
        code, (row,) = preflight.only(PreflightCheck.EVENTS)
        assert (code, row["state"]) == (FAILED, "failed")
        assert row["fix"].startswith(f"allow {action} in the IAM policy")

    def test_a_queue_of_many_messages_is_a_warning(self, preflight: Preflight, world: World, queue: str) -> None:
        for _ in range(MANY_WAITING + 1):
            world.queue().send("{}", 0.0)
        code, (row,) = preflight.only(PreflightCheck.EVENTS)
        assert (code, row["state"]) == (FINE, "warning")

    def test_a_url_that_is_no_queue_is_refused_at_the_start(self, preflight: Preflight) -> None:
        preflight.desk.configure(aws={"eventQueueUrl": "https://example.com/queue"})
        ended = preflight.desk.preflight("--only", "events")
        assert ended.code != FINE
        assert "aws.eventQueueUrl: expected the URL of a queue" in ended.out + ended.err

    def test_the_iam_policy_names_the_queue(self, preflight: Preflight, queue: str) -> None:
        file = preflight.desk.write("policies.yaml", policy("production", **SCANNED))
        document = json.loads(preflight.desk.preflight("--policy", file, "--iam-policy").out)
        (statement,) = [one for one in document["Statement"] if one["Sid"] == "Events"]
        assert statement["Resource"] == ["arn:aws:sqs:eu-west-1:111122223333:tidegate-events"]
