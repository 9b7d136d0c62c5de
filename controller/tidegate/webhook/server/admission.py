"""The admission server: /validate, /validate/audit, /healthz and /readyz on one TLS port. It knows nothing of images or policies."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol

from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.listener import Listener
from tidegate.webhook.server.reply import JSON, TEXT, ServerResponse
from tidegate.webhook.server.route import Route, ServerRequest
from tidegate.webhook.server.tls import ServerTLS

VALIDATE_PATH: Final = "/validate"
AUDIT_PATH: Final = "/validate/audit"
"""For namespaces where nothing is enforced yet: the same review, and every Deny is a warning."""
_OK: Final = ServerResponse(body=b"ok\n", content_type=TEXT)
_DRAINING: Final = "the server is draining"


class Responder(Protocol):
    """Answer an AdmissionReview."""

    def __call__(self, body: bytes, deadline_seconds: float | None, /) -> bytes | Awaitable[bytes]:
        """Return the JSON of the answering AdmissionReview, at once or later.

        `deadline_seconds` is what is left of the API server's timeout, None where it named none. Raise BadRequest
        for 400; anything else raised is answered with 500, which the API server takes for a failed call.
        """


class AdmissionServer:
    """Serve a responder to the API server and probes to the kubelet."""

    def __init__(
        self,
        *,
        responder: Responder,
        audit_responder: Responder | None = None,
        readiness: Callable[[], Sequence[str]],
        tls: ServerTLS,
        limits: ServerLimits | None = None,
    ) -> None:
        self._responder = responder
        self._audit_responder = audit_responder
        self._readiness = readiness
        self.tls = tls
        self.listener = Listener(name="admission", routes=self._routes(), limits=limits, tls=tls.context)

    def _routes(self) -> tuple[Route, ...]:
        audit = Route(method="POST", path=AUDIT_PATH, handler=self._validate_audit, media_type=JSON)
        return (
            Route(method="POST", path=VALIDATE_PATH, handler=self._validate, media_type=JSON),
            *([audit] if self._audit_responder is not None else []),
            *self.probes(),
        )

    def probes(self) -> tuple[Route, ...]:
        """Return the routes of the kubelet's probes, for a listener without TLS too: it has no client certificate."""
        return (
            Route(method="GET", path="/healthz", handler=_healthz, essential=True),
            Route(method="GET", path="/readyz", handler=self._readyz, essential=True),
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self.listener.port

    async def start(self, host: str | None, port: int) -> None:
        """Listen; see `Listener.start`."""
        await self.listener.start(host, port)

    async def serve(self) -> None:
        """Wait until drained; see `Listener.serve`."""
        await self.listener.serve()

    async def drain(self, seconds: float) -> None:
        """End in order; see `Listener.drain`. /readyz says 503 from the first moment."""
        await self.listener.drain(seconds)

    def expect(self, status: int, count: int) -> None:
        """Take note that this process itself will provoke so many refusals with a status, which the log need not tell."""
        self.listener.expected[status] += count

    def reload(self, certificate_pem: bytes, key_pem: bytes) -> None:
        """Serve another certificate from now on; see `ServerTLS.reload`."""
        self.tls.reload(certificate_pem, key_pem)

    def _validate(self, request: ServerRequest) -> bytes | Awaitable[bytes]:
        return self._responder(request.body, request.deadline_seconds)

    def _validate_audit(self, request: ServerRequest) -> bytes | Awaitable[bytes]:
        assert self._audit_responder is not None
        return self._audit_responder(request.body, request.deadline_seconds)

    def _readyz(self, _request: ServerRequest) -> ServerResponse:
        reasons = [_DRAINING] if self.listener.is_draining else []
        reasons += self._readiness()
        if not reasons:
            return _OK
        # That it is not ready is an answer to the probe, and no refusal for the log.
        self.expect(HTTPStatus.SERVICE_UNAVAILABLE, 1)
        body = "".join(f"{reason}\n" for reason in reasons).encode()
        return ServerResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body=body, content_type=TEXT)


def _healthz(_request: ServerRequest) -> ServerResponse:
    return _OK
