"""AWS Signer: whether the profile, the job or a certificate of a signature has been revoked.

It is called in the region of the signing profile, which may differ from the image's. Nothing is cached.
"""

import re

from tidegate.aws.clients import Api, Clients
from tidegate.aws.reply import ApiResponse
from tidegate.errors import VerificationError
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.images.repository import EcrRegistry

MAX_CERTIFICATE_HASHES = 20
"""Certificates of one chain; those of AWS Signer have four."""
MAX_REVOKED = 100
"""Revoked entities that are kept of one answer: one is enough to refuse a signature."""

_REVOCATION = Api("signer-data", "GetRevocationStatus")
_SIGNER = r"arn:(?P<partition>aws[a-z-]{0,20}):signer:(?P<region>[a-z0-9-]{1,32}):(?P<account>[0-9]{12}):"
_PROFILE_VERSION = re.compile(_SIGNER + r"/signing-profiles/[A-Za-z0-9_]{2,64}/[A-Za-z0-9]{10}", re.ASCII)
_JOB = re.compile(_SIGNER + r"/signing-jobs/[A-Za-z0-9-]{1,64}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{192}")


class Signer:
    """Ask AWS Signer. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def revocation_status(self, question: SignerQuestion, *, account: str | None = None) -> SignerRevocations:
        """Return the revoked entities of a signature. See ``evidence.ports.SignerRevocationSource``."""
        where = _where(question, account)
        answer = self._clients.call(
            _REVOCATION,
            where,
            {
                "signatureTimestamp": question.signed_at,
                "platformId": question.platform,
                "profileVersionArn": question.profile_version_arn,
                "jobArn": question.job_arn,
                "certificateHashes": list(question.certificate_hashes),
            },
        )
        reply = ApiResponse(answer, _REVOCATION.source)
        # AWS's own plugin treats a missing list as empty; here it is an error.
        revoked = reply.values("revokedEntities")
        if not reply.has("revokedEntities"):
            raise reply.wrong("revokedEntities", "expected a list, got none")
        if not all(isinstance(each, str) and each for each in revoked):
            raise reply.wrong("revokedEntities", "expected texts")
        return SignerRevocations(revoked=tuple(revoked[:MAX_REVOKED]))


def _where(question: SignerQuestion, account: str | None) -> EcrRegistry:
    """Return region and account to ask; raise VerificationError if it is not a signature of AWS Signer.

    The values come from a signature, and the region becomes part of a host name.
    """
    profile, job = _PROFILE_VERSION.fullmatch(question.profile_version_arn), _JOB.fullmatch(question.job_arn)
    if profile is None:
        raise VerificationError(f"not a signing profile version of AWS Signer: {question.profile_version_arn[:200]!a}")
    # A profile may be shared with another account, which then owns the job.
    if job is None or (job["partition"], job["region"]) != (profile["partition"], profile["region"]):
        raise VerificationError(f"not a signing job beside that profile: {question.job_arn[:200]!a}")
    hashes = question.certificate_hashes
    if not 1 <= len(hashes) <= MAX_CERTIFICATE_HASHES or not all(_HASH.fullmatch(each) for each in hashes):
        raise VerificationError(f"expected 1 to {MAX_CERTIFICATE_HASHES} certificate hashes of 192 hexadecimal digits")
    return EcrRegistry(profile["partition"], account or profile["account"], profile["region"])
