"""Pages of AWS's answers, each asked for by the token of the one before, which must be new each time.

A token that was seen already means that the pages form a circle, so that they are not the answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.aws.clients import Api, Clients
from tidegate.aws.reply import ApiResponse
from tidegate.images.repository import EcrRegistry


class PageTokens:
    """The tokens of one list of pages."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: set[str] = set()

    def next(self, page: Mapping[str, Any]) -> str:
        """Return the token of the next page, empty after the last; raise SourceUnavailableError for one that was seen."""
        reply = ApiResponse(page, self._source)
        token = reply.optional_text("nextToken")
        if token in self._seen:
            raise reply.wrong("nextToken", "the pages form a circle")
        if token:
            self._seen.add(token)
        return token


def read_pages(
    clients: Clients,
    api: Api,
    registry: EcrRegistry,
    parameters: Mapping[str, Any],
    *,
    most: int,
    answers: frozenset[str] = frozenset(),
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield up to ``most`` pages, each with whether another follows.

    Raise what ``Clients.call`` raises; AnsweredError only for the first page.
    """
    tokens, token = PageTokens(api.source), ""
    for number in range(most):
        asked = {**parameters, "nextToken": token} if token else parameters
        page = clients.call(api, registry, asked, answers=frozenset() if number else answers)
        token = tokens.next(page)
        yield page, bool(token)
        if not token:
            return
