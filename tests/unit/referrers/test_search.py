"""How signatures are found beside an image: over a registry in memory, with the numbers of Notation's procedure."""

import json
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests import frames
from tests.simulator.artifacts import (
    BUNDLE,
    EMPTY_CONFIG,
    NOTATION_TYPE,
    LayerPart,
    artifact,
    fallback_tag,
    referrers_index,
    signature,
)
from tests.unit.referrers.registry import (
    DOWN,
    ENVELOPE,
    IMAGE,
    OTHER,
    SIGNED,
    SUBJECT,
    Registry,
    envelopes,
    find,
    notation,
    reasons,
)
from tidegate.evidence.signature_artifacts import (
    MAX_ENVELOPE_BYTES,
    MAX_MANIFEST_BYTES,
    THUMBPRINTS,
    Descriptor,
    FoundArtifacts,
    SkipReason,
)
from tidegate.evidence.source_unavailable import again
from tidegate.evidence.verification_result import Attempt, VerificationState, conclude
from tidegate.images.digest import digest_of
from tidegate.referrers import search

JWS = "application/jose+json"


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(lambda: Registry(listed=[SIGNED]), id="N21-referrers"),
        pytest.param(
            lambda: Registry(listed=[SIGNED], changes={"artifact_type": ""}), id="N21-referrers-without-artifact-types"
        ),
        pytest.param(
            lambda: Registry(tagged={fallback_tag(SUBJECT): referrers_index([(SIGNED, NOTATION_TYPE)])}, more=[SIGNED]),
            id="N21-tag-schema",
        ),
        pytest.param(
            lambda: Registry(tagged={fallback_tag(SUBJECT): referrers_index([(SIGNED, EMPTY_CONFIG)])}, more=[SIGNED]),
            id="N21-tag-schema-with-another-artifact-type",
        ),
        pytest.param(
            lambda: Registry(
                listed=[SIGNED, artifact([], subject=IMAGE, artifact_type="application/spdx+json")],
            ),
            id="N21-beside-what-was-not-asked-for",
        ),
        pytest.param(lambda: Registry(listed=[notation(old_notation=True)]), id="N23-type-in-the-config"),
        pytest.param(lambda: Registry(listed=[notation(media_type="application/cose")]), id="N24-cose"),
    ],
)
def test_a_signature_is_found(registry: Callable[[], Registry]):
    """With its envelope's bytes, and nothing left aside."""
    found = find(registry())
    assert envelopes(found) == [ENVELOPE]
    assert found.complete
    assert found.skipped == ()
    assert found.artifacts[0].subject == Descriptor(media_type=IMAGE.media_type, digest=SUBJECT, size=len(IMAGE.data))


def test_n21_what_is_not_a_signature_is_not_even_fetched():
    """A registry may ignore the types that it was asked for."""
    registry = Registry(listed=[artifact([], subject=IMAGE, artifact_type="application/spdx+json")])
    found = find(registry)
    assert (found.artifacts, found.skipped, found.complete) == ((), (), True)
    assert registry.fetched == [fallback_tag(SUBJECT)]


@pytest.mark.parametrize(
    ("registry", "reason"),
    [
        pytest.param(
            Registry(listed=[SIGNED], changes={"media_type": "text/plain"}),
            SkipReason.UNSUPPORTED,
            id="N22-no-manifest",
        ),
        pytest.param(
            Registry(listed=[SIGNED], changes={"size": MAX_MANIFEST_BYTES + 1}),
            SkipReason.TOO_LARGE,
            id="N22-pitfall-9-7-manifest-too-large",
        ),
        pytest.param(
            Registry(listed=[SIGNED], lies={SIGNED.digest: SIGNED.data + b" "}), SkipReason.BAD_CONTENT, id="N22-digest"
        ),
        pytest.param(Registry(listed=[SIGNED], changes={"size": 7}), SkipReason.BAD_CONTENT, id="N22-size"),
        pytest.param(
            Registry(
                listed=[notation(change={"artifactType": "application/spdx+json"})], changes={"artifact_type": ""}
            ),
            SkipReason.UNSUPPORTED,
            id="N23-another-artifact-type",
        ),
        pytest.param(
            Registry(
                listed=[
                    artifact(
                        [LayerPart(data=ENVELOPE, media_type=JWS)],
                        subject=IMAGE,
                        artifact_type=NOTATION_TYPE,
                        config_type="a/b",
                    )
                ]
            ),
            SkipReason.BAD_CONTENT,
            id="N23-another-config",
        ),
        pytest.param(
            Registry(listed=[notation(subject=OTHER)]), SkipReason.WRONG_SUBJECT, id="N23-pitfall-9-2-another-subject"
        ),
        pytest.param(
            Registry(listed=[notation(change={"subject": None})]), SkipReason.WRONG_SUBJECT, id="N23-no-subject"
        ),
        pytest.param(
            Registry(
                listed=[
                    artifact(
                        [LayerPart(data=data, media_type=JWS) for data in (b"a", b"b")],
                        subject=IMAGE,
                        artifact_type=NOTATION_TYPE,
                    )
                ]
            ),
            SkipReason.BAD_CONTENT,
            id="N24-two-layers",
        ),
        pytest.param(
            Registry(listed=[artifact([], subject=IMAGE, artifact_type=NOTATION_TYPE)]),
            SkipReason.BAD_CONTENT,
            id="N24-no-layer",
        ),
        pytest.param(
            Registry(listed=[notation(media_type="application/pkcs7")]), SkipReason.UNSUPPORTED, id="N24-another-format"
        ),
        pytest.param(
            Registry(listed=[notation(b"0" * (MAX_ENVELOPE_BYTES + 1))]),
            SkipReason.TOO_LARGE,
            id="N24-pitfall-9-7-envelope-too-large",
        ),
        pytest.param(
            Registry(listed=[SIGNED], lies={digest_of(ENVELOPE): b"other"}),
            SkipReason.BAD_CONTENT,
            id="N24-other-bytes",
        ),
    ],
)
def test_what_is_no_signature_of_the_image_is_left_aside(registry: Registry, reason: SkipReason):
    """For good, with the reason; whatever stands beside it is found all the same."""
    found = find(registry)
    assert reasons(found) == [reason]
    assert (found.artifacts, found.complete, found.outage) == ((), True, None)
    registry.listed.append(notation(b"second"))
    if not registry.changes:
        assert envelopes(find(registry)) == [b"second"]


