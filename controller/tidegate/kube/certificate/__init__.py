"""The serving certificate: made here and shared in a Secret, or read from files that others renew.

The server only takes it (`ServerTLS`); whoever serves calls `obtain` before it listens and keeps `run` running.
"""

from tidegate.kube.certificate.bundle import CaBundle
from tidegate.kube.certificate.files import CertificateFiles
from tidegate.kube.certificate.serving import ServingCertificate, ServingPair
from tidegate.kube.certificate.shared import SharedCertificate

__all__ = ["CaBundle", "CertificateFiles", "ServingCertificate", "ServingPair", "SharedCertificate"]
