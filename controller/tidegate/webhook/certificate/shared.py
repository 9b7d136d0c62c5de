"""The certificate that tidegate makes itself: one for all replicas, kept in a Secret and renewed in time.

The chart creates the Secret, empty. The first replica fills it; the others get a conflict and read it. The same happens
at renewal, which keeps the authority, so that the API server's caBundle stays right and the old certificate stays valid
for another month.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, Json, KubernetesApi
from tidegate.cluster.resync import Resync
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
from tidegate.webhook.certificate.serving import CHECK_SECONDS, Reload, ServingPair

MAX_CONFLICTS: Final = 20
"""Conflicts in a row after which the call fails."""
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
        pinning_bundle: CaBundle | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._secret_name = secret_name
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{secret_name}"
        self._names = tuple(dict.fromkeys([f"{service_name}.{namespace}.svc", *dns_names]))
        self._bundle = bundle
        self._pinning_bundle = pinning_bundle
        self._now = now
        self._present: ServingPair | None = None
        self._reload: Reload | None = None
        self._staged_trust: bytes = b""
        self.resync = Resync("the serving certificate", self._refresh, every_seconds=CHECK_SECONDS)

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""
        return self._present

    async def obtain(self) -> ServingPair:
        """Return the pair of all replicas, made now if the Secret is empty.

        Raise ConfigurationError if the Secret is not the chart's. Waits for a missing Secret, which only the chart can
        create.
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
        """Follow the Secret, renew it in time, and keep the caBundle right, until cancelled."""
        self._reload = reload
        await self.resync.run()

    def unmet(self) -> Sequence[str]:
        """Return why the API server would not trust the certificate."""
        return ["there is no serving certificate yet"] if self._present is None else self._bundle.unmet()

    async def _refresh(self) -> None:
        """Serve the Secret's pair, but only after its authority is in the caBundle.

        1. A Secret that is not the chart's changes nothing. 2. The caBundle gets the authority. 3. A pair of another
        authority waits for the next refresh, since API servers get the caBundle through a watch. 4. The pair is served.
        """
        pair = await self._settle()
        await self._bundle.ensure(pair.trust_pem)
        await self._ensure_pinning(pair.trust_pem)
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

    async def _ensure_pinning(self, authority_pem: bytes) -> None:
        """Add the authority to the mutating webhook. A failure only leaves images unpinned, so it holds up nothing."""
        if self._pinning_bundle is None:
            return
        try:
            await self._pinning_bundle.ensure(authority_pem)
        except ApiError as error:
            _log.warning("cannot update the caBundle of the mutating webhook; images are not pinned", error=str(error))

    async def _settle(self) -> ServingPair:
        """Read the Secret, or fill it, or renew it, until one version of it is good."""
        for _ in range(MAX_CONFLICTS):
            try:
                return await self._settle_once()
            except ApiError as error:
                # Another replica was faster: read it again.
                if error.status != CONFLICT:
                    raise
        raise ApiError(
            f"the Secret {self._secret_name} changes faster than it can be read; find out which client writes it"
        )

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
        """Write a new serving certificate, with the existing authority or a new one.

        It keeps the names of the stored certificate, so that replicas with different configurations do not undo each
        other's.
        """
        now = self._now()
        authority = shared.authority or make_authority(now)
        kept = names_of(shared.serving.certificate) if shared.serving is not None else []
        names = list(dict.fromkeys([*self._names, *kept]))[:MAX_NAMES]
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
