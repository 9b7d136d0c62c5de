"""The only place that touches sigstore-python, and the only one that touches its private parts.

sigstore-python verifies keyless bundles as one call. Here its own classes are extended where they ask for something: each
question becomes a numbered step, and the answers close what the library leaves open: it asks for keys and authorities
without a time, so it believes one long after its ``validFor``; it reads the clock; it knows no log entry without an
inclusion proof and no signer without a certificate. tests/unit/verify/sigstore/test_adapter.py holds what is relied on.

Import it lazily: it costs 0.4 seconds and 55 MiB.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sigstore.errors
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import decode_timestamp_response
from sigstore import models
from sigstore._internal.sct import verify_sct
from sigstore._internal.timestamp import TimestampSource, TimestampVerificationResult
from sigstore._internal.trust import CertificateAuthority, CTKeyring, Keyring, KeyringPurpose, RekorKeyring
from sigstore._utils import KeyID
from sigstore.hashes import Hashed
from sigstore.verify import Verifier
from sigstore.verify.policy import VerificationPolicy
from sigstore_models.bundle.v1 import Bundle as BundleModel
from sigstore_models.common import v1 as common
from sigstore_models.rekor.v1 import TransparencyLogEntry as EntryModel

from tidegate.errors import Error, UndeterminedError, VerificationError
from tidegate.strict.quotation import moment, quoted
from tidegate.verify.sigstore.bundle import Bundle, DsseEnvelope, LogEntry, MessageSignature
from tidegate.verify.sigstore.certificate import Leaf
from tidegate.verify.sigstore.log_body import Signed, check_body
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep, is_panic
from tidegate.verify.sigstore.statement import signed_text
from tidegate.verify.sigstore.trust_root import LogKey, TrustedAuthority, TrustRoot, valid_at

_INSTANT = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)

CheckTime = Callable[[datetime], None]
"""Raises VerificationError for a time that can't be."""


@contextmanager
def library_errors() -> Iterator[None]:
    """Turn sigstore-python's errors into ours, their text quoted since it may repeat hostile bytes."""
    try:
        yield
    except Error:
        raise
    except sigstore.errors.Error as error:
        raise VerificationError(f"refused: {quoted(error)}") from error
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise VerificationError(f"unreadable ({type(error).__name__})") from error


class _TimestampAuthority(CertificateAuthority):
    """A timestamp authority whose window has both ends included and is never compared with the clock."""

    def __init__(self, authority: TrustedAuthority) -> None:
        self._window = authority.window
        self._certificates = [x509.load_der_x509_certificate(der) for der in authority.chain]

    @property
    def validity_period_start(self) -> datetime:
        return self._window.start or datetime.min.replace(tzinfo=UTC)

    @property
    def validity_period_end(self) -> datetime | None:
        # The library compares with "before"; the specification includes the end. The last instant of all has none after.
        end = self._window.end
        return end + _INSTANT if end and end <= _LAST - _INSTANT else None

    def certificates(self, *, allow_expired: bool) -> list[x509.Certificate]:  # noqa: ARG002 -- the library's signature
        return self._certificates


class _ObservedTrustedRoot(models.TrustedRoot):
    """Gives the library what is valid at the times of the signature, and records when it asks."""

    def __init__(self, root: TrustRoot, procedure: Procedure) -> None:
        self._root = root
        self._procedure = procedure
        self.times: tuple[datetime, ...] = ()
        self.certificate_logged_at: datetime | None = None

    def get_timestamp_authorities(self) -> list[CertificateAuthority]:
        return [_TimestampAuthority(one) for one in self._root.timestamp_authorities]

    def fulcio_certificates_at(self, time: datetime) -> list[x509.Certificate]:
        require(self._root.authorities, "certificate authority")
        found = valid_at(self._root.authorities, time)
        if not found:
            raise VerificationError(f"no certificate authority of the trusted root was valid at {moment(time)}")
        return [x509.load_der_x509_certificate(der) for one in found for der in one.chain]

    def ct_keyring(self, purpose: KeyringPurpose) -> CTKeyring:  # noqa: ARG002 -- the library's signature
        self._procedure.enter(SigstoreStep.SCT)
        require(self._root.certificate_logs, "certificate transparency log")
        times = (self.certificate_logged_at,) if self.certificate_logged_at else ()
        return CTKeyring(_keyring(self._root.certificate_logs, times))

    def rekor_keyring(self, purpose: KeyringPurpose) -> RekorKeyring:  # noqa: ARG002 -- the library's signature
        self._procedure.enter(SigstoreStep.LOG)
        require(self._root.logs, "transparency log")
        return RekorKeyring(_keyring(self._root.logs, self.times))


