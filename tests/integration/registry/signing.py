"""Signatures that are pushed beside an image of another registry, and what is found there."""

from tests.integration.registry.conftest import APP, Edge, repository
from tests.simulator.artifacts import NOTATION, fallback_tag, referrers_index, signature
from tests.simulator.oci_registry import OciRegistry
from tidegate.evidence.signature_artifacts import FoundArtifacts, WantedArtifacts
from tidegate.images.digest import Digest

SUBJECT = Digest(APP.digest)


def find(edge: Edge, registry: OciRegistry, wanted: WantedArtifacts | None = None, seconds=20.0) -> FoundArtifacts:
    return edge.registries.find_artifacts(
        repository(registry), SUBJECT, wanted=wanted or WantedArtifacts(), seconds=seconds
    )


def sign(registry, *envelopes: bytes, kind: str = NOTATION) -> list[str]:
    """Push signatures as the tools do: where there is no referrers API, with an index under a tag."""
    made = [signature(kind, each, subject=APP) for each in envelopes]
    for each in made:
        registry.add("team/app", each)
    if not registry.referrers_api:
        registry.add("team/app", referrers_index([(each, each.artifact_type) for each in made]), fallback_tag(SUBJECT))
    return [each.digest for each in made]


def outcome(found: FoundArtifacts) -> dict[str, list]:
    return {
        "envelopes": [each.envelope for each in found.artifacts],
        "skipped": [(each.reason, each.cause) for each in found.skipped],
    }
