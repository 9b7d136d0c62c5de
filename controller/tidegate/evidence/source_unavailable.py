"""The one error of a look-up that gave no answer, with its cause. It says nothing about the image."""

from tidegate.errors import Error, UndeterminedError
from tidegate.evidence.fact import Cause, Missing


class SourceUnavailableError(UndeterminedError):
    """A call to a source failed, or its answer cannot be relied on.

    ``cause`` is for users and caches; ``source`` names the API, for instance ``ecr:DescribeImages``; ``detail`` is the
    operator's text (error code, message, request id) and never belongs into a user's answer; ``retry_after_seconds``
    is how long the service asked to wait, or None.

    Raised when a whole call failed, and given as a value for one id of a batch that answered for the others.
    """

    def __init__(
        self, cause: Cause, source: str, detail: str = "", *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{source}: {cause.value}: {detail}" if detail else f"{source}: {cause.value}")
        self.cause = cause
        self.source = source
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def missing(self) -> Missing:
        """Return the fact that this error leaves behind."""
        return Missing(self.cause, self.source)


class NotAskedError(SourceUnavailableError):
    """A call ended without an answer for this id, because of the ids beside it: it may be asked for in a smaller call."""

    def __init__(self, source: str, detail: str) -> None:
        super().__init__(Cause.OVERLOADED, source, detail)


def again(error: SourceUnavailableError) -> SourceUnavailableError:
    """Return an equal error that was never raised: to keep as a value, or to raise in another thread.

    A traceback keeps its frames with all that they hold, such as the body of an answer, and those of their callers.
    """
    return SourceUnavailableError(
        error.cause, error.source, error.detail, retry_after_seconds=error.retry_after_seconds
    )


def cause_of(problem: Exception | None) -> Cause | None:
    """Return the cause of a call's problem, INTERNAL for an unforeseen one, or None without one."""
    if problem is None:
        return None
    return problem.cause if isinstance(problem, SourceUnavailableError) else Cause.INTERNAL


class UnknownRegionError(Error):
    """A registry names a region that its partition does not have; nothing was contacted, not even DNS."""
