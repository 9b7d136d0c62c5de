"""An authority like AWS Signer: P-384 throughout, four certificates, leaves valid for days, signed attributes."""

from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.pki.certificates import CODE_SIGNING, Identity, issue
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


def signer_leaf(**options) -> Identity:
    """Return the leaf of the authority: valid three days around the signing, with a CRL that nobody is to ask."""
    root = issue("S Root", kind="p384", ca=True, subject=_name("Signer Code Signing Root CA"), digest="sha384")
    middle = issue("S Int", root, kind="p384", ca=True, subject=_name("Signer Code Signing Int CA"), digest="sha384")
    region = issue("S Region", middle, kind="p384", ca=True, subject=_name(f"Signer {REGION} CA"), digest="sha384")
    defaults: dict[str, Any] = {
        "kind": "p384",
        "subject": _name("AWS Signer"),
        "purposes": [CODE_SIGNING],
        "not_before": SIGNED_AT - timedelta(days=1),
        "not_after": SIGNED_AT + timedelta(days=2),
        "crl_urls": [_URL],
        "digest": "sha384",
    }
    return issue("S Leaf", region, **(defaults | options))


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
