"""Certificate revocation lists, base and delta, judged from their bytes for one certificate. Nothing is fetched here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from tidegate.errors import UndeterminedError, VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.revocation.material import MAX_CRL_BYTES, Standing
from tidegate.verify.notation.revocation.ocsp import CLOCK_SKEW
from tidegate.verify.notation.x509.certificate import Certificate, CrlPoint, crl_point

_WEAK_HASHES = frozenset({"md5", "sha1"})
_UNDERSTOOD_CRITICAL = (x509.IssuingDistributionPoint, x509.DeltaCRLIndicator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A CRL whose signature and time are checked; ``freshest`` says where its deltas are."""

    parsed: x509.CertificateRevocationList
    next_update: datetime
    number: int | None
    delta_base: int | None
    freshest: tuple[CrlPoint, ...]

    @property
    def is_delta(self) -> bool:
        """Tell whether it holds changes only."""
        return self.delta_base is not None


def load_crl(
    content: bytes, certificate: Certificate, issuer: Certificate, *, urls: Sequence[str], now: datetime
) -> Crl:
    """Return the CRL when it is the issuer's, is current and covers the certificate; raise UndeterminedError otherwise.

    ``urls`` are those that the certificate names for its CRL: where the CRL says what it is for, it must be one of them.
    Source: RFC 5280, sections 5 and 6.3.
    """
    # N67
    if len(content) > MAX_CRL_BYTES:
        raise UndeterminedError(f"CRL of {len(content)} bytes, more than {MAX_CRL_BYTES}")
    try:
        with reading("malformed CRL"):
            return _loaded(x509.load_der_x509_crl(content), certificate, issuer, urls, now)
    except VerificationError as error:
        raise UndeterminedError(str(error)) from error


def check_delta(base: Crl, delta: Crl) -> None:
    """Return when the delta goes with the base; raise UndeterminedError otherwise."""
    # N67
    if base.number is None or delta.number is None or delta.delta_base is None:
        raise UndeterminedError("delta CRL indicator or CRL number is not found")
    if delta.number <= base.number:
        raise UndeterminedError(
            f"delta CRL number {delta.number} is not greater than the base CRL number {base.number}"
        )
    if delta.delta_base > base.number:
        raise UndeterminedError(
            f"delta CRL indicator {delta.delta_base} is not less than or equal to the base CRL number {base.number}"
        )


def crl_standing(
    certificate: Certificate, lists: Sequence[Crl], *, authentic_signing_time: datetime | None = None
) -> Standing:
    """Return what a base CRL, with its delta if there is one, says of the certificate.

    Of a hold and its removal the latest counts; every other entry is final.
    """
    # N67
    try:
        with reading("malformed CRL entry"):
            entries = [entry for crl in lists for entry in _entries(crl.parsed, certificate.serial)]
            revoked = _is_revoked(entries, authentic_signing_time)
    except VerificationError as error:
        raise UndeterminedError(str(error)) from error
    return Standing(revoked=revoked, good_until=min(crl.next_update for crl in lists))


def _loaded(
    parsed: x509.CertificateRevocationList,
    certificate: Certificate,
    issuer: Certificate,
    urls: Sequence[str],
    now: datetime,
) -> Crl:
    _check_signature(parsed, issuer)
    if parsed.next_update_utc is None:
        raise UndeterminedError("CRL NextUpdate is not set")
    if now > parsed.next_update_utc:
        raise UndeterminedError("expired CRL")
    if parsed.last_update_utc > now + CLOCK_SKEW:
        raise UndeterminedError("CRL from the future")
    number: int | None = None
    delta_base: int | None = None
    freshest: tuple[CrlPoint, ...] = ()
    for extension in parsed.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            _check_scope(value, certificate, urls)
        elif isinstance(value, x509.DeltaCRLIndicator):
            delta_base = value.crl_number
        elif isinstance(value, x509.CRLNumber):
            number = value.crl_number
        elif isinstance(value, x509.FreshestCRL):
            freshest = tuple(crl_point(point) for point in value)
        if extension.critical and not isinstance(value, _UNDERSTOOD_CRITICAL):
            raise UndeterminedError(f"unsupported critical extension found in CRL: {extension.oid.dotted_string}")
    return Crl(
        parsed=parsed, next_update=parsed.next_update_utc, number=number, delta_base=delta_base, freshest=freshest
    )


def _check_signature(parsed: x509.CertificateRevocationList, issuer: Certificate) -> None:
    unsigned = f"CRL is not signed by CA {quoted(issuer.subject)}"
    digest = parsed.signature_hash_algorithm
    if parsed.issuer.public_bytes() != issuer.subject_der or digest is None or digest.name in _WEAK_HASHES:
        raise UndeterminedError(unsigned)
    if issuer.key_usage is not None and "CRLSign" not in issuer.key_usage.names:
        raise UndeterminedError(f"{unsigned}: its key usage does not allow it")
    if not parsed.is_signature_valid(issuer.public_key):  # type: ignore[arg-type]
        raise UndeterminedError(unsigned)


def _check_scope(scope: x509.IssuingDistributionPoint, certificate: Certificate, urls: Sequence[str]) -> None:
    """Check that the CRL covers the certificate with all reasons; else absence from it would mean nothing."""
    names = {name.value for name in scope.full_name or () if isinstance(name, x509.UniformResourceIdentifier)}
    other_kind = scope.only_contains_user_certs if certificate.is_ca else scope.only_contains_ca_certs
    elsewhere = scope.full_name is not None and not names & set(urls)
    partial = scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons is not None
    if partial or other_kind or elsewhere or scope.relative_name is not None:
        raise UndeterminedError("CRL does not cover the certificate")


def _entries(crl: x509.CertificateRevocationList, serial: int) -> list[x509.RevokedCertificate]:
    """Return the entries of the serial number. Only where the fast look-up finds one is the whole list read."""
    if crl.get_revoked_certificate_by_serial_number(serial) is None:
        return []
    return [entry for entry in crl if entry.serial_number == serial]


def _is_revoked(entries: Iterable[x509.RevokedCertificate], signing_time: datetime | None) -> bool:
    latest: tuple[datetime, bool] | None = None
    for entry in entries:
        reason, invalidity = _entry_extensions(entry)
        if signing_time is not None and invalidity is not None and signing_time < invalidity:
            continue
        if reason not in {x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl}:
            return True
        held = reason is x509.ReasonFlags.certificate_hold
        if latest is None or (entry.revocation_date_utc, held) > latest:
            latest = (entry.revocation_date_utc, held)
    return latest is not None and latest[1]


def _entry_extensions(entry: x509.RevokedCertificate) -> tuple[x509.ReasonFlags | None, datetime | None]:
    reason: x509.ReasonFlags | None = None
    invalidity: datetime | None = None
    for extension in entry.extensions:
        value = extension.value
        if isinstance(value, x509.CRLReason):
            reason = value.reason
        elif isinstance(value, x509.InvalidityDate):
            invalidity = value.invalidity_date_utc
        elif extension.critical:
            raise UndeterminedError(f"unsupported critical extension found in CRL: {extension.oid.dotted_string}")
    return reason, invalidity
