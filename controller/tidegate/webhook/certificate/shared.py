"""The certificate that tidegate makes itself: one for all replicas, kept in a Secret, renewed in time.

The chart makes the Secret, empty. The first replica fills it; the others meet a conflict and read what is there. The same
at renewal, which keeps the authority, so that the API server's caBundle stays true and the old certificate is good for
another month.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.cluster.resync import RESYNC_SECONDS, Resync
from tidegate.webhook.certificate.bundle import CaBundle
from tidegate.webhook.certificate.material import (
    MAX_NAMES,
    KeyPair,
    authority_problem,
    make_authority,
    make_serving,
    names_of,
    serving_problem,
)
from tidegate.webhook.certificate.secret import Shared, fill_secret, read_secret
from tidegate.webhook.certificate.serving import Reload, ServingPair

MAX_CONFLICTS: Final = 20
"""Lost races in a row after which something else is wrong."""
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class SharedCertificate:
    """Implements ServingCertificate for ``certificate.mode: self``."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        secret_name: str,
        service_name: str,
        dns_names: Sequence[str] = (),
        bundle: CaBundle,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._secret_name = secret_name
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{secret_name}"
        self._names = tuple(dict.fromkeys([f"{service_name}.{namespace}.svc", *dns_names]))
        self._bundle = bundle
        self._now = now
        self._present: ServingPair | None = None
        self._reload: Reload | None = None
        self._staged_trust: bytes = b""
        self.resync = Resync("the serving certificate", self._refresh, every_seconds=every_seconds)

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""
        return self._present

    async def obtain(self) -> ServingPair:
        """Return the pair of all replicas, made now where the Secret is empty; raise ConfigurationError for a foreign one.

        Waits for a Secret that is missing: only the chart can make it.
        """
        seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                self._present = await self._settle()
            except ApiError as error:
                _log.warning("cannot get the serving certificate yet", secret=self._secret_name, error=str(error))
                await asyncio.sleep(seconds)
                seconds = min(seconds * 2, LAST_RETRY_SECONDS)
            else:
                return self._present

    async def run(self, reload: Reload) -> None:
        """Follow the Secret, renew it in time, and keep the caBundle fit, until cancelled."""
        self._reload = reload
        await self.resync.run()

    def unmet(self) -> Sequence[str]:
        """Return why the API server would not trust the certificate."""
        return ["there is no serving certificate yet"] if self._present is None else self._bundle.unmet()

    async def _refresh(self) -> None:
        """Take the Secret's pair, but put its authority into the caBundle first, so that it is trusted when served.

        1. A Secret that was replaced by a foreign one changes nothing: what is served stays. 2. The caBundle gets the
        authority. 3. A pair under another authority waits for the next refresh, since API servers learn of the caBundle
        by a watch. 4. The pair is served.
        """
        pair = await self._settle()
        await self._bundle.ensure(pair.trust_pem)
        present = self._present
        if present is None or self._reload is None or pair == present:
            self._present = pair
            return
        if pair.trust_pem not in (present.trust_pem, self._staged_trust) and present.expires_at > self._now():
            self._staged_trust = pair.trust_pem
            return
        self._reload(pair.certificate_pem, pair.key_pem)
        self._present = pair
        _log.info("serving certificate changed", expires_at=pair.expires_at.isoformat())

    async def _settle(self) -> ServingPair:
        """Read the Secret, or fill it, or renew it, until one version of it is good."""
        for _ in range(MAX_CONFLICTS):
            try:
                return await self._settle_once()
            except ApiError as error:
                # Another replica was faster: look again.
                if error.status != CONFLICT:
                    raise
        raise ApiError(f"the Secret {self._secret_name} changes faster than it can be read; see who writes it")

    async def _settle_once(self) -> ServingPair:
        try:
            stored = await self._api.get(self._path)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            missing = (
                f"the Secret {self._namespace}/{self._secret_name} is missing; run helm upgrade, which makes it again"
            )
            raise ApiError(missing, status=NOT_FOUND) from error
        shared = read_secret(stored)
        problem, now = "", self._now()
        if shared.authority is None or (problem := authority_problem(shared.authority, now)):
            reason = f"its authority cannot be used: {problem or 'it cannot be read'}"
            shared = Shared(authority=None, serving=shared.serving)
        elif shared.serving is None:
            reason = "its certificate cannot be read"
        elif reason := serving_problem(shared.serving, shared.authority, self._names, now):
            pass
        else:
            return self._pair(shared.authority, shared.serving)
        return await self._make(stored, shared, reason)

    async def _make(self, stored: Json, shared: Shared, reason: str) -> ServingPair:
        """Write a new serving certificate, with the authority that is there or a new one.

        Names that the stored certificate has stay: replicas of two configurations must not undo each other.
        """
        now = self._now()
        authority = shared.authority or make_authority(now)
        kept = names_of(shared.serving.certificate) if shared.serving is not None else []
        names = list(dict.fromkeys([*self._names, *kept]))[: max(MAX_NAMES, len(self._names))]
        serving = make_serving(authority, names, now)
        await self._api.replace(self._path, fill_secret(stored, authority=authority, serving=serving))
        _log.info(
            "serving certificate made",
            secret=self._secret_name,
            reason=reason,
            new_authority=shared.authority is None,
            names=names,
        )
        return self._pair(authority, serving)

    def _pair(self, authority: KeyPair, serving: KeyPair) -> ServingPair:
        return ServingPair(
            certificate_pem=serving.certificate_pem,
            key_pem=serving.key_pem,
            trust_pem=authority.certificate_pem,
            server_name=self._names[0],
            expires_at=serving.certificate.not_valid_after_utc,
        )
