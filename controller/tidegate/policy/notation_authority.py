"""Signers with Notation as shapes: the field ``notation`` of an authority.

Distinguished names are parsed here, which the API server cannot do, so that a policy that no image could meet is
refused.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from tidegate.policy.names import PRINTABLE_PATTERN, TRUST_STORE_NAME
from tidegate.policy.shape import Choice, Constraint, Field, ListOf, MapOf, Section, Text
from tidegate.policy.signatures import NotationAuthority
from tidegate.strict.objection import Objection, quote
from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType
from tidegate.verify.notation.x509.distinguished_name import (
    DistinguishedName,
    DistinguishedNameError,
    first_overlap,
    parse_distinguished_name,
)

MAX_TRUST_STORES: Final = 8
MAX_IDENTITIES: Final = 16
MAX_METADATA: Final = 16

SUBJECT_PREFIX: Final = "x509.subject:"
WILDCARD: Final = "*"
IDENTITY_PATTERN: Final = (
    r"^(\*|x509\.subject:[^\x00-\x1f\x7f]+|"
    r"arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:/signing-profiles/[A-Za-z0-9_]{2,64}(/[A-Za-z0-9]{10})?)$"
)


def _make_identity(text: str) -> str | Objection:
    subject = _subject(text)
    return subject if isinstance(subject, Objection) else text


def _subject(identity: str) -> DistinguishedName | Objection | None:
    """Return the name of an identity that begins with ``x509.subject:``, or what is wrong with it."""
    if not identity.startswith(SUBJECT_PREFIX):
        return None
    try:
        return parse_distinguished_name(identity.removeprefix(SUBJECT_PREFIX))
    except DistinguishedNameError as error:
        return Objection(quote(identity), error.expected, error.do)


def _star_beside_others(identities: Sequence[str]) -> str | None:
    return "* beside other identities" if WILDCARD in identities and len(identities) > 1 else None


def _overlapping(identities: Sequence[str]) -> str | None:
    names = [name for identity in identities if isinstance(name := _subject(identity), DistinguishedName)]
    return "a distinguished name that contains another" if first_overlap(names) else None


def _overrides(**written: ValidationAction) -> Mapping[ValidationType, ValidationAction]:
    return MappingProxyType({ValidationType(name): enforcement for name, enforcement in written.items()})


def _notation(*, metadata: tuple[tuple[str, str], ...] = (), **fields: Any) -> Callable[..., NotationAuthority]:
    return partial(NotationAuthority, required_metadata=MappingProxyType(dict(metadata)), **fields)


_ENFORCEMENT = Choice(words=(ValidationAction.ENFORCE, ValidationAction.LOG))

_OVERRIDABLE: Final[Mapping[ValidationType, tuple[Choice[Any], str]]] = {
    ValidationType.AUTHENTICITY: (_ENFORCEMENT, "Whether the signer is trusted: `enforce` or `log`."),
    ValidationType.AUTHENTIC_TIMESTAMP: (
        _ENFORCEMENT,
        "Whether the certificates were valid when the signature was made: `enforce` or `log`.",
    ),
    ValidationType.EXPIRY: (_ENFORCEMENT, "Whether the signature itself has expired: `enforce` or `log`."),
    ValidationType.REVOCATION: (
        Choice(words=ValidationAction),
        "Whether a certificate or an AWS Signer profile was revoked: `enforce`, `log`, or `skip`, which checks nothing.",
    ),
}

OVERRIDES: Final = Section(
    build=_overrides,
    minimum=1,
    fields=tuple(
        Field(validation.value, shape, description, into=validation.value)
        for validation, (shape, description) in _OVERRIDABLE.items()
    ),
)

NOTATION: Final = Section(
    build=_notation,
    fields=(
        Field(
            "trustStores",
            ListOf(item=TRUST_STORE_NAME, minimum=1, maximum=MAX_TRUST_STORES, unique=True),
            "Names of TrustStores; the signer's certificate chain must lead to one of them. The type of a TrustStore"
            " says what it is for: `ca` for the signers' own certificates, `signingAuthority` for AWS Signer, `tsa`"
            " for timestamps.",
            required=True,
        ),
        Field(
            "trustedIdentities",
            ListOf(
                item=Text(
                    expected="*, x509.subject: with a distinguished name, or the ARN of an AWS Signer profile",
                    do="write it such as x509.subject: C=US, ST=WA, O=Acme",
                    make=_make_identity,
                    maximum=1024,
                    pattern=IDENTITY_PATTERN,
                    by_rule=True,
                ),
                minimum=1,
                maximum=MAX_IDENTITIES,
                unique=True,
                checks=(
                    Constraint(
                        expected="* alone",
                        do="remove *, which trusts every signer, or all the others",
                        got=_star_beside_others,  # N9
                        rule="self.size() == 1 || !self.exists(identity, identity == '*')",
                    ),
                    Constraint(
                        expected="names of which none contains another",
                        do="remove the longer one, which the shorter one includes",
                        got=_overlapping,  # N10
                    ),
                ),
            ),
            "The trusted signers. `x509.subject:` with a distinguished name (at least C, ST and O), all of whose"
            " parts must be in the certificate's subject; the ARN of an AWS Signer profile, or of one profile version;"
            " or only `*` for all signers that the trust stores accept. If one name contains another, the policy is"
            " refused, because the longer one has no effect.",
            required=True,
        ),
        Field(
            "level",
            Choice(words=(Level.STRICT, Level.PERMISSIVE, Level.AUDIT)),
            "Which failed validations refuse a signature. `strict`: all. `permissive`: all except timestamp, expiry"
            " and revocation, which are only logged. `audit`: only integrity, so a signature by anyone passes; to find"
            " out what `strict` would refuse, use `validationActions` instead.",
            default="strict",
        ),
        Field(
            "overrides",
            OVERRIDES,
            "What single validations do, in place of the level: enforce refuses the signature, log only records the"
            " failure. Integrity is always enforced.",
        ),
        Field(
            "verifyTimestamp",
            Choice(words=TimestampRule),
            "When the timestamp of a signature is verified, if a trust store of type `tsa` is named: `always`, or"
            " `afterCertExpiry`, which means only after a certificate of the signer has expired.",
            default="always",
        ),
        Field(
            "requiredMetadata",
            MapOf(
                key=Text(
                    expected="a key of 1 to 256 characters on one line",
                    do="write the key that notation sign --user-metadata was given",
                    make=str,
                    maximum=256,
                    pattern=PRINTABLE_PATTERN,
                ),
                value=Text(
                    expected="a value of 1 to 1024 characters on one line, without spaces around it",
                    do="write the value that notation sign --user-metadata was given",
                    make=str,
                    maximum=1024,
                    pattern=PRINTABLE_PATTERN,
                    by_rule=True,
                ),
                maximum=MAX_METADATA,
            ),
            "Metadata that the signature must contain (`notation sign --user-metadata`), with exactly these values."
            " Distinguishes what one signer signs for different purposes.",
            into="metadata",
        ),
    ),
)
