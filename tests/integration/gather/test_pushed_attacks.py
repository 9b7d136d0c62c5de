"""What somebody who may only push can put beside an unsigned image: each row is one attack, each image stays refused.

The policy tolerates what is not known (``onUndetermined: Allow``), so an attack that turns "no valid signature" into "not
known" would let the image in. What a stranger can do to a genuine signature is in
tests/unit/verify/test_undecidable_signatures.py.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from tests.integration.gather.gate import image
from tests.integration.gather.test_signatures import CI, OWN_CA, PROVENANCE, signed_by
from tests.integration.gather.trust import trust_of
from tests.simulator import Simulator, World
from tests.simulator.artifacts import (
    BUNDLE,
    BUNDLE_TYPE,
    COSIGN_ATTESTATION,
    COSIGN_SIGNATURE,
    LAYER_TYPES,
    NOTATION,
    NOTATION_TYPE,
    LayerPart,
    artifact,
    cosign_manifest,
    descriptor,
    fallback_tag,
    referrers_index,
    signature,
)
from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, Manifest, sha256
from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, sign
from tests.simulator.pki.sigstore import LocalSigstore, statement
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tidegate.evidence.signature_artifacts import MAX_ENVELOPE_BYTES, MAX_EVALUATED, MAX_MANIFEST_BYTES
from tidegate.verify.notation.envelope.plugin import (
    AWS_SIGNER_PLUGIN,
    VERIFICATION_PLUGIN,
    VERIFICATION_PLUGIN_MIN_VERSION,
)

REPOSITORY = "team/app"
ATTESTED = {"name": "build", "predicateType": PROVENANCE, "anyOf": [CI]}
MALLORY = issue("Mallory", authority("Mallory"))

Attack: TypeAlias = Callable[[World, Simulator], None]


def plant(world: World, envelope: bytes = b"{}", *, kind: str = NOTATION, **options: Any) -> str:
    return world.add_signature(REPOSITORY, "v1", envelope, kind=kind, **options)


def put(world: World, body: Manifest) -> str:
    return world.add_artifact(REPOSITORY, app(world).digest, body)


def tag(world: World, suffix: str, body: Manifest) -> None:
    world.push(REPOSITORY, body, fallback_tag(app(world).digest, suffix))


def app(world: World) -> Manifest:
    return world.image(REPOSITORY, "v1").manifest


def raw(data: bytes, media_type: str = OCI_MANIFEST) -> Manifest:
    return Manifest(data=data, digest=sha256(data), media_type=media_type, size=len(data))


def signed(**options: Any) -> Attack:
    """A signature of the image by a signer whom nobody trusts."""
    return lambda world, _: void(plant(world, sign(MALLORY, target=descriptor(app(world)), **options)))


def enveloped(content: bytes, media_type: str = JWS) -> Attack:
    return lambda world, _: void(plant(world, content, media_type=media_type))


def changed(**members: Any) -> Attack:
    """A Notation signature whose manifest has other members."""
    return lambda world, _: void(plant(world, change=members))


def listed(**members: Any) -> Attack:
    """A referrer of which ECR lists what its pusher chose."""

    def attack(world: World, _: Simulator) -> None:
        body = signature(NOTATION, b"{}", subject=app(world))
        put(world, replace(body, **members))

    return attack


def tagged(*suffixes: str, body: Manifest | None = None) -> Attack:
    content = body or cosign_manifest([LayerPart(data=b"{}", media_type=LAYER_TYPES[COSIGN_SIGNATURE])])

    def attack(world: World, _: Simulator) -> None:
        for suffix in suffixes:
            tag(world, suffix, content)

    return attack


def bundled(**members: Any) -> Attack:
    """A stranger's bundle, made by a Sigstore instance that nobody trusts, with other members."""

    def attack(world: World, _: Simulator) -> None:
        strange = LocalSigstore()
        bundle = strange.sign_statement(statement(app(world).digest), strange.signer())
        plant(world, json.dumps(bundle | members).encode(), kind=BUNDLE)

    return attack


