"""Signatures from the registry to the answer: the real engine finds, asks, proves and judges them at a simulated AWS."""

from typing import Any

import pytest

from tests.integration.gather.gate import Gate, image
from tests.integration.gather.trust import trust_of
from tests.simulator import World
from tests.simulator.pki.sigstore import ISSUER, SUBJECT

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
PROVENANCE = "https://slsa.dev/provenance/v1"
AWS_SIGNER: dict[str, Any] = {
    "name": "release",
    "notation": {"trustStores": ["aws-signer"], "trustedIdentities": [PROFILE]},
}
OWN_CA: dict[str, Any] = {"name": "own", "notation": {"trustStores": ["acme"], "trustedIdentities": ["*"]}}
CI = {
    "name": "ci",
    "sigstore": {"trustedRoot": "sigstore", "identities": [{"issuer": ISSUER, "subject": SUBJECT}]},
}
LOGGED = {"name": "logged", "notation": {**OWN_CA["notation"], "level": "audit"}}


@pytest.fixture
def trust(world):
    world.authorities.authority("acme")
    return trust_of(world)


@pytest.fixture
def app(world: World) -> str:
    world.add_image("team/app", "v1")
    return image()


def signed_by(*authorities: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"signatures": {"anyOf": list(authorities), **more}}


async def test_a_signature_of_aws_signer_lets_an_image_in(world, start, app, trust):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)

    assert (await gate.review(app)).allowed
    assert gate.warm(app).allowed


async def test_an_unsigned_image_is_refused_with_who_should_sign_what(world, start, app, trust):
    answer = await start(signed_by(AWS_SIGNER, CI), trust=trust).review(app)

    digest = world.image("team/app", "v1").digest
    assert not answer.allowed
    assert f"signatures SignatureMissing: no signature of {digest[:19]} by any of: release, ci " in answer.message
    assert f"have one of the authorities sign {image('team/app', digest)}" in answer.message


async def test_a_signature_by_another_profile_says_who_signed(world, start, app, trust):
    other = {"name": "release", "notation": {**AWS_SIGNER["notation"], "trustedIdentities": [PROFILE + "2"]}}
    world.signing.sign_with_aws_signer("team/app", "v1")

    answer = await start(signed_by(other), trust=trust).review(app)

    assert not answer.allowed
    assert 'SignatureInvalid: authority release: signed by AWS Signer profile "release" (eu-west-1) ' in answer.message
    assert '    authority release accepts AWS Signer profile "release2" (eu-west-1)\n' in answer.message
    assert "arn:" not in answer.message


async def test_a_revoked_profile_is_refused_and_was_asked_about_once(world, sim, start, app, trust):
    world.add_revocation(PROFILE)
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)

    answers = [await gate.review(app), await gate.review(app)]

    assert not any(one.allowed for one in answers)
    assert "SignatureRevoked: authority release: the signing profile was revoked" in answers[0].message
    assert f"authority release: signed by {PROFILE}" in answers[0].causes
    assert "ask the signer why it was revoked" in answers[0].message
    assert "have been revoked" in answers[0].causes
    assert sim.calls(operation="GetRevocationStatus") == 1


async def test_a_revocation_is_noticed_when_the_answer_is_old(world, start, app, trust):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert (await gate.review(app)).allowed
    world.add_revocation(PROFILE)
    assert (await gate.review(app)).allowed, "the answer is good for five minutes"

    gate.clock.advance(301)

    assert not (await gate.review(app)).allowed


async def test_without_an_answer_about_revocation_an_image_is_undetermined(world, sim, start, app, trust, impatient):
    world.signing.sign_with_aws_signer("team/app", "v1")
    sim.inject("server_error", operation="GetRevocationStatus")

    answer = await start(signed_by(AWS_SIGNER), trust=trust).review(app)

    assert not answer.allowed
    assert "SignatureUndecided: authority release: the revocation status of the signature is unknown" in answer.message


async def test_the_last_good_answer_about_revocation_counts_for_an_hour(world, sim, start, app, trust, impatient):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert (await gate.review(app)).allowed
    sim.inject("server_error", operation="GetRevocationStatus")

    gate.clock.advance(1800)
    assert (await gate.review(app)).allowed
    gate.clock.advance(1801)
    assert "SignatureUndecided" in (await gate.review(app)).message


