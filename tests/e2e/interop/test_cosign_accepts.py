"""What the hermetic Sigstore instance signs, the real ``cosign`` accepts: all other tests' material is what cosign means."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.interop.programs import Cosign
from tests.simulator.artifacts import (
    BUNDLE,
    COSIGN_ATTESTATION,
    COSIGN_SIGNATURE,
    LAYER_TYPES,
    TAG_SUFFIXES,
    LayerPart,
    cosign_manifest,
    fallback_tag,
    signature,
)
from tests.simulator.manifests import Manifest, image, sha256
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.sigstore import (
    ISSUER,
    SUBJECT,
    V01,
    V02,
    V03,
    V03_ALT,
    LocalSigstore,
    PrivateKey,
    Signer,
    public_pem,
    simple_signing,
    statement,
)

IMAGE = image("app")
NAME = "team/app"
PROVENANCE = "https://slsa.dev/provenance/v1"
ARTIFACT = b"an artifact"


@dataclass(frozen=True, kw_only=True)
class Made:
    """An instance with a signer and a key, and cosign to judge them."""

    cosign: Cosign
    registry: OciRegistry
    instance: LocalSigstore
    signer: Signer
    key: PrivateKey

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/{NAME}@{IMAGE.digest}"

    def attach(self, manifest: Manifest, tag: str | None = None) -> None:
        self.registry.add(NAME, IMAGE)
        self.registry.add(NAME, manifest, tag)

    def attach_bundle(self, bundle: dict[str, Any]) -> None:
        self.attach(signature(BUNDLE, json.dumps(bundle).encode(), subject=IMAGE))

    def attach_layer(self, kind: str, content: bytes, annotations: dict[str, str]) -> None:
        part = LayerPart(data=content, media_type=LAYER_TYPES[kind], annotations=annotations)
        self.attach(cosign_manifest([part]), fallback_tag(IMAGE.digest, TAG_SUFFIXES[kind]))

    def write(self, name: str, content: bytes) -> Path:
        path = self.cosign.home / name
        path.write_bytes(content)
        return path

    def accepts(self, *command: str | Path, keyed: bool = False) -> None:
        """Assert that cosign accepts it from this signer, and not from another."""
        root = self.write("root.json", self.instance.trusted_root_bytes())
        stranger = ec.generate_private_key(ec.SECP256R1())

        def signer(subject: str, key: PrivateKey) -> list[str | Path]:
            if keyed:
                return ["--key", self.write("key.pub", public_pem(key))]
            return ["--certificate-identity", subject, "--certificate-oidc-issuer", ISSUER]

        verb, *rest = command
        self.cosign.run(verb, "--trusted-root", root, *signer(SUBJECT, self.key), *rest)
        self.cosign.refusal(verb, "--trusted-root", root, *signer("https://somebody.test", stranger), *rest)


@pytest.fixture
def made(cosign: Cosign, registry: OciRegistry) -> Made:
    instance = LocalSigstore()
    key = ec.generate_private_key(ec.SECP256R1())
    return Made(cosign=cosign, registry=registry, instance=instance, signer=instance.signer(), key=key)


@pytest.mark.parametrize("timestamped", [False, True], ids=["without timestamp", "with timestamp"])
@pytest.mark.parametrize("version", [V03_ALT, V03])
def test_bundles_about_images(made: Made, version: str, timestamped: bool) -> None:
    content = statement(IMAGE.digest)
    made.attach_bundle(made.instance.sign_statement(content, made.signer, version=version, timestamped=timestamped))
    made.accepts("verify", *(["--use-signed-timestamps"] if timestamped else []), made.reference)


def test_a_bundle_that_a_version_2_log_holds(made: Made) -> None:
    made.attach_bundle(made.instance.sign_statement_v2(statement(IMAGE.digest), made.signer))
    made.accepts("verify", "--use-signed-timestamps", made.reference)


def test_a_bundle_of_an_attestation(made: Made) -> None:
    content = statement(IMAGE.digest, predicate_type=PROVENANCE, predicate={"runDetails": {}})
    made.attach_bundle(made.instance.sign_statement(content, made.signer))
    made.accepts("verify-attestation", "--type", "slsaprovenance1", made.reference)


def test_a_bundle_of_a_key(made: Made) -> None:
    made.attach_bundle(made.instance.sign_statement_keyed(statement(IMAGE.digest), made.key))
    made.accepts("verify", made.reference, keyed=True)


def test_the_older_signature(made: Made) -> None:
    payload = simple_signing(IMAGE.digest)
    made.attach_layer(COSIGN_SIGNATURE, payload, made.instance.sign_layer(payload, made.signer))
    made.accepts("verify", made.reference)


def test_the_older_signature_of_a_key(made: Made) -> None:
    payload = simple_signing(IMAGE.digest)
    made.attach_layer(COSIGN_SIGNATURE, payload, made.instance.sign_layer_keyed(payload, made.key))
    made.accepts("verify", made.reference, keyed=True)


@pytest.mark.parametrize("body", ["dsse", "intoto"])
@pytest.mark.parametrize("keyed", [False, True], ids=["identity", "key"])
def test_the_older_attestation(made: Made, body: str, keyed: bool) -> None:
    content = statement(IMAGE.digest, predicate_type=PROVENANCE, predicate={"runDetails": {}})
    by: Signer | PrivateKey = made.key if keyed else made.signer
    made.attach_layer(COSIGN_ATTESTATION, *made.instance.attest_layer(content, by, body=body))
    made.accepts("verify-attestation", "--type", "slsaprovenance1", made.reference, keyed=keyed)


ARTIFACT_BUNDLES: dict[str, Callable[[Made], dict[str, Any]]] = {
    "identity, 0.1": lambda made: made.instance.sign_artifact(ARTIFACT, made.signer, version=V01),
    "identity, 0.2": lambda made: made.instance.sign_artifact(ARTIFACT, made.signer, version=V02),
    "identity": lambda made: made.instance.sign_artifact(ARTIFACT, made.signer),
    "stamped identity": lambda made: made.instance.sign_artifact(ARTIFACT, made.signer, timestamped=True),
    "key": lambda made: made.instance.sign_artifact_keyed(ARTIFACT, made.key),
}


@pytest.mark.parametrize("by", ARTIFACT_BUNDLES)
def test_bundles_of_artifacts(made: Made, by: str) -> None:
    bundle = made.write("bundle.json", json.dumps(ARTIFACT_BUNDLES[by](made)).encode())
    made.accepts("verify-blob", "--bundle", bundle, made.write("artifact", ARTIFACT), keyed=by == "key")


@pytest.mark.parametrize("version", [V01, V02, V03])
def test_bundles_of_statements_about_artifacts(made: Made, version: str) -> None:
    content = statement(sha256(ARTIFACT), predicate_type=PROVENANCE, predicate={"runDetails": {}})
    made.write("bundle.json", json.dumps(made.instance.sign_statement(content, made.signer, version=version)).encode())
    artifact = made.write("artifact", ARTIFACT)
    made.accepts("verify-blob-attestation", "--type", "slsaprovenance1", "--bundle", "bundle.json", artifact)
