"""The admission server as kopf's `settings.admission.server`, kopf's public extension point for custom servers.

kopf's own review function is never called: it answers `allowed: true` for a handler id that it does not know.
"""

from collections.abc import AsyncIterator

import kopf

from tidegate.webhook.server.admission import AdmissionServer


class KopfHost:
    """Run an admission server as long as the operator runs.

    kopf starts it after API discovery and cancels it at the end; then it drains within `drain_seconds`. A failure of
    the server ends the operator.
    """

    def __init__(
        self,
        *,
        server: AdmissionServer,
        host: str | None,
        port: int,
        client_config: kopf.WebhookClientConfig,
        drain_seconds: float,
    ) -> None:
        self._server = server
        self._host = host
        self._port = port
        self._client_config = client_config
        self._drain_seconds = drain_seconds

    async def __call__(self, _fn: kopf.WebhookFn, /) -> AsyncIterator[kopf.WebhookClientConfig]:
        """Start, yield the client configuration (kopf uses it only with `managed`), serve, drain."""
        await self._server.start(self._host, self._port)
        try:
            yield self._client_config
            await self._server.serve()
        finally:
            await self._server.drain(self._drain_seconds)