async def test_ecr_says_that_it_is_still_signing(world, start, app, trust):
    world.set_signing_status("team/app", "v1", "IN_PROGRESS")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)

    answer = await gate.review(app)

    assert not answer.allowed
    assert "SignaturePending: Amazon ECR is still signing the image " in answer.message


async def test_it_says_so_too_where_the_verdict_is_forgotten_and_the_evidence_is_not(world, sim, start, app, trust):
    world.set_signing_status("team/app", "v1", "IN_PROGRESS")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    await gate.review(app)
    asked = sim.calls()
    gate.reviewer._remembered.clear()

    assert "SignaturePending" in (await gate.review(app)).message
    assert sim.calls() == asked


async def test_that_ecr_has_signed_is_no_signature(world, start, app, trust):
    world.set_signing_status("team/app", "v1", "COMPLETE")
    assert "SignatureMissing" in (await start(signed_by(AWS_SIGNER), trust=trust).review(app)).message


async def test_a_signature_that_comes_later_is_found_after_ten_seconds(world, start, app, trust):
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert not (await gate.review(app)).allowed
    world.signing.sign_with_aws_signer("team/app", "v1")
    assert not (await gate.review(app)).allowed

    gate.clock.advance(11)

    assert (await gate.review(app)).allowed


async def test_a_better_signature_beside_a_bad_one_is_found_after_ten_seconds(world, start, app, trust):
    world.signing.sign_with_aws_signer("team/app", "v1", expired=True)
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert "SignatureInvalid" in (await gate.review(app)).message
    world.signing.sign_with_aws_signer("team/app", "v1")

    gate.clock.advance(11)

    assert (await gate.review(app)).allowed


@pytest.mark.parametrize("form", ["jws", "cose"])
async def test_a_signature_by_an_own_authority(world, start, app, trust, form):
    world.signing.sign_with_notation("team/app", "v1", form=form)
    assert (await start(signed_by(OWN_CA), trust=trust).review(app)).allowed


async def test_what_is_only_logged_is_let_in_with_a_warning_and_never_passes(world, start, app, trust):
    world.signing.sign_with_notation("team/app", "v1", authority="stranger")

    answer = await start(signed_by(LOGGED), trust=trust).review(app)

    assert answer.allowed
    assert "signatures NotEnforced: authority logged only logs what failed: authenticity" in answer.warnings
    assert "signature by an unknown signer; authenticity: " in answer.causes


async def test_a_signature_of_another_image_proves_nothing(world, start, app, trust):
    world.add_image("team/app", "v2")
    world.signing.sign_with_aws_signer("team/app", "v1", of="v2")
    assert "content descriptor mismatch" in (await start(signed_by(AWS_SIGNER), trust=trust).review(app)).causes


async def test_a_keyless_bundle_by_the_right_identity(world, start, app, trust):
    world.signing.sign_keyless("team/app", "v1")
    assert (await start(signed_by(AWS_SIGNER, CI), trust=trust).review(app)).allowed


async def test_a_keyless_bundle_by_another_identity(world, start, app, trust):
    world.signing.sign_keyless("team/app", "v1", subject="https://github.com/mallory/x")

    answer = await start(signed_by(CI), trust=trust).review(app)

    assert not answer.allowed
    assert 'SignatureInvalid: authority ci: signed by "https://github.com/mallory/x" (issuer "' in answer.message
    assert "    authority ci accepts " in answer.message
    assert "authority ci: signed by https://github.com/mallory/x" in answer.causes


async def test_cosigns_older_signature_names_its_repository(world, start, app, trust):
    world.push("copied/app", world.image("team/app", "v1").manifest, "v1")
    world.signing.sign_with_key("team/app", "v1", form="legacy")
    world.signing.sign_with_key("copied/app", "v1", form="legacy", signed_as=app.partition(":")[0])
    copy, key = image("copied/app"), {"pem": world.authorities.public_key("release")}
    vendor = {"name": "vendor", "sigstore": {"key": key, "transparencyLog": "NotRequired"}}

    assert (await start(signed_by(vendor, sameRepository=True), trust=trust).review(app)).allowed
    assert (await start(signed_by(vendor), trust=trust).review(copy)).allowed
    refused = await start(signed_by(vendor, sameRepository=True), trust=trust).review(copy)
    assert not refused.allowed
    assert "signed for repository" in refused.causes


