"""What a server needs of its certificate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

CHECK_SECONDS: Final = 10.0
"""Between two looks at what is to be served: a damaged Secret or caBundle is repaired this soon."""

Reload = Callable[[bytes, bytes], None]
"""Serve another certificate and key, both PEM, from now on; raises ConfigurationError and changes nothing if
invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPair:
    """A certificate chain and its key as PEM, and what clients check.

    ``trust_pem`` are the authorities that clients trust; without any, the certificate itself. ``server_name`` is a name
    that clients use, None if unknown here.
    """

    certificate_pem: bytes
    key_pem: bytes
    trust_pem: bytes
    server_name: str | None
    expires_at: datetime


class CertificateState(Protocol):
    """Gives the certificate that is served and whether it is trusted."""

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""

    def unmet(self) -> Sequence[str]:
        """Return what keeps clients from trusting it, as parts of a sentence; empty if nothing does."""
        ...


class ServingCertificate(CertificateState, Protocol):
    """Gives the serving certificate and renews it."""

    async def obtain(self) -> ServingPair:
        """Return the first pair; raise ConfigurationError if there can be none. Waits for an unavailable API server."""
        ...

    async def run(self, reload: Reload) -> None:
        """Renew it until cancelled; call ``reload`` with each new pair."""
        ...
