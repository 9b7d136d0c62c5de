"""Whether two patterns or scopes of repositories have something in common, and whether one contains the other.

Overlap is exact. Containment is not exact: in case of doubt, a pattern counts as not contained.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from tidegate.policy.model import EcrScope, Glob, Match, RegistryScope, SelectorOperator, SelectorRequirement

MAX_COMPARED: Final = 4096
"""Pairs of patterns whose result is kept; more than that are compared again when needed."""
_MANY: Final = "**"


@lru_cache(maxsize=MAX_COMPARED)
def globs_overlap(one: str, other: str) -> bool:
    """Tell whether a text fits both patterns, in time of the product of their lengths."""
    left, right = _symbols(one), _symbols(other)
    pending, seen = [(0, 0)], {(0, 0)}
    while pending:
        i, j = pending.pop()
        if i == len(left) and j == len(right):
            return True
        for step in _steps(left, i, right, j):
            if step not in seen:
                seen.add(step)
                pending.append(step)
    return False


def _symbols(glob: str) -> list[str]:
    symbols: list[str] = []
    while glob:
        size = 2 if glob.startswith(_MANY) else 1
        symbols.append(glob[:size])
        glob = glob[size:]
    return symbols


def _steps(left: Sequence[str], i: int, right: Sequence[str], j: int) -> list[tuple[int, int]]:
    """Return where two patterns may be after one character that both take, or after a star that takes none."""
    one = left[i] if i < len(left) else None
    other = right[j] if j < len(right) else None
    found = []
    if one is not None and one[0] == "*":
        found.append((i + 1, j))
        if other is not None and other[0] != "*" and (one == _MANY or other != "/"):
            found.append((i, j + 1))
    if other is not None and other[0] == "*":
        found.append((i, j + 1))
        if one is not None and one[0] != "*" and (other == _MANY or one != "/"):
            found.append((i + 1, j))
    if one is not None and one == other and one[0] != "*":
        found.append((i + 1, j + 1))
    return found


def glob_contains(whole: str, part: str) -> bool:
    """Tell whether every text that fits ``part`` surely fits ``whole``."""
    if whole in (_MANY, part):
        return True
    if "*" not in part:
        return bool(Glob(text=whole).matches(part))
    prefix = whole.removesuffix(_MANY)
    return whole.endswith(_MANY) and "*" not in prefix and part.startswith(prefix)


def any_overlap(some: Sequence[Glob], others: Sequence[Glob]) -> bool:
    """Tell whether a text fits one pattern of each list."""
    return any(globs_overlap(one.text, other.text) for one in some for other in others)


def each_contained(parts: Sequence[Glob], wholes: Sequence[Glob]) -> bool:
    """Tell whether each pattern is surely contained in one of the others."""
    return all(any(glob_contains(whole.text, part.text) for whole in wholes) for part in parts)


def scopes_overlap(one: RegistryScope, other: RegistryScope) -> bool:
    """Tell whether a repository is in both scopes."""
    if isinstance(one, EcrScope):
        same = (
            isinstance(other, EcrScope)
            and (one.partition, one.account) == (other.partition, other.account)
            and (one.region is None or other.region is None or one.region == other.region)
        )
    else:
        same = not isinstance(other, EcrScope) and one.host == other.host
    return same and any_overlap(one.repositories, other.repositories)


def any_scopes_overlap(some: Sequence[RegistryScope], others: Sequence[RegistryScope]) -> bool:
    """Tell whether a repository is in one scope of each list."""
    return any(scopes_overlap(one, other) for one in some for other in others)


def scope_contained(part: RegistryScope, wholes: Sequence[RegistryScope]) -> bool:
    """Tell whether every repository of a scope is surely in one of the others."""
    return any(_contains(whole, part) for whole in wholes)


def _contains(whole: RegistryScope, part: RegistryScope) -> bool:
    if isinstance(whole, EcrScope):
        same = (
            isinstance(part, EcrScope)
            and (whole.partition, whole.account) == (part.partition, part.account)
            and whole.region in {None, part.region}
        )
    else:
        same = not isinstance(part, EcrScope) and whole.host == part.host
    return same and each_contained(part.repositories, whole.repositories)


def match_contained(part: Match, whole: Match) -> bool:
    """Tell whether one match surely applies only where the other applies."""
    return (
        set(whole.namespace_selector) <= set(part.namespace_selector)
        and (not whole.namespaces or (bool(part.namespaces) and each_contained(part.namespaces, whole.namespaces)))
        and each_contained(whole.excluded_namespaces, part.excluded_namespaces)
        and (not whole.images or (bool(part.images) and all(scope_contained(one, whole.images) for one in part.images)))
    )


def matches_overlap(one: Match, other: Match) -> bool:
    """Tell whether an image in a namespace may be in both matches: labels may be any that the selectors permit."""
    if one.namespaces and other.namespaces and not any_overlap(one.namespaces, other.namespaces):
        return False
    for part, excluding in ((one, other), (other, one)):
        if part.namespaces and each_contained(part.namespaces, excluding.excluded_namespaces):
            return False
    if one.images and other.images and not any_scopes_overlap(one.images, other.images):
        return False
    return not any(_exclude(a, b) for a in one.namespace_selector for b in other.namespace_selector if a.key == b.key)


def _exclude(one: SelectorRequirement, other: SelectorRequirement) -> bool:
    """Tell whether no label meets both requirements on one key."""
    if one.operator is not SelectorOperator.IN:
        if other.operator is SelectorOperator.IN:
            return _exclude(other, one)
        return {one.operator, other.operator} == {SelectorOperator.EXISTS, SelectorOperator.DOES_NOT_EXIST}
    if other.operator is SelectorOperator.IN:
        return not set(one.values) & set(other.values)
    if other.operator is SelectorOperator.NOT_IN:
        return set(one.values) <= set(other.values)
    return other.operator is SelectorOperator.DOES_NOT_EXIST
