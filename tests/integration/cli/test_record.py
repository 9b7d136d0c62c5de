"""``tidegate record`` writes what AWS says of real images; ``tidegate test`` then gives the same answer without AWS."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.cli.desk import Desk, policy, results, trust_store
from tests.integration.cli.signers import (
    AWS,
    CI,
    MALLORY,
    OWN,
    key,
    keyed,
    sign_by_aws,
    sign_by_key,
    sign_by_notation,
    sign_keyless,
    signed_by,
    sigstore,
    trust_stores,
)
from tests.integration.cli.test_posture import CI as CI_PUSH
from tests.integration.cli.test_posture import HOST as REGISTRY_HOST
from tests.integration.cli.test_posture import KEEPS, OTHER, RESTRICTED
from tests.integration.egress.peer import Peer
from tests.integration.gather.gate import image
from tests.simulator import Simulator, World
from tests.simulator.pki.aws_signer import PROFILE
from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.registry import ReplicationRule, ScanRule
from tests.simulator.tuf_repository import TufRepository
from tests.unit.cli.commands import Ended, run

PASSED, FAILED, INCOMPLETE = 0, 1, 2
APP = image()
PROVENANCE = "https://slsa.dev/provenance/v1"
STRICT: dict[str, Any] = {
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0, "HIGH": 0}, "epssThreshold": 0.5, "exploitAvailable": "Deny"},
}


class Round:
    """Records images, and runs the cases that this wrote with AWS out of reach."""

    def __init__(self, desk: Desk, sim: Simulator) -> None:
        self.desk = desk
        self.sim = sim
        self.cases = desk.folder / "cases.yaml"

    def trip(self, spec: dict[str, Any], *images: str, also: tuple[dict[str, Any], ...] = ()) -> list[tuple[str, ...]]:
        """Return check, outcome and reason of each result, which record, test and check agree on."""
        file = self.desk.write("policies.yaml", policy(**spec), *trust_stores(), *also)
        images = images or (APP,)
        ended = self.desk.record("--policy", file, "--out", self.cases, *images)
        assert ended.code == PASSED, ended.err
        calls = self.sim.calls()
        tested = run("test", self.cases)
        assert tested.code == PASSED, tested.out
        assert self.sim.calls() == calls, "a test asks nothing"
        checked = [results(self.desk.check("--policy", file, "-o", "json", one)) for one in images]
        for case, found in zip(self.content["cases"], checked, strict=True):
            reasons = {reason for _, outcome, reason in found if outcome != "Pass"}
            assert set(case["expect"]["reasons"]) == reasons
        return [one for found in checked for one in found]

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load(self.cases.read_text())
        return content

    def change(self, spec: dict[str, Any]) -> Ended:
        """Change the policy, and run the cases again."""
        self.desk.write("policies.yaml", policy(**spec), *trust_stores())
        return run("test", self.cases)


@pytest.fixture
def round_(desk: Desk, sim: Simulator) -> Round:
    return Round(desk, sim)


@pytest.fixture
def repository() -> Iterator[TufRepository]:
    with TufRepository(sigstore().trusted_root_bytes()) as repository:
        yield repository


# Scans
def test_a_clean_image(round_: Round) -> None:
    assert round_.trip(STRICT) == [("tags", "Pass", "Ok"), ("vulnerabilities", "Pass", "Ok")]


def test_findings_are_written_with_all_that_policies_ask(round_: Round, world: World) -> None:
    world.add_finding("team/app", "v1", severity="HIGH", id="CVE-2099-0001", epss=0.25, fixed="1.2", exploit=True)
    world.add_finding("team/app", "v1", severity="LOW", id="CVE-2099-0002", status="SUPPRESSED")
    assert ("vulnerabilities", "Fail", "VulnerabilitiesFound") in round_.trip(STRICT)
    assert round_.change({"vulnerabilities": {"maxCounts": {"CRITICAL": 0}, "epssThreshold": 0.25}}).code == PASSED
    loose = {"tags": {"immutable": True}, "vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
    ended = round_.change(loose)
    assert ended.code == FAILED
    assert "decision: expected Denied, got Allowed" in ended.out


@pytest.mark.parametrize(
    "reason", ["PENDING_INITIAL_SCAN", "SCAN_ELIGIBILITY_EXPIRED", "UNSUPPORTED_OS", "SCAN_FREQUENCY_MANUAL"]
)
def test_an_image_whose_scan_says_nothing(round_: Round, world: World, reason: str) -> None:
    status = "ACTIVE" if reason == "PENDING_INITIAL_SCAN" else "INACTIVE"
    world.set_coverage("team/app", "v1", status=status, reason=reason)
    assert round_.trip(STRICT)[1][1] == "Fail"


def test_an_image_without_a_scan(round_: Round, world: World) -> None:
    world.add_image("team/app", "v2", scanned=False)
    assert round_.trip(STRICT, image("team/app", "v2"))[1] == ("vulnerabilities", "Fail", "NotScanned")


@pytest.mark.parametrize("status", ["COMPLETE", "FAILED", None])
def test_basic_scanning(round_: Round, world: World, status: str | None) -> None:
    world.set_scanning("BASIC")
    world.add_image("team/basic", "v1", scanned=False)
    if status is not None:
        world.set_basic_scan("team/basic", "v1", status=status)
    found = round_.trip(STRICT, image("team/basic"))[1]
    assert found[2] == {"COMPLETE": "Ok", "FAILED": "ScanFailed", None: "NotScanned"}[status] or found[1] == "Fail"


def test_an_index_with_a_bad_platform(round_: Round, world: World) -> None:
    _, children = world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])
    assert round_.trip(STRICT, image("team/multi"))[1] == ("vulnerabilities", "Pass", "Ok")
    world.add_finding("team/multi", children["linux/arm64"], severity="CRITICAL", id="CVE-2099-0003")
    assert round_.trip(STRICT, image("team/multi"))[1] == ("vulnerabilities", "Fail", "VulnerabilitiesFound")


def test_mutable_tags_digests_and_missing_images_of_several_repositories(round_: Round, world: World) -> None:
    world.add_repository("team/mutable", mutability="MUTABLE")
    digest = world.add_image("team/mutable", "v1")
    world.archive_image("team/mutable", world.add_image("team/mutable", "old"))
    found = round_.trip(
        STRICT,
        image("team/mutable"),
        image("team/mutable", digest),
        image("team/mutable", "old"),
        image("team/app", "v9"),
        image("team/none"),
    )
    reasons = {one[2] for one in found}
    assert reasons == {"TagMutable", "Ok", "ImageArchived", "ImageNotFound", "RepositoryNotFound"}


# Signatures
def test_a_signature_of_aws_signer_and_its_revocation(round_: Round, world: World) -> None:
    sign_by_aws(world)
    assert round_.trip(signed_by(AWS)) == [("signatures", "Pass", "Ok")]
    world.add_revocation(PROFILE)
    assert round_.trip(signed_by(AWS)) == [("signatures", "Fail", "SignatureRevoked")]


def test_a_recorded_signature_is_verified_again_by_a_changed_policy(round_: Round, world: World) -> None:
    sign_by_aws(world)
    round_.trip(signed_by(AWS))
    other = {**AWS, "notation": AWS["notation"] | {"trustedIdentities": [PROFILE.replace("release", "other")]}}
    ended = round_.change(signed_by(other))
    assert ended.code == FAILED
    assert "reasons: expected none, got SignatureInvalid" in ended.out


def test_a_recorded_signature_that_is_changed_is_not_valid(round_: Round, world: World) -> None:
    sign_by_notation(world)
    round_.trip(signed_by(OWN))
    content = round_.content
    (part,) = content["evidence"]["repositories"][0]["images"]
    envelope = part["artifacts"][0]["envelope"]
    part["artifacts"][0]["envelope"] = envelope[:400] + ("A" if envelope[400] != "A" else "B") + envelope[401:]
    round_.cases.write_text(yaml.safe_dump(content))
    assert run("test", round_.cases).code == FAILED


def test_signatures_of_sigstore_and_none(round_: Round, world: World) -> None:
    assert round_.trip(signed_by(CI, keyed())) == [("signatures", "Fail", "SignatureMissing")]
    sign_keyless(world, MALLORY)
    assert round_.trip(signed_by(CI)) == [("signatures", "Fail", "SignatureInvalid")]
    sign_by_key(world)
    assert round_.trip(signed_by(CI, keyed())) == [("signatures", "Pass", "Ok")]
    sign_keyless(world)
    assert round_.trip(signed_by(CI)) == [("signatures", "Pass", "Ok")]


def test_attestations_with_conditions(round_: Round, world: World) -> None:
    sign_keyless(world)
    sign_keyless(world, predicate_type=PROVENANCE, predicate={"builder": {"id": "ci"}})

    def spec(builder: str) -> dict[str, Any]:
        conditions = [f"predicate.builder.id == '{builder}'"]
        required = {"name": "build", "predicateType": PROVENANCE, "authorities": ["ci"], "conditions": conditions}
        return signed_by(CI) | {"attestations": [required]}

    assert ("attestations", "Pass", "Ok") in round_.trip(spec("ci"))
    assert round_.change(spec("other")).code == FAILED


def test_a_list_of_revoked_certificates(round_: Round, world: World, desk: Desk, peer: Peer) -> None:
    ca = authority("Listed", intermediates=0)
    leaf = issue("Team", ca, purposes=[CODE_SIGNING], crl_urls=[peer.url("/crl")])
    sign_by_notation(world, leaf)
    now = datetime.now(UTC).replace(microsecond=0)
    entries = [entry(leaf, at=now - timedelta(hours=2))]
    body = crl(ca, entries, last_update=now - timedelta(hours=1), next_update=now + timedelta(days=1))
    peer.answer("/crl", body)
    desk.configure(revocation={"privateHosts": [f"127.0.0.1:{peer.port}"]})
    store = trust_store("listed", "ca", certificates=[ca.pem.decode()])
    listed = {"name": "own", "notation": {"trustStores": ["listed"], "trustedIdentities": ["*"]}}
    assert round_.trip(signed_by(listed), also=(store,)) == [("signatures", "Fail", "SignatureRevoked")]


def test_what_amazon_ecr_says_of_signing(round_: Round, world: World) -> None:
    world.set_signing_status("team/app", "v1", "IN_PROGRESS")
    assert round_.trip(signed_by(AWS)) == [("signatures", "Fail", "SignaturePending")]


def test_keys_and_trusted_roots_that_were_fetched(
    round_: Round, world: World, desk: Desk, repository: TufRepository
) -> None:
    sign_by_key(world)
    sign_keyless(world)
    desk.configure(trustStores={"privateHosts": [repository.host]})
    arn = world.add_kms_key(private=key()).arn
    by_tuf = trust_store("fetched", "sigstore", tuf={"url": repository.url, "root": repository.root_json.decode()})
    by_kms = {**keyed(key={"kms": arn}), "name": "kms"}
    fetched = {**CI, "sigstore": CI["sigstore"] | {"trustedRoot": "fetched"}}
    for one in (by_kms, fetched):
        assert round_.trip(signed_by(one), also=(by_tuf,)) == [("signatures", "Pass", "Ok")]
    content = round_.content
    del content["evidence"]["trustedRoots"]
    round_.cases.write_text(yaml.safe_dump(content))
    ended = run("test", round_.cases)
    assert ended.code == INCOMPLETE
    assert "signatures TrustUnusable" in ended.out


# Configuration
CONFIGURED: dict[str, Any] = {
    "repository": {
        "push": {"restrictedTo": [CI_PUSH]},
        "pull": {},
        "scanning": "Continuous",
        "encryption": "KMS",
        "lifecycle": "KeepsRunningImages",
    }
}


def configure(world: World) -> None:
    """Configure the repository and its registry as the policy requires, with rules about others."""
    world.add_repository("team/kept", policy=RESTRICTED, lifecycle=KEEPS, encryption="KMS", kms_key="alias/ours")
    world.add_image("team/kept", "v1")
    rules = [ScanRule(frequency="CONTINUOUS_SCAN", filters=("team/*",))]
    world.set_scanning("ENHANCED", rules=rules)
    world.set_registry_policy('{"Version": "2012-10-17", "Statement": []}', scope="V1")
    world.add_pull_through_rule("docker-hub", upstream_prefix="library")
    world.set_replication([ReplicationRule(destinations=((OTHER, "us-east-1"),), prefixes=("team/",))])


def test_the_configuration_of_repository_and_registry(round_: Round, world: World) -> None:
    configure(world)
    kept = image("team/kept")
    assert round_.trip(CONFIGURED, kept) == [("repository", "Pass", "Ok")]
    content = round_.content
    (repository,) = content["evidence"]["repositories"]
    assert (repository["policy"], repository["lifecyclePolicy"]) == (RESTRICTED, KEEPS)
    assert repository["mutability"] == "IMMUTABLE", "the same answer has it"
    assert content["evidence"]["registries"] == [
        {
            "name": REGISTRY_HOST,
            "policy": '{"Version": "2012-10-17", "Statement": []}',
            "policyScope": "V1",
            "scanning": {"type": "ENHANCED", "rules": [{"frequency": "CONTINUOUS_SCAN", "filters": ["team/*"]}]},
            "pullThrough": [{"prefix": "docker-hub", "upstream": "registry-1.docker.io", "upstreamPrefix": "library"}],
            "replication": [{"destinations": [{"registryId": OTHER, "region": "us-east-1"}], "prefixes": ["team/"]}],
        }
    ]
    others = {"repository": {"push": {"restrictedTo": [CI_PUSH.replace("ci-push", "other")]}}}
    ended = round_.change(others)
    assert ended.code == FAILED
    assert "reasons: expected none, got PushNotRestricted" in ended.out


def test_a_repository_without_policies(round_: Round, world: World) -> None:
    for section, reason in (
        ({"push": {"restrictedTo": [CI_PUSH]}}, "PushNotRestricted"),
        ({"lifecycle": "Required"}, "LifecyclePolicyMissing"),
        ({"encryption": "KMS"}, "EncryptionNotConfigured"),
    ):
        assert round_.trip({"repository": section}) == [("repository", "Fail", reason)]
    (repository,) = round_.content["evidence"]["repositories"]
    assert (repository["policy"], repository["lifecyclePolicy"]) == (None, None)


def test_the_configuration_is_written_only_if_a_policy_needs_it(round_: Round, world: World) -> None:
    configure(world)
    round_.trip(STRICT, image("team/kept"))
    (repository,) = round_.content["evidence"]["repositories"]
    assert "policy" not in repository
    assert "registries" not in round_.content["evidence"]


def test_a_repository_that_is_absent(round_: Round) -> None:
    assert round_.trip(CONFIGURED, image("team/none")) == [("repository", "Fail", "RepositoryNotFound")]


@pytest.mark.parametrize(
    ("operation", "source"),
    [
        ("GetRepositoryPolicy", "ecr:GetRepositoryPolicy"),
        ("GetLifecyclePolicy", "ecr:GetLifecyclePolicy"),
        ("GetRegistryPolicy", "ecr:GetRegistryPolicy"),
        ("DescribePullThroughCacheRules", "ecr:DescribePullThroughCacheRules"),
    ],
)
def test_a_part_of_the_configuration_that_could_not_be_read(
    round_: Round, desk: Desk, sim: Simulator, world: World, operation: str, source: str
) -> None:
    configure(world)
    sim.inject("access_denied", operation=operation)
    file = desk.write("policies.yaml", policy(**CONFIGURED))
    ended = desk.record("--policy", file, "--out", round_.cases, image("team/kept"))
    assert ended.code == INCOMPLETE
    assert "repository CouldNotCheck" in ended.err
    assert source in ended.err
    assert round_.content["cases"][0]["expect"] == {"decision": "Denied", "reasons": ["CouldNotCheck"]}
    assert run("test", round_.cases).code == PASSED, "the same answer, which the case names"


def test_a_part_of_the_configuration_that_no_policy_needs(round_: Round, sim: Simulator, world: World) -> None:
    configure(world)
    sim.inject("access_denied", operation="GetSigningConfiguration")
    assert round_.trip(CONFIGURED, image("team/kept")) == [("repository", "Pass", "Ok")]


# The command
def test_standard_output_and_the_built_in_policy(desk: Desk) -> None:
    ended = desk.record(APP)
    assert ended.code == PASSED
    content = yaml.safe_load(ended.out)
    assert content["kind"] == "Test"
    assert content["cases"][0]["expect"] == {"decision": "Allowed", "reasons": []}
    cases = desk.folder / "cases.yaml"
    cases.write_text(ended.out)
    tested = run("test", cases)
    assert (tested.code, tested.err) == (PASSED, f"{cases} names no policies, so the built-in baseline applies\n")


def test_what_could_not_be_looked_up_is_said_and_not_written(desk: Desk, sim: Simulator, impatient: None) -> None:
    sim.inject("access_denied", operation="ListCoverage")
    cases = desk.folder / "cases.yaml"
    ended = desk.record(APP, "--out", cases)
    assert ended.code == INCOMPLETE
    assert "inspector2:ListCoverage gave no answer (AccessDenied)" in ended.err
    content = yaml.safe_load(cases.read_text())
    (part,) = content["evidence"]["repositories"][0]["images"]
    assert "coverage" not in part
    assert content["cases"][0]["expect"] == {"decision": "Denied", "reasons": ["CouldNotCheck"]}
    assert run("test", cases).code == PASSED, "the same answer, which the case names"


def test_the_files_of_policies_are_named_from_the_folder_of_the_cases(desk: Desk, tmp_path: Path) -> None:
    file = desk.write("policies.yaml", policy(**STRICT))
    (tmp_path / "below").mkdir()
    cases = tmp_path / "below" / "cases.yaml"
    assert desk.record(APP, "--policy", file, "--out", cases).code == PASSED
    assert yaml.safe_load(cases.read_text())["policies"] == ["../policies.yaml"]
    assert run("test", cases).code == PASSED


def test_a_file_that_cannot_be_written_is_an_error(desk: Desk, tmp_path: Path) -> None:
    ended = desk.record(APP, "--out", tmp_path / "none" / "cases.yaml")
    assert ended.code == INCOMPLETE
    assert "cannot be written" in ended.err
