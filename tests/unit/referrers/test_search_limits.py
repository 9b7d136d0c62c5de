"""How much a search for signatures looks at, and what it says where it could not look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.simulator import artifacts
from tests.simulator.artifacts import (
    COSIGN_SIGNATURE,
    NOTATION_TYPE,
    LayerPart,
    cosign_manifest,
    fallback_tag,
    referrers_index,
)
from tests.simulator.manifests import Manifest
from tests.unit.referrers.registry import (
    ENVELOPE,
    IMAGE,
    JUST_NOTATION,
    OTHER,
    SIGNED,
    SUBJECT,
    Registry,
    envelopes,
    find,
    notation,
    reasons,
)
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import (
    ENOUGH_EVALUATED,
    MAX_EVALUATED,
    MAX_LISTED,
    ArtifactKind,
    Descriptor,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.evidence.verification_result import VerificationState, conclude
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.referrers.search import StoredArtifact, find_signatures


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
