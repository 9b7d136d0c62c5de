"""The kubelet's probes: /healthz says that the process answers, /readyz what is missing for readiness."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from tidegate.webhook.server.connection_table import ConnectionTable
from tidegate.webhook.server.reply import TEXT, ServerResponse
from tidegate.webhook.server.route import Route

_OK: Final = ServerResponse(body=b"ok\n", content_type=TEXT)
_DRAINING: Final = "the server is draining"


def probe_routes(readiness: Callable[[], Sequence[str]], table: Callable[[], ConnectionTable]) -> tuple[Route, ...]:
    """Return the routes. ``readiness`` gives what is missing, ``table`` the connections of the listener that drains."""

    def healthz(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        return _OK

    def readyz(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        reasons = [_DRAINING] if table().draining else []
        reasons += readiness()
        if not reasons:
            return _OK
        # "Not ready" answers the probe; it is no refusal to log.
        table().expected[HTTPStatus.SERVICE_UNAVAILABLE] += 1
        body = "".join(f"{reason}\n" for reason in reasons).encode()
        return ServerResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body=body, content_type=TEXT)

    return (
        Route(method="GET", path="/healthz", handler=healthz, essential=True),
        Route(method="GET", path="/readyz", handler=readyz, essential=True),
    )
