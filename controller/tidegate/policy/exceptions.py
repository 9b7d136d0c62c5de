"""Exceptions from policies as values: what one excepts, from which policies, where, and until when. Pure.

An exception only takes demands away. Everything that it names must fit at once, and two exceptions are never joined: each
excepts what it names and nothing else. Nothing here makes tidegate contact a registry that a policy does not list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tidegate.images.reference import ImageReference
from tidegate.policy.durations import format_duration
from tidegate.policy.match import any_scope_contains
from tidegate.policy.model import ExceptableCheck, Glob, ImagePolicy, RegistryScope
from tidegate.strict.quotation import moment

MAX_LIFETIME: Final = timedelta(days=365)
"""Longest time from the creation of an exception to its end."""
MAX_CLUSTER_EXCEPTIONS: Final = 1_000
"""Exceptions of the cluster that are in force at once; those beyond it, by name, are not."""
MAX_EXCEPTIONS_OF_NAMESPACE: Final = 20
MAX_NAMESPACED_EXCEPTIONS: Final = 10_000
"""Exceptions of all namespaces that are in force at once."""
MAX_PATTERNS_OF_NAMESPACE: Final = 100
"""Patterns with a star in the repositories of a namespace's exceptions, which are compared with each image that fails."""
MIXED_PATTERN: Final = 10
"""A pattern with both kinds of stars counts so often: it takes twenty times as long as one with one kind."""
NOTICE: Final = timedelta(hours=24)
"""So long before its end an exception ends soon, or in the last tenth of its life where that is shorter."""
NOTICE_FRACTION: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImagePolicyException:
    """One exception, parsed; either ``checks`` or ``vulnerabilities`` has entries.

    ``namespace`` is that of a NamespacedImagePolicyException, which applies there alone, and None for one of the cluster,
    which applies to ``namespaces``. ``created_at`` is None for an object that no API server has seen.
    """

    name: str
    uid: str
    generation: int
    policies: tuple[str, ...]
    images: tuple[RegistryScope, ...]
    expires_at: datetime
    reason: str
    requested_by: str
    checks: tuple[ExceptableCheck, ...] = ()
    vulnerabilities: tuple[str, ...] = ()
    namespaces: tuple[Glob, ...] = ()
    namespace: str | None = None
    created_at: datetime | None = None

    @property
    def label(self) -> str:
        """Return its name for people: ``name``, or ``namespace/name``."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"

    @property
    def patterns(self) -> int:
        """Return how many of its repositories are patterns with a star; ``**`` alone is none, one of both kinds is ten."""
        return sum(_weight(glob.text) for scope in self.images for glob in scope.repositories)

    def is_active(self, now: datetime) -> bool:
        """Tell whether it has not ended."""
        return now < self.expires_at

    def applies_in(self, namespace: str) -> bool:
        """Tell whether it applies to objects in a namespace."""
        if self.namespace is not None:
            return self.namespace == namespace
        return any(glob.matches(namespace) for glob in self.namespaces)

    def applies_to(self, policy: ImagePolicy, reference: ImageReference, now: datetime) -> bool:
        """Tell whether it excepts anything of the policy for the image now; where it applies is not looked at."""
        return (
            self.is_active(now)
            and policy.name in self.policies
            and not refusal_of(policy, self, now)
            and any_scope_contains(self.images, reference)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrokenException:
    """An exception object that cannot be read: it excepts nothing."""

    name: str
    uid: str
    generation: int
    problems: tuple[str, ...]
    namespace: str | None = None


AnyException = ImagePolicyException | BrokenException


class ExceptionState(StrEnum):
    """What an exception does at a time."""

    ACTIVE = "Active"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NOT_PERMITTED = "NotPermitted"
    TOO_MANY = "TooMany"


def _weight(pattern: str) -> int:
    if "*" not in pattern or pattern == "**":
        return 0
    return MIXED_PATTERN if "**" in pattern and "*" in pattern.replace("**", "") else 1


def refusal_of(policy: ImagePolicy, exception: ImagePolicyException, now: datetime) -> str:
    """Return why a policy permits no such exception from a namespace; an empty text where it is permitted."""
    if exception.namespace is None:
        return ""
    permitted = policy.namespaced_exceptions
    if permitted is None:
        return f"policy {policy.name} permits no exceptions from namespaces"
    if exception.vulnerabilities and not permitted.vulnerabilities:
        return f"policy {policy.name} permits namespaces no exceptions from vulnerabilities by id"
    refused = [check.value for check in exception.checks if check not in permitted.checks]
    if refused:
        return f"policy {policy.name} permits namespaces no exceptions from {', '.join(refused)}"
    if exception.expires_at - (exception.created_at or now) > permitted.max_duration:
        return f"policy {policy.name} permits namespaces no exceptions of more than {format_duration(permitted.max_duration)}"
    return ""


def notice_at(exception: ImagePolicyException) -> datetime:
    """Return from when on an exception ends soon."""
    notice = NOTICE
    if exception.created_at is not None:
        notice = min(notice, (exception.expires_at - exception.created_at) / NOTICE_FRACTION)
    return exception.expires_at - notice


def ending_soon(exceptions: Iterable[AnyException], now: datetime) -> tuple[ImagePolicyException, ...]:
    """Return the exceptions that are in force and end soon, the first to end first."""
    soon = [
        one
        for one in exceptions
        if isinstance(one, ImagePolicyException) and one.is_active(now) and notice_at(one) <= now
    ]
    return tuple(sorted(soon, key=lambda one: (one.expires_at, one.label)))


def in_force(exceptions: Iterable[AnyException], now: datetime) -> tuple[ImagePolicyException, ...]:
    """Return the exceptions that have not ended, within the bounds of the cluster and of each namespace, by name.

    Those of a namespace never crowd out those of another or of the cluster.
    """
    kept: list[ImagePolicyException] = []
    counts: dict[str | None, int] = {}
    patterns: dict[str | None, int] = {}
    namespaced = 0
    for one in sorted(exceptions, key=lambda one: (one.namespace or "", one.name)):
        if not isinstance(one, ImagePolicyException) or not one.is_active(now):
            continue
        at, stars = one.namespace, one.patterns
        most = MAX_CLUSTER_EXCEPTIONS if at is None else MAX_EXCEPTIONS_OF_NAMESPACE
        if counts.get(at, 0) >= most:
            continue
        if at is not None:
            if patterns.get(at, 0) + stars > MAX_PATTERNS_OF_NAMESPACE or namespaced >= MAX_NAMESPACED_EXCEPTIONS:
                continue
            namespaced += 1
        counts[at] = counts.get(at, 0) + 1
        patterns[at] = patterns.get(at, 0) + stars
        kept.append(one)
    return tuple(kept)


def state_of(
    exception: AnyException, policies: Mapping[str, ImagePolicy], now: datetime, *, is_in_force: bool
) -> tuple[ExceptionState, str]:
    """Return what an exception does now, and why, in a sentence; ``policies`` are those that can be read, by name."""
    if isinstance(exception, BrokenException):
        return ExceptionState.INVALID, "; ".join(exception.problems)
    until = moment(exception.expires_at)
    if not exception.is_active(now):
        return ExceptionState.EXPIRED, f"the exception ended at {until}; delete it"
    if not is_in_force:
        return ExceptionState.TOO_MANY, (
            "the exception is not in force, because there are too many: at most"
            f" {MAX_CLUSTER_EXCEPTIONS} of the cluster, {MAX_EXCEPTIONS_OF_NAMESPACE} of a namespace with"
            f" {MAX_PATTERNS_OF_NAMESPACE} patterns, and {MAX_NAMESPACED_EXCEPTIONS} of all namespaces; delete some"
        )
    problems = [
        refusal_of(policies[name], exception, now) if name in policies else f"there is no valid policy {name}"
        for name in exception.policies
    ]
    wrong = [one for one in problems if one]
    if len(wrong) == len(problems):
        return ExceptionState.NOT_PERMITTED, f"the exception has no effect: {'; '.join(wrong)}"
    also = f", but not for every policy: {'; '.join(wrong)}" if wrong else ""
    return ExceptionState.ACTIVE, f"the exception is in force until {until}{also}"
