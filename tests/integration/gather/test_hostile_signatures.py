"""What whoever may push can put beside an image: none of it makes "not known" of "no valid signature".

The policies here tolerate what is not known, so that every "not known" would let the image in.
"""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.gather.gate import image
from tests.integration.gather.test_signatures import OWN_CA, signed_by
from tests.integration.gather.trust import trust_of
from tests.simulator import World
from tests.simulator.artifacts import descriptor, fallback_tag
from tests.simulator.manifests import OCI_MANIFEST, Manifest, sha256
from tests.simulator.pki.certificates import Identity, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, SIGNED_AT, sign
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.verify.notation.envelope.plugin import (
    AWS_SIGNER_PLUGIN,
    VERIFICATION_PLUGIN,
    VERIFICATION_PLUGIN_MIN_VERSION,
)

UNTIL = SIGNED_AT + timedelta(days=900)
RELEASE = {
    "name": "release",
    "notation": {**OWN_CA["notation"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Release"]},
}


KEYLESS = {
    "name": "ci",
    "sigstore": {"trustedRoot": "sigstore", "identities": [{"issuer": "https://ci.test", "subject": "ci@acme.test"}]},
}
ATTESTED = {"name": "build", "predicateType": "https://slsa.dev/provenance/v1", "anyOf": [KEYLESS]}


@pytest.fixture
def ca(world: World) -> Identity:
    return world.authorities.authority("acme")


@pytest.fixture
def trust(world: World, ca: Identity) -> TrustSnapshot:
    return trust_of(world)


@pytest.fixture
def app(world: World) -> str:
    world.add_image("team/app", "v1")
    return image()


def demanding(plugin: str, version: str | None = None) -> dict[str, Any]:
    """An envelope's options: a plugin that the verifier is said to need."""
    extended = {VERIFICATION_PLUGIN: plugin} | ({VERIFICATION_PLUGIN_MIN_VERSION: version} if version else {})
    return {"extended": extended, "critical": tuple(extended)}


@pytest.mark.parametrize(
    ("trusted", "options", "words"),
    [
        pytest.param(
            False,
            {"scheme": AUTHORITY_SCHEME},
            "the policy names no trust store for signatures of the scheme",
            id="of a scheme for which the policy names no trust store",
        ),
        pytest.param(
            True, demanding("com.example.plugin"), "locating the verification plugin", id="that wants a plugin"
        ),
        pytest.param(
            True, demanding(AWS_SIGNER_PLUGIN, "99.0.0"), "needs plugin version", id="that wants a later plugin"
        ),
    ],
)
async def test_an_envelope_of_who_is_not_trusted(world, start, app, ca, trust, trusted, options, words):
    signer = issue("Mallory", ca if trusted else authority(), not_after=UNTIL)
    target = descriptor(world.image("team/app", "v1").manifest)
    world.add_signature("team/app", "v1", sign(signer, target=target, **options))

    answer = await start(signed_by(RELEASE) | {"onUndetermined": "Allow"}, trust=trust).review(app)

    assert not answer.allowed
    assert "SignatureInvalid: authority release: " in answer.message
    assert words in answer.message + answer.causes


@pytest.mark.parametrize("suffix", ["", ".sig", ".att"], ids=["the list of referrers", "signatures", "attestations"])
async def test_a_tag_whose_content_no_answer_can_hold(world, start, app, trust, suffix):
    """ECR answers with texts, so that bytes that are none arrive as others."""
    data = b'{"schemaVersion":2,"annotations":{"\xff":"\xff"}}'
    world.push(
        "team/app",
        Manifest(data=data, digest=sha256(data), media_type=OCI_MANIFEST, size=len(data)),
        fallback_tag(world.image("team/app", "v1").digest, suffix),
    )

    policy = {"signatures": {"anyOf": [OWN_CA, KEYLESS]}, "attestations": [ATTESTED], "onUndetermined": "Allow"}
    answer = await start(policy, trust=trust).review(app)

    assert not answer.allowed
    assert "SignatureMissing" in answer.message


async def test_the_children_of_an_index_that_nobody_signed_are_not_searched_for(world, sim, start, trust):
    """An index may list dozens, and each may have dozens of worthless signatures."""
    world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])

    gate = start(signed_by(OWN_CA, children="All"), trust=trust)

    assert "SignatureMissing: no signature of " in (await gate.review(image("team/multi"))).message
    assert sim.calls(operation="ListImageReferrers") == 1
    gate.reviewer._remembered.clear()
    assert not gate.warm(image("team/multi")).allowed, "what is known of the index is enough to judge it again"


@pytest.mark.parametrize("signed", [True, False], ids=["signed too", "not signed"])
async def test_the_children_of_a_signed_index_are(world, sim, start, ca, trust, signed):
    world.add_index("team/multi", "v1", platforms=["linux/amd64", "linux/arm64"])
    signer, index = issue("Team", ca, not_after=UNTIL), world.image("team/multi", "v1")
    children = [each["digest"] for each in json.loads(index.manifest.data)["manifests"]]
    for digest in [index.digest, *(children if signed else ())]:
        envelope = sign(signer, target=descriptor(world.image("team/multi", digest).manifest))
        world.add_signature("team/multi", digest, envelope)

    answer = await start(signed_by(OWN_CA, children="All"), trust=trust).review(image("team/multi"))

    assert answer.allowed is signed
    assert sim.calls(operation="ListImageReferrers") == 3
