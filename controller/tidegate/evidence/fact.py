"""Facts: what was looked up, or why it could not be.

A fact is either Known or Missing; there is no third state, so that "could not look" never reads as an answer.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Cause(StrEnum):
    """Why a fact is missing. Each is said in words of its own, and none is ever an answer about the image."""

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


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """A fact as it was observed.

    ``observed_at`` is the time of the look-up (UTC), to be compared with times that the source tells. ``monotonic`` is the
    second of the look-up by the clock that never jumps: ages are measured by that alone. ``stale`` is the cause why it could not be looked up again after
    its time to live had passed, or None while it is fresh; ``source`` names the API that was asked for it then.
    """

    value: T_co
    observed_at: datetime
    stale: Cause | None = None
    source: str = ""
    monotonic: float = field(default=float("-inf"), compare=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be had. ``source`` names the API that was asked, for instance ``ecr:DescribeImages``."""

    cause: Cause
    source: str


Fact: TypeAlias = Known[T_co] | Missing
