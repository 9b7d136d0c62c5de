"""Authorities on loopback HTTP, as the real programs ask them: timestamps, OCSP and CRLs.

What they sign comes from tests/simulator/pki; here is only the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from asn1crypto import cms, tsp

from tests.simulator.http_thread import HttpThread
from tests.simulator.pki.certificates import Identity
from tests.simulator.pki.revocation import crl, entry, ocsp_answer
from tests.simulator.pki.timestamps import issue_token


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a service was asked."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a service answers."""

    content_type: str
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Service = Callable[[Asked], Answer]


class Services(HttpThread):
    """Services by path, while the context is open. A path that begins with a service's is its, too."""

    def __init__(self) -> None:
        super().__init__()
        self._services: dict[str, Service] = {}
        self.asked: list[str] = []

    def serve(self, path: str, service: Service) -> str:
        """Serve at ``/path`` from now on; return the URL."""
        self._services[path] = service
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.origin}/{path}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(path=request.path, headers=request.headers, body=await request.read())
        self.asked.append(asked.path)
        for path, service in self._services.items():
            if asked.path.removeprefix("/").startswith(path):
                answer = service(asked)
                headers = {"Content-Type": answer.content_type, **answer.headers}
                return web.Response(status=answer.status, body=answer.body, headers=headers)
        return web.Response(status=404)


def timestamps(tsa: Identity) -> Service:
    """Return an RFC 3161 service that says the present time."""

    def answer(asked: Asked) -> Answer:
        query = tsp.TimeStampReq.load(asked.body)
        imprint = query["message_imprint"]
        token = issue_token(
            tsa,
            b"",
            moment=datetime.now(UTC).replace(microsecond=0),
            imprint_hash=imprint["hash_algorithm"]["algorithm"].native,
            imprint=imprint["hashed_message"].native,
            nonce=query["nonce"].native,
        )
        response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)})
        return Answer(content_type="application/timestamp-reply", body=response.dump())

    return answer


def ocsp_responder(certificate: Identity, status: str) -> Service:
    """Return a responder that knows one certificate: ``good`` or ``revoked``."""
    now = datetime.now(UTC).replace(microsecond=0)
    body = ocsp_answer(
        certificate,
        status=status,
        this_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
        revoked_at=now - timedelta(hours=2),
    )
    return lambda _: Answer(content_type="application/ocsp-response", body=body)


def revocation_list_bytes(issuer: Identity, *revoked: Identity) -> bytes:
    """Return the issuer's CRL of now."""
    now = datetime.now(UTC).replace(microsecond=0)
    return crl(
        issuer,
        [entry(one, at=now - timedelta(hours=2)) for one in revoked],
        last_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
    )


def revocation_list(issuer: Identity, *revoked: Identity) -> Service:
    """Return a distribution point of the issuer's CRL."""
    body = revocation_list_bytes(issuer, *revoked)
    return lambda _: Answer(content_type="application/pkix-crl", body=body)
