"""The commands of docs/guides that need an API server and a simulated AWS, run word for word."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane, program
from tests.guides import Shell, blocks_of
from tests.objects import ECR, POLICY, image_policy
from tests.simulator import Simulator, scenario

APP = f"{ECR}/team/signed:v1"
CHART = {"Chart.yaml": {"apiVersion": "v2", "name": "web", "version": "0.1.0"}}
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "{image}"}}]}}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[Simulator]:
    """Give the demo's world."""
    with Simulator(scenario.load(scenario.DEMO)) as aws:
        yield aws


@pytest.fixture
def shell(control_plane: ControlPlane, aws: Simulator, tmp_path: Path) -> Iterator[Shell]:
    """Give a terminal beside an API server that has tidegate's CRDs; take back what it creates of these."""
    control_plane.apply_definitions(custom_resource_definitions())
    shell = Shell(tmp_path, control_plane, aws.environment())
    shell.put("kubectl", str(program("kubectl")))
    shell.put("helm", str(program("helm")))
    shell.put("tidegate", sys.executable, "-m", "tidegate")
    yield shell
    control_plane.kubectl("delete", "imagepolicies,truststores", "--all")


def test_images_are_judged_in_ci(shell: Shell, request: pytest.FixtureRequest) -> None:
    chart = shell.folder / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump(CHART["Chart.yaml"]))
    (chart / "templates" / "web.yaml").write_text(DEPLOYMENT.format(image=f"{ECR}/team/good:v1"))
    overlay = shell.folder / "overlay"
    overlay.mkdir()
    (overlay / "web.yaml").write_text(DEPLOYMENT.format(image="web"))
    images = [{"name": "web", "newName": f"{ECR}/team/critical", "newTag": "v1"}]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["web.yaml"], "images": images}))
    (shell.folder / "policies.yaml").write_text(yaml.safe_dump(image_policy("production", POLICY)))
    for block in blocks_of(request):
        shell.run(block)


def test_policies_are_tested_and_linted(shell: Shell, request: pytest.FixtureRequest) -> None:
    said = [shell.run(block) for block in blocks_of(request)]
    assert "3 passed" in said[2]
    recorded = yaml.safe_load((shell.folder / "recorded.yaml").read_text())
    assert recorded["cases"][0]["expect"] == {"decision": "Allowed", "reasons": []}


def test_a_signature_is_verified_from_a_terminal(
    shell: Shell, control_plane: ControlPlane, aws: Simulator, request: pytest.FixtureRequest
) -> None:
    release = {"trustStores": ["aws-signer"], "trustedIdentities": [PROFILE]}
    signed = {"signatures": {"anyOf": [{"name": "release", "notation": release}]}}
    control_plane.apply([*aws.world.authorities.trust_stores(), image_policy("production", signed)])
    for block in blocks_of(request):
        assert "VERIFIED: " in shell.run(block)


def test_policies_of_the_guides_are_accepted_by_the_api_server(
    shell: Shell, control_plane: ControlPlane, request: pytest.FixtureRequest
) -> None:
    """By server-side dry run: what the CRD refuses, and what it would silently drop."""
    for block in blocks_of(request):
        done = control_plane.apply(block.text, "--dry-run=server", "--validate=strict")
        assert done.stdout.count("(server dry run)") == len(list(yaml.safe_load_all(block.text)))


def write_trust(shell: Shell, aws: Simulator, folder: Path, *, identities: list[str]) -> None:
    """Write a Notation trust policy and its trust store, which trust the simulated AWS Signer."""
    (store,) = [one for one in aws.world.authorities.trust_stores() if one["metadata"]["name"] == "aws-signer"]
    place = folder / "truststore" / "x509" / "signingAuthority" / "aws-signer"
    place.mkdir(parents=True)
    (place / "root.pem").write_text(store["spec"]["certificates"][0])
    statement = {
        "name": "team",
        "registryScopes": [f"{ECR}/team/signed"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["signingAuthority:aws-signer"],
        "trustedIdentities": identities,
    }
    document = {"version": "1.0", "trustPolicies": [statement]}
    (folder / "trustpolicy.json").write_text(json.dumps(document, indent=2))


PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"


def test_a_trust_policy_is_imported(shell: Shell, aws: Simulator, request: pytest.FixtureRequest) -> None:
    write_trust(shell, aws, shell.folder / ".config" / "notation", identities=[PROFILE])
    said = "".join(shell.run(block) for block in blocks_of(request))
    assert "imagepolicy.tidegate.dev/notation-team created" in said
    assert f"VERIFIED: signature by {PROFILE}" in said


def test_what_cannot_be_imported_is_named(shell: Shell, aws: Simulator, request: pytest.FixtureRequest) -> None:
    write_trust(shell, aws, shell.folder, identities=["acme.kms:key-1"])
    for block in blocks_of(request):
        shell.run(block)
