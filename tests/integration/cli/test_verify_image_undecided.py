"""``tidegate verify IMAGE`` where something is revoked, or nobody can tell whether it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.desk import Desk, policy, trust_store
from tests.integration.cli.signed import APP, NOT_VERIFIED, UNDECIDED, VERIFIED, policies
from tests.integration.cli.signers import AWS, sign_by_aws, sign_by_notation, signed_by, trust_stores
from tests.simulator import World
from tests.simulator.pki.aws_signer import PROFILE
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.revocation import crl, entry


# Revoked, and out of reach
def test_a_revoked_profile_is_not_verified(world, desk):
    sign_by_aws(world)
    world.add_revocation(PROFILE)
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS))
    assert (ended.code, ended.report["verdict"]) == (NOT_VERIFIED, "failed")
    assert ended.steps()[10] == "failed"
    assert "have been revoked" in ended.report["reason"]


def test_without_an_answer_about_revocation_nobody_can_tell(world, sim, desk, impatient):
    sign_by_aws(world)
    sim.inject("server_error", operation="GetRevocationStatus")
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS))
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")
    step = ended.report["signatures"][0]["steps"][-1]
    assert (step["number"], step["outcome"]) == (10, "undecided")
    assert "AWS answered with a server error" in step["text"], "the step says why, as the verdict does"
    assert sim.calls(operation="GetRevocationStatus") == 1, "nothing is asked again to be shown"


OWN_CHECKED: dict[str, Any] = {"name": "own", "notation": {"trustStores": ["listed"], "trustedIdentities": ["*"]}}


def with_crl(desk: Desk, world: World, url: str) -> tuple[Identity, Identity, Path]:
    """An authority and a signer whose certificate names a list of revoked ones; the image is signed by it."""
    ca = authority("Listed", intermediates=0)
    leaf = issue("Team", ca, purposes=[CODE_SIGNING], crl_urls=[url])
    sign_by_notation(world, leaf)
    store = trust_store("listed", "ca", certificates=[ca.pem.decode()])
    return ca, leaf, desk.write("p.yaml", policy(**signed_by(OWN_CHECKED)), store)


def test_a_host_that_nobody_listed_is_not_asked_about_revocation(world, desk):
    *_, file = with_crl(desk, world, "http://crl.acme.test/ca.crl")
    ended = desk.verify_json(APP, "--policy", file)
    assert (ended.code, ended.steps()[10]) == (UNDECIDED, "undecided")
    text = ended.report["signatures"][0]["steps"][-1]["text"]
    assert "crl.acme.test is not contacted: it is not in revocation.allowedHosts" in text


@pytest.mark.parametrize("revoked", [False, True], ids=["good", "revoked"])
def test_a_host_of_the_configuration_is_asked_about_revocation(world, sim, desk, peer, revoked):
    ca, leaf, file = with_crl(desk, world, peer.url("/crl"))
    now = datetime.now(UTC).replace(microsecond=0)
    entries = [entry(leaf, at=now - timedelta(hours=2))] if revoked else []
    body = crl(ca, entries, last_update=now - timedelta(hours=1), next_update=now + timedelta(days=1))
    peer.answer("/crl", body)
    desk.configure(revocation={"privateHosts": [f"127.0.0.1:{peer.port}"]})
    ended = desk.verify_json(APP, "--policy", file)
    assert (ended.code, ended.steps()[10]) == ((NOT_VERIFIED, "failed") if revoked else (VERIFIED, "ok")), ended.out
    assert len(peer.asked) == 1, "nothing is asked again to be shown"


def test_an_image_that_nobody_can_look_at_is_undecided(world, sim, desk, impatient):
    sign_by_aws(world)
    sim.inject("server_error", service="ecr")
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS))
    assert (ended.code, ended.report["verdict"], ended.report["signatures"]) == (UNDECIDED, "inconclusive", [])
    assert ended.report["reason"].startswith("CouldNotCheck: ")


def test_aws_out_of_reach_is_undecided(desk, impatient):
    desk.endpoints = dict.fromkeys(desk.endpoints, "http://127.0.0.1:9")
    desk.configure()
    ended = desk.verify(APP, "--policy", policies(desk, AWS))
    assert ended.code == UNDECIDED
    assert "UNKNOWN: CouldNotCheck: could not check: AWS could not be reached" in ended.out


def test_aws_without_credentials_is_undecided(world, desk, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS))
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")


def test_what_takes_too_long_is_undecided(world, sim, desk):
    sign_by_aws(world)
    sim.inject("latency", operation="ListImageReferrers", seconds=3)
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS), "--timeout", "1")
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")


def test_a_policy_that_tolerates_what_nobody_can_tell_makes_nothing_verified(world, sim, desk, impatient):
    sign_by_aws(world)
    sim.inject("server_error", service="ecr")
    tolerant = desk.write("p.yaml", policy(onUndetermined="Allow", **signed_by(AWS)), *trust_stores())
    assert desk.verify_json(APP, "--policy", tolerant).code == UNDECIDED
