"""The simulator's HTTP server, and `Simulator`, which tests and the demo hold.

The server runs in a thread of its own with its own event loop, so a slow answer holds up no other.
"""

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import boto3
from aiohttp import web
from botocore.config import Config

from tests.simulator import control, identity, pulls
from tests.simulator.clock import Clock
from tests.simulator.faults import Fault, FaultKind, Faults
from tests.simulator.gateway import Gateway, Outcome
from tests.simulator.http_thread import HttpThread
from tests.simulator.journal import Call, Journal
from tests.simulator.wire import Raw
from tests.simulator.world import World

POLL_SECONDS = 0.02
"""How often a long poll looks for a message."""
_SESSION_LOCK = threading.Lock()


@functools.cache
def _session() -> boto3.session.Session:
    """Return the one session: it costs 50 ms to make, and may make clients for one thread at a time."""
    return boto3.session.Session()


class Simulator(HttpThread):
    """Serve a world over HTTP while used as a context manager.

    `latency_seconds` is added to every AWS call and may be changed at any time. `address` is where it listens, such as
    that of a bridge for Pods to reach it; `port` 0 takes a free one.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        latency_seconds: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(address=address, port=port)
        self.world = world or World()
        self.latency_seconds = latency_seconds
        self.faults = Faults()
        self.journal = Journal()
        self.gateway = Gateway(self.world, self.faults, self.journal)

    @property
    def url(self) -> str:
        """Give the URL of every service."""
        return self.origin

    # What tests use

    @property
    def clock(self) -> Clock:
        return self.world.clock

    def inject(self, kind: FaultKind | str, **order: Any) -> Fault:
        """Order a fault and give it, to read its `hits` or hand it to `clear`.

        Which calls: `service`, `operation`, `account` (the one asked about), `region`, `about` (text that the request
        body holds, such as a digest); what is left out means any. How often: `times` (None for always), `rate` (0 to 1).
        Further words: `seconds` (latency, hang), `field` and `value` (unknown_enum: every member of that name gets the
        value; member, missing, twice: the like, see `FaultKind`), `code`, `message`, `status` (error), `count` (huge_index),
        `value` alone (body).
        """
        return self.faults.add(Fault(kind=FaultKind(kind), **order))

    def clear(self, fault: Fault | None = None) -> None:
        """Withdraw one fault, or all of them."""
        if fault is None:
            self.faults.clear()
        else:
            self.faults.remove(fault)

    def calls(
        self,
        service: str | None = None,
        operation: str | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
    ) -> int:
        """Count the calls since the last reset, retries and refused ones too."""
        return self.journal.count(service, operation, account, region)

    def ids(self, service: str, operation: str) -> list[int]:
        """Give how many ids each call of an operation asked for, oldest first."""
        return [call.ids for call in self.journal.last(service, operation)]

    def log(self, service: str | None = None, operation: str | None = None) -> list[Call]:
        """Give the last calls, oldest first."""
        return self.journal.last(service, operation)

    def reset_counters(self) -> None:
        self.journal.reset()

    def environment(self) -> dict[str, str]:
        """Give the environment in which another process's boto3 talks to this simulator as the cluster's role."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": identity.BASE_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": identity.BASE_SECRET_KEY,
            "AWS_DEFAULT_REGION": self.world.region,
            "AWS_REGION": self.world.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(
        self,
        service: str,
        *,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
        config: Config | None = None,
    ) -> Any:
        """Make a boto3 client; `credentials` are those that AssumeRole answered, else the cluster's own."""
        keys = credentials or {
            "AccessKeyId": identity.BASE_ACCESS_KEY,
            "SecretAccessKey": identity.BASE_SECRET_KEY,
        }
        with _SESSION_LOCK:
            return _session().client(
                service,  # type: ignore[call-overload]
                region_name=region or self.world.region,
                endpoint_url=self.url,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys.get("SessionToken"),
                config=config or Config(retries={"total_max_attempts": 1}, read_timeout=10),
            )

    def expire_sessions(self) -> None:
        """Let all credentials that AssumeRole issued be expired."""
        self.gateway.identities.expire()

    # The server

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        raw = Raw(method=request.method, path=request.raw_path, headers=request.headers, body=body)
        if raw.path.startswith("/_control/"):
            return _response(control.answer(self, raw))
        if raw.path.startswith(pulls.PREFIX):
            return _response(pulls.answer(self.world, raw))
        if raw.path.startswith("/_layers/"):
            return await self._play(request, self.gateway.layer(raw))
        outcome = self.gateway.answer(raw, self.url)
        ends = time.monotonic() + outcome.poll_seconds
        while outcome.poll_seconds and time.monotonic() < ends and not self.stopping.is_set():
            await asyncio.sleep(POLL_SECONDS)
            outcome = self.gateway.answer(raw, self.url, again=True)
        return await self._play(request, outcome)

    async def _play(self, request: web.BaseRequest, outcome: Outcome) -> web.StreamResponse:
        response = _response(outcome.reply)
        response.headers["Date"] = formatdate(self.clock.now(), usegmt=True)
        if outcome.refuse:
            _cut(request)
            return response
        wait = self.latency_seconds + outcome.wait_seconds
        if wait > 0:
            await asyncio.sleep(wait)
        if outcome.hang_seconds is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), outcome.hang_seconds)
            _cut(request)
        if outcome.cut:
            return await _half(request, response)
        return response


def _response(reply: Any) -> web.Response:
    headers = {"x-amzn-RequestId": "00000000-simulated", "Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _half(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Send the head and half the body, then cut the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    whole.headers["Content-Length"] = str(len(body))
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _cut(request)
    return response
