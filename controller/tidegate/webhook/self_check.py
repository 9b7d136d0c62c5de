"""Readiness: policies read, certificate trusted, and a known-bad request refused by the running server over TLS.

A server that allows everything, or has a certificate that the API server would not trust, is never ready.
"""

import asyncio
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

from tidegate.admission import known_bad
from tidegate.admission.decision import Decision
from tidegate.admission.request import AdmissionRequest
from tidegate.admission.reviewer import PolicySource, ReviewObserver
from tidegate.webhook.certificate.material import KeyPair
from tidegate.webhook.certificate.serving import CertificateState, ServingPair
from tidegate.webhook.server.admission import VALIDATE_PATH
from tidegate.webhook.server.reply import JSON
from tidegate.webhook.server.tls import load_pair

EVERY_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 5.0
CALL_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 256 * 1024
START_SECONDS: Final = 30.0
"""How long after its start a process may be unready without a warning in the log."""
UNREAD: Final = "the policies have not been read yet"
LOADING: Final = "what the policies rely on is being read: trust stores, keys and ImageVerdicts"
UNKNOWN_PATH: Final = "/self-check-of-an-unknown-path"

_log = structlog.get_logger(__name__)


class WrongAnswerError(Exception):
    """The running server gave a wrong answer."""


class SelfCheck:
    """Sends the running server requests that it must refuse, regularly."""

    def __init__(
        self,
        *,
        policies: PolicySource,
        certificate: CertificateState,
        port: Callable[[], int],
        host: str = "127.0.0.1",
        audit_only: bool = False,
        every_seconds: float = EVERY_SECONDS,
        client: Callable[[], KeyPair | None] = lambda: None,
        is_loading: Callable[[], bool] = lambda: False,
        expect: Callable[[int, int], None] = lambda _status, _count: None,
    ) -> None:
        self._policies = policies
        self._is_loading = is_loading
        self._expect = expect
        self._started_at = time.monotonic()
        self._was_ready = False
        self._said = ("", True)
        self._certificate = certificate
        self._port = port
        self._host = host
        self._audit_only = audit_only
        self._every_seconds = every_seconds
        self._client = client
        self.problem = "the running server has not been checked yet"
        """Why the last check failed; empty if it passed."""

    def unmet(self) -> Sequence[str]:
        """Return what is missing for readiness, as parts of a sentence; empty if the server is ready."""
        unread = [] if self._policies.current().synced else [UNREAD]
        unread += [LOADING] if self._is_loading() else []
        return [*unread, *self._certificate.unmet(), *([self.problem] if self.problem else [])]

    async def run(self) -> None:
        """Check until cancelled: again soon after a failure, else regularly."""
        retry = FIRST_RETRY_SECONDS
        while True:
            await self.check()
            if self.problem:
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY_SECONDS)
            else:
                retry = FIRST_RETRY_SECONDS
                await asyncio.sleep(self._every_seconds)

    async def check(self) -> None:
        """Check once. No answer after a check that passed changes nothing: a busy server is not a wrong one."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                problem = await self._find_problem()
        except (WrongAnswerError, ssl.SSLCertVerificationError) as error:
            problem = f"the running server is wrong: {error}"
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            if not self.problem:
                said = str(error) or type(error).__name__
                _log.warning("the running server does not answer its own check, as it did before", error=said)
                return
            problem = "the running server does not answer its own check"
        self._note(problem)

    def _note(self, problem: str) -> None:
        """Log changes. A process that has just started and is not ready yet is no reason for a warning."""
        starting = not self._was_ready and time.monotonic() - self._started_at < START_SECONDS
        if problem and (problem, starting) != self._said:
            log = _log.info if starting else _log.warning
            log("not ready yet" if starting else "not ready", problem=problem)
        elif self.problem and not problem:
            _log.info("the known-bad request was refused by the running server")
        self._said, self.problem = (problem, starting), problem
        self._was_ready = self._was_ready or not problem

    async def _find_problem(self) -> str:
        """1. An unknown path must be refused. 2. The known-bad request must be refused, and for the right reason."""
        pair = self._certificate.present
        if pair is None:
            return "there is no serving certificate yet"
        trust = client_context(pair)
        if (client := self._client()) is not None:
            load_pair(trust, client.certificate_pem, client.key_pem)
        uid = str(uuid.uuid4())
        review = known_bad.known_bad_review(uid)
        # This refusal is expected and not logged.
        self._expect(HTTPStatus.NOT_FOUND, 1)
        status = 0
        try:
            status, _ = await self._post(UNKNOWN_PATH, review, trust, pair.server_name)
        finally:
            if status != HTTPStatus.NOT_FOUND:
                self._expect(HTTPStatus.NOT_FOUND, -1)
        if status != HTTPStatus.NOT_FOUND:
            raise WrongAnswerError(f"an unknown path was answered with {status}, expected 404")
        status, body = await self._post(VALIDATE_PATH, review, trust, pair.server_name)
        if status != HTTPStatus.OK:
            raise WrongAnswerError(f"the known-bad request was answered with HTTP status {status}")
        return known_bad.problem_of(body, uid, audit_only=self._audit_only)

    async def _post(self, path: str, body: bytes, trust: ssl.SSLContext, server_name: str | None) -> tuple[int, bytes]:
        """Return status and body of one request on a connection of its own, as a new client would make it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, force_close=True)) as session,
            session.post(
                f"https://{host}:{self._port()}{path}",
                data=body,
                headers={"Content-Type": JSON},
                server_hostname=server_name or self._host,
                allow_redirects=False,
            ) as answer,
        ):
            if answer.content_length is None or answer.content_length > MAX_ANSWER_BYTES:
                raise WrongAnswerError(f"the answer has no Content-Length of at most {MAX_ANSWER_BYTES}")
            return answer.status, await answer.read()


def client_context(pair: ServingPair) -> ssl.SSLContext:
    """Return a context that checks what the API server would: the authority and the Service's name, if known here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = pair.server_name is not None
    if not pair.trust_pem:
        # Without an authority the certificate itself is trusted: the one that was read must be served.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=(pair.trust_pem or pair.certificate_pem).decode("ascii"))
    return context


class WithoutSelfChecks:
    """A ReviewObserver that passes on every decision but those of the self-check."""

    def __init__(self, observer: ReviewObserver) -> None:
        self._observer = observer

    def decided(self, request: AdmissionRequest, decision: Decision, *, seconds: float, waited: bool) -> None:
        """Pass the decision on, unless the request is the self-check's own."""
        if request.namespace != known_bad.NAMESPACE:
            self._observer.decided(request, decision, seconds=seconds, waited=waited)