def layered(kind: str, content: bytes = b"{}", **annotations: str) -> Attack:
    names = {"signature": "dev.cosignproject.cosign/signature"} | {
        name: f"dev.sigstore.cosign/{name}" for name in ("certificate", "bundle", "rfc3161timestamp")
    }
    notes = {names[name]: text for name, text in annotations.items()}
    return lambda world, _: void(plant(world, content, kind=kind, layer_annotations=notes))


def void(_: object) -> None:
    """Drop what a call gave."""


def uncached(world: World, sim: Simulator) -> None:
    del sim
    world.add_pull_through_rule("team")
    world.set_cached(REPOSITORY, plant(world), cached=False)


def refused_upstream(code: str) -> Attack:
    """ECR knows the referrer from the list of its upstream, and the upstream does not give it."""

    def attack(world: World, sim: Simulator) -> None:
        del sim
        world.add_pull_through_rule("team", miss=code)
        world.set_cached(REPOSITORY, plant(world), cached=False)

    return attack


def spoiled_call(code: str) -> Attack:
    """The whole call fails for the sake of the one referrer that is not cached."""

    def attack(world: World, sim: Simulator) -> None:
        world.add_pull_through_rule("team")
        digest = plant(world)
        world.set_cached(REPOSITORY, digest, cached=False)
        sim.inject("error", operation="BatchGetImage", about=digest, code=code)

    return attack


def layer_upstream(code: str) -> Attack:
    def attack(world: World, sim: Simulator) -> None:
        world.add_pull_through_rule("team")
        plant(world, b"not cached")
        sim.inject("error", operation="GetDownloadUrlForLayer", about=sha256(b"not cached"), code=code)

    return attack


def archived(world: World, _: Simulator) -> None:
    world.image(REPOSITORY, plant(world)).status = "ARCHIVED"


def without_blob(world: World, _: Simulator) -> None:
    plant(world, b"gone")
    del world.repository(REPOSITORY).blobs[sha256(b"gone")]


def many(count: int, size: int = 100) -> Attack:
    def attack(world: World, _: Simulator) -> None:
        for number in range(count):
            plant(world, b"%d" % number + bytes(size))

    return attack


def large_manifests(world: World, _: Simulator) -> None:
    """More bytes than ECR gives in one answer, and than are held."""
    for number in range(12):
        plant(world, b"%d" % number, change={"filling": "x" * (MAX_MANIFEST_BYTES - 10_000)})


