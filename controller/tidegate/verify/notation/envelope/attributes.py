"""What the signer signed beside the payload, and the rules for it in every envelope format.

The formats read their own headers and hand over plain values; nothing here knows JOSE or COSE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidegate.errors import VerificationError
from tidegate.strict.quotation import quoted, quoted_list
from tidegate.verify.notation.envelope.algorithm import SignatureAlgorithm

SIGNING_SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
AUTHENTIC_SIGNING_TIME = "io.cncf.notary.authenticSigningTime"
EXPIRY = "io.cncf.notary.expiry"
TIME_LABELS = (SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY)
TIMESTAMP_SIGNATURE = "io.cncf.notary.timestampSignature"
MAX_ATTRIBUTES = 100
"""Attributes of one header."""

Label = str | int
"""How a header names an attribute; only COSE has numbers."""


class SigningScheme(StrEnum):
    """Where the signing time comes from: a timestamp authority (or only the signer), or the signing authority itself."""

    X509 = "notary.x509"
    SIGNING_AUTHORITY = "notary.x509.signingAuthority"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedAttribute:
    """A signed attribute that Notation itself gives no meaning."""

    label: Label
    critical: bool
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedHeader:
    """A format's protected header as plain values; ``times`` holds those of the three time labels that are present.

    ``registered`` are the labels that the format itself defines.
    """

    algorithm: SignatureAlgorithm
    content_type: str
    critical: tuple[Label, ...]
    values: Mapping[Label, object]
    times: Mapping[str, datetime]
    registered: frozenset[Label]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAttributes:
    """The signed attributes. ``signing_time`` is a mere claim under the scheme ``notary.x509``."""

    algorithm: SignatureAlgorithm
    content_type: str
    scheme: SigningScheme
    signing_time: datetime
    expiry: datetime | None
    extended: tuple[ExtendedAttribute, ...]

    def attribute(self, label: str) -> ExtendedAttribute | None:
        """Return the extended attribute of that label, or None."""
        return next((attribute for attribute in self.extended if attribute.label == label), None)


def read_signed_attributes(header: ProtectedHeader) -> SignedAttributes:
    """Return the attributes of a header; raise VerificationError in notation-core-go's words.

    Source: Notary Project signature specification, "Signed Attributes".
    """
    if len(header.values) > MAX_ATTRIBUTES:
        raise VerificationError(f"{len(header.values)} signed attributes, more than {MAX_ATTRIBUTES}")
    scheme = _scheme(header.values.get(SIGNING_SCHEME))
    signing_time = _signing_time(scheme, header.times)
    _check_critical(header, scheme)
    expiry = header.times.get(EXPIRY)
    if expiry is not None and expiry <= signing_time:
        # N35
        raise VerificationError("expiry cannot be equal or before the signing time")
    known = {*header.registered, SIGNING_SCHEME, *TIME_LABELS}
    return SignedAttributes(
        algorithm=header.algorithm,
        content_type=header.content_type,
        scheme=scheme,
        signing_time=signing_time,
        expiry=expiry,
        extended=tuple(
            ExtendedAttribute(label=label, critical=label in header.critical, value=value)
            for label, value in header.values.items()
            if label not in known
        ),
    )


def _scheme(value: object) -> SigningScheme:
    # N33
    if not isinstance(value, str) or value not in list(SigningScheme):
        shown = value if isinstance(value, str) else ""
        raise VerificationError(f"unsupported SigningScheme: `{quoted(shown)[1:-1]}`")
    return SigningScheme(value)


def _signing_time(scheme: SigningScheme, times: Mapping[str, datetime]) -> datetime:
    """Return the time of the scheme's own label; the other scheme's label must be absent."""
    # N33
    if scheme is SigningScheme.X509:
        if AUTHENTIC_SIGNING_TIME in times:
            raise _misplaced(AUTHENTIC_SIGNING_TIME, scheme, "must not be present")
        if SIGNING_TIME not in times:
            raise VerificationError("signing-time not present")
        return times[SIGNING_TIME]
    if SIGNING_TIME in times:
        raise _misplaced(SIGNING_TIME, scheme, "must not be present")
    if AUTHENTIC_SIGNING_TIME not in times:
        raise _misplaced(AUTHENTIC_SIGNING_TIME, scheme, "must be present")
    return times[AUTHENTIC_SIGNING_TIME]


def _misplaced(label: str, scheme: SigningScheme, problem: str) -> VerificationError:
    return VerificationError(f"{quoted(label)} header {problem} for {scheme} signing scheme")


def _check_critical(header: ProtectedHeader, scheme: SigningScheme) -> None:
    """Check the list of critical labels: not empty, none twice, each present, and the required ones among them."""
    # N34
    if not header.critical:
        raise VerificationError('missing "crit" header')
    if len(set(header.critical)) != len(header.critical):
        raise VerificationError('repeated entry in the "crit" header')
    for label in header.critical:
        if label not in header.values or label in header.registered:
            raise VerificationError(f"{quoted(label)} header is marked critical but not present")
    required = [SIGNING_SCHEME]
    required += [EXPIRY] if EXPIRY in header.times else []
    required += [AUTHENTIC_SIGNING_TIME] if scheme is SigningScheme.SIGNING_AUTHORITY else []
    missing = [label for label in required if label not in header.critical]
    if missing:
        raise VerificationError(f"these required headers are not marked as critical: {quoted_list(missing)}")