class _ObservedBundle(models.Bundle):
    """A bundle that notes when the library turns from the signature to the log's entry."""

    procedure: Procedure | None = None

    @property
    def log_entry(self) -> models.TransparencyLogEntry:
        if self.procedure and self.procedure.current is SigstoreStep.SIGNATURE:
            self.procedure.enter(SigstoreStep.ENTRY)
        return super().log_entry


class _Verifier(Verifier):
    """The library's procedure with its steps made visible and its windows closed."""

    def __init__(self, root: TrustRoot, procedure: Procedure, check_time: CheckTime) -> None:
        # Not the library's own: it would make a client for a log's URL, and nothing here may have one.
        self._root = _ObservedTrustedRoot(root, procedure)
        self._trusted_root = self._root
        self._fulcio_certificate_chain: list[x509.Certificate] = []
        self._procedure = procedure
        self._check_time = check_time

    @property
    def times(self) -> tuple[datetime, ...]:
        return self._root.times

    def _establish_time(self, bundle: models.Bundle) -> list[TimestampVerificationResult]:
        self._procedure.enter(SigstoreStep.TIME)
        found = super()._establish_time(bundle) if not _is_intoto(bundle) else self._intoto_times(bundle)
        self.take_times(found)
        return found

    def _intoto_times(self, bundle: models.Bundle) -> list[TimestampVerificationResult]:
        """Return the times of an older log entry, as for a dsse one; its promise is verified with the entry."""
        entry, found = bundle.log_entry._inner, list[TimestampVerificationResult]()  # noqa: SLF001
        if bundle.verification_material.timestamp_verification_data and self._root.get_timestamp_authorities():
            found += self._verify_timestamp_authority(bundle)
        if entry.integrated_time and entry.inclusion_promise:
            time = datetime.fromtimestamp(entry.integrated_time, tz=UTC)
            found.append(TimestampVerificationResult(source=TimestampSource.TRANSPARENCY_SERVICE, time=time))
        return found

    def verify_intoto(self, bundle: models.Bundle, given: Bundle, policy: VerificationPolicy) -> bytes:
        """Verify an envelope whose log entry is of the kind intoto 0.0.2, which the library doesn't know."""
        content, entry = given.content, given.entry
        if not isinstance(content, DsseEnvelope) or entry is None:
            raise VerificationError("the log entry is for an envelope, and the bundle has none")
        self._verify_common_signing_cert(bundle, policy)
        key = bundle.signing_certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise VerificationError("expected a key of an elliptic curve")
        try:
            key.verify(content.signature, signed_text(content), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise VerificationError("the signature is not by the certificate's key over this content") from error
        self._procedure.enter(SigstoreStep.ENTRY)
        signed = Signed(
            signature=content.signature,
            verifier=bundle.signing_certificate.public_bytes(Encoding.DER),
            payload=content.payload,
        )
        check_body(entry.body, entry.kind, entry.version, signed)
        return content.payload

    def take_times(self, found: Sequence[TimestampVerificationResult]) -> None:
        for one in found:
            self._check_time(one.time)
        self._root.times = tuple(sorted(one.time for one in found))
        self._procedure.found(", ".join(f"{moment(one.time)} by {_SOURCES[one.source]}" for one in found))

    def _verify_chain_at_time(
        self, certificate: x509.Certificate, timestamp_result: TimestampVerificationResult
    ) -> list[x509.Certificate]:
        self._procedure.enter(SigstoreStep.CHAIN)
        self._fulcio_certificate_chain = self._root.fulcio_certificates_at(timestamp_result.time)
        chain = super()._verify_chain_at_time(certificate, timestamp_result)
        for one in chain:
            if not one.not_valid_before_utc <= timestamp_result.time <= one.not_valid_after_utc:
                raise VerificationError(f"an authority's certificate was not valid at {moment(timestamp_result.time)}")
        self._root.certificate_logged_at = _sct_time(certificate)
        return chain

    def _verify_common_signing_cert(self, bundle: models.Bundle, policy: VerificationPolicy) -> None:
        super()._verify_common_signing_cert(bundle, policy)
        self._procedure.enter(SigstoreStep.SIGNATURE)

    def verify_chain(self, leaf: Leaf) -> None:
        """Take steps 4 and 5 for a certificate outside of a bundle, at the times that were taken."""
        if not self.times:
            raise VerificationError("the signing time is unknown: no trusted timestamp or log entry")
        chain: list[x509.Certificate] = []
        for time in self.times:
            result = TimestampVerificationResult(source=TimestampSource.TRANSPARENCY_SERVICE, time=time)
            chain = self._verify_chain_at_time(leaf.certificate, result)
            if not leaf.certificate.not_valid_before_utc <= time <= leaf.certificate.not_valid_after_utc:
                raise VerificationError(f"the certificate was not valid at {moment(time)}")
        verify_sct(leaf.certificate, chain, self._root.ct_keyring(KeyringPurpose.VERIFY))

    def stamped_times(self, signature: bytes, answers: Sequence[bytes]) -> list[TimestampVerificationResult]:
        """Return the times that trusted authorities gave for the signature."""
        decoded = [decode_timestamp_response(one) for one in answers]
        found = [self._verify_signed_timestamp(one, signature) for one in decoded]
        return [one for one in found if one]


class _Identity:
    """The library's policy object: asked in the middle of its procedure, answers with our check."""

    def __init__(self, check: Callable[[], None], procedure: Procedure) -> None:
        self._check = check
        self._procedure = procedure

    def verify(self, cert: x509.Certificate) -> None:  # noqa: ARG002 -- it was read before, from the same bytes
        self._procedure.enter(SigstoreStep.IDENTITY)
        self._check()


_STEPS = (
    SigstoreStep.TIME,
    SigstoreStep.CHAIN,
    SigstoreStep.SCT,
    SigstoreStep.IDENTITY,
    SigstoreStep.LOG,
    SigstoreStep.SIGNATURE,
    SigstoreStep.ENTRY,
)
"""The steps that ``verify_keyless_bundle`` leaves to the library, each of which makes the library ask for something."""

_SOURCES = {
    TimestampSource.TIMESTAMP_AUTHORITY: "a timestamp authority",
    TimestampSource.TRANSPARENCY_SERVICE: "the transparency log",
}


def verify_keyless_bundle(
    bundle: Bundle,
    *,
    sha256: bytes,
    root: TrustRoot,
    check_signer: Callable[[], None],
    check_time: CheckTime,
    procedure: Procedure,
) -> tuple[bytes | None, tuple[datetime, ...]]:
    """Take steps 3 to 9 for a bundle with a certificate; return the DSSE payload, if any, and the verified times.

    A message signature is verified as one over an artifact with the ``sha256``. Raise VerificationError at the first
    step that fails.
    """
    with library_errors():
        verifier = _Verifier(root, procedure, check_time)
        # At this point, the library requires only that the bundle has a time.
        procedure.enter(SigstoreStep.TIME)
        _check_kind(bundle)
        parsed = _ObservedBundle(BundleModel.from_json(bundle.wire))
        parsed.procedure = procedure
        identity = _Identity(check_signer, procedure)
        payload = None
        if _is_intoto(parsed):
            payload = verifier.verify_intoto(parsed, bundle, identity)
        elif parsed._dsse_envelope is not None:  # noqa: SLF001 -- see the module's docstring
            _, payload = verifier.verify_dsse(parsed, identity)
        else:
            digest = Hashed(algorithm=common.HashAlgorithm.SHA2_256, digest=sha256)
            verifier.verify_artifact(digest, parsed, identity)
    check_all_taken(procedure)
    return payload, verifier.times


_INTOTO = ("intoto", "0.0.2")
_COMPARED = {
    DsseEnvelope: (("dsse", "0.0.1"), ("hashedrekord", "0.0.2"), _INTOTO),
    MessageSignature: (("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2")),
}
"""The kinds of log entries that identify the signature of a bundle; those of intoto 0.0.1 do not."""


def _check_kind(bundle: Bundle) -> None:
    """Raise VerificationError for a log entry that could not be compared with the bundle."""
    entry = bundle.entry
    if entry is not None and (entry.kind, entry.version) not in _COMPARED[type(bundle.content)]:
        raise VerificationError(f"log entries of kind {quoted(f'{entry.kind} {entry.version}')} cannot be compared")


def _is_intoto(bundle: models.Bundle) -> bool:
    found = bundle.log_entry._inner.kind_version  # noqa: SLF001 -- see the module's docstring
    return (found.kind, found.version) == _INTOTO


def check_all_taken(procedure: Procedure) -> None:
    """Raise VerificationError unless the library took every step: a changed library may skip one."""
    left_out = [step for step in _STEPS if step not in procedure.taken]
    if left_out:
        raise VerificationError(f"sigstore-python did not {left_out[0].title}")


def verify_certificate(leaf: Leaf, *, times: Sequence[datetime], root: TrustRoot, procedure: Procedure) -> None:
    """Take steps 4 and 5 for a certificate that came without a bundle, at each of the verified times."""
    with library_errors():
        verifier = _Verifier(root, procedure, lambda _: None)
        verifier._root.times = tuple(times)  # noqa: SLF001 -- our own class
        verifier.verify_chain(leaf)


def timestamp_times(signature: bytes, answers: Sequence[bytes], root: TrustRoot) -> tuple[datetime, ...]:
    """Return the times that trusted timestamp authorities gave for the signature, none where none is to be believed."""
    with library_errors():
        verifier = _Verifier(root, Procedure(), lambda _: None)
        return tuple(sorted(one.time for one in verifier.stamped_times(signature, answers)))


def verify_log_entry(entry: LogEntry, root: TrustRoot, times: Sequence[datetime]) -> None:
    """Verify inclusion, checkpoint, and the promise if there is one, by a log key valid at each of the times."""
    require(root.logs, "transparency log")
    with library_errors():
        model = models.TransparencyLogEntry(EntryModel.from_json(entry.wire))
        model._verify(RekorKeyring(_keyring(root.logs, times)))  # noqa: SLF001 -- see the module's docstring


def verify_promise(
    *, body: str, integrated_time: int, log_index: int, log_id: bytes, signature: bytes, root: TrustRoot
) -> None:
    """Verify a log's signed promise (SET) that comes without a proof, as cosign's layers hold it.

    ``body`` is the base64 text; all four values are signed, as canonical JSON (RFC 8785, trivial for such values).
    """
    require(root.logs, "transparency log")
    promised = {"body": body, "integratedTime": integrated_time, "logID": log_id.hex(), "logIndex": log_index}
    data = json.dumps(promised, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    with library_errors():
        keyring = _keyring(root.logs, [datetime.fromtimestamp(integrated_time, tz=UTC)])
        keyring.verify(key_id=KeyID(log_id), signature=signature, data=data)


def require(items: Sequence[object], what: str) -> None:
    """Raise UndeterminedError if the trust root lacks what every signature needs: the signature may be valid."""
    if not items:
        raise UndeterminedError(f"the trusted root has no {what}", clause=f"the trusted root has no {what}")


def _keyring(logs: Sequence[LogKey], times: Sequence[datetime]) -> Keyring:
    """Return the keys valid at every one of the times."""
    found = valid_at(logs, *times)
    if not found:
        raise VerificationError(f"no key of a trusted log was valid at {', '.join(moment(time) for time in times)}")
    return Keyring(
        [
            common.PublicKey(raw_bytes=base64.b64encode(one.der), key_details=common.PublicKeyDetails(one.details))
            for one in found
        ]
    )


def _sct_time(certificate: x509.Certificate) -> datetime | None:
    """Return the time of the certificate's SCT; the library checks everything else about it."""
    try:
        found = list(
            certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
        )
    except x509.ExtensionNotFound:
        return None
    return found[0].timestamp.replace(tzinfo=UTC) if len(found) == 1 else None
