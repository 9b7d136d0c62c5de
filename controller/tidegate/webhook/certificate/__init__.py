"""The serving certificate: made here and shared in a Secret, or read from files that others renew.

`obtain` is called before the server listens, and `run` runs as long as it serves.
"""

from tidegate.webhook.certificate.bundle import MUTATING, CaBundle
from tidegate.webhook.certificate.files import CertificateFiles
from tidegate.webhook.certificate.serving import ServingCertificate, ServingPair
from tidegate.webhook.certificate.shared import SharedCertificate

__all__ = ["MUTATING", "CaBundle", "CertificateFiles", "ServingCertificate", "ServingPair", "SharedCertificate"]
