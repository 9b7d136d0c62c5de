"""AWS Signer's verification logic: the signer is a signing profile, and revocation is one question to AWS Signer.

This module builds the question and reads the answer, but does not ask it. It does not check trust store, integrity,
expiry and signing time: those are Notation's.
Source: the behaviour of the AWS Signer plugin for Notation, version 1.0.350; comments say where it is stricter.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha384

from tidegate.errors import VerificationError
from tidegate.evidence.revocation import SignerQuestion
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.envelope.attributes import SignedAttributes, SigningScheme
from tidegate.verify.notation.envelope.jws import JWS_MEDIA_TYPE
from tidegate.verify.notation.envelope.plugin import (
    AWS_SIGNER_PLUGIN,
    VERIFICATION_PLUGIN,
    VERIFICATION_PLUGIN_MIN_VERSION,
)
from tidegate.verify.notation.signer_names import PROFILE, accepted_signers, profile_name
from tidegate.verify.notation.trust_policy.statement import TrustedIdentities
from tidegate.verify.notation.x509.certificate import Certificate

PROFILE_VERSION = "com.amazonaws.signer.signingProfileVersion"
SIGNING_JOB = "com.amazonaws.signer.signingJob"
PROCESSED = frozenset({PROFILE_VERSION, SIGNING_JOB, VERIFICATION_PLUGIN, VERIFICATION_PLUGIN_MIN_VERSION})
"""The critical attributes that this logic understands."""
MAX_NAMED_ENTITIES = 10
"""Revoked resources that a message names."""

_FAILED = f"trusted identify verification by plugin {quoted(AWS_SIGNER_PLUGIN)} failed with reason {{}}"
_JOB = re.compile(r"arn:aws[a-z-]*:signer:[a-z0-9-]+:[0-9]{12}:/signing-jobs/[A-Za-z0-9_.-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningProfile:
    """Who signed: the profile, the version of it, and the job, as ARNs."""

    profile_arn: str
    version_arn: str
    job_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAnswer:
    """An answer of GetRevocationStatus: ``revokedEntities``, empty when nothing is revoked; and until when it is valid."""

    revoked_entities: tuple[str, ...]
    good_until: datetime


def signing_profile(attributes: SignedAttributes, media_type: str) -> SigningProfile:
    """Return who signed; raise VerificationError when the envelope cannot be one of AWS Signer.

    AWS Signer makes JWS envelopes under the scheme of a signing authority, and no others.
    """
    # N45
    if attributes.scheme is not SigningScheme.SIGNING_AUTHORITY:
        raise VerificationError(
            f"plugin {AWS_SIGNER_PLUGIN} verifies signatures of scheme {SigningScheme.SIGNING_AUTHORITY} only, not"
            f" {attributes.scheme}"
        )
    if media_type != JWS_MEDIA_TYPE:
        raise VerificationError(f"plugin {AWS_SIGNER_PLUGIN} verifies envelopes of type {JWS_MEDIA_TYPE} only")
    profile = PROFILE.fullmatch(_text(attributes, PROFILE_VERSION))
    job = _text(attributes, SIGNING_JOB)
    if profile is None or profile["version"] is None:
        raise _unparsable(PROFILE_VERSION)
    if _JOB.fullmatch(job) is None:
        raise _unparsable(SIGNING_JOB)
    return SigningProfile(profile_arn=profile["profile"], version_arn=profile[0], job_arn=job)


def check_profile_trusted(profile: SigningProfile, identities: TrustedIdentities) -> None:
    """Return when a trusted identity is the profile's ARN, or that of its version; raise VerificationError otherwise.

    Compared character by character; the plugin itself ignores case.
    """
    # N45
    if identities.wildcard:
        raise VerificationError(
            _FAILED.format(quoted("The AWSSigner plugin does not support wildcard identity in the trust policy.")),
            clause=f"signed by {profile_name(profile.profile_arn)}",
            accepted='no AWS Signer profile, because trustedIdentities is "*"',
        )
    for identity in identities.others:
        if PROFILE.fullmatch(identity) and identity in {profile.profile_arn, profile.version_arn}:
            return
    raise VerificationError(
        _FAILED.format(quoted("Signature publisher doesn't match any trusted identities.")),
        clause=f"signed by {_unlike(profile, identities)}",
        accepted=accepted_signers(identities),
    )


def _unlike(profile: SigningProfile, identities: TrustedIdentities) -> str:
    """Return the profile's name with as much as tells it from the trusted ones."""
    if any(identity.startswith(f"{profile.profile_arn}/") for identity in identities.others):
        return profile_name(profile.version_arn)
    name = profile_name(profile.profile_arn)
    alike = any(profile_name(identity, version=False) == name for identity in identities.others)
    return f"{name} of another AWS account" if alike else name


def revocation_question(
    profile: SigningProfile, attributes: SignedAttributes, chain: Sequence[Certificate]
) -> SignerQuestion:
    """Return the question whether anything of the signature is revoked."""
    return SignerQuestion(
        profile_version_arn=profile.version_arn,
        job_arn=profile.job_arn,
        signed_at=attributes.signing_time,
        certificate_hashes=certificate_hashes(certificate.tbs for certificate in chain),
    )


def certificate_hashes(tbs: Iterable[bytes]) -> tuple[str, ...]:
    """Return for each certificate its hash and its issuer's, side by side: 192 hexadecimal digits, leaf first.

    Hashed are the to-be-signed parts with SHA-384. The root stands for its own issuer.
    """
    # N45
    hashes = [sha384(part).hexdigest() for part in tbs]
    return tuple(own + issuer for own, issuer in zip(hashes, hashes[1:] + hashes[-1:], strict=True))


def check_answer(answer: SignerAnswer) -> None:
    """Return when nothing is revoked; raise VerificationError in the plugin's words."""
    # N45
    if not answer.revoked_entities:
        return
    resources = [entity for entity in answer.revoked_entities if entity.startswith("arn")]
    if resources:
        of_profile = any(":/signing-profiles/" in entity for entity in resources)
        raise revocation_failure(
            f"Resource(s) {', '.join(resources[:MAX_NAMED_ENTITIES])} have been revoked.",
            clause="the signing profile was revoked" if of_profile else "the signature was revoked",
        )
    raise revocation_failure("Certificate(s) have been revoked.", clause="the signing certificate was revoked")


def revocation_failure(reason: str, *, clause: str = "") -> VerificationError:
    """Return the error of a failed revocation check, as notation-go words a plugin's failure."""
    return VerificationError(
        f"revocation check by verification plugin {quoted(AWS_SIGNER_PLUGIN)} failed with reason {quoted(reason)}",
        clause=clause,
    )


def _text(attributes: SignedAttributes, label: str) -> str:
    attribute = attributes.attribute(label)
    if attribute is None or not isinstance(attribute.value, str):
        raise _unparsable(label)
    return attribute.value


def _unparsable(label: str) -> VerificationError:
    return VerificationError(f"unable to parse attribute {quoted(label)}.")
