"""``tidegate verify IMAGE`` of registries that are not Amazon ECR: those that a policy lists, and no others."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.signers import CI, MALLORY, keyed, signed_by, sigstore, trust_stores
from tests.integration.cli.signers import key as vendor_key
from tests.simulator import Simulator
from tests.simulator.artifacts import (
    BUNDLE,
    COSIGN_SIGNATURE,
    LAYER_TYPES,
    LayerPart,
    cosign_manifest,
    fallback_tag,
    signature,
)
from tests.simulator.manifests import image
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.certificates import issue
from tests.simulator.pki.sigstore import COSIGN_SIGN, SUBJECT, simple_signing, statement
from tests.simulator.pki.tls import server_context

VERIFIED, NOT_VERIFIED, UNDECIDED = 0, 1, 2
IMAGE = image("app")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OciRegistry]:
    """A registry that gives tokens to ann, with one image."""
    authority = issue("Registry CA", ca=True)
    (tmp_path / "ca.pem").write_bytes(authority.root.pem)
    context = server_context(authority, "127.0.0.1", folder=tmp_path)
    with OciRegistry(tls=context, auth="token", users={"ann": "secret"}) as registry:
        registry.realm = f"https://{registry.host}/token"
        registry.add("team/app", IMAGE, "v1")
        yield registry


@pytest.fixture
def configured(registry: OciRegistry, desk: Desk) -> Desk:
    """The desk, with what it takes to ask the registry."""
    auth = base64.b64encode(b"ann:secret").decode()
    (desk.folder / "secret.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    access = {
        "host": registry.host,
        "caFile": str(desk.folder / "ca.pem"),
        "pullSecretFile": str(desk.folder / "secret.json"),
        "privateAddresses": True,
    }
    desk.configure(registries=[access])
    return desk


def listing(desk: Desk, registry: OciRegistry, *authorities: dict[str, Any]) -> Path:
    spec = signed_by(*authorities) | {"registries": [{"host": registry.host}]}
    return desk.write("p.yaml", policy("vendor", **spec), *trust_stores())


def add_bundle(registry: OciRegistry, subject: str = SUBJECT) -> None:
    signer = sigstore().signer(subject=subject)
    bundle = sigstore().sign_statement(statement(IMAGE.digest, predicate_type=COSIGN_SIGN), signer)
    registry.add("team/app", signature(BUNDLE, json.dumps(bundle).encode(), subject=IMAGE))


def test_a_keyless_bundle(configured: Desk, registry: OciRegistry, sim: Simulator) -> None:
    add_bundle(registry)
    app = f"{registry.host}/team/app:v1"
    ended = configured.verify_json(app, "--policy", listing(configured, registry, CI))
    assert ended.code == VERIFIED, ended.out
    assert (ended.report["subject"], ended.report["digest"]) == (app, IMAGE.digest)
    assert set(ended.steps().values()) == {"ok"}
    assert sim.calls() == 0, "AWS has nothing to do with it"


def test_cosign_s_older_signature_by_a_key(configured: Desk, registry: OciRegistry) -> None:
    layer = simple_signing(IMAGE.digest)
    annotations = sigstore().sign_layer_keyed(layer, vendor_key())
    part = LayerPart(data=layer, media_type=LAYER_TYPES[COSIGN_SIGNATURE], annotations=annotations)
    registry.add("team/app", cosign_manifest([part]), fallback_tag(IMAGE.digest, ".sig"))
    by_digest = f"{registry.host}/team/app@{IMAGE.digest}"
    assert configured.verify(by_digest, "--policy", listing(configured, registry, keyed())).code == VERIFIED


def test_somebody_else_s_signature_and_none(configured: Desk, registry: OciRegistry) -> None:
    file = listing(configured, registry, CI)
    app = f"{registry.host}/team/app:v1"
    ended = configured.verify_json(app, "--policy", file)
    assert (ended.code, ended.report["reason"].partition(":")[0]) == (NOT_VERIFIED, "SignatureMissing")
    add_bundle(registry, MALLORY)
    ended = configured.verify_json(app, "--policy", file)
    assert (ended.code, ended.report["reason"].partition(":")[0]) == (NOT_VERIFIED, "SignatureInvalid")


def test_an_image_that_is_not_there(configured: Desk, registry: OciRegistry) -> None:
    ended = configured.verify_json(f"{registry.host}/team/app:v9", "--policy", listing(configured, registry, CI))
    assert (ended.code, ended.report["reason"].partition(":")[0]) == (NOT_VERIFIED, "ImageNotFound")


def test_a_registry_that_answers_nothing_of_use_is_undecided(configured: Desk, registry: OciRegistry) -> None:
    add_bundle(registry)
    registry.inject(about="/referrers/", status=500, times=None)
    ended = configured.verify_json(f"{registry.host}/team/app:v1", "--policy", listing(configured, registry, CI))
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")


def test_a_registry_with_an_unknown_authority_is_undecided(desk: Desk, registry: OciRegistry) -> None:
    desk.configure(registries=[{"host": registry.host, "privateAddresses": True}])
    ended = desk.verify_json(f"{registry.host}/team/app:v1", "--policy", listing(desk, registry, CI))
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")
    assert not registry.requests


def test_a_private_address_is_asked_only_where_the_configuration_says_so(desk: Desk, registry: OciRegistry) -> None:
    ended = desk.verify_json(f"{registry.host}/team/app:v1", "--policy", listing(desk, registry, CI))
    assert (ended.code, ended.report["verdict"]) == (UNDECIDED, "inconclusive")
    assert not registry.requests


def test_a_registry_that_no_policy_lists_is_not_asked(configured: Desk, registry: OciRegistry) -> None:
    file = configured.write("p.yaml", policy(**signed_by(CI)), *trust_stores())
    ended = configured.verify_json(f"{registry.host}/team/app:v1", "--policy", file)
    assert (ended.code, ended.report["reason"].partition(":")[0]) == (NOT_VERIFIED, "RegistryNotSupported")
    assert "list its registry" in ended.report["remedy"]
    assert not registry.requests


def test_check_and_explain_judge_it_by_its_signatures_alone(configured: Desk, registry: OciRegistry) -> None:
    add_bundle(registry)
    file, app = listing(configured, registry, CI), f"{registry.host}/team/app:v1"
    assert configured.check(app, "--policy", file).code == VERIFIED
    ended = configured.explain(app, "--policy", file)
    assert ended.code == VERIFIED
    assert "  tag mutability: not looked up\n" in ended.out
    assert f"  platforms: any platform {IMAGE.digest} [" in ended.out
