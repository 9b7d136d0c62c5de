"""TrustStore specs that the unit tests give to the parser and the end-to-end tests give to the API server.

Both must agree on each of them. Whether the texts are certificates is not theirs to say.
"""

import copy
from typing import Any

from tests.unit.policy.refusal import UNKNOWN, Refused

PEM = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
URL = "https://tuf.example.com"
CONFIG_MAP: dict[str, Any] = {"name": "acme-ca"}
TUF: dict[str, Any] = {"url": URL, "root": '{"signed": {}}'}


def with_spec(spec: Any, *, name: str = "acme", **fields: Any) -> dict[str, Any]:
    """Return a whole object around a spec."""
    metadata = {"name": name, "uid": "7a2b", "generation": 2}
    whole = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "TrustStore", "metadata": metadata, "spec": spec} | fields
    return copy.deepcopy(whole)


def by_map(type_: str = "ca", **fields: Any) -> dict[str, Any]:
    return {"type": type_, "configMap": CONFIG_MAP | fields}


def by_tuf(**fields: Any) -> dict[str, Any]:
    return {"type": "sigstore", "tuf": {name: value for name, value in (TUF | fields).items() if value is not None}}


def by_root(text: str) -> dict[str, Any]:
    return {"type": "sigstore", "trustedRoot": text}


def inline(*texts: str) -> dict[str, Any]:
    return {"type": "ca", "certificates": list(texts)}


ACCEPTED: dict[str, dict[str, Any]] = {
    "certificates": inline(PEM),
    "certificates of timestamp authorities": inline(PEM) | {"type": "tsa"},
    "certificates of signing authorities": inline(PEM) | {"type": "signingAuthority"},
    "the same certificate twice": inline(PEM, PEM),
    "thirty-two texts": inline(*[PEM] * 32),
    "the longest text": inline(PEM + "#" * (32_768 - len(PEM))),
    "a text around a certificate": inline(f"subject=CN = Acme\n{PEM}"),
    "a ConfigMap": by_map(),
    "a ConfigMap in another namespace": by_map(namespace="trust"),
    "a ConfigMap's keys": by_map(keys=["ca.crt", "old_CA-2.pem"]),
    "the longest names": by_map(name="a" * 253, namespace="a" * 63, keys=["k" * 253]),
    "thirty-two keys": by_map(keys=[f"k{index}" for index in range(32)]),
    "a ConfigMap with a trusted root": by_map("sigstore"),
    "a ConfigMap's key with a trusted root": by_map("sigstore", keys=["trusted_root.json"]),
    "the roots of AWS Signer": {"type": "signingAuthority", "builtIn": "AWSSigner"},
    "the roots of AWS Signer in GovCloud": {"type": "signingAuthority", "builtIn": "AWSSignerGovCloud"},
    "a trusted root": by_root('{"mediaType": "x"}'),
    "a trusted root after space": by_root(" \r\n\t{}"),
    "the longest trusted root": by_root("{" + " " * 262_142 + "}"),
    "the public instance": {"type": "sigstore", "publicGood": True},
    "a TUF repository": by_tuf(),
    "a TUF repository with a port and a path": by_tuf(url="http://tuf.tuf-system.svc:8080/v1/tuf~a/"),
    "a TUF repository at an address": by_tuf(url="https://[2001:db8::1]:443"),
    "the longest address": by_tuf(url=f"{URL}/" + "a" * (2047 - len(URL))),
}

ONE_SOURCE = "expected exactly one of certificates, configMap, builtIn, trustedRoot, publicGood, tuf; keep one of them"
FITTING = (
    "expected trustedRoot, publicGood, tuf or configMap with type sigstore, certificates, builtIn or configMap with"
)
ADDRESS = "expected the address of a TUF repository, without query; write it such as https://tuf.example.com"

