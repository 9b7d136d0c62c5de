"""``tidegate verify IMAGE --policy FILE`` with the real engine, against a simulated AWS."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.cli.desk import policy
from tests.integration.cli.signed import APP, NOT_VERIFIED, UNDECIDED, VERIFIED, policies
from tests.integration.cli.signers import (
    AWS,
    CI,
    MALLORY,
    OWN,
    keyed,
    sign_by_aws,
    sign_by_key,
    sign_by_notation,
    sign_keyless,
    signed_by,
    trust_stores,
)
from tests.integration.gather.gate import image
from tests.simulator.pki.aws_signer import PROFILE, PROFILE_VERSION
from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.sigstore import SUBJECT
from tidegate.signing import notation, sigstore

PROVENANCE = "https://slsa.dev/provenance/v1"


# Who signed
SIGNED = {
    "notation": (sign_by_notation, OWN, "notation signature"),
    "aws signer": (sign_by_aws, AWS, "notation signature"),
    "a cosign key": (sign_by_key, keyed(), "cosign signature"),
    "keyless": (sign_keyless, CI, "sigstore bundle"),
}


@pytest.mark.parametrize("how", SIGNED)
def test_a_signed_image_is_verified_with_every_step(world, desk, how):
    put, authority, kind = SIGNED[how]
    put(world)
    ended = desk.verify_json(APP, "--policy", policies(desk, authority))
    assert ended.code == VERIFIED, ended.out
    report = ended.report
    assert (report["subject"], report["verdict"], report["verified"]) == (APP, "verified", True)
    assert (report["digest"], report["policy"]) == (world.image("team/app", "v1").digest, "signed")
    (signature,) = report["signatures"]
    assert signature["kind"] == kind
    assert signature["authority"] == authority["name"]
    outcomes = set(ended.steps().values())
    assert outcomes == ({"ok", "skipped"} if how == "notation" else {"ok"})


@pytest.mark.parametrize(
    ("how", "module", "procedure"),
    [
        pytest.param("notation", notation, "verify_notation", id="notation"),
        pytest.param("a cosign key", sigstore, "verify_artifact", id="a cosign key"),
        pytest.param("keyless", sigstore, "verify_artifact", id="keyless"),
    ],
)
def test_nothing_is_verified_again_to_be_shown(world, desk, monkeypatch, how, module, procedure):
    put, authority, _ = SIGNED[how]
    put(world)
    original, calls = getattr(module, procedure), []

    def counted(*args: Any, **named: Any) -> Any:
        calls.append(args)
        return original(*args, **named)

    monkeypatch.setattr(module, procedure, counted)
    ended = desk.verify_json(APP, "--policy", policies(desk, authority))
    assert (ended.code, len(calls)) == (VERIFIED, 1)
    assert ended.report["signatures"][0]["steps"]


def test_how_the_repository_is_configured_is_not_judged(world, desk):
    sign_by_aws(world)
    spec = {**signed_by(AWS), "repository": {"encryption": "KMS"}}
    ended = desk.verify_json(APP, "--policy", desk.write("policies.yaml", policy(**spec), *trust_stores()))
    assert (ended.code, ended.report["verdict"]) == (VERIFIED, "verified")


def test_the_signer_is_named(world, desk):
    sign_by_aws(world)
    report = desk.verify_json(APP, "--policy", policies(desk, AWS)).report
    assert report["reason"] == f"signature by {PROFILE_VERSION} (authority release)"
    assert report["signatures"][0]["facts"]["signer"] == PROFILE_VERSION


@pytest.mark.parametrize("authority", [OWN, AWS, keyed(), CI], ids=lambda one: one["name"])
def test_an_unsigned_image_is_not_verified(desk, authority):
    ended = desk.verify_json(APP, "--policy", policies(desk, authority))
    assert (ended.code, ended.report["verdict"], ended.report["signatures"]) == (NOT_VERIFIED, "failed", [])
    assert ended.report["reason"].startswith("SignatureMissing: no signature of sha256:")
    assert ended.report["remedy"].startswith("have one of the authorities sign ")


OTHERS = {
    "notation": (
        lambda world: sign_by_notation(world, issue("Team", authority("Stranger"))),
        OWN,
        2,
        "does not contain any trusted certificate",
        "the signing certificate is not trusted by trust store ",
    ),
    "aws signer": (
        sign_by_aws,
        {**AWS, "notation": {**AWS["notation"], "trustedIdentities": [PROFILE + "2"]}},
        7,
        "",
        "signed by AWS Signer profile ",
    ),
    "a cosign key": (
        lambda world: sign_by_key(world, ec.generate_private_key(ec.SECP256R1())),
        keyed(),
        8,
        "",
        "the signature is not by the key with SHA-256 fingerprint ",
    ),
    "keyless": (
        lambda world: sign_keyless(world, MALLORY),
        CI,
        6,
        f"signed by {MALLORY}",
        f'signed by "{MALLORY}" (issuer ',
    ),
}


@pytest.mark.parametrize("how", OTHERS)
def test_a_signature_by_somebody_else_fails_at_its_step(world, desk, how):
    put, authority, number, words, clause = OTHERS[how]
    put(world)
    ended = desk.verify_json(APP, "--policy", policies(desk, authority))
    assert (ended.code, ended.report["verdict"]) == (NOT_VERIFIED, "failed"), ended.out
    assert ended.report["reason"].startswith(f"SignatureInvalid: authority {authority['name']}: {clause}")
    failed = [step for step in ended.report["signatures"][0]["steps"] if step["outcome"] == "failed"]
    assert [(step["number"], words in step["text"]) for step in failed] == [(number, True)]


def test_a_stranger_s_signature_that_cannot_be_decided_is_none(world, desk):
    """Of a scheme that no trust store of the authority is for: admission refuses it, and so does the report."""
    sign_by_notation(world, issue("Team", authority("Stranger")))
    ended = desk.verify_json(APP, "--policy", policies(desk, AWS))
    assert ended.code == NOT_VERIFIED
    assert ended.steps()[2] == "undecided"
    assert ended.report["signatures"][0]["verdict"] == "failed"


@pytest.mark.parametrize("how", ["a cosign key", "keyless"])
def test_a_valid_signature_beside_a_bad_one_suffices(world, desk, how):
    bad, authority, *_ = OTHERS[how]
    good = SIGNED[how][0]
    bad(world)
    good(world)
    ended = desk.verify_json(APP, "--policy", policies(desk, authority))
    assert ended.code == VERIFIED
    verdicts = [one["verdict"] for one in ended.report["signatures"]]
    assert verdicts[-1] == "verified"
    assert set(verdicts[:-1]) <= {"failed"}


def test_what_is_not_needed_is_said(world, desk):
    sign_by_key(world)
    sign_by_key(world)
    report = desk.verify_json(APP, "--policy", policies(desk, keyed())).report
    assert len(report["signatures"]) == 1
    assert report["leftAside"] == [
        {"what": "1 more", "reason": "NotNeeded", "detail": "authority vendor already has a valid signature"}
    ]


def test_each_authority_shows_what_it_makes_of_a_signature(world, desk):
    sign_by_aws(world)
    ended = desk.verify_json(
        APP, "--policy", policies(desk, {**AWS, "name": "other", "notation": OWN["notation"]}, AWS)
    )
    assert [(one["authority"], one["verdict"]) for one in ended.report["signatures"]][1] == ("release", "verified")
    assert ended.code == VERIFIED


# What policies say
def test_what_is_only_logged_is_accepted_and_not_verified(world, desk):
    sign_by_notation(world, issue("Team", authority("Stranger")))
    lenient = {**OWN, "notation": {**OWN["notation"], "level": "audit"}}
    ended = desk.verify(APP, "--policy", policies(desk, lenient))
    assert ended.code == VERIFIED
    assert "ACCEPTED, BUT NOT VERIFIED: NotEnforced: " in ended.out
    assert "\nVERIFIED" not in ended.out
    report = desk.verify_json(APP, "--policy", policies(desk, lenient)).report
    assert (report["verdict"], report["verified"]) == ("logged", False)


def test_an_image_that_no_policy_is_about_was_not_verified(desk):
    match = {"images": [{"account": "111122223333", "repositories": ["other/**"]}]}
    file = desk.write("p.yaml", policy(match=match, **signed_by(AWS)), *trust_stores())
    ended = desk.verify_json(APP, "--policy", file)
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")
    assert "no policy that matches this image requires a signature" in ended.report["reason"]


def test_the_namespace_chooses_the_policies(world, desk):
    sign_by_aws(world)
    file = desk.write("p.yaml", policy(match={"namespaces": ["shop"]}, **signed_by(AWS)), *trust_stores())
    assert desk.verify_json(APP, "--policy", file).code == UNDECIDED
    assert desk.verify_json(APP, "--policy", file, "--namespace", "shop").code == VERIFIED


def test_each_policy_is_a_report_and_one_that_is_not_met_decides(world, desk):
    sign_by_aws(world)
    file = desk.write("p.yaml", policy("one", **signed_by(AWS)), policy("two", **signed_by(CI)), *trust_stores())
    ended = desk.verify_json(APP, "--policy", file)
    assert ended.code == NOT_VERIFIED
    assert [(one["policy"], one["verdict"]) for one in json.loads(ended.out)] == [
        ("one", "verified"),
        ("two", "failed"),
    ]


def test_several_images_are_verified_at_once(world, desk):
    world.add_image("team/app", "v2")
    sign_by_aws(world)
    ended = desk.verify_json(APP, image(tag="v2"), "--policy", policies(desk, AWS))
    assert ended.code == NOT_VERIFIED
    assert [one["verdict"] for one in json.loads(ended.out)] == ["verified", "failed"]


def test_nothing_but_signatures_is_judged(world, sim, desk):
    sign_by_aws(world)
    requirements = signed_by(AWS) | {
        "tags": {"digestRequired": True},
        "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
    }
    file = desk.write("p.yaml", policy(**requirements), *trust_stores())
    assert desk.verify_json(APP, "--policy", file).code == VERIFIED
    assert sim.calls(service="inspector2") == 0


def test_a_registry_that_a_policy_does_not_list_is_not_asked(sim, desk):
    listed: dict[str, Any] = {"registries": [{"account": "444455556666"}]}
    file = desk.write("p.yaml", policy(**signed_by(AWS), **listed), *trust_stores())
    ended = desk.verify_json(APP, "--policy", file)
    assert ended.code == NOT_VERIFIED
    assert ended.report["reason"].startswith("RegistryNotAllowed: ")
    assert sim.calls() == 0


def test_attestations_are_shown_beside_signatures(world, desk):
    sign_keyless(world)
    sign_keyless(world, predicate_type=PROVENANCE, predicate={"builder": {"id": "ci"}})
    requirement = {"name": "build", "predicateType": PROVENANCE, "authorities": ["ci"]}

    def verify(condition: str) -> Any:
        whole = signed_by(CI) | {"attestations": [requirement | {"conditions": [condition]}]}
        return desk.verify_json(APP, "--policy", desk.write("p.yaml", policy(**whole), *trust_stores()))

    ended = verify("predicate.builder.id == 'ci'")
    assert ended.code == VERIFIED
    assert ended.report["reason"].count(SUBJECT) == 2
    assert {one.get("attestation") for one in ended.report["signatures"]} == {None, "build"}
    assert verify("predicate.builder.id == 'other'").code == NOT_VERIFIED


def test_children_of_an_index_are_shown_where_each_must_be_signed(world, desk):
    world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])
    index = world.image("team/multi", "v1")
    children = [one["digest"] for one in json.loads(index.manifest.data)["manifests"]]
    for name in ("v1", *children):
        sign_by_notation(world, name=name, repository="team/multi")
    multi = image("team/multi")
    ended = desk.verify_json(multi, "--policy", policies(desk, OWN, children="All"))
    assert ended.code == VERIFIED, ended.out
    assert len(ended.report["signatures"]) == 3
    assert sum(" of sha256:" in one["place"] for one in ended.report["signatures"]) == 2


def test_a_store_of_the_wrong_type_leaves_its_authority_undecided(world, desk):
    sign_by_aws(world)
    wrong = {**AWS, "notation": {**AWS["notation"], "trustStores": ["sigstore"]}}
    report = desk.verify_json(APP, "--policy", policies(desk, wrong)).report
    assert report["verdict"] == "inconclusive"
    assert report["leftAside"][0]["reason"] == "TrustUnusable"
    assert "is of type sigstore; expected one for Notation" in report["leftAside"][0]["detail"]


def test_what_lies_beside_an_image_and_is_no_signature_is_left_aside(world, desk):
    sign_by_aws(world)
    world.add_signature("team/app", "v1", b"x", change={"layers": []})
    report = desk.verify_json(APP, "--policy", policies(desk, AWS)).report
    assert report["verdict"] == "verified"
    assert [one["what"].startswith("sha256:") for one in report["leftAside"]] == [True]


# What a person reads
def test_the_text_shows_the_image_each_step_and_what_to_do(world, desk):
    sign_by_aws(world)
    ended = desk.verify(APP, "--policy", policies(desk, AWS))
    lines = ended.out.splitlines()
    assert lines[0] == APP
    assert f"  digest {world.image('team/app', 'v1').digest}" in lines
    assert "notation signature, authority release" in lines
    assert "  10  ok           check for revocation [revocation]" in lines
    assert lines[-1] == f"VERIFIED: signature by {PROFILE_VERSION} (authority release)"
    unsigned = desk.verify(APP, "--policy", policies(desk, CI)).out.splitlines()
    assert unsigned[-1].startswith("To fix: have one of the authorities sign ")


# What cannot be used
def test_an_image_without_policy_is_asked_for_one(desk):
    ended = desk.verify(APP)
    assert (ended.code, "IMAGE needs --policy FILE" in ended.err) == (2, True)


def test_a_policy_without_image_is_asked_for_one(desk):
    assert "name at least one IMAGE" in desk.verify("--policy", policies(desk, AWS)).err


def test_the_time_of_a_registry_is_now(desk):
    ended = desk.verify(APP, "--policy", policies(desk, AWS), "--at", "2026-03-01T12:00:00Z")
    assert (ended.code, "--at does not go with --policy" in ended.err) == (2, True)


@pytest.mark.parametrize("text", ["a:UPPER/case", "a b", "app@sha256:1"])
def test_what_is_no_image_reference_cannot_be_used(sim, desk, text):
    ended = desk.verify(text, "--policy", policies(desk, AWS))
    assert (ended.code, ended.out) == (2, "")
    assert f"'{text}' is not an image reference: " in ended.err
    assert sim.calls() == 0


def test_policies_that_demand_no_signature_cannot_be_used(desk):
    file = desk.write("p.yaml", policy(tags={"immutable": True}))
    ended = desk.verify(APP, "--policy", file)
    assert (ended.code, "requires signatures or attestations" in ended.err) == (2, True)
