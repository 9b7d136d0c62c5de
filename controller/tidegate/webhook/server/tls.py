"""The server's side of TLS: one context for the life of the process, whose certificate is changed in place.

It watches no files: `reload` is called with each new certificate.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.material import KeyPair, belong_together, make_client

_log = structlog.get_logger(__name__)


class ServerTLS:
    """Hold the live SSLContext of a server.

    TLS 1.2 or newer; no ALPN, so that clients speak HTTP/1.1 (the API server does in any case); no session tickets,
    which Go's client would not use. ECDSA P-256 is expected: an RSA-2048 handshake costs 1.4 times as much.
    With ``client_authorities_pem`` the handshake needs a client certificate of one of these authorities, or `own_client`,
    with which the process calls itself.
    """

    def __init__(self, certificate_pem: bytes, key_pem: bytes, *, client_authorities_pem: bytes | None = None) -> None:
        self._key_type = _check_pair(certificate_pem, key_pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
        self.context.num_tickets = 0
        load_pair(self.context, certificate_pem, key_pem)
        self.own_client: KeyPair | None = None
        if client_authorities_pem is not None:
            self.own_client = make_client(datetime.now(UTC))
            _demand_client_certificates(self.context, client_authorities_pem, self.own_client.certificate_pem)
        if self._key_type != "ECDSA secp256r1":
            _log.warning("serving certificate is not ECDSA P-256; handshakes cost more", key_type=self._key_type)

    def reload(self, certificate_pem: bytes, key_pem: bytes) -> None:
        """Serve this pair to connections from now on; those that are open keep theirs.

        Raises ConfigurationError, and changes nothing, for a pair that does not fit together or is of another key
        type: OpenSSL keeps a slot per type and could go on serving the old certificate.
        """
        key_type = _check_pair(certificate_pem, key_pem)
        if key_type.split()[0] != self._key_type.split()[0]:
            raise ConfigurationError(
                f"got a {key_type} key for the serving certificate, expected {self._key_type} as at start; "
                "restart to change the key type"
            )
        load_pair(self.context, certificate_pem, key_pem)
        self._key_type = key_type


def _check_pair(certificate_pem: bytes, key_pem: bytes) -> str:
    """Return the key type as `ALGORITHM parameter`; raise ConfigurationError unless certificate and key belong together."""
    try:
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"cannot parse the serving certificate or its key: {error}") from error
    public = key.public_key()
    if not belong_together(certificate, key):
        raise ConfigurationError("the serving certificate and its key do not belong together")
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"ECDSA {public.curve.name}"
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    raise ConfigurationError(f"got a {type(key).__name__} for the serving certificate, expected ECDSA or RSA")


def _demand_client_certificates(context: ssl.SSLContext, *trusted_pem: bytes) -> None:
    try:
        for pem in trusted_pem:
            context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"cannot read the authorities of client certificates: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED


def load_pair(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    """Load a certificate into a context; raise ConfigurationError, and change nothing, if OpenSSL refuses it."""
    try:
        # A pair that OpenSSL refuses halfway would leave a live context broken, so a fresh one tries it first.
        with _as_file(certificate_pem) as certificate_path, _as_file(key_pem) as key_path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_path, key_path)
            context.load_cert_chain(certificate_path, key_path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"OpenSSL refuses the serving certificate: {error}") from error


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give bytes a path, since OpenSSL's loader takes only paths; in memory if the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tidegate-tls")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(prefix="tidegate-tls")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        if not hasattr(os, "memfd_create"):
            Path(path).unlink()
