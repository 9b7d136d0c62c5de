"""The certificate that others make and renew, such as cert-manager in a mounted Secret: read, and read again.

The kubelet swaps a mounted Secret as a whole, but between two reads; a pair that does not fit together is tried again.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.serving import Reload, ServingPair

CHECK_SECONDS: Final = 10.0
MAX_FILE_BYTES: Final = 1024 * 1024
AUTHORITY_FILE: Final = "ca.crt"
"""Where cert-manager and the kubelet leave the authority, beside the certificate."""

_log = structlog.get_logger(__name__)


class CertificateFiles:
    """Implements ServingCertificate for ``certificate.mode: files``."""

    def __init__(self, certificate: Path, key: Path, *, every_seconds: float = CHECK_SECONDS) -> None:
        self._certificate = certificate
        self._key = key
        self._every_seconds = every_seconds
        self._present: ServingPair | None = None
        self.problem = ""
        """Why the files' present content is not served; empty when it is."""

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""
        return self._present

    async def obtain(self) -> ServingPair:
        """Return the pair; raise ConfigurationError where a file is missing or is no certificate."""
        self._present = await asyncio.to_thread(self._read)
        return self._present

    async def run(self, reload: Reload) -> None:
        """Read again and again until cancelled; what cannot be served is logged once and what is served stays."""
        while True:
            await asyncio.sleep(self._every_seconds)
            await self._follow(reload)

    def unmet(self) -> Sequence[str]:
        """Return that nothing was read yet; whether clients trust the files is for those who make them."""
        return [] if self._present is not None else ["there is no serving certificate yet"]

    async def _follow(self, reload: Reload) -> None:
        try:
            pair = await asyncio.to_thread(self._read)
            if pair != self._present:
                reload(pair.certificate_pem, pair.key_pem)
                self._present = pair
                _log.info("serving certificate changed", expires_at=pair.expires_at.isoformat())
        except ConfigurationError as error:
            if str(error) != self.problem:
                _log.warning("the serving certificate's files cannot be served", error=str(error))
            self.problem = str(error)
        else:
            self.problem = ""

    def _read(self) -> ServingPair:
        certificate_pem, key_pem = _content(self._certificate), _content(self._key)
        beside = self._certificate.parent / AUTHORITY_FILE
        trust_pem = _content(beside) if beside.is_file() else b""
        try:
            leaf = x509.load_pem_x509_certificates(certificate_pem)[0]
        except ValueError as exc:
            raise ConfigurationError(f"{self._certificate} is not a PEM certificate: {exc}") from exc
        return ServingPair(
            certificate_pem=certificate_pem,
            key_pem=key_pem,
            trust_pem=trust_pem.strip() and trust_pem,
            server_name=None,
            expires_at=leaf.not_valid_after_utc,
        )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"cannot read the serving certificate: {exc}") from exc
