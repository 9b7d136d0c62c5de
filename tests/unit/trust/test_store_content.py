"""The content of trust stores: certificates and trusted roots that signatures can be verified by, or every problem."""

import json
from importlib import resources
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.trust.trust_examples import inline, leaf_pem, parsed, pem, root, trusted_root
from tidegate.policy.objects import MAX_KEPT_PROBLEMS
from tidegate.policy.trust_store_object import StoreObject
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType, TrustStore
from tidegate.trust import store_content as module
from tidegate.trust.store_content import Content, broken_store, compile_store, inline_content
from tidegate.trust.tuf.repository import PUBLIC_URL
from tidegate.verify.notation.trust_store.aws_signer_roots import (
    AWS_GOVCLOUD_SIGNER_STORE,
    AWS_SIGNER_STORE,
    FINGERPRINTS,
)

BY_MAP = {"type": "ca", "configMap": {"name": "acme-ca"}}
SIGSTORE_BY_MAP = BY_MAP | {"type": "sigstore"}


def compiled(spec: dict[str, Any], **files: str | bytes) -> module.CompiledStore:
    """Compile a store with the content that its spec holds, or with files."""
    obj = parsed(spec)
    content = inline_content(obj.source)
    if content is None:
        content = Content(files=tuple((name, x.encode() if isinstance(x, str) else x) for name, x in files.items()))
    return compile_store(obj, content)


def problems(made: module.CompiledStore) -> str:
    assert isinstance(made.store, BrokenTrustStore)
    assert (made.certificates, made.root) == ((), None)
    return "; ".join(made.store.problems)


@pytest.mark.parametrize("type_", ["ca", "signingAuthority", "tsa"])
def test_certificates_of_the_spec(type_):
    made = compiled(inline(pem(), pem("Other"), type_=type_))
    assert isinstance(made.store, TrustStore)
    assert (made.store.name, made.store.uid, made.store.generation) == ("acme", "uid-acme", 2)
    assert made.store.type is StoreType(type_)
    assert made.store.certificates == (pem().encode(), pem("Other").encode())
    assert made.store.trusted_root is None
    assert [one.der for one in made.certificates] == [root().der, root("Other").der]


def test_several_certificates_in_one_text_are_several_and_each_counts_once():
    made = compiled(inline(pem() + pem("Other"), pem()))
    assert len(made.certificates) == 2


def test_certificates_of_a_config_map_as_pem_or_der():
    made = compiled(BY_MAP, a=pem(), b=root("Other").der)
    assert isinstance(made.store, TrustStore)
    assert made.store.certificates == (pem().encode(), root("Other").der)
    assert len(made.certificates) == 2


@pytest.mark.parametrize(
    ("name", "known"), [("AWSSigner", AWS_SIGNER_STORE), ("AWSSignerGovCloud", AWS_GOVCLOUD_SIGNER_STORE)]
)
def test_roots_that_tidegate_brings(name, known):
    made = compiled({"type": "signingAuthority", "builtIn": name})
    assert [one.fingerprint for one in made.certificates] == [FINGERPRINTS[known]]
    assert isinstance(made.store, TrustStore)
    assert made.store.type is StoreType.SIGNING_AUTHORITY


def test_a_trusted_root_of_the_spec():
    made = compiled({"type": "sigstore", "trustedRoot": trusted_root()})
    assert isinstance(made.store, TrustStore)
    assert made.store.type is StoreType.SIGSTORE
    assert made.store.trusted_root == trusted_root().encode()
    assert made.store.certificates == ()
    assert made.root is not None
    assert len(made.root.authorities) == 1


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"anything": True}, id="the only key"),
        pytest.param({"a": False, "trusted_root.json": True, "z": False}, id="the one that has the usual name"),
    ],
)
def test_a_trusted_root_of_a_config_map(files):
    made = compiled(SIGSTORE_BY_MAP, **{name: trusted_root() if meant else "{}" for name, meant in files.items()})
    assert isinstance(made.store, TrustStore)
    assert made.store.trusted_root == trusted_root().encode()


def test_the_trusted_root_of_the_public_instance():
    """As sigstore-python brought it along; nothing in it is of no use."""
    stored = resources.files("sigstore") / "_store" / quote(PUBLIC_URL, safe="") / "trusted_root.json"
    made = compiled(SIGSTORE_BY_MAP, root=stored.read_bytes())
    assert isinstance(made.store, TrustStore)
    assert made.root is not None
    assert made.root.ignored == ()
    assert len(made.root.authorities) == 2
    assert any("rekor.sigstore.dev" in log.url for log in made.root.logs)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "a text without a certificate": (
        inline("-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"),
        {},
        'failed to read the trusted certificate "certificates[0]" in trust store acme of type ca',
    ),
    "a leaf": (inline(pem(), leaf_pem()), {}, '"certificates[1]" in trust store acme of type ca'),
    "an authority for timestamps that has not signed itself": (inline(leaf_pem(), type_="tsa"), {}, "of type tsa"),
    "a key of a ConfigMap that is no certificate": (BY_MAP, {"ca.crt": pem(), "notes": "x"}, '"notes"'),
    "no trusted root": ({"type": "sigstore", "trustedRoot": "{}"}, {}, "trustedRoot"),
    "a trusted root with nothing in it": (
        {"type": "sigstore", "trustedRoot": json.dumps({"mediaType": json.loads(trusted_root())["mediaType"]})},
        {},
        "names neither certificate authorities nor transparency logs",
    ),
    "several keys, none of them with the usual name": (
        SIGSTORE_BY_MAP,
        {"a": "{}", "b": "{}"},
        "got 2 keys, expected one with the trusted root; name it in keys, or call it trusted_root.json",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refuses(case):
    spec, files, words = REFUSED[case]
    assert words in problems(compiled(spec, **files))


def test_every_problem_is_told_at_once():
    said = problems(compiled(BY_MAP, a="x", b=pem(), c="y"))
    assert '"a"' in said
    assert '"c"' in said
    assert '"b"' not in said


def test_problems_are_bounded():
    made = broken_store(parsed(BY_MAP), [f"problem {number}" for number in range(100)])
    assert isinstance(made.store, BrokenTrustStore)
    assert len(made.store.problems) == MAX_KEPT_PROBLEMS + 1


def test_a_fault_of_our_own_breaks_one_store_only(monkeypatch):
    def fail(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(module, "build_certificate_store", fail)
    assert "bug in tidegate" in problems(compiled(inline(pem())))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(BY_MAP, id="a ConfigMap"),
        pytest.param({"type": "sigstore", "publicGood": True}, id="the public instance"),
        pytest.param({"type": "sigstore", "tuf": {"url": "https://t.example", "root": "{}"}}, id="a TUF repository"),
    ],
)
def test_what_is_elsewhere_has_to_be_fetched(spec):
    assert inline_content(parsed(spec).source) is None


def test_a_type_can_hold_nothing_but_its_own():
    """A trusted root among certificates is a problem, and certificates are no trusted root."""
    obj = parsed(BY_MAP)
    assert isinstance(obj, StoreObject)
    assert problems(compile_store(obj, Content(files=(("a", trusted_root().encode()),))))
    assert problems(compile_store(parsed(SIGSTORE_BY_MAP), Content(files=(("a", pem().encode()),))))
