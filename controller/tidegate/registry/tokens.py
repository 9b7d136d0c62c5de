"""Tokens of registries, each for pulling from one repository, kept until shortly before they expire.

A token is requested only from an allowed token service, and only with the scope that is set here.
"""

import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import TypeVar
from urllib.parse import urlencode

from tidegate.egress.errors import EgressError
from tidegate.egress.exchange import HttpRequest
from tidegate.egress.hosts import Target
from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import OciRepository
from tidegate.registry.access import RegistryHosts
from tidegate.registry.challenge import Challenge
from tidegate.registry.errors import of_egress, of_status, unexpected
from tidegate.registry.pull_secret import basic_credentials
from tidegate.registry.sending import Sender

SOURCE = "oci:GetToken"
MAX_ANSWER_BYTES = 64 * 1024
MAX_TOKEN_CHARACTERS = 16 * 1024
MAX_TOKENS = 1_000
MAX_LEARNED = 100
"""Registries whose last challenge is remembered."""
USUAL_SECONDS = 60.0
"""Lifetime of a token without expires_in. Source: the token specification of the distribution project."""
LONGEST_SECONDS = 300.0
MARGIN_SECONDS = 10.0
"""A token is not used in its last seconds."""
LOCKS = 16

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until: float


class Tokens:
    """Gives Authorization headers. Safe to share between threads, which wait for one request of the same token."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._tokens: dict[OciRepository, _Token] = {}
        self._learned: dict[str, Challenge] = {}
        self._lock = threading.Lock()
        self._fetching = tuple(threading.Lock() for _ in range(LOCKS))

    def expected(self, hosts: RegistryHosts, repository: OciRepository, seconds_left: SecondsLeft) -> str | None:
        """Return the header that a registry is known to require, which saves its challenge; None if that is not known.

        Raise SourceUnavailableError if the header cannot be had; the registry's challenge is forgotten then.
        """
        if (kept := self.kept(repository)) is not None:
            return kept
        challenge = self._learned.get(hosts.access.host)
        if challenge is None:
            return None
        try:
            return self.get(hosts, repository, challenge, refused=None, seconds_left=seconds_left)
        except SourceUnavailableError:
            self._learned.pop(hosts.access.host, None)
            raise

    def kept(self, repository: OciRepository) -> str | None:
        """Return the header with the token that is kept."""
        token = self._tokens.get(repository)
        return token.header if token is not None and monotonic() < token.until else None

    def get(
        self,
        hosts: RegistryHosts,
        repository: OciRepository,
        challenge: Challenge | None,
        *,
        refused: str | None,
        seconds_left: SecondsLeft,
    ) -> str:
        """Return the header that answers a challenge; ``refused`` is one that the registry did not accept.

        Raise SourceUnavailableError if there is none.
        """
        if challenge is None:
            raise unexpected(SOURCE, f"{hosts.access.host} requires an unknown kind of credentials")
        if challenge.realm is None:
            return self._basic(hosts, repository, refused)
        fetching = self._fetching[hash(repository) % LOCKS]
        if not fetching.acquire(timeout=max(0.0, seconds_left())):
            raise SourceUnavailableError(Cause.DEADLINE, SOURCE, "no time was left to get a token")
        try:
            kept = self.kept(repository)
            if kept is not None and kept != refused:
                return kept
            token = self._fetch(hosts, repository, challenge.realm, challenge.service, seconds_left)
        finally:
            fetching.release()
        with self._lock:
            self._tokens.pop(repository, None)
            _put(self._tokens, repository, token, MAX_TOKENS)
        self._learn(hosts, challenge)
        return token.header

    def _basic(self, hosts: RegistryHosts, repository: OciRepository, refused: str | None) -> str:
        header = self._secret(hosts, repository)
        if header is None or header == refused:
            problem = "does not accept the pull secret" if header else "requires a pull secret, and none is set"
            raise SourceUnavailableError(Cause.ACCESS_DENIED, SOURCE, f"{hosts.access.host} {problem}")
        self._learn(hosts, Challenge(realm=None))
        return header

    def _learn(self, hosts: RegistryHosts, challenge: Challenge) -> None:
        with self._lock:
            _put(self._learned, hosts.access.host, challenge, MAX_LEARNED)

    def _fetch(
        self, hosts: RegistryHosts, repository: OciRepository, realm: str, service: str, seconds_left: SecondsLeft
    ) -> _Token:
        try:
            target, reach = hosts.realm(realm)
        except EgressError as exc:
            raise of_egress(exc, SOURCE) from exc
        secret = self._secret(hosts, repository)
        asked_at = monotonic()
        request = HttpRequest(
            target=_token_address(target, service, repository.name),
            reach=reach,
            max_bytes=MAX_ANSWER_BYTES,
            headers={} if secret is None else {"Authorization": secret},
        )
        reply = self._sender.send(SOURCE, repository.registry, hosts, request, seconds_left)
        if reply.status != HTTPStatus.OK:
            # Redirects too: no other host than the realm's may receive the secret.
            raise of_status(reply, target.authority, SOURCE)
        return _read(reply.body, target.host, asked_at)

    def _secret(self, hosts: RegistryHosts, repository: OciRepository) -> str | None:
        file = hosts.access.pull_secret_file
        return None if file is None else basic_credentials(file, hosts.access.host, repository.name, SOURCE)


def _put(kept: dict[K, V], key: K, value: V, most: int) -> None:
    """Keep a value; the oldest one makes room for it."""
    kept[key] = value
    if len(kept) > most:
        del kept[next(iter(kept))]


def _token_address(realm: Target, service: str, name: str) -> Target:
    """Return the address with the one scope that is ever requested."""
    query = urlencode({**({"service": service} if service else {}), "scope": f"repository:{name}:pull"})
    return Target(realm.scheme, realm.host, realm.port, f"{realm.path}{'&' if '?' in realm.path else '?'}{query}")


def _read(body: bytes, host: str, asked_at: float) -> _Token:
    try:
        document = json.loads(body)
        token = document.get("token") or document.get("access_token")
        seconds = document.get("expires_in", USUAL_SECONDS)
    except (ValueError, AttributeError, RecursionError) as exc:
        raise unexpected(SOURCE, f"{host} did not return a token") from exc
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise unexpected(SOURCE, f"{host} did not return a token")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise unexpected(SOURCE, f"{host} returned a token with invalid characters")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        seconds = USUAL_SECONDS
    return _Token(f"Bearer {token}", asked_at + min(seconds, LONGEST_SECONDS) - MARGIN_SECONDS)
