"""Signatures in a scenario: the real engine lets in whom the policy trusts, refuses the others, and typos have a place."""

from typing import Any

import pytest
import yaml

from tests.integration.gather.gate import Gate, image
from tests.integration.gather.trust import trust_of
from tests.simulator import Simulator, World
from tests.simulator.pki.sigstore import ISSUER, SUBJECT
from tests.simulator.scenario import ScenarioError, build

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
SLSA = "https://slsa.dev/provenance/v1"
ATTEST = {"predicateType": SLSA, "predicate": {"builder": "ci"}}


@pytest.fixture
def review(environment) -> Any:
    """Judge an image of a world by an authority."""

    async def judge(world: World, policy: dict[str, Any], reference: str | None = None) -> Any:
        with Simulator(world) as sim:
            for name, value in sim.environment().items():
                if name != "AWS_ENDPOINT_URL":
                    environment.setenv(name, value)
            gate = Gate(sim, policy, trust=trust_of(world))
            try:
                return await gate.review(reference or image())
            finally:
                gate.engine.close()

    return judge


def world_of(*signatures: dict[str, Any], **more: Any) -> World:
    images = [{"tags": ["v1"], "signatures": list(signatures)}, {"tags": ["v2"]}]
    return build({"repositories": [{"name": "team/app", "images": images}], **more})


def by_notation(*identities: str, stores: tuple[str, ...]) -> dict[str, Any]:
    return {"notation": {"trustStores": list(stores), "trustedIdentities": list(identities)}}


def by_identity(subject: str) -> dict[str, Any]:
    return {"sigstore": {"trustedRoot": "sigstore", "identities": [{"issuer": ISSUER, "subject": subject}]}}


def by_key(world: World, name: str, *, logged: bool) -> dict[str, Any]:
    log = {"trustedRoot": "sigstore"} if logged else {"transparencyLog": "NotRequired"}
    return {"sigstore": {"key": {"pem": world.authorities.public_key(name)}, **log}}


def requirement(rules: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    authority = {"name": "release", **rules}
    if "predicateType" not in part:
        return {"signatures": {"anyOf": [authority]}}
    one = {"name": "build", "predicateType": SLSA, "conditions": ["predicate.builder == 'ci'"], "anyOf": [authority]}
    return {"attestations": [one]}


def rules(world: World, part: dict[str, Any], *, stranger: bool = False) -> dict[str, Any]:
    """Return who is trusted: who signs by default, or somebody else."""
    match part["kind"]:
        case "awsSigner":
            return by_notation(PROFILE + "2" * stranger, stores=("aws-signer",))
        case "notation":
            subject = f"x509.subject: C=US, ST=WA, O=Example, CN={'other' if stranger else 'release'}"
            return by_notation(subject, stores=("acme", *(["timestamps"] if "timestamped" in part else [])))
        case "cosignKey":
            return by_key(world, "other" if stranger else "release", logged="logged" in part)
    return by_identity(SUBJECT + "2" * stranger)


PARTS: list[dict[str, Any]] = [
    {"kind": "awsSigner"},
    {"kind": "awsSigner", "signedAt": "-100d"},
    {"kind": "notation"},
    {"kind": "notation", "form": "cose"},
    {"kind": "notation", "timestamped": True},
    {"kind": "notation", "form": "cose", "timestamped": True},
    *(
        {"kind": "cosignKey", **form, **logged, **attests}
        for form in ({}, {"form": "legacy"})
        for logged in ({}, {"logged": True})
        for attests in ({}, ATTEST)
    ),
    *(
        {"kind": "cosignKeyless", **form, **attests}
        for form in ({}, {"form": "legacy", "signedAt": "-100d"})
        for attests in ({}, ATTEST)
    ),
]


def words(part: dict[str, Any]) -> str:
    return " ".join(str(value) if name in {"kind", "form"} else name for name, value in part.items())


@pytest.mark.parametrize("part", PARTS, ids=words)
async def test_each_kind_verifies_under_its_signer_and_no_other(review, part):
    world = world_of(part)

    good = await review(world, requirement(rules(world, part), part))
    assert good.allowed, good.message
    assert not (await review(world, requirement(rules(world, part, stranger=True), part))).allowed


@pytest.mark.parametrize("part", PARTS, ids=words)
async def test_no_kind_verifies_for_another_image(review, part):
    world = world_of(part | {"of": "v2"})
    assert "Invalid: " in (await review(world, requirement(rules(world, part), part))).message


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ({"kind": "awsSigner", "expired": True}, "the signature expired on 20"),
        ({"kind": "notation", "expired": True}, "the signature expired on 20"),
        ({"kind": "awsSigner", "revoked": True}, "SignatureRevoked"),
    ],
    ids=["AWS Signer, expired", "Notation, expired", "AWS Signer, revoked"],
)
async def test_what_is_expired_or_revoked_is_refused(review, part, complaint):
    world = world_of(part)
    answer = await review(world, requirement(rules(world, part), part))
    assert not answer.allowed
    assert complaint in answer.message


