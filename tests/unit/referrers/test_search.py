"""How signatures are found beside an image: over a registry in memory, with the numbers of Notation's procedure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.simulator import artifacts
from tests.simulator.artifacts import (
    BUNDLE,
    COSIGN_SIGNATURE,
    EMPTY_CONFIG,
    NOTATION,
    NOTATION_TYPE,
    LayerPart,
    artifact,
    cosign_manifest,
    fallback_tag,
    referrers_index,
    signature,
)
from tests.simulator.manifests import Manifest
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    ENOUGH_EVALUATED,
    MAX_ENVELOPE_BYTES,
    MAX_EVALUATED,
    MAX_LISTED,
    MAX_MANIFEST_BYTES,
    THUMBPRINTS,
    ArtifactKind,
    ArtifactRef,
    Descriptor,
    FoundArtifacts,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.evidence.verification_result import Attempt, VerificationState, conclude
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.referrers.search import Listing, StoredArtifact, find_signatures

IMAGE = artifact([LayerPart(data=b"layer", media_type="a/b")], subject=None)
OTHER = artifact([LayerPart(data=b"another", media_type="a/b")], subject=None)
SUBJECT = Digest(IMAGE.digest)
ENVELOPE = b'{"payload":"e30"}'
JWS = "application/jose+json"
JUST_NOTATION = frozenset({ArtifactKind.NOTATION})
DOWN = SourceUnavailableError(Cause.SERVER_ERROR, "registry")


@dataclass
class Registry:
    """What stands beside the image: ``listed`` by its API, ``tagged`` under tags; what is ``down`` cannot be had."""

    listed: list[Manifest] = field(default_factory=list)
    tagged: dict[str, Manifest] = field(default_factory=dict)
    more: list[Manifest] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    fetched: list[str] = field(default_factory=list)

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        assert subject == SUBJECT
        if "referrers" in self.down:
            raise DOWN
        # The types are a wish; this registry does not hear it.
        return Listing(refs=tuple(self._ref(one) for one in self.listed))

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        self.fetched += [one.value for one in ids]
        return {one: self._stored(one.value) for one in ids}

    def blob(self, blob: Descriptor) -> bytes:
        self.fetched.append(blob.digest)
        if blob.digest in self.down:
            raise DOWN
        if blob.digest in self.lies:
            return self.lies[blob.digest]
        return {digest: data for one in self._all for digest, data in one.blobs.items()}[blob.digest]

    @property
    def _all(self) -> list[Manifest]:
        return [*self.listed, *self.more, *self.tagged.values()]

    def _stored(self, wanted: str) -> StoredArtifact:
        if wanted in self.down:
            return DOWN
        found = self.tagged | {one.digest: one for one in self._all}
        if wanted not in found:
            return Absence.IMAGE
        return StoredManifest(content=self.lies.get(wanted, found[wanted].data), media_type=found[wanted].media_type)

    def _ref(self, manifest: Manifest) -> ArtifactRef:
        described: dict[str, Any] = {
            "digest": Digest(manifest.digest),
            "media_type": manifest.media_type,
            "artifact_type": manifest.artifact_type or "",
            "size": len(manifest.data),
            "annotations": manifest.annotations,
        }
        return ArtifactRef(**(described | self.changes))


def find(registry: Registry, *, thumbprints: frozenset[str] = frozenset(), seconds: float = 1.0) -> FoundArtifacts:
    wanted = WantedArtifacts(kinds=JUST_NOTATION, thumbprints=thumbprints)
    return find_signatures(registry, SUBJECT, wanted, seconds_left=lambda: seconds)


def notation(envelope: bytes = ENVELOPE, **options: Any) -> Manifest:
    return signature(NOTATION, envelope, **({"subject": IMAGE} | options))


def envelopes(found: FoundArtifacts) -> list[bytes]:
    return [one.envelope for one in found.artifacts]


def reasons(found: FoundArtifacts) -> list[SkipReason]:
    return [one.reason for one in found.skipped]


SIGNED = notation()


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


@pytest.mark.parametrize(
    ("count", "complete"),
    [
        pytest.param(MAX_EVALUATED, True, id="N26-as-many-as-are-looked-at"),
        pytest.param(MAX_EVALUATED + 1, False, id="N26-pitfall-9-6-one-more"),
        pytest.param(MAX_LISTED + 1, False, id="N26-pitfall-9-6-more-than-are-listed"),
    ],
)
def test_only_so_many_are_looked_at(count: int, *, complete: bool):
    """More is no outage: anybody who may push could bring it about."""
    found = find(Registry(listed=[notation(b"%d" % number) for number in range(count)]))
    assert len(found.artifacts) == MAX_EVALUATED
    assert found.complete is complete
    assert found.outage is None
    assert set(reasons(found)) == (set() if complete else {SkipReason.OVER_LIMIT})


LOST = notation(b"lost")


@pytest.mark.parametrize(
    "lost", [pytest.param(LOST.digest, id="N26-manifest-down"), pytest.param(digest_of(b"lost"), id="N26-blob-down")]
)
def test_what_cannot_be_fetched_is_remembered_and_hides_no_other(lost: str):
    """One signature out of reach fails nothing but itself; where no other verifies, the answer is "not known"."""
    found = find(Registry(listed=[LOST, SIGNED], down=frozenset({lost})))
    assert envelopes(found) == [ENVELOPE]
    assert (found.complete, found.outage) == (False, Cause.SERVER_ERROR)
    assert reasons(found) == [SkipReason.UNAVAILABLE]


def test_n26_nothing_is_fetched_once_time_is_up():
    """What is left is noted as not looked at."""
    for registry in (Registry(), Registry(listed=[SIGNED])):
        found = find(registry, seconds=0)
        assert (found.artifacts, found.complete, found.outage) == ((), False, Cause.DEADLINE)
        assert registry.fetched == []


@dataclass
class Slow(Registry):
    """A registry that gives so many envelopes until the time is up, or the calls are too many."""

    gives: int = 0
    cause: Cause = Cause.DEADLINE

    def blob(self, blob: Descriptor) -> bytes:
        self.gives -= 1
        if self.gives < 0:
            raise SourceUnavailableError(self.cause, "registry")
        return Registry.blob(self, blob)


@pytest.mark.parametrize("cause", [Cause.DEADLINE, Cause.THROTTLED, Cause.SERVER_ERROR])
@pytest.mark.parametrize("gives", [ENOUGH_EVALUATED - 1, ENOUGH_EVALUATED])
def test_who_pushes_many_signatures_makes_no_outage_of_the_time_they_take(gives: int, cause: Cause):
    """Once enough were looked at, that there is no time for more is as if there were too many."""
    many = [notation(b"%d" % number) for number in range(2 * ENOUGH_EVALUATED)]
    found = find(Slow(listed=many, gives=gives, cause=cause))
    theirs = gives == ENOUGH_EVALUATED and cause is not Cause.SERVER_ERROR
    assert len(found.artifacts) == gives
    assert set(reasons(found)) == {SkipReason.OVER_LIMIT if theirs else SkipReason.UNAVAILABLE}
    assert (found.complete, found.outage) == (False, None if theirs else cause)
    assert found.cut_short is cause


@dataclass
class SlowManifests(Registry):
    """A registry whose manifests take so many seconds each, and whose envelopes take one."""

    seconds: float = 0.0
    left: float = 8.0

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        answers = dict(Registry.manifests(self, ids))
        for each in ids:
            if isinstance(answers[each], StoredManifest):
                if self.left <= 0:
                    answers[each] = SourceUnavailableError(Cause.DEADLINE, "registry")
                self.left -= self.seconds
        return answers

    def blob(self, blob: Descriptor) -> bytes:
        self.left -= 1
        return Registry.blob(self, blob)


@pytest.mark.parametrize(
    ("seconds", "theirs"),
    [
        pytest.param(0.9, False, id="nine-manifests"),
        pytest.param(0.7, True, id="eleven-manifests"),
        pytest.param(0.41, True, id="all-manifests-and-no-envelope"),
        pytest.param(0.3, True, id="all-manifests-and-some-envelopes"),
        pytest.param(0.1, False, id="all-manifests-soon"),
    ],
)
def test_who_pushes_many_manifests_makes_no_outage_of_the_time_they_take(seconds: float, theirs: bool):
    """As above, where the time goes into manifests."""
    many = [notation(b"%d" % number) for number in range(2 * ENOUGH_EVALUATED)]
    registry = SlowManifests(listed=many, seconds=seconds)
    wanted = WantedArtifacts(kinds=JUST_NOTATION)
    found = find_signatures(registry, SUBJECT, wanted, seconds_left=lambda: registry.left)
    expected = SkipReason.OVER_LIMIT if theirs else SkipReason.UNAVAILABLE
    assert expected in reasons(found)
    assert (found.complete, found.outage is None) == (False, theirs)


@pytest.mark.parametrize(
    "down",
    [
        pytest.param({"referrers", fallback_tag(SUBJECT)}, id="pitfall-9-1-everything-down"),
    ],
)
def test_a_registry_that_does_not_answer_is_none_without_signatures(down: set[str]):
    """An error is never an empty list."""
    with pytest.raises(SourceUnavailableError):
        find(Registry(down=frozenset(down)))


@pytest.mark.parametrize("down", ["referrers", fallback_tag(SUBJECT)])
def test_pitfall_9_1_half_an_answer_is_not_complete(down: str):
    """Where one of two lists cannot be read, "none" is not known."""
    found = find(Registry(down=frozenset({down})))
    assert (found.artifacts, found.complete, found.outage) == ((), False, Cause.SERVER_ERROR)


def test_pitfall_9_1_no_signature_is_no_error_and_no_pass():
    """A registry that lists nothing says so, and that ends as no valid signature."""
    found = find(Registry())
    assert (found.artifacts, found.complete, found.outage) == ((), True, None)
    assert conclude([], outage=None).state is VerificationState.ABSENT
    assert conclude([], outage=Cause.SERVER_ERROR).state is VerificationState.UNKNOWN


POISON = cosign_manifest([LayerPart(data=b"junk", media_type=artifacts.LAYER_TYPES[COSIGN_SIGNATURE])])


@pytest.mark.parametrize(
    "tagged",
    [
        pytest.param({fallback_tag(SUBJECT): POISON}, id="pitfall-9-5-fallback-index"),
        pytest.param(
            {fallback_tag(SUBJECT): referrers_index([(OTHER, NOTATION_TYPE)])}, id="pitfall-9-5-other-entries"
        ),
        pytest.param({fallback_tag(SUBJECT, ".sig"): POISON}, id="pitfall-9-5-tag-of-cosign"),
        pytest.param({fallback_tag(SUBJECT, ".sig"): IMAGE}, id="pitfall-9-5-image-under-a-tag-of-cosign"),
    ],
)
def test_a_poisoned_tag_hides_no_signature_and_makes_none(tagged: dict[str, Manifest]):
    """Anybody who may push can move these tags; only a refusal may come of it."""
    registry = Registry(listed=[SIGNED], tagged=tagged)
    wanted = WantedArtifacts()
    found = find_signatures(registry, SUBJECT, wanted, seconds_left=lambda: 1.0)
    assert ENVELOPE in envelopes(found)
    assert {one.envelope for one in found.artifacts if one.kind is ArtifactKind.NOTATION} == {ENVELOPE}
    assert found.outage is None


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
