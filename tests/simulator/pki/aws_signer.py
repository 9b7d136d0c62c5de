"""An authority like AWS Signer: P-384 throughout, four certificates, leaves valid for days, signed attributes."""

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.pki.certificates import CODE_SIGNING, EPOCH, Identity, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, JWS, SIGNED_AT, sign

ACCOUNT = "123456789012"
REGION = "eu-west-1"
PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/release"
PROFILE_VERSION = f"{PROFILE}/AbCdEf1234"
JOB = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-jobs/0f2b8f6e-6a55-4bd1-9b3c-2f2d4e6f8a10"
PLUGIN = "com.amazonaws.signer.notation.plugin"
PLATFORM = "Notation-OCI-SHA384-ECDSA"
_URL = "http://crl.signer.test/signer.crl"


def _name(common_name: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(f"CN={common_name},O=AWS,ST=WA,OU=Cryptography,C=US")


def signing_authority(*, since: datetime = EPOCH) -> Identity:
    """Return the lowest of three authorities, the one that signs leaves."""

    def lower(common_name: str, subject: str, issuer: Identity | None = None) -> Identity:
        return issue(
            common_name, issuer, kind="p384", ca=True, subject=_name(subject), digest="sha384", not_before=since
        )

    root = lower("S Root", "Signer Code Signing Root CA")
    middle = lower("S Int", "Signer Code Signing Int CA", root)
    return lower("S Region", f"Signer {REGION} CA", middle)


def signer_leaf(under: Identity | None = None, *, at: datetime = SIGNED_AT, **options) -> Identity:
    """Return a leaf of the authority: valid three days around the signing, with a CRL that nobody is to ask."""
    defaults: dict[str, Any] = {
        "kind": "p384",
        "subject": _name("AWS Signer"),
        "purposes": [CODE_SIGNING],
        "not_before": at - timedelta(days=1),
        "not_after": at + timedelta(days=2),
        "crl_urls": [_URL],
        "digest": "sha384",
    }
    return issue("S Leaf", under or signing_authority(), **(defaults | options))


def attributes(**changes: Any) -> dict[str, Any]:
    """Return the signed attributes; a change to None leaves one out."""
    values = {
        "io.cncf.notary.verificationPlugin": PLUGIN,
        "com.amazonaws.signer.signingJob": JOB,
        "com.amazonaws.signer.signingProfileVersion": PROFILE_VERSION,
    } | changes
    return {label: value for label, value in values.items() if value is not None}


def sign_as_aws(leaf: Identity, media_type: str = JWS, *, changes: dict[str, Any] | None = None, **options) -> bytes:
    """Return an envelope as AWS Signer makes them."""
    extended = attributes(**(changes or {}))
    defaults: dict[str, Any] = {
        "scheme": AUTHORITY_SCHEME,
        "expiry": SIGNED_AT + timedelta(days=135 * 30),
        "extended": extended,
        "critical": tuple(extended),
        "agent": "AWS Signer test",
    }
    return sign(leaf, media_type, **(defaults | options))


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
