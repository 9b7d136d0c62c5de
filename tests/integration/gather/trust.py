"""The trust stores of a simulated world as the controller holds them, without a cluster that they are read from."""

from typing import Any

from tests.simulator import World
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore


def trust_of(world: World) -> TrustSnapshot:
    """Return every trust store of the world. One that is made later, for a new authority, is not among them."""
    return TrustSnapshot.of(
        [_store(each["metadata"]["name"], each["spec"]) for each in world.authorities.trust_stores()]
    )


def _store(name: str, spec: dict[str, Any]) -> TrustStore:
    root = spec.get("trustedRoot")
    return TrustStore(
        name=name,
        uid=name,
        generation=1,
        type=StoreType(spec["type"]),
        certificates=tuple(text.encode() for text in spec.get("certificates", ())),
        trusted_root=None if root is None else root.encode(),
    )
