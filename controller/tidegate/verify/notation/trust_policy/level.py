"""How strict a verification is: Notation's levels, the validations that they name, and what happens when one fails.

Source: Notary Project trust store and trust policy specification, "Signature Verification details".
"""

from enum import StrEnum


class ValidationType(StrEnum):
    """The five validations of a signature."""

    INTEGRITY = "integrity"
    AUTHENTICITY = "authenticity"
    AUTHENTIC_TIMESTAMP = "authenticTimestamp"
    EXPIRY = "expiry"
    REVOCATION = "revocation"


class ValidationAction(StrEnum):
    """What a failed validation does: refuse the signature, or only be logged. A skipped validation is not carried out."""

    ENFORCE = "enforce"
    LOG = "log"
    SKIP = "skip"


class Level(StrEnum):
    """The named sets of actions."""

    STRICT = "strict"
    PERMISSIVE = "permissive"
    AUDIT = "audit"
    SKIP = "skip"


class TimestampRule(StrEnum):
    """When the timestamp of a signature by ``notary.x509`` is verified, where a trust store of type tsa is named."""

    ALWAYS = "always"
    AFTER_CERT_EXPIRY = "afterCertExpiry"
