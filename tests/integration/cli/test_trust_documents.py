"""TrustStores in files: what `tidegate check`, `explain` and `verify` make of them, and of ConfigMaps that are not there."""

import base64
import json
from typing import Any

import pytest

from tests.integration.cli.desk import config_map, policy, results, trust_store
from tests.integration.cli.signers import (
    AWS,
    CI,
    OWN,
    own_authority,
    sign_by_aws,
    sign_by_notation,
    sign_keyless,
    signed_by,
    sigstore,
    trust_stores,
)
from tests.integration.gather.gate import image
from tests.simulator.pki.certificates import authority

ALLOWED, REFUSED, UNKNOWN = 0, 1, 2
APP = image()
PASS = [("signatures", "Pass", "Ok")]
UNUSABLE = [("signatures", "Undetermined", "TrustUnusable")]


def pem() -> str:
    return own_authority().root.pem.decode()


def in_config_map(namespace: str | None = None, *keys: str) -> dict[str, Any]:
    source = (
        {"name": "roots"} | ({"namespace": namespace} if namespace else {}) | ({"keys": list(keys)} if keys else {})
    )
    return trust_store("own", "ca", configMap=source)


def unusable(ended: Any) -> str:
    (one,) = json.loads(ended.out)
    (result,) = one["policies"][0]["results"]
    return f"{result['found']}: {result['cause']}"


def test_stores_in_the_policies_file(world, desk):
    sign_by_notation(world)
    file = desk.write("all.yaml", policy(**signed_by(OWN)), *trust_stores())
    ended = desk.check(APP, "--policy", file, "-o", "json")
    assert (ended.code, results(ended)) == (ALLOWED, PASS)


def test_stores_in_a_file_of_their_own(world, desk):
    sign_by_notation(world)
    policies, stores = desk.write("p.yaml", policy(**signed_by(OWN))), desk.write("t.yaml", *trust_stores())
    ended = desk.check(APP, "--policy", stores, "--policy", policies, "-o", "json")
    assert (ended.code, results(ended)) == (ALLOWED, PASS)


def test_stores_in_a_list_as_kubectl_prints_them(world, desk):
    sign_keyless(world)
    items = [policy(**signed_by(CI)), *trust_stores()]
    file = desk.write("all.yaml", {"apiVersion": "v1", "kind": "List", "items": items})
    assert desk.check(APP, "--policy", file).code == ALLOWED


def test_explain_shows_what_each_authority_proves(world, desk):
    sign_by_notation(world)
    file = desk.write("all.yaml", policy(**signed_by(CI, OWN)), *trust_stores())
    ended = desk.explain(APP, "--policy", file)
    assert ended.code == ALLOWED
    assert "authority own: Verified, by CN=Team" in ended.out
    assert "authority ci: Absent" in ended.out


def test_a_store_of_somebody_else_proves_nothing(world, desk):
    sign_by_notation(world)
    other = trust_store("own", "ca", certificates=[authority("Other").root.pem.decode()])
    ended = desk.check(APP, "--policy", desk.write("all.yaml", policy(**signed_by(OWN)), other), "-o", "json")
    assert (ended.code, results(ended)) == (REFUSED, [("signatures", "Fail", "SignatureInvalid")])


@pytest.mark.parametrize("name", ["AWSSigner", "AWSSignerGovCloud"])
def test_built_in_roots_are_used(world, desk, name):
    """The signature is by an authority that only looks like AWS Signer's, so it is refused and not undecided."""
    sign_by_aws(world)
    store = trust_store("aws", "signingAuthority", builtIn=name)
    ended = desk.check(APP, "--policy", desk.write("all.yaml", policy(**signed_by(AWS)), store), "-o", "json")
    assert (ended.code, results(ended)) == (REFUSED, [("signatures", "Fail", "SignatureInvalid")])


# ConfigMaps beside them

MAPS = {
    "as text": (config_map("roots", "trust", data={"ca.pem": "PEM"}), ("trust",)),
    "as binary data": (config_map("roots", "trust", binaryData={"ca.pem": "PEM"}), ("trust",)),
    "without a namespace, in a file that is applied to one": (config_map("roots", data={"ca.pem": "PEM"}), ("trust",)),
    "in the controller's own namespace, which nobody knows here": (
        config_map("roots", "tidegate", data={"ca.pem": "PEM"}),
        (),
    ),
    "under a key among others": (
        config_map("roots", "trust", data={"ca.pem": "PEM", "README": "see the wiki"}),
        ("trust", "ca.pem"),
    ),
}


