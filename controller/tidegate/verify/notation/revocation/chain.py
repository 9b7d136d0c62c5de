"""Whether a trusted chain is revoked: OCSP first, CRLs if OCSP does not answer, from the available answers.

Missing answers are returned as questions. Call this for trusted chains only: an attacker chooses the URLs of any other
chain, and a request to them from inside the cluster would be the attack.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from tidegate.errors import UndeterminedError, VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.revocation.crl import Crl, check_delta, crl_standing, load_crl
from tidegate.verify.notation.revocation.material import (
    CrlQuestion,
    NoAnswer,
    OcspQuestion,
    Question,
    RevocationMaterial,
    Standing,
)
from tidegate.verify.notation.revocation.ocsp import ocsp_request, ocsp_standing
from tidegate.verify.notation.x509.certificate import Certificate, CrlPoint

MAX_LOOSE = 64
"""Answers of unknown origin that are tried for one certificate."""
MAX_REASONS = 4
"""Reasons that a message repeats."""

_HTTP = "http://"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStanding:
    """What is known of a chain. ``unrevokable`` names certificates that name no service at all: they count as good."""

    revoked: tuple[Certificate, ...]
    unknown: tuple[tuple[Certificate, str], ...]
    unrevokable: tuple[Certificate, ...]
    questions: tuple[Question, ...]
    good_until: datetime | None


@dataclass(slots=True)
class _Findings:
    """What was found out about one certificate."""

    standing: Standing | None = None
    reasons: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


class _Loose:
    """Why answers of unknown origin do not count, each by its number among those that were given."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._reasons: list[list[str]] = []

    def next(self) -> list[str]:
        """Return where the reason of the next answer goes."""
        self._reasons.append([])
        return self._reasons[-1]

    def reasons(self) -> list[str]:
        """Return the reasons; those of answers about something else last, since they are no surprise."""
        found = [
            f"{self._what} {number} of {len(self._reasons)}: {reason}"
            for number, reasons in enumerate(self._reasons, start=1)
            for reason in reasons
        ]
        return sorted(found, key=lambda text: any(words in text for words in _OF_OTHERS))


