"""Servers over TLS: contexts with certificates for given hosts, and contexts that believe one authority."""

import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.simulator.pki.certificates import Identity, issue


def server_context(authority: Identity, *hosts: str, folder: Path) -> ssl.SSLContext:
    """Return the context of a server with a certificate of the authority for these names and addresses."""
    names = x509.SubjectAlternativeName([_name(host) for host in hosts])
    server = issue(hosts[0], authority, purposes=[ExtendedKeyUsageOID.SERVER_AUTH], extensions=[(names, False)])
    file = folder / f"server-{hosts[0]}.pem"
    private = server.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + b"".join(each.pem for each in server.chain[:-1]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def trusting(authority: Identity) -> ssl.SSLContext:
    """Return the context of a client that believes the authority's root alone."""
    return ssl.create_default_context(cadata=authority.root.pem.decode())


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