async def test_children_of_an_index_are_signed_each_where_all_are_demanded(world, start, trust):
    world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])
    world.signing.sign_with_aws_signer("team/multi", "v1")
    multi = image("team/multi")

    assert (await start(signed_by(AWS_SIGNER), trust=trust).review(multi)).allowed
    refused = await start(signed_by(AWS_SIGNER, children="All"), trust=trust).review(multi)
    assert not refused.allowed
    assert "SignatureMissing: linux/amd64: no signature" in refused.message


async def test_an_attestation_is_held_against_its_conditions(world, start, app, trust):
    world.signing.sign_keyless("team/app", "v1", predicate_type=PROVENANCE, predicate={"builder": {"id": "ci"}})

    def requirement(condition: str) -> dict[str, Any]:
        one = {"name": "build", "predicateType": PROVENANCE, "anyOf": [CI], "conditions": [condition]}
        return {"attestations": [one]}

    assert (await start(requirement("predicate.builder.id == 'ci'"), trust=trust).review(app)).allowed
    refused = await start(requirement("predicate.builder.id == 'other'"), trust=trust).review(app)
    assert "AttestationInvalid" in refused.message
    missing = {"attestations": [{"name": "vex", "predicateType": "https://openvex.dev/ns", "anyOf": [CI]}]}
    assert "predicate type" in (await start(missing, trust=trust).review(app)).causes


@pytest.mark.parametrize(
    ("named", "words"),
    [("gone", "there is no TrustStore gone"), ("sigstore", "is of type sigstore; expected one for Notation")],
    ids=["a store that is not there", "a store of another type"],
)
async def test_trust_that_cannot_be_used_leaves_an_image_undetermined(world, start, app, trust, named, words):
    wanted = {"name": "release", "notation": {"trustStores": [named], "trustedIdentities": [PROFILE]}}
    world.signing.sign_with_aws_signer("team/app", "v1")

    answer = await start(signed_by(wanted), trust=trust).review(app)

    assert not answer.allowed
    assert "TrustUnusable: authority release cannot be verified: a trust store or a key is unusable" in answer.message
    assert words in answer.causes


async def test_another_state_of_the_trust_stores_proves_everything_anew(world, sim, start, app, trust):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert (await gate.review(app)).allowed
    searches = sim.calls(operation="ListImageReferrers")

    gate.policies.apply(signed_by(AWS_SIGNER), trust_of(World()))

    assert "SignatureInvalid" in (await gate.review(app)).message
    assert sim.calls(operation="ListImageReferrers") == searches, "nothing is searched for again"


async def test_a_registry_that_hides_signatures_for_a_while_is_no_registry_without_them(
    world, sim, start, app, trust, impatient
):
    sim.inject("server_error", operation="ListImageReferrers")
    answer = await start(signed_by(AWS_SIGNER), trust=trust).review(app)
    assert not answer.allowed
    assert "CouldNotCheck" in answer.message
    assert "Missing" not in answer.message


async def test_found_signatures_serve_while_the_registry_is_out_of_reach(world, sim, start, app, trust, impatient):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)
    assert (await gate.review(app)).allowed
    sim.inject("server_error", service="ecr")

    gate.clock.advance(302)
    answer = await gate.review(app)

    assert answer.allowed
    assert "judged by evidence" in answer.warnings


async def test_a_thousand_pods_of_one_signed_image_make_one_search(world, sim, start, app, trust):
    world.signing.sign_with_aws_signer("team/app", "v1")
    gate: Gate = start(signed_by(AWS_SIGNER), trust=trust)

    answers = await gate.review_all([app] * 1000)

    assert all(one.allowed for one in answers)
    assert {name: sim.calls(operation=name) for name in ("ListImageReferrers", "GetRevocationStatus")} == {
        "ListImageReferrers": 1,
        "GetRevocationStatus": 1,
    }


async def test_nothing_but_a_listed_registry_is_asked_for_signatures(start, trust):
    gate: Gate = start(signed_by(CI), trust=trust)
    answer = await gate.review("registry.invalid/app:v1")
    assert "signatures RegistryNotSupported: the image is not in Amazon ECR" in answer.message
