"""Asking for many ids where one bad id fails the whole call: the batch is split until each id has its own answer.

ECR names the id that it did not find in the message. That is used to choose the split, and never as the answer: the
named id is asked for alone, and its own refusal is the answer. Without a name the batch is halved.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import NotAskedError, SourceUnavailableError, again

MAX_CALLS = 8
"""Calls for one batch, which have one token: enough for three missing ids of a hundred. The ids left over get
NotAskedError."""

K = TypeVar("K")
V = TypeVar("V")


class RefusedError(Exception):
    """A call was refused for one of its ids. ``answer`` is what that means for an id asked for alone."""

    def __init__(self, answer: object, message: str) -> None:
        super().__init__(message)
        self.answer = answer
        self.message = message


def ask_for_each(
    ids: Sequence[K], ask: Callable[[Sequence[K]], Mapping[K, V]], *, name: Callable[[K], str], source: str
) -> dict[K, V | SourceUnavailableError]:
    """Return an answer for every id, in as few calls as the bad ones allow.

    ``ask`` makes one call and raises RefusedError where one id fails it; ``name`` is how messages name an id. The first
    call's SourceUnavailableError is raised; that of a later one becomes the answer of all ids not yet answered, and no
    further call is made. An answer that cannot be relied on is no outage: it may be the fault of one of the ids, so that
    their batch is halved.
    """
    answers: dict[K, V | SourceUnavailableError] = {}
    parts = deque([tuple(dict.fromkeys(ids))] if ids else [])
    calls = 0
    while parts:
        if calls == MAX_CALLS:
            excess = NotAskedError(source, f"not answered after {calls} calls for one batch")
            return answers | {each: excess for part in parts for each in part}
        part = parts.popleft()
        calls += 1
        try:
            answers |= ask(part)
        except RefusedError as exc:
            if len(part) == 1:
                answers[part[0]] = exc.answer  # type: ignore[assignment]  # ask's own type, through an exception
            else:
                parts.extend(_split(part, exc.message, name))
        except SourceUnavailableError as exc:
            if len(part) > 1 and exc.cause is Cause.UNEXPECTED_ANSWER:
                parts.extend(_split(part, "", name))
                continue
            if calls == 1:
                raise
            # What finds no memory for a long answer may find it for the answer to a smaller call.
            overloaded = exc.cause is Cause.OVERLOADED
            failure = NotAskedError(exc.source, exc.detail) if overloaded else again(exc)
            if exc.cause is Cause.UNEXPECTED_ANSWER:
                answers[part[0]] = failure
                continue
            return answers | {each: failure for rest in (part, *parts) for each in rest}
    return answers


def _split(part: tuple[K, ...], message: str, name: Callable[[K], str]) -> Sequence[tuple[K, ...]]:
    """Split so that the ids a message names stand alone; halve where it names none or too many."""
    named = tuple(each for each in part if f"'{name(each)}'" in message)
    if 0 < len(named) <= len(part) // 2:
        rest = tuple(each for each in part if each not in named)
        return (rest, *((each,) for each in named))
    middle = len(part) // 2
    return part[:middle], part[middle:]
