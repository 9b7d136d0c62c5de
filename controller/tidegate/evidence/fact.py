"""Facts: what was looked up, or why it could not be.

A fact is either Known or Missing; there is no third state, so that "could not look" never reads as an answer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

import msgspec

T_co = TypeVar("T_co", covariant=True)


class Cause(StrEnum):
    """Why a fact is missing. Each has a message of its own, and none is ever an answer about the image."""

    DEADLINE = "DeadlineExceeded"
    THROTTLED = "Throttled"
    UNREACHABLE = "Unreachable"
    SERVER_ERROR = "ServerError"
    ACCESS_DENIED = "AccessDenied"
    CREDENTIALS = "CredentialsInvalid"
    ROLE_DENIED = "AssumeRoleDenied"
    CIRCUIT_OPEN = "CircuitOpen"
    OVERLOADED = "Overloaded"
    UNEXPECTED_ANSWER = "UnexpectedAnswer"
    NOT_ASKED = "NotAsked"
    INTERNAL = "InternalError"


class Known(msgspec.Struct, Generic[T_co], frozen=True, eq=False):
    """A fact as it was observed.

    ``observed_at`` is the time of the look-up (UTC), to compare with times that the source states. ``monotonic`` is the
    second of the look-up by the clock that never jumps: ages are measured by that alone, and it takes no part in
    comparisons. ``stale`` is the cause why it could not be looked up again after its time to live had passed, or None while
    it is fresh; ``source`` names the API that was asked for it then. A struct, since one is made at each read of a cache.
    """

    value: T_co
    observed_at: datetime
    stale: Cause | None = None
    source: str = ""
    monotonic: float = float("-inf")

    def __eq__(self, other: object) -> bool:
        """Return whether the same was observed."""
        return isinstance(other, Known) and self._compared == other._compared

    def __hash__(self) -> int:
        """Return the hash of what is compared."""
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[object, ...]:
        return self.value, self.observed_at, self.stale, self.source


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be had. ``source`` names the API that was asked, for instance ``ecr:DescribeImages``."""

    cause: Cause
    source: str


Fact: TypeAlias = Known[T_co] | Missing
