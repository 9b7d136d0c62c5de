"""Routes as data: which method on which exact path goes to which handler. It opens no socket."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import msgspec

from tidegate.webhook.server.reply import Refused, ServerResponse, refuse


class ServerRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request that was read whole.

    `query` is raw, without the question mark; header names are lower case; `deadline_seconds` is what is left of
    the caller's `?timeout=`, None where it gave none.
    """

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    deadline_seconds: float | None


class Handler(Protocol):
    """Answer a request, at once or later: what is ready is written without a task, an awaitable becomes one."""

    def __call__(self, request: ServerRequest, /) -> bytes | ServerResponse | Awaitable[bytes | ServerResponse]:
        """Return the reply, or bytes for a JSON body with 200; raise BadRequest for 400. Else raised: 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of a route table."""

    method: str
    """The method, upper case. Each other one on the same path is refused with 405."""

    path: str
    """The exact path, compared as it was sent: nothing is decoded or normalized."""

    handler: Handler
    """Who answers."""

    media_type: str | None = None
    """The media type that the body must have (415 otherwise); None where a body is refused."""

    essential: bool = False
    """Answered even on spare connections, when the server is full: the kubelet's probes."""


class RouteTable:
    """Look routes up by path and method."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._by_path.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"got two routes for {route.method} {route.path}")
            methods[route.method] = route

    def find(self, method: str, path: str) -> Route:
        """Return the route; raise Refused with 404 or 405."""
        methods = self._by_path.get(path)
        if methods is None:
            raise _unknown_path()
        route = methods.get(method)
        if route is None:
            raise refuse(HTTPStatus.METHOD_NOT_ALLOWED, "wrong method for this path", allow=", ".join(sorted(methods)))
        return route


def _unknown_path() -> Refused:
    return refuse(HTTPStatus.NOT_FOUND, "no such path")
