"""The verification of one Notation signature, as a numbered procedure over bytes.

Every level takes the same steps; a failed step is either enforced or only logged. Nothing is fetched and no clock is
read: ``now``, trust stores and the answers of revocation services are arguments. If answers are missing, the outcome has
the questions to ask; call again with the answers.

The trust anchor (step 2) is searched before any signature is verified, so that an untrusted envelope costs microseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidegate.errors import Error, UndeterminedError, VerificationError
from tidegate.strict.quotation import day, quoted_time
from tidegate.verify.notation.authenticity import check_subject, find_anchor
from tidegate.verify.notation.envelope.attributes import SigningScheme
from tidegate.verify.notation.envelope.envelope import Envelope, open_envelope, parse_envelope
from tidegate.verify.notation.envelope.payload import (
    SignedPayload,
    TargetArtifact,
    check_metadata,
    check_target,
    read_payload,
)
from tidegate.verify.notation.envelope.plugin import check_critical_attributes, required_plugin
from tidegate.verify.notation.outcome import NotationOutcome, NotationSigner, NotationStep
from tidegate.verify.notation.revocation.chain import ChainStanding, chain_standing, check_standing
from tidegate.verify.notation.revocation.material import NOTHING_KNOWN, NoAnswer, Question, RevocationMaterial
from tidegate.verify.notation.signer import (
    PROCESSED,
    SignerAnswer,
    SigningProfile,
    check_answer,
    check_profile_trusted,
    revocation_failure,
    revocation_question,
    signing_profile,
)
from tidegate.verify.notation.timestamp.timestamp import (
    check_timestamp_within,
    check_valid_at_signing,
    check_valid_now,
    is_timestamp_required,
    verify_timestamp,
)
from tidegate.verify.notation.trust_policy.level import ValidationAction, ValidationType
from tidegate.verify.notation.trust_policy.statement import TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import CertificateStores, StoreKind
from tidegate.verify.notation.x509.certificate import Certificate
from tidegate.verify.notation.x509.chain import Purpose, validate_chain
from tidegate.verify.step import StepOutcome

_NO_METADATA: Mapping[str, str] = {}
_STOPS = frozenset({StepOutcome.FAILED, StepOutcome.UNDECIDED})
"""What ends the procedure: an enforced step that did not pass."""


def verify_notation(
    envelope: bytes,
    media_type: str,
    target: TargetArtifact,
    statement: TrustPolicyStatement,
    stores: CertificateStores,
    *,
    now: datetime,
    revocation: RevocationMaterial = NOTHING_KNOWN,
    metadata: Mapping[str, str] = _NO_METADATA,
) -> NotationOutcome:
    """Verify the envelope as a signature of the target under the statement. Never raises for bad evidence.

    ``media_type`` is that of the layer that held the envelope, ``target`` the descriptor of the manifest that was
    fetched by digest, ``now`` has a time zone, ``metadata`` must all be among what was signed.
    Source: Notary Project trust store and trust policy specification, "Signature Verification".
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    verification = _Verification(
        content=envelope,
        media_type=media_type,
        target=target,
        statement=statement,
        stores=stores,
        now=now,
        material=revocation,
        required_metadata=metadata,
    )
    return verification.run()


_CLAUSES = (
    "the signature envelope is malformed",
    "the signing certificate is not trusted",
    "the signature does not match its signing certificate",
    "the certificate chain of the signature is not valid for signing",
    "the signature does not say which image was signed",
    "the signature has a critical attribute that tidegate does not support",
    "the subject of the signing certificate is not valid",
    "the expiry of the signature is not valid",
    "the timestamp of the signature is not valid",
    "the revocation status of the signature is unknown",
)
"""What users read where a step does not pass and its error says nothing more exact."""


def _steps() -> tuple[NotationStep, ...]:
    rows = (
        ("read the envelope and its signed attributes", ValidationType.INTEGRITY, "N28-N36"),
        ("find a trusted certificate in the certificate chain", ValidationType.AUTHENTICITY, "N54"),
        ("verify the signature with the signing certificate's key", ValidationType.INTEGRITY, "N36-N38"),
        ("check the chain against the certificate profile", ValidationType.INTEGRITY, "N39, N46-N53"),
        ("compare the signed artifact and metadata with the required ones", ValidationType.INTEGRITY, "N41, N42"),
        ("check the critical attributes and the required plugin", ValidationType.INTEGRITY, "N40, N43, N44"),
        ("match the signer with the trusted identities", ValidationType.AUTHENTICITY, "N45, N55"),
        ("check the signature's expiry", ValidationType.EXPIRY, "N56"),
        ("check the signing time", ValidationType.AUTHENTIC_TIMESTAMP, "N57-N63"),
        ("check for revocation", ValidationType.REVOCATION, "N45, N64-N68"),
    )
    return tuple(
        NotationStep(
            number=number,
            title=title,
            outcome=StepOutcome.NOT_REACHED,
            clause=clause,
            rules=f"{validation}, {rules}",
            validation=validation,
        )
        for number, ((title, validation, rules), clause) in enumerate(zip(rows, _CLAUSES, strict=True), start=1)
    )


