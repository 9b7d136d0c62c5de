"""Who signs in these tests, what is trusted of them, and the signatures that they put beside an image."""

import json
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.cli.desk import trust_store
from tests.simulator import World
from tests.simulator.artifacts import BUNDLE, COSIGN_SIGNATURE
from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf
from tests.simulator.pki.certificates import Identity, authority, issue
from tests.simulator.pki.envelopes import SIGNED_AT, sign
from tests.simulator.pki.sigstore import (
    COSIGN_SIGN,
    ISSUER,
    SUBJECT,
    LocalSigstore,
    public_pem,
    simple_signing,
    statement,
)

REPOSITORY = "team/app"
MALLORY = "https://github.com/mallory/x"


@cache
def aws_leaf() -> Identity:
    return signer_leaf()


@cache
def own_authority() -> Identity:
    return authority()


@cache
def own_leaf() -> Identity:
    return issue("Team", own_authority(), not_after=SIGNED_AT + timedelta(days=3000))


@cache
def sigstore() -> LocalSigstore:
    return LocalSigstore()


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def trust_stores() -> list[dict[str, Any]]:
    return [
        trust_store("aws", "signingAuthority", certificates=[aws_leaf().root.pem.decode()]),
        trust_store("own", "ca", certificates=[own_authority().root.pem.decode()]),
        trust_store("sigstore", "sigstore", trustedRoot=sigstore().trusted_root_bytes().decode()),
    ]


OWN: dict[str, Any] = {
    "name": "own",
    "notation": {"trustStores": ["own"], "trustedIdentities": ["*"], "overrides": {"revocation": "skip"}},
}
AWS: dict[str, Any] = {"name": "release", "notation": {"trustStores": ["aws"], "trustedIdentities": [PROFILE]}}
CI: dict[str, Any] = {
    "name": "ci",
    "sigstore": {"trustedRoot": "sigstore", "identities": [{"issuer": ISSUER, "subject": SUBJECT}]},
}


def keyed(**changes: Any) -> dict[str, Any]:
    whole = {"key": {"pem": public_pem(key()).decode()}, "transparencyLog": "NotRequired"} | changes
    return {"name": "vendor", "sigstore": whole}


def signed_by(*authorities: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"signatures": {"anyOf": list(authorities), **more}}


def target(world: World, name: str = "v1", repository: str = REPOSITORY) -> dict[str, Any]:
    manifest = world.image(repository, name).manifest
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}


def sign_by_notation(
    world: World, signer: Identity | None = None, *, name: str = "v1", repository: str = REPOSITORY
) -> None:
    world.add_signature(repository, name, sign(signer or own_leaf(), target=target(world, name, repository)))


def sign_by_aws(world: World) -> None:
    world.add_signature(REPOSITORY, "v1", sign_as_aws(aws_leaf(), target=target(world)))


def sign_by_key(world: World, signer: ec.EllipticCurvePrivateKey | None = None) -> None:
    """Put cosign's older signature beside the image."""
    layer = simple_signing(world.image(REPOSITORY, "v1").digest)
    material = sigstore().sign_layer_keyed(layer, signer or key())
    world.add_signature(REPOSITORY, "v1", layer, kind=COSIGN_SIGNATURE, layer_annotations=material)


def sign_keyless(world: World, subject: str = SUBJECT, predicate_type: str = COSIGN_SIGN, **content: Any) -> None:
    payload = statement(world.image(REPOSITORY, "v1").digest, predicate_type=predicate_type, **content)
    bundle = sigstore().sign_statement(payload, sigstore().signer(subject=subject))
    world.add_signature(REPOSITORY, "v1", json.dumps(bundle).encode(), kind=BUNDLE)
