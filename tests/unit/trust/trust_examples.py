"""TrustStore objects as the API server gives them, certificates and a trusted root for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.simulator.pki.certificates import Identity, authority, issue
from tests.simulator.pki.sigstore import LocalSigstore
from tests.unit.policy.trust_store_examples import with_spec
from tidegate.policy.trust_store_object import StoreObject, parse_trust_store


@cache
def _root(name: str) -> Identity:
    return authority(name).root


def root(name: str = "Acme") -> Identity:
    return _root(name)


def pem(name: str = "Acme") -> str:
    return root(name).pem.decode()


@cache
def leaf_pem() -> str:
    """A certificate that is neither an authority's nor signed by itself."""
    return issue("Leaf", authority("Acme")).pem.decode()


@cache
def trusted_root() -> str:
    return LocalSigstore().trusted_root_bytes().decode()


def inline(*texts: str, type_: str = "ca") -> dict[str, Any]:
    return {"type": type_, "certificates": list(texts)}


def store(spec: dict[str, Any], *, name: str = "acme", generation: int = 2) -> dict[str, Any]:
    """Return a whole object, as it is read from the API server."""
    obj = with_spec(spec, name=name)
    obj["metadata"] |= {"uid": f"uid-{name}", "generation": generation, "resourceVersion": "7"}
    return obj


def parsed(spec: dict[str, Any], **identity: Any) -> StoreObject:
    return parse_trust_store(store(spec, **identity))
