"""Pages of AWS's answers: the token of the next one, which must be new each time.

A token that comes again would lead in a circle: the pages are then not the answer, however many of them are read.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.aws.reply import ApiResponse


class PageTokens:
    """The tokens of one question, of which callers read a bounded number."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: set[str] = set()

    def next(self, page: Mapping[str, Any]) -> str:
        """Return the token of the next page, empty after the last; raise AwsUnavailableError for one that was seen."""
        reply = ApiResponse(page, self._source)
        token = reply.optional_text("nextToken")
        if token in self._seen:
            raise reply.wrong("nextToken", "the pages lead in a circle")
        if token:
            self._seen.add(token)
        return token