STEPS = _steps()
"""The procedure, with no step taken yet. Integrity is enforced at every level."""


@dataclass(slots=True, kw_only=True)
class _Verification:
    """One verification, and what later steps need of earlier ones."""

    content: bytes
    media_type: str
    target: TargetArtifact
    statement: TrustPolicyStatement
    stores: CertificateStores
    now: datetime
    material: RevocationMaterial
    required_metadata: Mapping[str, str]
    envelope: Envelope | None = None
    chain: tuple[Certificate, ...] = ()
    payload: SignedPayload | None = None
    profile: SigningProfile | None = None
    anchor: int | None = None
    identified: bool = False
    moments: list[datetime] = field(default_factory=list)
    questions: dict[Question, None] = field(default_factory=dict)

    def run(self) -> NotationOutcome:
        """Take the steps until an enforced one does not pass."""
        actions: tuple[Callable[[], str | None], ...] = (
            self._read,  # 1
            self._find_anchor,  # 2
            self._open,  # 3
            self._check_profile,  # 4
            self._compare,  # 5
            self._understand,  # 6
            self._identify,  # 7
            self._expire,  # 8
            self._timestamp,  # 9
            self._revoke,  # 10
        )
        steps: list[NotationStep] = []
        for step, act in zip(STEPS, actions, strict=True):
            action = self._action(step)
            if action is ValidationAction.SKIP:
                steps.append(replace(step, outcome=StepOutcome.SKIPPED))
            elif any(one.outcome in _STOPS for one in steps):
                steps.append(step)
            else:
                steps.append(_perform(step, action, act)[0])
        self._look_ahead(steps)
        return self._outcome(tuple(steps))

    def _action(self, step: NotationStep) -> ValidationAction:
        return self.statement.signature_verification.action(step.validation)

    def _read(self) -> None:
        self.envelope = parse_envelope(self.content, self.media_type)  # N28-N36

    def _find_anchor(self) -> None:
        sealed, attributes = self._envelope.sealed, self._envelope.attributes
        self.anchor = find_anchor(sealed.chain, attributes.scheme, self.statement, self.stores)  # N54

    def _open(self) -> None:
        self.chain = open_envelope(self._envelope)  # N36-N38

    def _check_profile(self) -> None:
        try:
            validate_chain(self.chain, Purpose.CODE_SIGNING)  # N46-N53
        except VerificationError as error:
            raise VerificationError(f"certificate-chain is invalid, {error}") from error  # N39

    def _compare(self) -> None:
        payload = read_payload(self._envelope.sealed.payload)
        check_target(payload, self.target)  # N41
        check_metadata(payload, self.required_metadata)  # N42
        self.payload = payload

    def _understand(self) -> str | None:
        attributes = self._envelope.attributes
        plugin = required_plugin(attributes)  # N43, N44
        check_critical_attributes(attributes, frozenset() if plugin is None else PROCESSED)  # N40
        if plugin is not None:
            self.profile = signing_profile(attributes, self._envelope.sealed.media_type)  # N45
        return plugin

    def _identify(self) -> str:
        if self.profile is None:
            check_subject(self.chain[0], self.statement)  # N55
            self.identified = True
            return self.chain[0].subject
        check_profile_trusted(self.profile, self.statement.trusted_identities)  # N45
        self.identified = True
        return self.profile.version_arn

    def _expire(self) -> str | None:
        expiry = self._envelope.attributes.expiry
        if expiry is None:
            return "the signature has no expiry"
        if self.now >= expiry:  # N56
            raise VerificationError(
                f"digital signature has expired on {quoted_time(expiry)}",
                clause=f"the signature expired on {day(expiry)}",
            )
        self.moments.append(expiry)
        return None

    def _timestamp(self) -> str:
        attributes, statement = self._envelope.attributes, self.statement
        if attributes.scheme is SigningScheme.SIGNING_AUTHORITY:
            check_valid_at_signing(self.chain, attributes.signing_time)  # N57
            return f"signed at {quoted_time(attributes.signing_time)} according to the signing authority"
        if not is_timestamp_required(statement, self.chain, self.now):  # N58
            check_valid_now(self.chain, self.now)
            self.moments += [certificate.not_after for certificate in self.chain]
            return "no timestamp is required, every certificate is valid now"
        roots = self.stores.certificates(statement.trust_stores, StoreKind.TSA)
        sealed = self._envelope.sealed
        timestamp = verify_timestamp(sealed.timestamp_token, sealed.signature, roots)  # N59-N61
        check_timestamp_within(self.chain, timestamp.info)  # N62
        self._check_chain(timestamp.chain, "timestamping certificate", None)  # N63
        return f"signed before {quoted_time(timestamp.info.moment)} according to {timestamp.chain[0].subject}"

    def _revoke(self) -> str | None:
        if self.anchor is None or not self.identified:
            # N68: an untrusted signer chose the URLs in this chain.
            raise UndeterminedError("revocation is not checked for a signature whose signer is not trusted")
        if self.profile is not None:
            self._ask_signer(self.profile)  # N45
            return None
        attributes = self._envelope.attributes
        by_authority = attributes.scheme is SigningScheme.SIGNING_AUTHORITY
        signing_time = attributes.signing_time if by_authority else None
        # The certificates above the anchor are not trusted: an attacker can issue a new certificate for the key that issued
        # the anchor, with other URLs. The anchor is trusted, and so are the revocation services that it names.
        trusted = self.chain[: self.anchor + 2]
        usage = trusted[-1].key_usage
        if len(trusted) > self.anchor + 1 and usage is not None and "CRLSign" not in usage.names:
            # Name and key of the certificate above the anchor are the issuer's; its key usage may be an attacker's. A key
            # usage that excludes CRLs must not hide a revocation.
            *below, issuer = trusted
            unrestricted = (*below, replace(issuer, key_usage=None))
            if self._standing(unrestricted, signing_time).revoked:
                trusted = unrestricted
        return self._check_chain(trusted, "signing certificate", signing_time)  # N64-N68

    def _check_chain(
        self, chain: tuple[Certificate, ...], role: str, authentic_signing_time: datetime | None
    ) -> str | None:
        standing = self._standing(chain, authentic_signing_time)
        self.questions.update(dict.fromkeys(standing.questions))
        check_standing(standing, role)
        if standing.good_until is not None:
            self.moments.append(standing.good_until)
        if standing.unrevokable:
            return f"{len(standing.unrevokable)} of {len(chain) - 1} certificates name no revocation service"
        return None

    def _standing(self, chain: tuple[Certificate, ...], authentic_signing_time: datetime | None) -> ChainStanding:
        return chain_standing(chain, self.material, now=self.now, authentic_signing_time=authentic_signing_time)

    def _ask_signer(self, profile: SigningProfile) -> None:
        question = revocation_question(profile, self._envelope.attributes, self.chain)
        answer = self.material.answers.get(question, self.material.signer)
        if isinstance(answer, SignerAnswer) and self.now <= answer.good_until:
            check_answer(answer)
            self.moments.append(answer.good_until)
            return
        if not isinstance(answer, NoAnswer):
            self.questions[question] = None
            raise UndeterminedError("AWS Signer's revocation status is not available")
        reason = f"GetRevocationStatus call failed with error: {answer.reason}"
        raise UndeterminedError(str(revocation_failure(reason)))

    def _look_ahead(self, steps: list[NotationStep]) -> None:
        """Take the last step too if the one before it waits for answers, so that all questions are asked at once.

        A revocation then counts even if the timestamp is unknown, because an attacker can add a timestamp.
        """
        *_, before, last = steps
        if before.outcome is StepOutcome.UNDECIDED and last.outcome is StepOutcome.NOT_REACHED:
            taken, found = _perform(last, self._action(last), self._revoke)
            if found is StepOutcome.FAILED:
                steps[-1] = taken

    @property
    def _envelope(self) -> Envelope:
        assert self.envelope is not None
        return self.envelope

    def _outcome(self, steps: tuple[NotationStep, ...]) -> NotationOutcome:
        signer = None
        if self.anchor is not None and self.identified:
            signer = NotationSigner(
                subject=self.chain[0].subject,
                fingerprint=self.chain[0].fingerprint,
                profile=self.profile,
            )
        return NotationOutcome(
            level=self.statement.signature_verification.level,
            steps=steps,
            signer=signer,
            claimed_subject=self.chain[0].subject if self.chain else None,
            signing_time=self.envelope.attributes.signing_time if self.envelope else None,
            metadata=self.payload.metadata if self.payload else _NO_METADATA,
            good_until=min(self.moments, default=None),
            questions=tuple(self.questions),
        )


def _perform(
    step: NotationStep, action: ValidationAction, act: Callable[[], str | None]
) -> tuple[NotationStep, StepOutcome]:
    """Take one step; return it, and its outcome before the trust policy's action is applied.

    An exception that is not one of tidegate's errors is a failure: hostile bytes may bring it about.
    """
    clause, accepted = "", ""
    try:
        found, text = StepOutcome.OK, act() or ""
    except UndeterminedError as error:
        found, text, clause, accepted = StepOutcome.UNDECIDED, str(error), error.clause, error.accepted
    except VerificationError as error:
        found, text, clause, accepted = StepOutcome.FAILED, str(error), error.clause, error.accepted
    except Error as error:
        found, text = StepOutcome.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - whatever happens, no signature passes by it
        found, text = StepOutcome.FAILED, f"unexpected {type(error).__name__}"
    logged = action is not ValidationAction.ENFORCE and found is not StepOutcome.OK
    outcome = StepOutcome.LOGGED if logged else found
    return replace(step, outcome=outcome, text=text, clause=clause or step.clause, accepted=accepted), found