def long_answers(world: World, _: Simulator) -> None:
    """Manifests that ECR's JSON makes several times as long: each quotation mark takes four bytes there."""
    for number in range(3):
        plant(world, b"%d" % number, change={"filling": '"' * (MAX_MANIFEST_BYTES // 2 - 10_000)})


def long_lists(world: World, _: Simulator) -> None:
    """Annotations that ECR repeats in its list, of more bytes than are read of an answer."""
    for number in range(3):
        plant(world, b"%d" % number, annotations={"filling": "x" * (MAX_MANIFEST_BYTES // 2)})


def one_manifest_thrice(world: World, sim: Simulator) -> None:
    """ECR answers once where several tags name one manifest."""
    body = artifact(
        [LayerPart(data=b"{}", media_type=LAYER_TYPES[COSIGN_SIGNATURE])],
        subject=app(world),
        artifact_type=NOTATION_TYPE,
    )
    put(world, body)
    for suffix in ("", ".sig", ".att"):
        world.push(REPOSITORY, body, fallback_tag(app(world).digest, suffix))
    sim.inject("one_answer", operation="BatchGetImage")


def index_of_nothing(world: World, _: Simulator) -> None:
    tag(world, "", referrers_index([(signature(NOTATION, b"nowhere", subject=app(world)), NOTATION_TYPE)]))


ELSEWHERE = raw(b'{"schemaVersion": 2}')
DEEP = b"[" * 100_000
HUGE_NUMBER = b'{"payload": ' + b"9" * 100_000 + b"}"
TOKEN = b"\x30\x82\xff\xff" + bytes(100)

ATTACKS: Mapping[str, Attack] = {
    # What is listed, and cannot be had.
    "a referrer that is upstream of the cache only": uncached,
    "a referrer that its upstream refuses": refused_upstream("UpstreamAccessDenied"),
    "a referrer that its upstream throttles": refused_upstream("UpstreamTooManyRequests"),
    "a referrer whose upstream is out of reach": refused_upstream("UpstreamUnavailable"),
    "a referrer for which ECR refuses the whole call": spoiled_call("UnableToGetUpstreamImageException"),
    "a referrer for which IAM refuses the whole call": spoiled_call("AccessDeniedException"),
    "an envelope that is upstream of the cache only": layer_upstream("UnableToGetUpstreamLayerException"),
    "an envelope that IAM does not let import": layer_upstream("AccessDeniedException"),
    "an archived referrer": archived,
    "a manifest whose envelope was never pushed": without_blob,
    "an index of referrers that lists what is not there": index_of_nothing,
    # What is listed, and cannot be a signature.
    "a listed digest of another algorithm": listed(digest="sha512:" + "ab" * 64),
    "annotations that are no texts": listed(annotations={"a": 1, "b": {"c": []}}),
    "an artifact type that is no text": listed(artifact_type=7),
    "a referrer of another media type": listed(media_type="application/vnd.example+json"),
    "a referrer that is no JSON": listed(data=b"\x00\x01", digest=sha256(b"\x00\x01")),
    "a manifest without layers": changed(layers=[]),
    "a manifest of nested arrays": listed(data=DEEP, digest=sha256(DEEP)),
    "a manifest with a number without end": listed(data=HUGE_NUMBER, digest=sha256(HUGE_NUMBER)),
    "a manifest about another image": changed(subject=descriptor(ELSEWHERE)),
    "a manifest about the same digest with another size": lambda world, sim: changed(
        subject=descriptor(app(world)) | {"size": 1}
    )(world, sim),
    "a layer of a negative size": changed(layers=[{"mediaType": JWS, "digest": sha256(b"{}"), "size": -1}]),
    "a layer of another size than it says": changed(layers=[{"mediaType": JWS, "digest": sha256(b"{}"), "size": 3}]),
    "a layer larger than is fetched": enveloped(bytes(MAX_ENVELOPE_BYTES + 1)),
    "a layer with a digest of another algorithm": changed(
        layers=[{"mediaType": JWS, "digest": "sha512:" + "ab" * 64, "size": 2}]
    ),
    "a manifest of too many layers": changed(layers=[{"mediaType": JWS, "digest": sha256(b"{}"), "size": 2}] * 1_001),
    "more signatures than are looked at": many(MAX_EVALUATED + 10),
    "more referrers than are listed": many(410, 1),
    "more bytes of signatures than are held": many(12, 1_000_000),
    "more bytes of manifests than one answer holds": large_manifests,
    "manifests that are longer in ECR's answer": long_answers,
    "more bytes of annotations than one answer holds": long_lists,
    # What stands under the tags.
    "one manifest under every tag": one_manifest_thrice,
    "no JSON under the tags": tagged("", ".sig", ".att", body=raw(b"\xff\xfe")),
    "an index under cosign's tags": tagged(".sig", ".att", body=raw(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)),
    "an image under the tag of the index": tagged("", body=ELSEWHERE),
    "an index with digests of another algorithm": tagged(
        "", body=raw(b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha512:00","size":1}]}', OCI_INDEX)
    ),
    "a cosign tag with a thousand layers": tagged(
        ".sig",
        body=cosign_manifest(
            [LayerPart(data=b"%d" % at, media_type=LAYER_TYPES[COSIGN_SIGNATURE]) for at in range(1_000)]
        ),
    ),
    # Envelopes that cannot be decided.
    "an empty envelope": enveloped(b""),
    "an envelope of another media type": enveloped(b"{}", "application/pkcs7-signature"),
    "a JWS of nested arrays": enveloped(DEEP),
    "a COSE of nested arrays": enveloped(b"\x81" * 100_000, COSE),
    "a JWS with a number without end": enveloped(HUGE_NUMBER),
    "a scheme without a trust store": signed(scheme=AUTHORITY_SCHEME),
    "a scheme that does not exist": signed(scheme="notary.x509.v2"),
    "an algorithm that does not exist": signed(edit_protected=lambda parts: parts.update(alg="EdDSA")),
    "a critical attribute that nobody understands": signed(extended={"com.example": 1}, critical=("com.example",)),
    "a verification plugin that is not known": signed(
        extended={VERIFICATION_PLUGIN: "com.example"}, critical=(VERIFICATION_PLUGIN,)
    ),
    "a later version of AWS Signer's plugin": signed(
        extended={VERIFICATION_PLUGIN: AWS_SIGNER_PLUGIN, VERIFICATION_PLUGIN_MIN_VERSION: "99.0.0"},
        critical=(VERIFICATION_PLUGIN, VERIFICATION_PLUGIN_MIN_VERSION),
    ),
    "a token of an unknown timestamp authority": signed(token=lambda raw: issue_token(timestamp_authority(), raw)),
    "a timestamp that is none": signed(token=lambda _: TOKEN),
    "certificates with revocation services of the attacker's": lambda world, _: void(
        plant(
            world,
            sign(
                issue(
                    "Mallory",
                    authority("M"),
                    ocsp_urls=["http://attacker.test/"],
                    crl_urls=["http://attacker.test/crl"],
                ),
                target=descriptor(app(world)),
            ),
        )
    ),
    # Bundles and layers of Sigstore.
    "a bundle of an unknown instance": bundled(),
    "a bundle of a later version": bundled(mediaType="application/vnd.dev.sigstore.bundle.v0.9+json"),
    "a bundle with a field of a later version": bundled(newField={}),
    "a bundle without material": bundled(verificationMaterial={}),
    "a bundle of nested arrays": lambda world, _: void(plant(world, DEEP, kind=BUNDLE)),
    "a media type of a later bundle": lambda world, _: void(
        plant(world, kind=BUNDLE, media_type=BUNDLE_TYPE.replace("v0.3", "v0.9"))
    ),
    "a cosign signature without any annotation": layered(COSIGN_SIGNATURE),
    "a cosign signature with a certificate that is none": layered(COSIGN_SIGNATURE, signature="AA==", certificate="x"),
    "a cosign signature with a log entry that is none": layered(
        COSIGN_SIGNATURE, signature="AA==", bundle="[" * 100_000
    ),
    "a cosign signature with a timestamp that is none": layered(
        COSIGN_SIGNATURE, signature="AA==", rfc3161timestamp='{"SignedRFC3161Timestamp":"AA=="}'
    ),
    "an attestation that is no envelope": layered(COSIGN_ATTESTATION, content=b"\xff"),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_pusher_cannot_turn_no_valid_signature_into_not_known(world, sim, start, name):
    world.add_image(REPOSITORY, "v1")
    world.authorities.authority("acme")
    key = {
        "name": "key",
        "sigstore": {"trustedRoot": "sigstore", "key": {"pem": world.authorities.public_key("release")}},
    }
    policy = signed_by(OWN_CA, CI, key) | {"attestations": [ATTESTED], "onUndetermined": "Allow"}
    trust = trust_of(world)
    ATTACKS[name](world, sim)

    answer = await start(policy, trust=trust).review(image())

    assert not answer.allowed, answer
    assert "signatures Signature" in answer.message, answer.message


async def test_an_image_whose_own_manifest_makes_the_answer_too_long_is_refused(world, start):
    """As above, by the image itself."""
    data = json.dumps({"schemaVersion": 2, "filling": '"' * (MAX_MANIFEST_BYTES // 2 - 10_000)}).encode()
    world.push(REPOSITORY, raw(data), "v1")
    world.authorities.authority("acme")
    policy = signed_by(OWN_CA) | {"onUndetermined": "Allow"}
    answer = await start(policy, trust=trust_of(world)).review(image())
    assert not answer.allowed, answer
