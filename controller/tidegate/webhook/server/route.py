"""Routes as data: which method on which exact path goes to which handler. It opens no socket."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from tidegate.webhook.server.reply import ServerResponse, refuse

Handler: TypeAlias = Callable[[bytes, float | None], bytes | ServerResponse | Awaitable[bytes | ServerResponse]]
"""Answers a request, given its whole body and the seconds left of the client's `?timeout=`, None where it gave none.

It returns the response, or bytes for a JSON body with 200, at once or later: only an awaitable becomes a task. It raises
BadRequest for 400; any other exception is a 500, which the API server treats as a failed call.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of a route table."""

    method: str
    """The method, upper case. Each other one on the same path is refused with 405."""

    path: str
    """The exact path, compared as it was sent: nothing is decoded or normalized."""

    handler: Handler
    """What answers."""

    media_type: str | None = None
    """The media type that the body must have (415 otherwise); None where a body is refused."""

    hosts: frozenset[str] | None = None
    """The host names, without a port, by which a client must call it (421 otherwise); None for any. A page that is read in a
    browser needs them: a web site can let its own name mean 127.0.0.1, and would then read the page as its own."""

    essential: bool = False
    """Whether it is answered on spare connections too, when the server is full: the kubelet's probes."""


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
            raise refuse(HTTPStatus.NOT_FOUND, "no such path")
        route = methods.get(method)
        if route is None:
            raise refuse(HTTPStatus.METHOD_NOT_ALLOWED, "wrong method for this path", allow=", ".join(sorted(methods)))
        return route