async def test_one_revoked_signature_leaves_the_others_of_its_profile(review):
    world = world_of({"kind": "awsSigner", "revoked": True}, {"kind": "awsSigner"})
    assert (await review(world, requirement(rules(world, {"kind": "awsSigner"}), {}))).allowed


@pytest.mark.parametrize(("since", "allowed"), [(None, False), ("-2h", False), ("-1m", True)])
async def test_a_revoked_profile_is_revoked_for_signatures_since_then(review, since, allowed):
    world = world_of({"kind": "awsSigner"}, revocations=[{"profile": "release", "since": since}])
    assert (await review(world, requirement(rules(world, {"kind": "awsSigner"}), {}))).allowed is allowed


async def test_two_legacy_signatures_stand_side_by_side(review):
    world = world_of(
        {"kind": "cosignKey", "form": "legacy", "key": "a"}, {"kind": "cosignKey", "form": "legacy", "key": "b"}
    )
    for key in ("a", "b"):
        assert (await review(world, requirement(by_key(world, key, logged=False), {}))).allowed


@pytest.mark.parametrize(("signed_as", "allowed"), [(None, True), ("registry.test/other", False)])
async def test_a_legacy_signature_names_its_own_repository_unless_told(review, signed_as, allowed):
    world = world_of({"kind": "cosignKey", "form": "legacy", "signedAs": signed_as})
    policy = requirement(by_key(world, "release", logged=False), {})
    policy["signatures"]["sameRepository"] = True
    assert (await review(world, policy)).allowed is allowed


async def test_children_of_an_index_are_signed_one_by_one(review):
    child = {"signatures": [{"kind": "notation"}]}
    both = {
        "tags": ["v1"],
        "signatures": [{"kind": "notation"}],
        "platforms": {"linux/amd64": child, "linux/arm64": {}},
    }
    world = build({"repositories": [{"name": "team/app", "images": [both]}]})
    policy = requirement(rules(world, {"kind": "notation"}), {})
    assert (await review(world, policy)).allowed
    policy["signatures"]["children"] = "All"
    answer = await review(world, policy)
    assert "SignatureMissing: linux/arm64" in answer.message
    assert "linux/amd64" not in answer.message


async def test_what_ecr_says_of_signing_by_itself(review):
    images = [{"tags": ["v1"], "signing": {"status": "IN_PROGRESS", "profile": "release"}}]
    world = build({"repositories": [{"name": "team/app", "images": images}]})
    assert (
        "SignaturePending"
        in (await review(world, requirement(by_notation(PROFILE, stores=("aws-signer",)), {}))).message
    )


def test_a_key_in_kms_is_the_one_that_signs():
    world = world_of({"kind": "cosignKey"}, kmsKeys=[{"id": "1234abcd", "key": "release"}])
    (kept,) = world.kms_keys.values()
    assert kept.arn == "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    assert kept.public_pem.decode() == world.authorities.public_key("release")


def test_an_image_of_another_account_is_signed_there():
    images = [{"signatures": [{"kind": "cosignKeyless", "form": "legacy"}]}]
    there = {"account": "444455556666", "region": "us-east-1"}
    world = build({"accounts": [{"id": "444455556666"}], "repositories": [{"name": "a/b", "images": images, **there}]})
    assert any(tag.endswith(".sig") for tag in world.repository("a/b", **there).tags)


def test_two_worlds_do_not_trust_each_other():
    one, other = (World().authorities.trust_stores() for _ in range(2))
    assert [each["metadata"] for each in one] == [each["metadata"] for each in other]
    assert not [each for each in one if each in other]


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        (
            "{kind: awsSignr}",
            "Invalid value 'awsSignr' .*kind`; expected one of awsSigner, notation, cosignKey, cosignKeyless",
        ),
        ("{profile: release}", "missing required field `kind`"),
        ("{kind: awsSigner, profil: release}", "unknown field `profil`"),
        ("{kind: cosignKey, revoked: true}", "unknown field `revoked`"),
        ("{kind: notation, form: jwt}", "'jwt'.*form`"),
        ("{kind: cosignKey, form: jws}", "'jws'.*form`"),
        ("{kind: notation, expired: 1}", "Expected `bool`, got `int`"),
        ("{kind: notation, of: v9}", "unknown 'v9'"),
        ("{kind: notation, signedAt: soon}", "soon"),
        ("{kind: notation, authority: sigstore}", "authority sigstore would have the trust store of another"),
    ],
)
def test_a_wrong_signature_says_where(part, complaint):
    text = "repositories: [{name: a/b, images: [{}, {tags: [v2], signatures: [{kind: notation}, %s]}]}]"
    with pytest.raises(ScenarioError, match=complaint) as caught:
        build(yaml.safe_load(text % part))
    assert "$.repositories[0].images[1].signatures[1]" in str(caught.value)