def _filled(written: dict[str, Any]) -> dict[str, Any]:
    encoded = base64.b64encode(pem().encode()).decode()
    for part, content in (("data", pem()), ("binaryData", encoded)):
        if part in written:
            filled = {key: content if value == "PEM" else value for key, value in written[part].items()}
            written = written | {part: filled}
    return written


@pytest.mark.parametrize("how", MAPS)
def test_a_config_map_in_the_files_is_used(world, desk, how):
    written, where = MAPS[how]
    sign_by_notation(world)
    file = desk.write("all.yaml", policy(**signed_by(OWN)), in_config_map(*where), _filled(written))
    assert results(desk.check(APP, "--policy", file, "-o", "json")) == PASS


def test_a_config_map_with_a_trusted_root(world, desk):
    sign_keyless(world)
    root = config_map("root", data={"trusted_root.json": sigstore().trusted_root_bytes().decode()})
    store = trust_store("sigstore", "sigstore", configMap={"name": "root"})
    file = desk.write("all.yaml", policy(**signed_by(CI)), store, root)
    assert results(desk.check(APP, "--policy", file, "-o", "json")) == PASS


@pytest.mark.parametrize(
    ("beside", "where", "named"),
    [
        ((), ("trust",), "trust/roots"),
        ((), (), "roots"),
        ((config_map("others", "trust", data={"a": "b"}),), ("trust",), "trust/roots"),
        ((config_map("roots", "elsewhere", data={"a": "b"}),), ("trust",), "trust/roots"),
    ],
    ids=["none", "none, and no namespace", "another name", "another namespace"],
)
def test_a_config_map_that_is_not_in_the_files_leaves_its_authority_undecided(world, desk, beside, where, named):
    sign_by_notation(world)
    file = desk.write("all.yaml", policy(**signed_by(OWN)), in_config_map(*where), *beside)
    ended = desk.check(APP, "--policy", file, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert f"the TrustStore own cannot be used: its ConfigMap {named} is not in the files; add it" in unusable(ended)


def test_a_store_that_nobody_made_leaves_its_authority_undecided(world, desk):
    sign_by_notation(world)
    ended = desk.check(APP, "--policy", desk.write("all.yaml", policy(**signed_by(OWN))), "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "there is no TrustStore own" in unusable(ended)


# What is wrong is said before anything is looked up

WRONG: dict[str, tuple[list[dict[str, Any]], str]] = {
    "an unknown field": ([trust_store("own", "ca", certificate=["x"])], "TrustStore own is invalid:\n  spec"),
    "a text that is no certificate": (
        [trust_store("own", "ca", certificates=["-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"])],
        "TrustStore own is invalid:\n  ",
    ),
    "a root that is none": ([trust_store("own", "sigstore", trustedRoot="{}")], "TrustStore own is invalid:\n  "),
    "one store twice": ([in_config_map(), in_config_map()], "the files contain TrustStore own twice; keep one"),
    "one ConfigMap twice": (
        [in_config_map(), config_map("roots", "a", data={"a": "b"}), config_map("roots", "b", data={"a": "b"})],
        "the files contain ConfigMap roots 2 times; keep one",
    ),
    "an empty ConfigMap": ([in_config_map(), config_map("roots")], "ConfigMap roots is empty"),
    "a key that is not there": (
        [in_config_map("trust", "ca.pem"), config_map("roots", "trust", data={"a": "b"})],
        "ConfigMap trust/roots has no key ca.pem",
    ),
    "binary data that is none": (
        [in_config_map(), config_map("roots", binaryData={"ca.pem": "???"})],
        "ConfigMap roots: binaryData has an unreadable value for key ca.pem",
    ),
    "a key without text": (
        [in_config_map(), config_map("roots", data={"ca.pem": None})],
        "ConfigMap roots: data has an unreadable value for key ca.pem",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("command", ["check", "explain", "verify"])
def test_a_store_that_is_wrong_cannot_be_used(sim, desk, command, wrong):
    documents, words = WRONG[wrong]
    file = desk.write("all.yaml", policy(**signed_by(OWN)), *documents)
    ended = getattr(desk, command)(APP, "--policy", file)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert sim.calls() == 0
