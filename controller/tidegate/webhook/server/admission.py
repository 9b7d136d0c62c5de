"""The admission server: /validate, /validate/audit, /mutate, /healthz and /readyz on one TLS port.

It knows nothing of images or policies.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.listener import Listener
from tidegate.webhook.server.probes import probe_routes
from tidegate.webhook.server.reply import JSON
from tidegate.webhook.server.route import Route
from tidegate.webhook.server.tls import ServerTLS

VALIDATE_PATH: Final = "/validate"
AUDIT_PATH: Final = "/validate/audit"
"""For namespaces where nothing is enforced yet: the same review, and every Deny is a warning."""
MUTATE_PATH: Final = "/mutate"
"""For digest pinning. Served only where that is on, since its answer always allows."""

Responder: TypeAlias = Callable[[bytes, float | None], bytes | Awaitable[bytes]]
"""The handler of an AdmissionReview, whose answer is the JSON of the AdmissionReview in response."""


class AdmissionServer(Listener):
    """Serve a responder to the API server and probes to the kubelet. While it drains /readyz answers 503."""

    def __init__(
        self,
        *,
        responder: Responder,
        audit_responder: Responder | None = None,
        mutating_responder: Responder | None = None,
        readiness: Callable[[], Sequence[str]],
        tls: ServerTLS,
        limits: ServerLimits | None = None,
    ) -> None:
        self._readiness = readiness
        self.tls = tls
        responders = {VALIDATE_PATH: responder, AUDIT_PATH: audit_responder, MUTATE_PATH: mutating_responder}
        routes = [
            Route(method="POST", path=path, handler=handler, media_type=JSON)
            for path, handler in responders.items()
            if handler is not None
        ]
        super().__init__(name="admission", routes=[*routes, *self.probes()], limits=limits, tls=tls.context)

    def probes(self) -> tuple[Route, ...]:
        """Return the routes of the kubelet's probes; a listener without TLS also has them, as the kubelet has no certificate."""
        return probe_routes(self._readiness, lambda: self.table)

    def expect(self, status: int, count: int) -> None:
        """Note that this process itself will cause so many refusals with a status, which are not logged."""
        self.table.expected[status] += count
