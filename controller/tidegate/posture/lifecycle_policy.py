"""The text of a lifecycle policy of Amazon ECR into rules, in the order in which they are applied.

A rule that this version does not understand stays in its place: what it and the rules after it do to an image is unknown.
Source: the Amazon ECR user guide, "Lifecycle policy properties".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import MAX_LIFECYCLE_CHARACTERS
from tidegate.posture.wildcard import contains
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted

MAX_RULES: Final = 50
"""Rules of one policy (ECR's own bound)."""
MAX_REMEMBERED: Final = 1024
MAX_COUNT: Final = 100_000
"""Images or days of one rule; more than any repository holds."""
MAX_PATTERN: Final = 300
"""Characters of a pattern of tags: those of the longest tag."""

_WHAT = "lifecycle policy"
_RULE = frozenset({"rulePriority", "description", "selection", "action"})
_SELECTION = frozenset(
    {"tagStatus", "tagPatternList", "tagPrefixList", "storageClass", "countType", "countUnit", "countNumber"}
)
_ACTION = frozenset({"type", "targetStorageClass"})
E = TypeVar("E", bound=StrEnum)


class TagStatus(StrEnum):
    """Which images a rule is about, by their tags."""

    TAGGED = "tagged"
    UNTAGGED = "untagged"
    ANY = "any"


class CountType(StrEnum):
    """What a rule counts: images, or the days since something happened to an image."""

    IMAGES = "imageCountMoreThan"
    PUSHED = "sinceImagePushed"
    PULLED = "sinceImagePulled"
    TRANSITIONED = "sinceImageTransitioned"


class RuleAction(StrEnum):
    """What a rule does: delete an image, or move it into the archive, from where it cannot be pulled."""

    EXPIRE = "expire"
    TRANSITION = "transition"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """One rule. ``patterns`` must each fit a tag of the image; ``number`` is in images or days."""

    priority: int
    tag_status: TagStatus
    patterns: tuple[str, ...]
    is_about_archive: bool
    count_type: CountType
    number: int
    action: RuleAction

    def selects(self, tags: tuple[str, ...], *, is_archived: bool) -> bool:
        """Tell whether the rule is about an image with these tags in this storage class."""
        if is_archived is not self.is_about_archive:
            return False
        if self.tag_status is TagStatus.UNTAGGED:
            return not tags
        if self.tag_status is TagStatus.ANY:
            return True
        return bool(tags) and all(any(contains(pattern, tag) for tag in tags) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRule:
    """A rule that this version does not understand."""

    priority: int
    problem: str


@lru_cache(maxsize=MAX_REMEMBERED)
def parse_lifecycle_text(text: str) -> tuple[LifecycleRule | UnreadableRule, ...]:
    """Return the rules, the first one to be applied first; raise VerificationError where not even their order is known."""
    if len(text) > MAX_LIFECYCLE_CHARACTERS:
        raise VerificationError(f"{_WHAT}: {len(text)} characters, more than {MAX_LIFECYCLE_CHARACTERS}")
    document = strict_object(text.encode("utf-8", errors="surrogatepass"), _WHAT)
    written = document.get("rules")
    if set(document) != {"rules"} or not isinstance(written, list) or not 0 < len(written) <= MAX_RULES:
        raise VerificationError(f"{_WHAT}: expected a list of 1 to {MAX_RULES} rules and nothing else")
    rules = [_rule(one) for one in written]
    rules.sort(key=lambda rule: rule.priority)
    if len({rule.priority for rule in rules}) != len(rules):
        raise VerificationError(f"{_WHAT}: two rules have the same priority")
    return tuple(rules)


def _rule(written: object) -> LifecycleRule | UnreadableRule:
    priority = written.get("rulePriority") if isinstance(written, dict) else None
    if not isinstance(written, dict) or not isinstance(priority, int) or isinstance(priority, bool) or priority < 1:
        raise VerificationError(f"{_WHAT}: a rule has no priority")
    try:
        return _known_rule(written, priority)
    except VerificationError as problem:
        return UnreadableRule(priority=priority, problem=str(problem))


def _known_rule(written: Mapping[str, Any], priority: int) -> LifecycleRule:
    what = f"rule {priority}"
    selection, action = written.get("selection"), written.get("action")
    for part, known in ((written, _RULE), (selection, _SELECTION), (action, _ACTION)):
        if not isinstance(part, dict):
            raise VerificationError(f"{what} has no selection or no action")
        if unknown := sorted(set(part) - known):
            raise VerificationError(f"{what} has {quoted(unknown[0], 40)}, which is not known")
    assert isinstance(selection, dict)
    assert isinstance(action, dict)
    tag_status = _member(TagStatus, selection.get("tagStatus"), what)
    count_type = _member(CountType, selection.get("countType"), what)
    storage = selection.get("storageClass", "standard")
    does = _member(RuleAction, action.get("type"), what)
    if storage not in ("standard", "archive") or (storage == "archive") is not (count_type is CountType.TRANSITIONED):
        raise VerificationError(f"{what} has a storage class that does not go with its count type")
    if does is RuleAction.TRANSITION and (action.get("targetStorageClass") != "archive" or storage == "archive"):
        raise VerificationError(f"{what} moves images into a storage class that is not known")
    if (selection.get("countUnit", "days") != "days") or (count_type is not CountType.IMAGES) is not (
        "countUnit" in selection
    ):
        raise VerificationError(f"{what} has a count unit that does not go with its count type")
    number = selection.get("countNumber")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= MAX_COUNT:
        raise VerificationError(f"{what} has no count number from 1 to {MAX_COUNT}")
    return LifecycleRule(
        priority=priority,
        tag_status=tag_status,
        patterns=_patterns(selection, tag_status, what),
        is_about_archive=storage == "archive",
        count_type=count_type,
        number=number,
        action=does,
    )


def _member(kind: type[E], written: object, what: str) -> E:
    if isinstance(written, str) and written in list(kind):
        return kind(written)
    raise VerificationError(f"{what} has {quoted(written, 40)}, which is not known")


def _patterns(selection: Mapping[str, Any], tag_status: TagStatus, what: str) -> tuple[str, ...]:
    """Return the patterns; a prefix is one that ends with a star. A question mark is a character of no tag."""
    patterns, prefixes = selection.get("tagPatternList"), selection.get("tagPrefixList")
    written = prefixes if patterns is None else patterns
    if tag_status is not TagStatus.TAGGED:
        if written:
            raise VerificationError(f"{what} has tags beside the tag status {tag_status.value}")
        return ()
    if (patterns is not None and prefixes is not None) or not isinstance(written, list) or not written:
        raise VerificationError(f"{what} needs either tagPatternList or tagPrefixList")
    if not all(isinstance(one, str) and 0 < len(one) <= MAX_PATTERN and "?" not in one for one in written):
        raise VerificationError(f"{what} has a pattern of tags that is not known")
    if patterns is None and any("*" in one for one in written):
        raise VerificationError(f"{what} has a wildcard in a prefix")
    return tuple(one if patterns is not None else f"{one}*" for one in written)