def test_n24_the_largest_envelope_is_fetched():
    """At the bound."""
    assert len(find(Registry(listed=[notation(b"0" * MAX_ENVELOPE_BYTES)])).artifacts) == 1


PRINT = "ab" * 32


@pytest.mark.parametrize(
    ("annotation", "first"),
    [
        pytest.param(json.dumps([PRINT]), b"marked", id="N25-named"),
        pytest.param(json.dumps(["cd" * 32, PRINT.upper()]), b"marked", id="N25-second-in-upper-case"),
        pytest.param(json.dumps(["cd" * 32]), b"plain", id="N25-another"),
        pytest.param(json.dumps(PRINT), b"plain", id="N25-no-list"),
        pytest.param(f'["{PRINT}"', b"plain", id="N25-no-json"),
        pytest.param(json.dumps([PRINT] + ["x"] * 9000), b"plain", id="N25-very-long"),
    ],
)
def test_thumbprints_order_and_never_decide(annotation: str, first: bytes):
    """A pitfall: the annotation is not signed. What it says brings a signature forward, and leaves none out."""
    registry = Registry(listed=[notation(b"plain"), notation(b"marked", annotations={THUMBPRINTS: annotation})])
    found = find(registry, thumbprints=frozenset({PRINT}))
    assert sorted(envelopes(found)) == [b"marked", b"plain"]
    assert envelopes(found)[0] == first


def test_kinds_that_are_not_wanted_are_left_aside():
    """A bundle is no Notation signature, whatever the list calls it."""
    bundle = signature(BUNDLE, b"{}", subject=IMAGE)
    found = find(Registry(listed=[bundle], changes={"artifact_type": NOTATION_TYPE}))
    assert (found.artifacts, reasons(found)) == ((), [SkipReason.UNSUPPORTED])


def attempt(state: VerificationState, text: str = "") -> Attempt:
    return Attempt(manifest_digest=SUBJECT, state=state, text=text)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param("Failed Verified", VerificationState.VERIFIED, id="N27-one-of-two"),
        pytest.param("Unknown Logged Verified", VerificationState.VERIFIED, id="N27-the-last"),
        pytest.param("Failed Failed", VerificationState.FAILED, id="N27-none"),
        pytest.param("Failed Unknown", VerificationState.UNKNOWN, id="N27-one-is-not-known"),
        pytest.param("Failed Logged", VerificationState.LOGGED, id="N27-one-is-only-logged"),
    ],
)
def test_one_valid_signature_is_enough(states: str, expected: VerificationState):
    """Else every reason is kept."""
    attempts = [attempt(VerificationState(state), str(number)) for number, state in enumerate(states.split())]
    proof = conclude(attempts, outage=None)
    assert proof.state is expected
    assert [one.text for one in proof.attempts] == [str(number) for number in range(len(attempts))]


@pytest.mark.parametrize("down", ["manifest", "blob", "referrers"])
def test_a_failure_keeps_nothing_of_the_search(down: str):
    """Neither an error of the registry, nor one that stands for a manifest."""
    where = {"manifest": SIGNED.digest, "blob": next(iter(SIGNED.blobs)), "referrers": "referrers"}[down]
    registry = Registry(listed=[SIGNED], down=frozenset({where}))
    kept: list[object] = []
    assert not frames.are_kept(lambda: kept.append(find(registry)))


def test_nor_does_one_without_any_answer():
    registry = Registry(down=frozenset({"referrers", fallback_tag(SUBJECT)}))
    assert not frames.are_kept(lambda: find(registry))


def test_nor_does_a_manifest_that_there_is_no_room_for(monkeypatch):
    monkeypatch.setattr(search, "MAX_FOUND_MANIFEST_BYTES", 10)
    registry = Registry(listed=[SIGNED])
    kept: list[FoundArtifacts] = []
    assert not frames.are_kept(lambda: kept.append(find(registry)))
    assert reasons(kept[0]) == [SkipReason.OVER_LIMIT]


def test_nor_does_a_call_that_fails(monkeypatch):
    def fail(_: object) -> NoReturn:
        raise again(DOWN)

    registry = Registry(listed=[SIGNED])
    monkeypatch.setattr(registry, "manifests", fail)
    kept: list[FoundArtifacts] = []
    assert not frames.are_kept(lambda: kept.append(find(registry)))
    assert not kept[0].complete
