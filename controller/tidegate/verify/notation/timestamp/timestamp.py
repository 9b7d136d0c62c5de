"""The authentic time of a signature, and whether the signer's certificates were valid then.

Under ``notary.x509.signingAuthority`` it is the signing authority's time, under ``notary.x509`` the time of a timestamp
countersignature, or the present time if none is required.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.errors import VerificationError
from tidegate.strict.quotation import day, quoted, quoted_time
from tidegate.verify.notation.timestamp.cms import (
    TimestampInfo,
    check_imprint,
    parse_signed_token,
    read_timestamp_info,
    verify_signer,
)
from tidegate.verify.notation.trust_policy.level import TimestampRule
from tidegate.verify.notation.trust_policy.statement import TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import StoreKind
from tidegate.verify.notation.x509.certificate import Certificate
from tidegate.verify.notation.x509.chain import MAX_CHAIN_LENGTH, Purpose, is_issued_by, validate_chain

MAX_ISSUER_CHECKS = 64
"""Signatures that are checked while looking for the way from a timestamp's signer to a trusted root."""

_ROLE = "signing certificate"
_VERIFY = "failed to verify the timestamp countersignature with error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A verified countersignature: the moment, and the authority's chain whose revocation is still to be checked."""

    info: TimestampInfo
    chain: tuple[Certificate, ...]


def is_timestamp_required(statement: TrustPolicyStatement, chain: Sequence[Certificate], now: datetime) -> bool:
    """Tell whether the policy requires a countersignature: it names a ``tsa`` store, and the rule requires it."""
    # N58
    if not any(store.kind is StoreKind.TSA for store in statement.trust_stores):
        return False
    if statement.signature_verification.verify_timestamp is TimestampRule.ALWAYS:
        return True
    return any(now > certificate.not_after for certificate in chain)


def check_valid_now(chain: Sequence[Certificate], now: datetime) -> None:
    """Return when every certificate is valid at the time of verification."""
    # N58
    for certificate in chain:
        if now < certificate.not_before:
            raise VerificationError(
                f"verification time is before certificate {quoted(certificate.subject)} validity period, it will be"
                f" valid from {quoted_time(certificate.not_before)}",
                clause=f"{certificate.called(_ROLE)} is not valid before {day(certificate.not_before)}",
            )
        if now > certificate.not_after:
            raise VerificationError(
                f"verification time is after certificate {quoted(certificate.subject)} validity period, it was expired"
                f" at {quoted_time(certificate.not_after)}",
                clause=f"{certificate.called(_ROLE)} expired on {day(certificate.not_after)}",
            )


def check_valid_at_signing(chain: Sequence[Certificate], signing_time: datetime) -> None:
    """Return when every certificate was valid at the signing authority's time."""
    # N57
    for certificate in chain:
        if not certificate.is_valid_at(signing_time):
            raise VerificationError(
                f"certificate {quoted(certificate.subject)} was not valid when the digital signature was produced at"
                f" {quoted_time(signing_time)}",
                clause=f"{certificate.called(_ROLE)} was not valid when the image was signed on {day(signing_time)}",
            )


def verify_timestamp(token: bytes | None, signature: bytes, roots: Sequence[Certificate]) -> Timestamp:
    """Return the timestamp of the signature's bytes that a trusted authority made; raise VerificationError otherwise.

    ``signature`` is the primitive one: r and s, or the PSS value. Revocation of the authority is not checked here.
    """
    # N59
    if not token:
        raise VerificationError(
            "no timestamp countersignature was found in the signature envelope",
            clause="the signature has no timestamp",
        )
    signed = parse_signed_token(token)
    info = read_timestamp_info(signed)
    try:
        check_imprint(info.imprint, signature)
    except VerificationError as error:
        raise VerificationError(
            f"failed to get timestamp from timestamp countersignature with error: {error}"
        ) from error
    try:
        signer = verify_signer(signed)  # N60
        chain = _path(signer, signed.certificates, roots, info.moment)  # N61
    except VerificationError as error:
        raise VerificationError(f"{_VERIFY}: {error}", clause=error.clause) from error
    try:
        validate_chain(chain, Purpose.TIMESTAMPING)  # N52, N61
    except VerificationError as error:
        raise VerificationError(f"failed to validate the timestamping certificate chain with error: {error}") from error
    return Timestamp(info=info, chain=chain)


def check_timestamp_within(chain: Sequence[Certificate], info: TimestampInfo) -> None:
    """Return when the whole range of the timestamp lies in every signing certificate's validity period."""
    # N62
    earliest, latest = info.moment - info.accuracy, info.moment + info.accuracy
    for certificate in chain:
        if earliest < certificate.not_before:
            raise VerificationError(
                f"timestamp can be before certificate {quoted(certificate.subject)} validity period, it will be valid"
                f" from {quoted_time(certificate.not_before)}",
                clause=f"the timestamp is of a time before {certificate.called(_ROLE)} was valid",
            )
        if latest > certificate.not_after:
            raise VerificationError(
                f"timestamp can be after certificate {quoted(certificate.subject)} validity period, it was expired at"
                f" {quoted_time(certificate.not_after)}",
                clause=f"the timestamp is of a time after {certificate.called(_ROLE)} expired",
            )


def _path(
    signer: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate], moment: datetime
) -> tuple[Certificate, ...]:
    """Return the shortest way from the signer to a trusted root, all certificates of it valid at the moment.

    Breadth first, so that a token's cross-certificates neither hide the way nor make it endless.
    """
    if not signer.is_valid_at(moment):
        raise VerificationError(f"certificate {quoted(signer.subject)} is not valid at {quoted_time(moment)}")
    usable = [certificate for certificate in dict.fromkeys((*roots, *others)) if certificate.is_valid_at(moment)]
    trusted, checks = set(roots), 0
    ways: list[tuple[Certificate, ...]] = [(signer,)]
    while ways:
        way = ways.pop(0)
        if way[-1] in trusted:
            return way
        for issuer in usable if len(way) < MAX_CHAIN_LENGTH else ():
            if issuer in way or issuer.subject_der != way[-1].issuer_der:
                continue
            checks += 1
            if checks > MAX_ISSUER_CHECKS:
                raise VerificationError("too many certificates of one name")
            if is_issued_by(way[-1], issuer):
                ways.append((*way, issuer))
    raise VerificationError(
        "certificate signed by unknown authority", clause="the timestamp authority of the signature is not trusted"
    )