_OF_OTHERS = ("is about another certificate", "is signed neither by the issuer", "CRL is not signed by CA")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One certificate, its issuer, and everything that its standing is judged by."""

    certificate: Certificate
    issuer: Certificate
    material: RevocationMaterial
    now: datetime
    signing_time: datetime | None


def chain_standing(
    chain: Sequence[Certificate],
    material: RevocationMaterial,
    *,
    now: datetime,
    authentic_signing_time: datetime | None = None,
) -> ChainStanding:
    """Return the standing of every certificate but the root, which no certificate above it could revoke.

    ``authentic_signing_time`` is given under the scheme of a signing authority only.
    Source: Notary Project trust policy specification, "Certificate Revocation Evaluation".
    """
    # N64
    revoked, unrevokable = [], []
    unknown: list[tuple[Certificate, str]] = []
    questions: dict[Question, None] = {}
    moments: list[datetime] = []
    for certificate, issuer in pairwise(chain):
        if not certificate.ocsp_urls and not certificate.crl_points:
            unrevokable.append(certificate)
            continue
        case = _Case(
            certificate=certificate, issuer=issuer, material=material, now=now, signing_time=authentic_signing_time
        )
        findings = _look_up(case)
        questions.update(dict.fromkeys(findings.questions))
        if findings.standing is None:
            unknown.append((certificate, "; ".join(findings.reasons[:MAX_REASONS]) or "no answer available"))
        elif findings.standing.revoked:
            revoked.append(certificate)
        else:
            moments.append(findings.standing.good_until)
    return ChainStanding(
        revoked=tuple(revoked),
        unknown=tuple(unknown),
        unrevokable=tuple(unrevokable),
        questions=tuple(questions),
        good_until=min(moments, default=None),
    )


def check_standing(standing: ChainStanding, role: str) -> None:
    """Return when nothing is revoked and nothing unknown; ``role`` is how messages call the certificates.

    Raise VerificationError for a revoked certificate, UndeterminedError when something is not known.
    """
    # N68
    if standing.revoked:
        certificate = standing.revoked[0]
        raise VerificationError(
            f"{role} with subject {quoted(certificate.subject)} is revoked",
            clause=f"{certificate.called(role)} was revoked",
        )
    if standing.unknown:
        certificate, reason = standing.unknown[0]
        raise UndeterminedError(
            f"{role} with subject {quoted(certificate.subject)} revocation status is unknown: {reason}",
            clause=f"the revocation status of {certificate.called(role)} is unknown",
        )


def _look_up(case: _Case) -> _Findings:
    """Return what OCSP says, else what the CRLs say; a question about CRLs only if OCSP did not answer."""
    # N64
    findings = _Findings()
    if case.certificate.ocsp_urls:
        _ask_ocsp(case, findings)
    if findings.standing is None and case.certificate.crl_points:
        by_crl = _Findings()
        _read_crls(case, by_crl)
        findings.standing = by_crl.standing
        findings.reasons += by_crl.reasons
        if not findings.questions:
            findings.questions = by_crl.questions
    return findings


def _ask_ocsp(case: _Case, findings: _Findings) -> None:
    # N66
    found: list[Standing] = []
    loose = _Loose("OCSP answer")
    for answer in case.material.ocsp[:MAX_LOOSE]:
        _judge_ocsp(case, answer, found, loose.next())
    findings.reasons += loose.reasons()
    for url in () if found else case.certificate.ocsp_urls:
        if not url.lower().startswith(_HTTP):
            # N65
            findings.reasons.append(f"OCSP server protocol of {quoted(url)} is not supported")
            continue
        question = OcspQuestion(url=url, request=ocsp_request(case.certificate, case.issuer))
        known_answer = case.material.answers.get(question)
        if isinstance(known_answer, bytes):
            _judge_ocsp(case, known_answer, found, findings.reasons)
        elif isinstance(known_answer, NoAnswer):
            findings.reasons.append(f"OCSP: {known_answer.reason}")
        else:
            findings.questions.append(question)
        if found:
            break
    if found:
        findings.standing = next((standing for standing in found if standing.revoked), found[0])
        findings.questions.clear()


def _judge_ocsp(case: _Case, answer: bytes, found: list[Standing], reasons: list[str]) -> None:
    try:
        standing = ocsp_standing(
            answer, case.certificate, case.issuer, now=case.now, authentic_signing_time=case.signing_time
        )
    except UndeterminedError as error:
        reasons.append(str(error))
    else:
        found.append(standing)


def _read_crls(case: _Case, findings: _Findings) -> None:
    """Read one CRL for each distribution point: together they cover the certificate, so each must be available."""
    # N67
    standings = []
    for point in case.certificate.crl_points:
        try:
            lists = _lists(case, point, findings)
        except UndeterminedError as error:
            findings.reasons.append(str(error))
            continue
        try:
            standings.append(crl_standing(case.certificate, lists, authentic_signing_time=case.signing_time))
        except UndeterminedError as error:
            findings.reasons.append(str(error))
    revoked = [standing for standing in standings if standing.revoked]
    if revoked:
        findings.standing = revoked[0]
    elif len(standings) == len(case.certificate.crl_points):
        findings.standing = Standing(revoked=False, good_until=min(standing.good_until for standing in standings))


def _lists(case: _Case, point: CrlPoint, findings: _Findings) -> list[Crl]:
    """Return the base CRL of a point and, where one is announced, its delta."""
    if not point.whole:
        raise UndeterminedError("indirect or partial CRLs are not supported")
    base = _newest(_candidates(case, point.urls, point.urls, findings, delta=False))
    if base is None:
        raise UndeterminedError("no current CRL available")
    deltas = []
    for fresher in base.freshest:
        for delta in _candidates(case, fresher.urls, (*fresher.urls, *point.urls), findings, delta=True):
            try:
                check_delta(base, delta)
            except UndeterminedError as error:
                findings.reasons.append(str(error))
            else:
                deltas.append(delta)
    newest = _newest(deltas)
    if newest is not None:
        return [base, newest]
    if base.freshest:
        raise UndeterminedError("no current delta CRL available")
    if case.certificate.names_freshest_crl:
        raise UndeterminedError("freshest CRL from certificate extension is not supported")
    return [base]


def _candidates(
    case: _Case, urls: Sequence[str], scope: Sequence[str], findings: _Findings, *, delta: bool
) -> list[Crl]:
    """Return the usable CRLs: those of the URLs, which all name one CRL, and those of unknown origin."""
    found: list[Crl] = []
    missing: list[Question] = []
    for url in urls:
        if not url.lower().startswith(_HTTP):
            # N65
            findings.reasons.append(f"unsupported scheme of {quoted(url)}. Only supports CRL URL in HTTP protocol")
            continue
        question = CrlQuestion(url=url)
        answer = case.material.answers.get(question)
        if isinstance(answer, bytes):
            _load(case, answer, scope, found, findings.reasons)
        elif isinstance(answer, NoAnswer):
            findings.reasons.append(f"CRL: {answer.reason}")
        else:
            missing.append(question)
    if not any(crl.is_delta is delta for crl in found):
        loose = _Loose("CRL")
        for content in case.material.crls[:MAX_LOOSE]:
            _load(case, content, scope, found, loose.next())
        findings.reasons += loose.reasons()
    usable = [crl for crl in found if crl.is_delta is delta]
    if not usable:
        findings.questions += missing[:1]
    return usable


def _load(case: _Case, content: bytes, scope: Sequence[str], found: list[Crl], reasons: list[str]) -> None:
    try:
        found.append(load_crl(content, case.certificate, case.issuer, urls=scope, now=case.now))
    except UndeterminedError as error:
        reasons.append(str(error))


def _newest(lists: Iterable[Crl]) -> Crl | None:
    return max(lists, key=lambda crl: (crl.number or 0, crl.next_update), default=None)
