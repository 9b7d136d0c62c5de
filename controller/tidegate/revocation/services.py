"""Fetches OCSP answers by POST and CRLs by GET.

The URLs are those of certificates. Verification decides which ones to fetch, and only for trusted chains; still, a
certificate's URL is not the operator's choice, so each host must be on the operator's list.
"""

from http import HTTPStatus
from time import monotonic
from urllib.parse import urljoin

from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.exchange import Egress, HttpRequest, HttpResponse
from tidegate.egress.hosts import HostList, Reach, Target, parse_url
from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.fact import Cause
from tidegate.evidence.noted_call import noted
from tidegate.evidence.ports import CallGate
from tidegate.images.repository import OciRegistry
from tidegate.verify.notation.revocation.material import (
    MAX_CRL_BYTES,
    MAX_OCSP_BYTES,
    CrlQuestion,
    NoAnswer,
    OcspQuestion,
)

MAX_REDIRECTS = 2
"""Redirects of one CRL; an OCSP responder answers itself."""

_SCHEMES = frozenset({"http", "https"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CAUSES = {
    Problem.DEADLINE: Cause.DEADLINE,
    Problem.UNREACHABLE: Cause.UNREACHABLE,
    Problem.NO_ADDRESS: Cause.UNREACHABLE,
}


class HttpRevocationServices:
    """Asks listed hosts. Safe to share between threads. ``gate`` accounts for every call."""

    def __init__(self, hosts: HostList, *, egress: Egress | None = None, gate: CallGate | None = None) -> None:
        self._hosts = hosts
        self._egress = egress or Egress()
        self._gate = gate

    def close(self) -> None:
        """Close the connections that are kept."""
        self._egress.close()

    def refusal(self, question: OcspQuestion | CrlQuestion) -> NoAnswer | None:
        """Return why a question is not asked at all, or None. Nothing is contacted, not even DNS."""
        try:
            self._listed(question.url)
        except EgressError as exc:
            return NoAnswer(reason=str(exc))
        return None

    def fetch(self, question: OcspQuestion | CrlQuestion, seconds: float) -> bytes | NoAnswer:
        """Return the service's answer as it came, whatever type it claims to have, or why there is none."""
        ends = monotonic() + seconds
        try:
            if isinstance(question, OcspQuestion):
                return self._ocsp(question, lambda: ends - monotonic())
            return self._crl(question, lambda: ends - monotonic())
        except EgressError as exc:
            return NoAnswer(reason=str(exc))

    def _ocsp(self, question: OcspQuestion, seconds_left: SecondsLeft) -> bytes:
        """Source: RFC 6960, appendix A."""
        target, reach = self._listed(question.url)
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        request = HttpRequest(
            target=target,
            reach=reach,
            max_bytes=MAX_OCSP_BYTES,
            method="POST",
            headers=headers,
            body=question.request,
        )
        return _body(self._send("ocsp", request, seconds_left), target)

    def _crl(self, question: CrlQuestion, seconds_left: SecondsLeft) -> bytes:
        url = question.url
        for _ in range(MAX_REDIRECTS + 1):
            target, reach = self._listed(url)
            request = HttpRequest(target=target, reach=reach, max_bytes=MAX_CRL_BYTES)
            reply = self._send("crl", request, seconds_left)
            if reply.status not in _REDIRECTS:
                return _body(reply, target)
            url = urljoin(url, reply.header("location"))
        raise EgressError(Problem.BAD_ANSWER, f"{target.host} redirects more than {MAX_REDIRECTS} times")

    def _listed(self, url: str) -> tuple[Target, Reach]:
        target = parse_url(url, schemes=_SCHEMES)
        reach = self._hosts.reach(target.host, target.port)
        if reach is None:
            raise EgressError(
                Problem.FORBIDDEN_ADDRESS,
                f"{target.authority} is not contacted: it is not in revocation.allowedHosts",
            )
        return target, reach

    def _send(self, source: str, request: HttpRequest, seconds_left: SecondsLeft) -> HttpResponse:
        with noted(self._gate, source, OciRegistry(request.target.host), monotonic) as call:
            try:
                return self._egress.send(request, seconds_left=seconds_left)
            except EgressError as exc:
                call.cause = _CAUSES.get(exc.problem, Cause.UNEXPECTED_ANSWER)
                raise


def _body(reply: HttpResponse, target: Target) -> bytes:
    if reply.status != HTTPStatus.OK:
        raise EgressError(Problem.BAD_ANSWER, f"{target.authority} answered with HTTP {reply.status}")
    return reply.body
