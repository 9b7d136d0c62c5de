"""Which running images a lifecycle policy would delete or archive, and when. Pure.

The semantics are those of the Amazon ECR user guide, "Lifecycle policy evaluation rules":

1. The rules of a storage class are applied by priority, the lowest number first. What decides about an image is the first
   rule whose tags it fits, also where that rule keeps it.
2. A rule that counts images counts all that fit its tags, those that an earlier rule decides about among them, from the
   youngest to the oldest push, and takes what is beyond its number.
3. A rule about days takes what is older. An image that was never pulled counts from its push; one that was restored from
   the archive counts from then.
4. An image that an index refers to is kept for as long as the index is.
5. An untagged referrer, such as a signature, lives as long as its subject; rules do not take it.

A rule that this version does not understand decides about every image that no earlier rule decides about: unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tidegate.evidence.registry_configuration import StoredImage
from tidegate.images.digest import Digest
from tidegate.posture.lifecycle_policy import CountType, LifecycleRule, RuleAction, TagStatus, UnreadableRule

KEPT_FOR = timedelta(days=90)
KEPT_IMAGES = 1_000
"""An image that a rule takes later than so long from now, or after so many newer ones, counts as kept."""


class Fate(StrEnum):
    """What a lifecycle policy does to an image."""

    KEPT = "Kept"
    EXPIRES = "Expires"
    ARCHIVED = "Archived"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFate:
    """What happens to one image, by which rule.

    ``at`` is when, at the earliest: ``now`` where it is due already. It is None where it depends on pushes: then
    ``newer_images`` is how many more images that fit the rule have to be pushed.
    """

    digest: Digest
    fate: Fate
    rule: int = 0
    at: datetime | None = None
    newer_images: int = 0
    problem: str = ""

    @property
    def is_lost(self) -> bool:
        """Tell whether the image cannot be pulled any more then."""
        return self.fate in {Fate.EXPIRES, Fate.ARCHIVED}


def fates(
    rules: Sequence[LifecycleRule | UnreadableRule],
    images: Sequence[StoredImage],
    running: Iterable[Digest],
    *,
    now: datetime,
    children: Mapping[Digest, frozenset[Digest]] | None = None,
) -> tuple[ImageFate, ...]:
    """Return what happens to each running image that the repository holds.

    ``children`` are those of each index. Without those of an index, the images of the index count as not referred to.
    """
    wanted = set(running)
    by_digest = {image.digest: image for image in images}
    parents: dict[Digest, list[Digest]] = {}
    for index, listed in (children or {}).items():
        for child in listed if index in by_digest else ():
            parents.setdefault(child, []).append(index)
    positions = _Positions(images)
    found = {}
    for image in images:
        if image.digest in wanted:
            own = _fate(rules, image, positions, now)
            above = [
                _fate(rules, by_digest[index], positions, now)
                for index in _ancestors(image.digest, parents)
                if index != image.digest
            ]
            found[image.digest] = _latest(own, above)
    return tuple(found.values())


def _ancestors(digest: Digest, parents: Mapping[Digest, list[Digest]]) -> list[Digest]:
    """Return the indexes that refer to an image, and those that refer to them."""
    found: dict[Digest, None] = {}
    waiting = list(parents.get(digest, ()))
    while waiting:
        index = waiting.pop()
        if index not in found:
            found[index] = None
            waiting += parents.get(index, ())
    return list(found)


def _latest(own: ImageFate, above: Sequence[ImageFate]) -> ImageFate:
    """Return the fate of an image that goes no sooner than the last index that refers to it."""
    if own.fate is Fate.KEPT or not above:
        return own
    if kept := next((index for index in above if index.fate is Fate.KEPT), None):
        return replace(kept, digest=own.digest)
    if unknown := next((one for one in (own, *above) if one.fate is Fate.UNKNOWN), None):
        return replace(unknown, digest=own.digest)
    last = max((own, *above), key=_when)
    return replace(own, at=last.at, newer_images=last.newer_images)


def _when(fate: ImageFate) -> tuple[int, float]:
    """Return the order of fates: those with a date by it, then those that wait for pushes by their number."""
    return (0, fate.at.timestamp()) if fate.at is not None else (1, float(fate.newer_images))


def is_soon(fate: ImageFate, *, now: datetime) -> bool:
    """Tell whether an image is lost soon enough to matter: in KEPT_FOR, or by fewer than KEPT_IMAGES newer images."""
    if not fate.is_lost:
        return False
    return fate.newer_images < KEPT_IMAGES if fate.at is None else fate.at <= now + KEPT_FOR


def fate_of_reference(
    rules: Sequence[LifecycleRule | UnreadableRule],
    digest: Digest,
    tag: str | None,
    *,
    now: datetime,
    pushed_at: datetime | None,
) -> ImageFate:
    """Return what happens to an image of which one tag is known, or none, as if it were the youngest and pulled now.

    Its other tags are not looked at. Where no tag is known, a rule that depends on tags makes it unknown.
    """
    found = ImageFate(digest=digest, fate=Fate.KEPT)
    for rule in rules:
        if isinstance(rule, UnreadableRule):
            return replace(found, fate=Fate.UNKNOWN, rule=rule.priority, problem=rule.problem)
        if rule.is_about_archive:
            continue
        if tag is None and rule.tag_status is not TagStatus.ANY:
            problem = f"rule {rule.priority} depends on the tags of the image, which are not known"
            return replace(found, fate=Fate.UNKNOWN, rule=rule.priority, problem=problem)
        tags = () if tag is None else (tag,)
        if rule.selects(tags, is_archived=False):
            if pushed_at is None and rule.count_type is CountType.PUSHED:
                problem = f"it is not known since when rule {rule.priority} counts"
                return replace(found, fate=Fate.UNKNOWN, rule=rule.priority, problem=problem)
            image = StoredImage(digest=digest, tags=tags, pushed_at=pushed_at or now, pulled_at=now)
            return _by(rule, image, _Positions((image,)), now)
    return found


class _Positions:
    """The place of images among those that fit a rule, the youngest first; ordered once for each rule."""

    def __init__(self, images: Sequence[StoredImage]) -> None:
        self._images = sorted(images, key=lambda image: (_pushed(image), str(image.digest)), reverse=True)
        self._places: dict[int, dict[Digest, int]] = {}

    def of(self, image: StoredImage, rule: LifecycleRule) -> int:
        places = self._places.get(rule.priority)
        if places is None:
            fitting = [one for one in self._images if rule.selects(one.tags, is_archived=one.is_archived)]
            places = self._places[rule.priority] = {one.digest: place for place, one in enumerate(fitting)}
        return places[image.digest]


def _fate(
    rules: Sequence[LifecycleRule | UnreadableRule], image: StoredImage, positions: _Positions, now: datetime
) -> ImageFate:
    kept = ImageFate(digest=image.digest, fate=Fate.KEPT)
    if image.subject is not None and not image.tags:
        return kept
    for rule in rules:
        if isinstance(rule, UnreadableRule):
            return replace(kept, fate=Fate.UNKNOWN, rule=rule.priority, problem=rule.problem)
        if rule.selects(image.tags, is_archived=image.is_archived):
            return _by(rule, image, positions, now)
    return kept


def _by(rule: LifecycleRule, image: StoredImage, positions: _Positions, now: datetime) -> ImageFate:
    fate = Fate.EXPIRES if rule.action is RuleAction.EXPIRE else Fate.ARCHIVED
    found = ImageFate(digest=image.digest, fate=fate, rule=rule.priority)
    if rule.count_type is CountType.IMAGES:
        left = rule.number - positions.of(image, rule)
        return replace(found, at=now) if left <= 0 else replace(found, newer_images=left)
    counted_from = _counted_from(rule.count_type, image)
    if counted_from is None:
        return replace(found, fate=Fate.UNKNOWN, problem=f"it is not known since when rule {rule.priority} counts")
    try:
        return replace(found, at=max(now, counted_from + timedelta(days=rule.number)))
    except OverflowError:
        return replace(found, fate=Fate.KEPT)


def _counted_from(count_type: CountType, image: StoredImage) -> datetime | None:
    if count_type is CountType.TRANSITIONED:
        return image.archived_at
    pushed = _pushed(image)
    if count_type is CountType.PUSHED or image.pulled_at is None:
        return pushed
    return max(image.pulled_at, pushed) if image.restored_at is not None else image.pulled_at


def _pushed(image: StoredImage) -> datetime:
    return image.pushed_at if image.restored_at is None else max(image.pushed_at, image.restored_at)
