"""Which images a lifecycle policy loses, and when."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import StoredImage
from tidegate.images.digest import Digest
from tidegate.posture.lifecycle import Fate, ImageFate, fate_of_reference, fates, is_soon
from tidegate.posture.lifecycle_policy import UnreadableRule, parse_lifecycle_text

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def rule(priority: int, *, status: str = "any", action: str = "expire", **selection: Any) -> dict[str, Any]:
    chosen = {"countType": "sinceImagePushed", "countNumber": 14} | selection
    if chosen["countType"] != "imageCountMoreThan":
        chosen.setdefault("countUnit", "days")
    if chosen["countType"] == "sinceImageTransitioned":
        chosen.setdefault("storageClass", "archive")
    does = {"type": action} | ({"targetStorageClass": "archive"} if action == "transition" else {})
    return {"rulePriority": priority, "selection": {"tagStatus": status} | chosen, "action": does}


def images_of(count: int, **more: Any) -> dict[str, Any]:
    return {"countType": "imageCountMoreThan", "countNumber": count} | more


def tagged(*patterns: str) -> dict[str, Any]:
    return {"status": "tagged", "tagPatternList": list(patterns)}


def text(*rules: Any) -> str:
    return json.dumps({"rules": list(rules)})


def image(number: int, *tags: str, age: int = 0, **more: Any) -> StoredImage:
    return StoredImage(digest=digest(number), tags=tags, pushed_at=NOW - age * DAY, **more)


def fate(policy: str, stored: list[StoredImage], number: int = 1, **more: Any) -> ImageFate:
    found = fates(parse_lifecycle_text(policy), stored, [digest(number)], now=NOW, **more)
    assert [one.digest for one in found] == [digest(number)]
    return found[0]


class TestDays:
    """A rule about days takes what is older; it says from when on."""

    def test_a_push_is_counted(self) -> None:
        """In days since it."""
        found = fate(text(rule(1)), [image(1, "v1", age=4)])
        assert (found.fate, found.rule, found.at) == (Fate.EXPIRES, 1, NOW + 10 * DAY)
        assert fate(text(rule(1)), [image(1, "v1", age=14)]).at == NOW
        assert fate(text(rule(1)), [image(1, "v1", age=100)]).at == NOW

    def test_an_image_that_was_restored_counts_from_then(self) -> None:
        """Not from its push."""
        found = fate(text(rule(1)), [image(1, "v1", age=100, restored_at=NOW - DAY)])
        assert found.at == NOW + 13 * DAY

    def test_a_pull_is_counted_where_there_was_one(self) -> None:
        """Else the push, or the restoration after it."""
        policy = text(rule(1, countType="sinceImagePulled"))
        assert fate(policy, [image(1, "v1", age=100, pulled_at=NOW - DAY)]).at == NOW + 13 * DAY
        assert fate(policy, [image(1, "v1", age=2)]).at == NOW + 12 * DAY
        restored = image(1, "v1", age=100, pulled_at=NOW - 50 * DAY, restored_at=NOW - 3 * DAY)
        assert fate(policy, [restored]).at == NOW + 11 * DAY

    def test_a_transition_is_counted_for_archived_images_alone(self) -> None:
        """Other images are not of that storage class."""
        policy = text(rule(1, countType="sinceImageTransitioned"))
        archived = image(1, "v1", age=100, is_archived=True, archived_at=NOW - DAY)
        assert fate(policy, [archived]).at == NOW + 13 * DAY
        assert fate(policy, [image(1, "v1", age=100)]).fate is Fate.KEPT
        unknown = fate(policy, [image(1, "v1", age=100, is_archived=True)])
        assert unknown.fate is Fate.UNKNOWN

    def test_an_archived_image_is_not_of_the_other_class(self) -> None:
        """A rule about standard images does not take it."""
        assert fate(text(rule(1)), [image(1, "v1", age=100, is_archived=True)]).fate is Fate.KEPT

    def test_the_archive_is_a_loss(self) -> None:
        """An archived image cannot be pulled."""
        found = fate(text(rule(1, action="transition")), [image(1, "v1", age=4)])
        assert (found.fate, found.is_lost) == (Fate.ARCHIVED, True)

    def test_a_date_beyond_all_calendars_is_none(self) -> None:
        """The image is kept."""
        far = parse_lifecycle_text(text(rule(1, countNumber=100_000)))
        late = datetime(9990, 1, 1, tzinfo=UTC)
        stored = StoredImage(digest=digest(1), tags=("v1",), pushed_at=late)
        assert fates(far, [stored], [digest(1)], now=late)[0].fate is Fate.KEPT


class TestCounts:
    """A rule that counts images takes what is beyond its number, the oldest pushes first."""

    def test_the_number_of_newer_images_is_told(self) -> None:
        """How many more have to be pushed."""
        stored = [image(1, "v1", age=3), image(2, "v2", age=2), image(3, "v3", age=1)]
        found = fate(text(rule(1, **images_of(5))), stored)
        assert (found.fate, found.at, found.newer_images) == (Fate.EXPIRES, None, 3)
        assert fate(text(rule(1, **images_of(3))), stored).newer_images == 1
        assert fate(text(rule(1, **images_of(2))), stored).at == NOW
        assert fate(text(rule(1, **images_of(2))), stored, 2).newer_images == 1
        both = fates(parse_lifecycle_text(text(rule(1, **images_of(5)))), stored, [digest(1), digest(3)], now=NOW)
        assert [one.newer_images for one in both] == [3, 5]

    def test_only_images_that_fit_the_tags_count(self) -> None:
        """Others take no place."""
        stored = [image(1, "prod1", age=9), *(image(number, "dev", age=1) for number in range(2, 9))]
        assert fate(text(rule(1, **tagged("prod*"), **images_of(1))), stored).newer_images == 1

    def test_images_of_an_earlier_rule_count_too(self) -> None:
        """They are identified, but not taken."""
        stored = [image(1, "dev", age=9), image(2, "prod", age=1), image(3, "prod", age=2)]
        policy = text(rule(1, **tagged("prod*"), **images_of(9)), rule(2, **images_of(2)))
        assert fate(policy, stored).at == NOW
        assert fate(policy, stored, 2).rule == 1


class TestSelection:
    """Which rule decides about an image."""

    def test_every_pattern_must_fit_a_tag(self) -> None:
        """Not one of them alone."""
        policy = text(rule(1, **tagged("prod*", "*web")))
        assert fate(policy, [image(1, "prod1", age=99)]).fate is Fate.KEPT
        assert fate(policy, [image(1, "prod1", "beta-web", age=99)]).fate is Fate.EXPIRES
        assert fate(policy, [image(1, "prodweb", age=99)]).fate is Fate.EXPIRES

    def test_every_prefix_must_fit_a_tag(self) -> None:
        """As with patterns."""
        policy = text(rule(1, status="tagged", tagPrefixList=["alpha", "beta"]))
        assert fate(policy, [image(1, "alpha-1", age=99)]).fate is Fate.KEPT
        assert fate(policy, [image(1, "alpha-1", "beta-1", age=99)]).fate is Fate.EXPIRES

    def test_case_counts(self) -> None:
        """Tags that differ in case are others."""
        assert fate(text(rule(1, **tagged("Prod*"))), [image(1, "prod1", age=99)]).fate is Fate.KEPT

    def test_untagged_images_have_rules_of_their_own(self) -> None:
        """A rule about them takes no tagged image, and the other way round."""
        untagged = text(rule(1, status="untagged"))
        assert fate(untagged, [image(1, age=99)]).fate is Fate.EXPIRES
        assert fate(untagged, [image(1, "v1", age=99)]).fate is Fate.KEPT
        assert fate(text(rule(1, **tagged("*"))), [image(1, age=99)]).fate is Fate.KEPT

    def test_the_first_rule_that_fits_decides_even_if_it_keeps(self) -> None:
        """A later one cannot take the image, whatever the order in which they are written."""
        keeping = rule(1, **tagged("prod*"), **images_of(9999))
        assert fate(text(rule(2), keeping), [image(1, "prod1", age=99)]).rule == 1
        assert fate(text(rule(2), keeping), [image(1, "dev", age=99)]).at == NOW


class TestWhatRefersToAnImage:
    """An image of an index is kept as long as the index; a referrer as long as its subject."""

    POLICY = text(rule(1, status="untagged", countNumber=1), rule(2, **tagged("old*")))

    def test_the_image_of_a_kept_index_is_kept(self) -> None:
        """Though a rule about untagged images would take it."""
        stored = [image(1, age=99), image(2, "v1", age=99)]
        assert fate(self.POLICY, stored).at == NOW
        assert fate(self.POLICY, stored, children={digest(2): frozenset({digest(1)})}).fate is Fate.KEPT

    def test_the_image_of_an_index_goes_no_sooner_than_the_index(self) -> None:
        """The last index counts."""
        stored = [image(1, age=99), image(2, "old1", age=10), image(3, "old2", age=12)]
        children = {digest(2): frozenset({digest(1)}), digest(3): frozenset({digest(1)})}
        found = fate(self.POLICY, stored, children=children)
        assert (found.digest, found.at) == (digest(1), NOW + 4 * DAY)

    def test_an_index_within_an_index(self) -> None:
        """Keeps what is below it."""
        stored = [image(1, age=99), image(2, age=99), image(3, "v1", age=99)]
        children = {digest(3): frozenset({digest(2)}), digest(2): frozenset({digest(1)})}
        assert fate(self.POLICY, stored, children=children).fate is Fate.KEPT
        rounds = {digest(1): frozenset({digest(2)}), digest(2): frozenset({digest(1)})}
        assert fate(self.POLICY, stored, children=rounds).at == NOW

    def test_an_index_that_was_deleted_keeps_nothing(self) -> None:
        """Only those in the repository count."""
        assert fate(self.POLICY, [image(1, age=99)], children={digest(7): frozenset({digest(1)})}).at == NOW

    def test_an_index_whose_fate_is_unknown(self) -> None:
        """Leaves it unknown, unless another one is kept."""
        policy = text(rule(1, status="untagged", countNumber=1), rule(2, status="strange"))
        stored = [image(1, age=99), image(2, "v1", age=99)]
        assert fate(policy, stored, children={digest(2): frozenset({digest(1)})}).fate is Fate.UNKNOWN

    def test_an_untagged_referrer_is_not_taken(self) -> None:
        """It goes with its subject."""
        signature = image(1, age=99, subject=digest(2))
        assert fate(self.POLICY, [signature]).fate is Fate.KEPT
        assert fate(self.POLICY, [image(1, "old", age=99, subject=digest(2))]).fate is Fate.EXPIRES


UNREADABLE_RULES = {
    "a tag status": rule(1, status="most"),
    "a count type": rule(1, countType="sinceImageSigned"),
    "a count unit": rule(1, countUnit="weeks"),
    "no count unit": {**rule(1), "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1}},
    "a count unit for images": rule(1, **images_of(3, countUnit="days")),
    "no count number": rule(1, countNumber=0),
    "a count number that is a truth value": rule(1, countNumber=True),
    "a count number that is a text": rule(1, countNumber="14"),
    "too large a count number": rule(1, countNumber=100_001),
    "an action": rule(1, action="notify"),
    "a storage class": rule(1, storageClass="glacier"),
    "the archive for pushes": rule(1, storageClass="archive"),
    "the standard class for transitions": rule(1, countType="sinceImageTransitioned", storageClass="standard"),
    "a target": {**rule(1), "action": {"type": "transition", "targetStorageClass": "glacier"}},
    "a field": {**rule(1), "unless": "running"},
    "a field of the selection": rule(1, imageSizeMoreThan=5),
    "no action": {"rulePriority": 1, "selection": rule(1)["selection"]},
    "tags beside any": rule(1, tagPatternList=["x"]),
    "patterns and prefixes": rule(1, **tagged("x"), tagPrefixList=["x"]),
    "no tags": rule(1, status="tagged"),
    "an empty pattern": rule(1, **tagged("")),
    "a question mark": rule(1, **tagged("v?")),
    "a wildcard in a prefix": rule(1, status="tagged", tagPrefixList=["v*"]),
}


@pytest.mark.parametrize("case", UNREADABLE_RULES)
def test_a_rule_that_is_not_understood_leaves_images_unknown(case: str) -> None:
    """But for those that an earlier rule decides about."""
    strange = UNREADABLE_RULES[case]
    (read,) = parse_lifecycle_text(text(strange))
    assert isinstance(read, UnreadableRule)
    assert fate(text(strange), [image(1, "v1")]).fate is Fate.UNKNOWN
    before = text({**strange, "rulePriority": 2}, rule(1, **tagged("v*")))
    assert fate(before, [image(1, "v1")]).fate is Fate.EXPIRES


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"rules": []}',
        '{"rules": [1]}',
        '{"rules": {}}',
        '{"rules": [{"rulePriority": 0}]}',
        '{"rules": [{"rulePriority": true}]}',
        text(rule(1), rule(1)),
        text(*(rule(number) for number in range(1, 52))),
        json.dumps({"rules": [rule(1)], "except": "x"}),
        '{"rules": [{"rulePriority": 1, "rulePriority": 2}]}',
        text({**rule(1), "description": "x" * 30_720}),
    ],
)
def test_a_policy_whose_rules_are_not_known_is_refused(policy: str) -> None:
    """Not even their order is."""
    with pytest.raises(VerificationError):
        parse_lifecycle_text(policy)


class TestAReference:
    """At admission one tag of the image is known, or none."""

    def fate(self, policy: str, tag: str | None, pushed_at: datetime | None = NOW) -> ImageFate:
        rules = parse_lifecycle_text(policy)
        return fate_of_reference(rules, digest(1), tag, now=NOW, pushed_at=pushed_at)

    def test_the_tag_decides(self) -> None:
        """As if it were the image's only one."""
        policy = text(rule(1, **tagged("dev*"), **images_of(3)), rule(2, status="untagged"))
        assert self.fate(policy, "dev-1").newer_images == 3
        assert self.fate(policy, "v1").fate is Fate.KEPT

    def test_without_a_tag_rules_that_depend_on_it_are_unknown(self) -> None:
        """A rule about any image is not."""
        assert self.fate(text(rule(1, status="untagged")), None).fate is Fate.UNKNOWN
        assert self.fate(text(rule(1, **tagged("x"))), None).fate is Fate.UNKNOWN
        assert self.fate(text(rule(1)), None, NOW - DAY).at == NOW + 13 * DAY

    def test_a_push_whose_time_is_not_known_is_not_now(self) -> None:
        """A rule that counts from it leaves the image unknown; one that counts images or pulls does not."""
        assert self.fate(text(rule(1, countNumber=365)), "v1", None).fate is Fate.UNKNOWN
        assert self.fate(text(rule(1, **images_of(3))), "v1", None).newer_images == 3
        assert self.fate(text(rule(1, countType="sinceImagePulled")), "v1", None).at == NOW + 14 * DAY

    def test_archived_images_are_others(self) -> None:
        """A rule about them does not matter: an archived image cannot be pulled."""
        assert self.fate(text(rule(1, countType="sinceImageTransitioned")), "v1").fate is Fate.KEPT

    def test_a_rule_that_is_not_understood(self) -> None:
        """Leaves it unknown."""
        assert self.fate(text(rule(1, status="most")), "v1").fate is Fate.UNKNOWN


def test_soon_is_in_ninety_days_or_before_a_thousand_images() -> None:
    """Both sides of either bound."""
    lost = ImageFate(digest=digest(1), fate=Fate.EXPIRES, rule=1)

    def soon(**changed: Any) -> bool:
        return is_soon(ImageFate(digest=digest(1), fate=Fate.EXPIRES, **changed), now=NOW)

    assert soon(at=NOW + 90 * DAY)
    assert not soon(at=NOW + 90 * DAY + timedelta(seconds=1))
    assert soon(newer_images=999)
    assert not soon(newer_images=1_000)
    assert lost.is_lost
    assert not is_soon(ImageFate(digest=digest(1), fate=Fate.KEPT), now=NOW)
