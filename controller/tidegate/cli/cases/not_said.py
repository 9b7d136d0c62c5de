"""A fact that a test case does not have: it is unknown, and is listed as lacking if a check needs it."""

from typing import Final, Self

from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import SourceUnavailableError

MAX_LACKING: Final = 50
"""Missing facts that are listed for a case."""


class NotSaidError(SourceUnavailableError):
    """The case does not have a fact; its name is noted in ``lacking``."""

    def __init__(self, what: str, source: str, lacking: dict[str, None]) -> None:
        super().__init__(Cause.NOT_ASKED, source, f"the case has no {what}")
        self._what = what
        self._lacking = lacking

    def noted(self) -> Self:
        """Note that the case lacks the fact."""
        if len(self._lacking) < MAX_LACKING:
            self._lacking[self._what] = None
        return self

    def missing(self) -> Missing:
        """Return the missing fact, and note it: checks ask for this of a part of a configuration that they need."""
        return super(NotSaidError, self.noted()).missing()
