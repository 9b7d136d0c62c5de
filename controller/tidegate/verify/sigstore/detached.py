"""The procedure for what sigstore-python does not verify: signatures of long-lived keys, and cosign's older layers.

The steps are those of a keyless bundle, in the same order. A time that the log promises is used before the promise is
verified, as there; nothing of it counts unless every later step passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from tidegate.errors import VerificationError
from tidegate.strict.quotation import moment
from tidegate.verify.sigstore.bundle import LogEntry
from tidegate.verify.sigstore.certificate import Leaf, read_leaf
from tidegate.verify.sigstore.claims import check_not_ahead
from tidegate.verify.sigstore.layer import Promise
from tidegate.verify.sigstore.log_body import Signed, check_body
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep
from tidegate.verify.sigstore.proof import Signer
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust, harmless
from tidegate.verify.sigstore.trust_root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """A signature and what came with it. ``message`` is what was signed; None where only its SHA-256 is known."""

    signature: bytes
    message: bytes | None
    sha256: bytes = b""
    payload: bytes | None = None
    envelope: bytes | None = None
    certificate: bytes | None = None
    entry: LogEntry | Promise | None = None
    timestamps: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Who signed, when, and where a log holds it."""

    signer: Signer
    signed_at: datetime | None
    log_index: int | None


def verify_detached(given: Detached, authority: SignerTrust, now: datetime, procedure: Procedure) -> Signing:
    """Take steps 2 to 9; raise VerificationError at the first that fails."""
    if isinstance(authority, KeylessTrust):
        return _keyless(given, authority, now, procedure)
    return _keyed(given, authority, now, procedure)


def _keyless(given: Detached, authority: KeylessTrust, now: datetime, procedure: Procedure) -> Signing:
    import tidegate.verify.sigstore.adapter as library  # noqa: PLC0415 -- costs 0.4 seconds, see the adapter

    if given.certificate is None:
        raise no_certificate(authority)
    procedure.enter(SigstoreStep.CERTIFICATE)
    leaf = read_leaf(given.certificate)
    procedure.found(harmless(leaf.signer))
    entry = given.entry
    times = _times(given, entry, authority.root, now, procedure)
    if not times:
        raise VerificationError(
            "the signing time is unknown: no log entry and no trusted timestamp",
            clause="the transparency log entry is missing",
        )
    library.verify_certificate(leaf, times=times, root=authority.root, procedure=procedure)
    procedure.enter(SigstoreStep.IDENTITY)
    check_signer(authority, leaf, given)
    log_index = _log(entry, authority.root, times, now, procedure)
    procedure.enter(SigstoreStep.SIGNATURE)
    _verify_by_leaf(leaf, given)
    _entry(entry, given, leaf.der, procedure)
    return Signing(signer=leaf.signer, signed_at=times[0], log_index=log_index)


def _keyed(given: Detached, authority: KeyTrust, now: datetime, procedure: Procedure) -> Signing:
    key, root = authority.key, authority.root
    entry = given.entry if authority.require_log else None
    times = _times(given, entry, root, now, procedure) if root else ()
    procedure.enter(SigstoreStep.IDENTITY)
    procedure.found(f"required: {key.signer}")
    log_index = _log(entry, root, times, now, procedure) if root and authority.require_log else None
    procedure.enter(SigstoreStep.SIGNATURE)
    if given.message is None:
        key.verify_digest(given.signature, given.sha256)
    else:
        key.verify(given.signature, given.message)
    _entry(entry, given, key.der, procedure)
    return Signing(signer=key.signer, signed_at=times[0] if times else None, log_index=log_index)


