"""Fetches content from a registry: with authorization if required, through allowed redirects, and with one retry.

Content is not yet compared with its digest. Every failure is SourceUnavailableError.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

from tidegate.egress.errors import EgressError
from tidegate.egress.exchange import HttpRequest, HttpResponse
from tidegate.egress.hosts import Reach, Target
from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import OciRepository
from tidegate.registry.access import RegistryHosts
from tidegate.registry.challenge import read_challenge
from tidegate.registry.errors import of_egress, of_status, unexpected
from tidegate.registry.sending import Sender
from tidegate.registry.tokens import Tokens

ATTEMPTS = 2
"""Attempts of a request that fails for a reason that may pass."""
MAX_WAIT_SECONDS = 5.0
"""Longest Retry-After that is obeyed within one look-up."""
MAX_REDIRECTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ANSWERS = frozenset({HTTPStatus.OK, HTTPStatus.NOT_FOUND})
_PASSING = frozenset({Cause.UNREACHABLE, Cause.SERVER_ERROR, Cause.THROTTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is requested of a repository: a ``path`` below its name, and how many bytes are read at most.

    ``answers`` are statuses that are answers too, beside 200 and 404. ``check_size`` is that of the HTTP request.
    """

    source: str
    path: str
    max_bytes: int
    accept: str = "*/*"
    check_size: Callable[[int], None] = lambda _: None
    answers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Makes the requests of one look-up to one repository. The sender and the tokens are shared between threads."""

    sender: Sender
    tokens: Tokens
    hosts: RegistryHosts
    repository: OciRepository
    seconds_left: SecondsLeft
    sleep: Callable[[float], None] = time.sleep

    def get(self, wanted: Wanted) -> HttpResponse:
        """Return the answer, with status 200, 404 or one of ``wanted.answers``."""
        attempts = ATTEMPTS
        while True:
            attempts -= 1
            try:
                return self._get(wanted)
            except SourceUnavailableError as exc:
                wait = _wait(exc)
                if attempts <= 0 or wait is None or wait >= self.seconds_left():
                    raise
                self.sleep(wait)

    def _get(self, wanted: Wanted) -> HttpResponse:
        given = self.tokens.expected(self.hosts, self.repository, self.seconds_left)
        reply = self._follow(wanted, given)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            challenge = read_challenge(reply.headers.get("www-authenticate", ()))
            header = self.tokens.get(
                self.hosts, self.repository, challenge, refused=given, seconds_left=self.seconds_left
            )
            reply = self._follow(wanted, header)
        if reply.status not in _ANSWERS | wanted.answers:
            raise of_status(reply, self.hosts.access.host, wanted.source)
        return reply

    def _follow(self, wanted: Wanted, authorization: str | None) -> HttpResponse:
        """Follow redirects to allowed hosts and return the answer. Only the registry itself receives the header."""
        hosts, target = self.hosts, self.hosts.endpoint(f"{self.repository.name}/{wanted.path}")
        reach = hosts.reach
        for _ in range(MAX_REDIRECTS + 1):
            is_own = target.origin == hosts.api.origin
            secret = {"Authorization": authorization} if authorization is not None and is_own else {}
            request = HttpRequest(
                target=target,
                reach=reach,
                max_bytes=wanted.max_bytes,
                check_size=wanted.check_size,
                headers={"Accept": wanted.accept, **secret},
            )
            reply = self.sender.send(wanted.source, self.repository.registry, hosts, request, self.seconds_left)
            if reply.status not in _REDIRECTS:
                if reply.status == HTTPStatus.UNAUTHORIZED and not is_own:
                    raise of_status(reply, target.authority, wanted.source)
                return reply
            target, reach = _next(hosts, target, reply, wanted.source)
        raise unexpected(wanted.source, f"{hosts.access.host} redirects more than {MAX_REDIRECTS} times")


def _next(hosts: RegistryHosts, target: Target, reply: HttpResponse, source: str) -> tuple[Target, Reach]:
    base = f"{target.scheme}://{target.authority}{target.path}"
    try:
        return hosts.redirect(urljoin(base, reply.header("location")))
    except EgressError as exc:
        raise of_egress(exc, source) from exc
    except ValueError as exc:
        raise unexpected(source, "an invalid redirect location") from exc


def _wait(exc: SourceUnavailableError) -> float | None:
    """Return how long to wait before another attempt, or None if there should be none."""
    if exc.cause not in _PASSING:
        return None
    if exc.cause is not Cause.THROTTLED:
        return 0.0
    seconds = exc.retry_after_seconds
    return seconds if seconds is not None and seconds <= MAX_WAIT_SECONDS else None
