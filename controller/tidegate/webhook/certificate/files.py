"""A certificate in files that others renew, such as cert-manager through a mounted Secret; they are read regularly.

The kubelet replaces all files of a mounted Secret at once, but possibly between two reads: a pair that does not match
is read again.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.serving import CHECK_SECONDS, Reload, ServingPair

MAX_FILE_BYTES: Final = 1024 * 1024
AUTHORITY_FILE: Final = "ca.crt"
"""The authority's file in a Secret of cert-manager, beside the certificate."""

_log = structlog.get_logger(__name__)


class CertificateFiles:
    """Implements ServingCertificate for ``certificate.mode: files``."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._present: ServingPair | None = None
        self.problem = ""
        """Why the current files are not served; empty if they are."""

    @property
    def present(self) -> ServingPair | None:
        """The pair that should be served now; None before `obtain`."""
        return self._present

    async def obtain(self) -> ServingPair:
        """Return the pair; raise ConfigurationError if a file is missing or invalid."""
        self._present = await asyncio.to_thread(self._read)
        return self._present

    async def run(self, reload: Reload) -> None:
        """Read the files regularly until cancelled; files that cannot be served are logged once and change nothing."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._follow(reload)

    def unmet(self) -> Sequence[str]:
        """Return that nothing was read yet; the issuer of the files has to make clients trust them."""
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