REFUSED: dict[str, Refused] = {
    "nothing": Refused({}, "spec.type: got nothing, expected ca or signingAuthority or tsa", "spec.type: Required"),
    "no source": Refused({"type": "ca"}, "spec: got no source, expected exactly one of certificates", ONE_SOURCE),
    "two sources": Refused(
        inline(PEM) | {"configMap": CONFIG_MAP},
        "spec: got certificates and configMap together, expected exactly one of certificates, configMap",
        ONE_SOURCE,
    ),
    "no type": Refused({"certificates": [PEM]}, "spec.type: got nothing", "spec.type: Required value"),
    "an unknown type": Refused(
        inline(PEM) | {"type": "CA"}, "spec.type: got 'CA', expected ca or", 'spec.type: Unsupported value: "CA"'
    ),
    "a type that is a list": Refused(
        {"type": ["ca"], "builtIn": "AWSSigner"},
        "spec.type: got a list of 1, expected ca",
        "spec.type in body must be of",
    ),
    "an unknown field": Refused(
        inline(PEM) | {"certificate": PEM},
        "spec.certificate: got a field that does not exist here",
        f'{UNKNOWN} "spec.certificate"',
    ),
    "certificates of Sigstore": Refused(
        inline(PEM) | {"type": "sigstore"},
        "spec: got certificates with type sigstore, expected trustedRoot, publicGood, tuf or configMap",
        FITTING,
    ),
    "built-in roots of Sigstore": Refused(
        {"type": "sigstore", "builtIn": "AWSSigner"}, "spec: got builtIn with type sigstore", FITTING
    ),
    "a trusted root of Notation": Refused(
        by_root("{}") | {"type": "ca"}, "spec: got trustedRoot with type ca", FITTING
    ),
    "the public instance for Notation": Refused(
        {"type": "tsa", "publicGood": True}, "spec: got publicGood with type tsa", FITTING
    ),
    "a TUF repository for Notation": Refused(by_tuf() | {"type": "ca"}, "spec: got tuf with type ca", FITTING),
    "AWS Signer as ca": Refused(
        {"type": "ca", "builtIn": "AWSSigner"},
        "spec: got builtIn with type ca, expected builtIn with type signingAuthority",
        "expected builtIn with type signingAuthority; change the type",
    ),
    "an unknown built-in": Refused(
        {"type": "signingAuthority", "builtIn": "Acme"},
        "spec.builtIn: got 'Acme', expected AWSSigner or AWSSignerGovCloud",
        'spec.builtIn: Unsupported value: "Acme"',
    ),
    "no certificates": Refused(inline(), "spec.certificates: got a list of 0, expected 1 to 32", "at least 1 items"),
    "thirty-three texts": Refused(inline(*[PEM] * 33), "spec.certificates: got a list of 33", "at most 32 items"),
    "a text that is too long": Refused(
        inline(PEM + "#" * (32_769 - len(PEM))), "spec.certificates[0]: got", "may not be more than 32768"
    ),
    "an empty text": Refused(inline(""), "spec.certificates[0]: got '', expected certificates as PEM", "at least 1 ch"),
    "a key": Refused(
        inline("-----BEGIN PRIVATE KEY-----\nTUlJQg==\n-----END PRIVATE KEY-----\n"),
        "spec.certificates[0]: got '-----BEGIN PRIVATE KEY-----",
        "expected certificates as PEM; write them from their BEGIN CERTIFICATE to their END CERTIFICATE line",
    ),
    "a ConfigMap without name": Refused(
        {"type": "ca", "configMap": {}}, "spec.configMap.name: got nothing", "configMap.name: Required value"
    ),
    "a ConfigMap in upper case": Refused(
        by_map(name="Acme"), "spec.configMap.name: got 'Acme'", "spec.configMap.name in body should match"
    ),
    "a ConfigMap with a long name": Refused(by_map(name="a" * 254), "configMap.name: got", "not be more than 253"),
    "a path for a name": Refused(by_map(name="a/../b"), "spec.configMap.name: got 'a/../b'", "name in body should"),
    "a namespace with a dot": Refused(
        by_map(namespace="a.b"), "spec.configMap.namespace: got 'a.b'", "configMap.namespace in body should match"
    ),
    "a long namespace": Refused(by_map(namespace="a" * 64), "configMap.namespace: got", "may not be more than 63"),
    "no key of a ConfigMap": Refused(by_map(keys=[]), "configMap.keys: got a list of 0", "at least 1 items"),
    "thirty-three keys": Refused(
        by_map(keys=[f"k{index}" for index in range(33)]), "configMap.keys: got a list of 33", "at most 32 items"
    ),
    "a key twice": Refused(by_map(keys=["a", "a"]), "configMap.keys: got 'a' twice", 'keys[1]: Duplicate value: "a"'),
    "a key with a slash": Refused(by_map(keys=["a/b"]), "configMap.keys[0]: got 'a/b'", "keys[0] in body should match"),
    "a key that is too long": Refused(by_map(keys=["k" * 254]), "configMap.keys[0]: got", "not be more than 253"),
    "two keys with trusted roots": Refused(
        by_map("sigstore", keys=["a", "b"]),
        "spec: got 2 keys with type sigstore, expected one key",
        "expected one key of the ConfigMap with type sigstore",
    ),
    "a trusted root that is a list": Refused(
        by_root("[]"),
        "spec.trustedRoot: got '[]', expected the JSON of a trusted_root",
        "expected the JSON of a trusted_root.json",
    ),
    "an empty trusted root": Refused(
        by_root(""), "spec.trustedRoot: got ''", "spec.trustedRoot in body should be at l"
    ),
    "a trusted root that is too long": Refused(
        by_root("{" + " " * 262_143 + "}"), "spec.trustedRoot: got", "may not be more than 262144"
    ),
    "no public instance": Refused(
        {"type": "sigstore", "publicGood": False},
        "spec.publicGood: got false, expected true; write true without quotes, or remove it",
        "expected true; write true without quotes, or remove it",
    ),
    "a public instance in quotes": Refused(
        {"type": "sigstore", "publicGood": "true"}, "spec.publicGood: got 'true'", "spec.publicGood in body must be of"
    ),
    "a TUF repository without address": Refused(by_tuf(url=None), "spec.tuf.url: got nothing", "tuf.url: Required"),
    "a TUF repository without root": Refused(by_tuf(root=None), "spec.tuf.root: got nothing", "tuf.root: Required"),
    "a TUF repository in a file": Refused(by_tuf(url="file:///tuf"), "spec.tuf.url: got 'file:", ADDRESS),
    "an address with a query": Refused(by_tuf(url=f"{URL}/?a=b"), "spec.tuf.url: got", ADDRESS),
    "an address with a user": Refused(by_tuf(url="https://a:b@example.com"), "spec.tuf.url: got", ADDRESS),
    "an address of two lines": Refused(by_tuf(url=f"{URL}\n"), "spec.tuf.url: got", ADDRESS),
    "an address that is too long": Refused(
        by_tuf(url=f"{URL}/" + "a" * (2048 - len(URL))), "spec.tuf.url: got", "may not be more than 2048"
    ),
    "a TUF root that is no object": Refused(
        by_tuf(root="root"),
        "spec.tuf.root: got 'root', expected the JSON of the",
        "expected the JSON of the repository's root.json",
    ),
}