def _times(
    given: Detached, entry: LogEntry | Promise | None, root: TrustRoot, now: datetime, procedure: Procedure
) -> tuple[datetime, ...]:
    """Take step 3: the times of trusted timestamp authorities, and the one that the log promises, in order."""
    times: tuple[datetime, ...] = ()
    procedure.enter(SigstoreStep.TIME)
    if given.timestamps and root.timestamp_authorities:
        import tidegate.verify.sigstore.adapter as library  # noqa: PLC0415 -- costs 0.4 seconds, see the adapter

        times = library.timestamp_times(given.signature, given.timestamps, root)
    promised = _promised_time(entry)
    found = tuple(sorted([*times, *([promised] if promised else [])]))
    for time in found:
        check_not_ahead(time, now)
    procedure.found(", ".join(moment(time) for time in found) or "none")
    return found


def _promised_time(entry: LogEntry | Promise | None) -> datetime | None:
    match entry:
        case Promise(integrated_time=seconds):
            return datetime.fromtimestamp(seconds, tz=UTC)
        case LogEntry(integrated_time=int(seconds), promised=True):
            return datetime.fromtimestamp(seconds, tz=UTC)
    return None


def _log(
    entry: LogEntry | Promise | None,
    root: TrustRoot,
    times: Sequence[datetime],
    now: datetime,
    procedure: Procedure,
) -> int:
    """Take step 7; return the entry's index. An entry without a trusted time is judged by the keys of today."""
    procedure.enter(SigstoreStep.LOG)
    if entry is None:
        raise missing_entry()
    import tidegate.verify.sigstore.adapter as library  # noqa: PLC0415 -- costs 0.4 seconds, see the adapter

    if isinstance(entry, LogEntry):
        library.verify_log_entry(entry, root, times or [now])
    else:
        library.verify_promise(
            body=entry.text,
            integrated_time=entry.integrated_time,
            log_index=entry.index,
            log_id=entry.log_id,
            signature=entry.signature,
            root=root,
        )
    procedure.found(f"index {entry.index}")
    return entry.index


def no_certificate(authority: KeylessTrust) -> VerificationError:
    """Return the error of a signature by a key where an identity has to sign."""
    return VerificationError(
        "signed with a long-lived key, but an identity is required",
        clause="signed with a key, not with the certificate of an identity",
        accepted=authority.accepted,
    )


def missing_entry() -> VerificationError:
    """Return the error of a signature without an entry of a transparency log where one is required."""
    return VerificationError(
        "the signature has no transparency log entry, and one is required",
        clause="the transparency log entry is missing",
    )


def check_signer(authority: KeylessTrust, leaf: Leaf, given: Detached) -> None:
    """Raise VerificationError unless the certificate names one of the identities.

    Before the error says that somebody else signed, the signature is verified with that certificate: certificates are
    public, and every user with push access can attach one to an image.
    """
    try:
        authority.check(leaf.signer)
    except VerificationError:
        _verify_by_leaf(leaf, given)
        raise


def _verify_by_leaf(leaf: Leaf, given: Detached) -> None:
    """Verify with SHA-256 whatever the curve, as sigstore-python does and cosign's keyless signatures are."""
    if given.message is None and not given.sha256:
        raise VerificationError("the signed content is missing")
    message, algorithm = given.message, ec.ECDSA(hashes.SHA256())
    if message is None:
        message, algorithm = given.sha256, ec.ECDSA(Prehashed(hashes.SHA256()))
    try:
        leaf.key.verify(given.signature, message, algorithm)
    except InvalidSignature as error:
        raise VerificationError(
            "the signature is not by the certificate's key over this content", clause=SigstoreStep.SIGNATURE.clause
        ) from error


def _entry(entry: LogEntry | Promise | None, given: Detached, verifier: bytes, procedure: Procedure) -> None:
    """Take step 9 where there is an entry."""
    if entry is None:
        return
    procedure.enter(SigstoreStep.ENTRY)
    signed = Signed(
        signature=given.signature,
        verifier=verifier,
        message=given.message,
        digest=given.sha256,
        payload=given.payload,
        envelope=given.envelope,
    )
    check_body(entry.body, entry.kind, entry.version, signed)
    procedure.found(f"{entry.kind} {entry.version}")
