"""The roots of AWS Signer, shipped with the program, trusted only where a policy names their store.

The file beside this module is part of the code: a certificate whose SHA-256 is not listed here is refused.
Source: AWS Signer developer guide, image signing prerequisites; the fingerprints were compared with public copies.
"""

from functools import lru_cache
from importlib.resources import files

from tidegate.errors import ConfigurationError
from tidegate.verify.notation.trust_store.store import CertificateStore, StoreKind, StoreName, read_certificates

AWS_SIGNER_STORE = StoreName(StoreKind.SIGNING_AUTHORITY, "aws-signer-ts")
AWS_GOVCLOUD_SIGNER_STORE = StoreName(StoreKind.SIGNING_AUTHORITY, "aws-us-gov-signer-ts")
FINGERPRINTS = {
    AWS_SIGNER_STORE: "90a87d0543c3f094dbff9589b6649affe2f3d6e0f308799be2258461c686473f",
    AWS_GOVCLOUD_SIGNER_STORE: "673653ab76f41a10546cdeb4107ecd6df2c15c2c9a0d32ed97d271b4436fc3e8",
}
"""The stores, and the SHA-256 of the one certificate of each. No root for the partition of China is known."""


@lru_cache(maxsize=1)
def _shipped() -> dict[str, CertificateStore]:
    content = files("tidegate.verify.notation.trust_store").joinpath("aws_signer_roots.pem").read_bytes()
    by_fingerprint = {certificate.fingerprint: certificate for certificate in read_certificates(content)}
    if set(by_fingerprint) != set(FINGERPRINTS.values()):
        raise ConfigurationError("the shipped roots of AWS Signer have other fingerprints than the program expects")
    return {
        str(name): CertificateStore(name=name, certificates=(by_fingerprint[fingerprint],))
        for name, fingerprint in FINGERPRINTS.items()
    }


def aws_signer_store(name: StoreName) -> CertificateStore | None:
    """Return the shipped store of that name, or None; raise ConfigurationError when the file was altered."""
    return _shipped().get(str(name))
