"""What a server needs of a certificate, whoever makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Reload = Callable[[bytes, bytes], None]
"""Serve another certificate and key, both PEM, from now on; raises ConfigurationError and changes nothing if unfit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPair:
    """A certificate chain and its key as PEM, and how a client finds it right.

    ``trust_pem`` are the authorities that clients trust; without any, the certificate itself. ``server_name`` is a name
    that clients call, None where it is not known here.
    """

    certificate_pem: bytes
    key_pem: bytes
    trust_pem: bytes
    server_name: str | None
    expires_at: datetime


class ServingCertificate(Protocol):
    """Gives the serving certificate and keeps it fresh."""

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""

    async def obtain(self) -> ServingPair:
        """Return the first pair; raise ConfigurationError where there cannot be one. Waits for an absent API server."""
        ...

    async def run(self, reload: Reload) -> None:
        """Keep it fresh until cancelled; call ``reload`` with each pair that follows the first."""
        ...

    def unmet(self) -> Sequence[str]:
        """Return what keeps clients from trusting it, as fragments of a sentence; empty when nothing does."""
        ...
