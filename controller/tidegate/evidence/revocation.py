"""What AWS Signer is asked about a signature, and what it answers. Values only.

Source: ``signer:GetRevocationStatus``, and the AWS Signer plugin for Notation for how the question is put.
"""

from dataclasses import dataclass
from datetime import datetime

NOTATION_PLATFORM = "Notation-OCI-SHA384-ECDSA"
"""The signing platform of container images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerQuestion:
    """One signature: its profile version and job, when it was signed, and the hashes of its certificate chain.

    Each of ``certificate_hashes`` is 192 hexadecimal digits: the SHA-384 of a certificate's to-be-signed part, and that
    of its issuer's. It is asked in the region of the profile, which the ARN names. Equal questions have one answer.
    """

    profile_version_arn: str
    job_arn: str
    signed_at: datetime
    certificate_hashes: tuple[str, ...]
    platform: str = NOTATION_PLATFORM


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRevocations:
    """What of a signature is revoked: ARNs of profiles and jobs, and hashes of certificates. Empty: nothing is."""

    revoked: tuple[str, ...]
