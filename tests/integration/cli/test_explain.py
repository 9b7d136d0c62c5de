"""``tidegate explain``: the evidence with its source and age, and what each check makes of it."""

import json
import re
from typing import Any

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.signers import (
    AWS,
    CI,
    MALLORY,
    OWN,
    sign_by_notation,
    sign_keyless,
    signed_by,
    trust_stores,
)
from tests.integration.gather.gate import image
from tests.simulator import Simulator, World
from tests.simulator.manifests import OCI_INDEX
from tests.simulator.pki.certificates import authority, issue

ADMITTED, REFUSED, UNKNOWN = 0, 1, 2
APP = image()
NO_CRITICAL: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}


def test_the_evidence_of_a_good_image(desk: Desk, world: World) -> None:
    ended = desk.explain(APP)
    digest = world.image("team/app", "v1").digest
    assert ended.code == ADMITTED
    lines = ended.out.splitlines()
    assert lines[0] == APP
    assert f"  reference: registry {APP.partition('/')[0]}, repository team/app, tag v1" in lines
    assert re.search(rf"^  platforms: any platform {digest} \[[0-9]+ s old\]$", ended.out, re.MULTILINE)
    assert "    no findings" in lines
    assert lines[-1] == "ALLOWED"


def test_the_evidence_of_a_bad_image(desk: Desk, world: World) -> None:
    for number in range(12):
        world.add_finding("team/app", "v1", severity="CRITICAL", id=f"CVE-2099-{number:04}", first_observed_at="-1d")
    ended = desk.explain(APP)
    assert ended.code == REFUSED
    assert ended.out.count("\n    CVE-2099-") == 10
    assert "    and 2 more" in ended.out
    assert "  Fail         vulnerabilities VulnerabilitiesFound: 12 CRITICAL (allowed 0)" in ended.out
    assert "               To fix: " in ended.out
    assert ended.last == "REFUSED"


def test_the_configuration_that_a_policy_asks_for(desk: Desk, world: World) -> None:
    world.repository("team/app").policy = "x" * 5_000
    rules = {"encryption": "KMS", "push": {"restrictedTo": ["arn:aws:iam::111122223333:role/ci"]}}
    ended = desk.explain(APP, "--policy", desk.write("p.yaml", policy(repository=rules)))
    assert ended.code == REFUSED
    lines = ended.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  repository configuration: "))
    assert re.fullmatch(r"  repository configuration: 111122223333/eu-west-1/team/app \[[0-9]+ s old\]", lines[at])
    assert lines[at + 1] == '    settings: {"mutability": "IMMUTABLE", "exclusion_filters": []}'
    assert lines[at + 2] == '    encryption: {"type": "AES256", "key": ""}'
    assert lines[at + 3].startswith("    policy: xxxxx")
    assert len(lines[at + 3]) < 1_000
    assert lines[at + 4] == "    lifecycle: none"
    assert "  registry configuration: 111122223333/eu-west-1 [" in ended.out
    assert " configuration" not in desk.explain(APP).out


def test_the_evidence_as_json(desk: Desk) -> None:
    ended = desk.explain(APP, "-o", "json")
    assert ended.code == ADMITTED
    found = json.loads(ended.out)
    assert found["allowed"] is True
    assert found["evidence"]["ECR repository"] == "111122223333/eu-west-1/team/app"
    assert found["evidence"]["tags"].startswith("IMMUTABLE")


def test_each_platform_of_an_index(desk: Desk, world: World) -> None:
    world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])
    ended = desk.explain(image("team/multi"))
    (runs,) = [line for line in ended.out.splitlines() if line.startswith("  platforms: ")]
    assert "linux/amd64 sha256:" in runs
    assert "linux/arm64 sha256:" in runs
    assert ended.out.count("\n  scan of sha256:") == 2


def test_a_reference_by_digest(desk: Desk, world: World) -> None:
    digest = world.image("team/app", "v1").digest
    ended = desk.explain(image("team/app", digest))
    assert ended.code == ADMITTED
    assert f"repository team/app, digest {digest}\n" in ended.out


def test_an_image_that_is_not_there(desk: Desk) -> None:
    ended = desk.explain(image("team/app", "v9"))
    assert ended.code == REFUSED
    assert "  image: " in ended.out
    assert "ImageNotFound" in ended.out


def test_an_outage_is_told_with_its_source(desk: Desk, sim: Simulator, impatient: None) -> None:
    sim.inject("server_error", service="ecr")
    ended = desk.explain(APP)
    assert ended.code == UNKNOWN
    assert "  image: unknown: AWS answered with a server error (ecr:DescribeImages)" in ended.out
    assert ended.last == "UNKNOWN"


def test_an_image_that_no_policy_is_about(desk: Desk, sim: Simulator) -> None:
    file = desk.write("p.yaml", policy(match={"namespaces": ["shop"]}, **NO_CRITICAL))
    ended = desk.explain(APP, "--policy", file)
    assert ended.code == UNKNOWN
    assert "  evidence: not looked up: no policy that matches this image needs evidence" in ended.out
    assert "no policy matches the namespace default" in ended.out
    assert ended.last == "NOT JUDGED"
    assert sim.calls() == 0


def test_what_is_no_reference(desk: Desk) -> None:
    ended = desk.explain("a b")
    assert ended.code == REFUSED
    assert "ECR repository" not in ended.out
    assert "InvalidReference" in ended.out


def test_an_image_of_another_registry(desk: Desk, sim: Simulator) -> None:
    ended = desk.explain("ghcr.io/acme/app:v1")
    assert ended.code == REFUSED
    assert "  ECR repository: not Amazon ECR" in ended.out
    assert sim.calls() == 0


def test_an_index_whose_manifest_is_none(desk: Desk, world: World) -> None:
    world.add_manifest("team/multi", b"{}", "v1", media_type=OCI_INDEX)
    ended = desk.explain(image("team/multi"))
    assert ended.code == REFUSED
    assert "  platforms: not a valid image: " in ended.out


def test_that_ecr_is_still_signing(desk: Desk, world: World) -> None:
    world.set_signing_status("team/app", "v1", "IN_PROGRESS")
    ended = desk.explain(APP, "--policy", desk.write("p.yaml", policy(**signed_by(AWS)), *trust_stores()))
    assert ended.code == REFUSED
    assert "Amazon ECR managed signing with arn:aws:signer:" in ended.out


def test_why_an_authority_was_not_satisfied(desk: Desk, world: World) -> None:
    sign_keyless(world, MALLORY)
    ended = desk.explain(APP, "--policy", desk.write("p.yaml", policy(**signed_by(CI)), *trust_stores()))
    assert ended.code == REFUSED
    assert f'authority ci: Failed, signed by "{MALLORY}" (issuer' in ended.out


def test_why_an_authority_cannot_be_asked(desk: Desk, world: World) -> None:
    sign_keyless(world)
    ended = desk.explain(APP, "--policy", desk.write("p.yaml", policy(**signed_by(CI))))
    assert ended.code == UNKNOWN
    assert "authority ci: Unknown, there is no TrustStore sigstore" in ended.out


def test_what_is_only_logged_is_noted(desk: Desk, world: World) -> None:
    sign_by_notation(world, issue("Team", authority("Stranger")))
    noted = {**OWN, "notation": {**OWN["notation"], "level": "audit"}}
    ended = desk.explain(APP, "--policy", desk.write("p.yaml", policy(**signed_by(noted)), *trust_stores()))
    assert ended.code == ADMITTED
    assert "               note: signatures NotEnforced: " in ended.out
    assert ended.last == "WARNED"
