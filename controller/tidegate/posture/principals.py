"""Sets of principals, as policies name them: all of AWS, an organization, an account, an IAM principal, a service.

Each function errs to the wider side: an intersection may be larger than the real one, and ``is_within`` is True only where
it is sure. So the principals that seem able to push are a superset of those that are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from tidegate.posture.wildcard import contains, has_wildcard

MAX_PAIRS: Final = 1_000
"""Pairs of principals that are compared: the owner of a repository may list hundreds in each of several statements."""
MAX_REMEMBERED: Final = 1024

_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_SEGMENTS = 6
_WHOLE_TYPES = ("role/*", "user/*", "assumed-role/*", "federated-user/*")
_SESSION = re.compile(r"arn:[^:]*:sts:[^:]*:[^:]*:assumed-role/.*", re.DOTALL)


class PrincipalKind(StrEnum):
    """What names the principals of a set, the narrowest kind first."""

    PRINCIPAL = "principal"
    SERVICE = "service"
    ACCOUNT = "account"
    ORGANIZATION = "organization"
    EVERYONE = "everyone"


_WIDTH = {kind: width for width, kind in enumerate(PrincipalKind)}


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """Some principals. ``value`` is an ARN, which may have wildcards, an account, an organization or a service."""

    kind: PrincipalKind
    value: str = ""

    def __str__(self) -> str:
        if self.kind is PrincipalKind.EVERYONE:
            return "every AWS principal"
        return self.value if self.kind is PrincipalKind.PRINCIPAL else f"{self.kind.value} {self.value}"

    @property
    def account(self) -> str | None:
        """Return the one account that all of them are in, or None."""
        if self.kind is PrincipalKind.ACCOUNT:
            return self.value
        if self.kind is not PrincipalKind.PRINCIPAL:
            return None
        segments = self.value.split(":", _SEGMENTS - 1)
        found = segments[4] if len(segments) == _SEGMENTS else ""
        return found if _ACCOUNT.fullmatch(found) else None

    @property
    def is_session(self) -> bool:
        """Tell whether it is the ARN of a role's session: ``aws:PrincipalArn`` is never one, so it matches no principal."""
        return self.kind is PrincipalKind.PRINCIPAL and _SESSION.fullmatch(self.value) is not None


EVERYONE = PrincipalSet(PrincipalKind.EVERYONE)


def account_set(account: str) -> PrincipalSet:
    """Return all principals of an account."""
    return PrincipalSet(PrincipalKind.ACCOUNT, account)


def organization_set(organization: str) -> PrincipalSet:
    """Return all principals of the accounts of an organization."""
    return PrincipalSet(PrincipalKind.ORGANIZATION, organization)


def is_account(text: str) -> bool:
    """Tell whether the text is an AWS account id."""
    return _ACCOUNT.fullmatch(text) is not None


def arn_set(pattern: str, *, crosses_segments: bool) -> PrincipalSet:
    """Return the principals whose ARN fits a pattern, or a wider set where the pattern names no principal.

    ``crosses_segments``: a wildcard also stands for colons, as in the string operators. Only in the last segment that makes
    no difference.
    """
    if pattern and not pattern.strip("*?"):
        return EVERYONE
    segments = pattern.split(":", _SEGMENTS - 1)
    if len(segments) < _SEGMENTS:
        return EVERYONE if has_wildcard(pattern) else PrincipalSet(PrincipalKind.PRINCIPAL, pattern)
    account, name = segments[4], segments[5]
    if has_wildcard(account) or (crosses_segments and any(map(has_wildcard, segments[:5]))):
        return EVERYONE
    if _names_none(name):
        return account_set(account) if is_account(account) else EVERYONE
    return PrincipalSet(PrincipalKind.PRINCIPAL, pattern)


def _names_none(name: str) -> bool:
    """Tell whether the last segment of an ARN names no principal: ``root``, ``*``, ``role/*``."""
    rest = name.partition("/")[2] if "/" in name else name
    return name == "root" or not rest.strip("*?/") or any(contains(name, whole) for whole in _WHOLE_TYPES)


def named_set(text: str) -> PrincipalSet:
    """Return the principals that an entry of ``Principal: {"AWS": ...}`` names: an account, its root, or a principal."""
    if text == "*":
        return EVERYONE
    if is_account(text):
        return account_set(text)
    return arn_set(text, crosses_segments=False)


def intersection(one: PrincipalSet, other: PrincipalSet) -> PrincipalSet | None:
    """Return a set that holds all principals of both sets, or None where no principal is in both."""
    narrow, wide = sorted((one, other), key=lambda each: _WIDTH[each.kind])
    if is_within(narrow, (wide,)):
        return narrow
    if narrow.kind is not wide.kind:
        apart = wide.kind is PrincipalKind.ACCOUNT and narrow.account not in (None, wide.value)
        return None if apart else narrow
    if narrow.kind is not PrincipalKind.PRINCIPAL:
        return None
    if is_within(wide, (narrow,)):
        return wide
    return None if _are_apart(narrow, wide) else narrow


def _are_apart(one: PrincipalSet, other: PrincipalSet) -> bool:
    """Tell whether no ARN fits both patterns. Case does not count: an operator may have ignored it."""
    if None not in (one.account, other.account) and one.account != other.account:
        return True
    first, second = one.value.casefold(), other.value.casefold()
    is_plain = not has_wildcard(first) or not has_wildcard(second)
    return is_plain and not contains(first, second) and not contains(second, first)


def intersections(some: Iterable[PrincipalSet], others: Iterable[PrincipalSet]) -> tuple[PrincipalSet, ...]:
    """Return sets that hold all principals that are in one of some and in one of the others.

    Of more than MAX_PAIRS pairs, those that are fewer stand for both: they hold all of these principals too.
    """
    return _intersections(tuple(some), tuple(others))


@lru_cache(maxsize=MAX_REMEMBERED)
def _intersections(some: tuple[PrincipalSet, ...], others: tuple[PrincipalSet, ...]) -> tuple[PrincipalSet, ...]:
    if len(some) * len(others) > MAX_PAIRS:
        return min(some, others, key=len)
    found = (intersection(one, other) for one in some for other in others)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def is_within(one: PrincipalSet, allowed: Iterable[PrincipalSet]) -> bool:
    """Tell whether all principals of a set are surely in one of the allowed sets."""
    for wide in allowed:
        if one == wide or wide.kind is PrincipalKind.EVERYONE:
            return True
        if wide.kind is PrincipalKind.ACCOUNT and one.kind is PrincipalKind.PRINCIPAL and one.account == wide.value:
            return True
        if wide.kind is one.kind is PrincipalKind.PRINCIPAL and contains(wide.value, one.value):
            return True
    return False
