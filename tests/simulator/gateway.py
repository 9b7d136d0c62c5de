"""One AWS call from HTTP request to HTTP response: who calls what, which faults strike, the answer.

No sockets here; what only a connection can do (hang, drop, be down) comes back as an `Outcome` for the server to play.
"""

import contextlib
import copy
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.simulator import manifests
from tests.simulator.faults import UNKNOWN, Fault, FaultKind, Faults
from tests.simulator.identity import Identities, credential_scope
from tests.simulator.journal import Call, Journal
from tests.simulator.service import Request, Service
from tests.simulator.services import SERVICES
from tests.simulator.wire import AwsError, Caller, Raw, Reply
from tests.simulator.world import World

_WORDED = frozenset({FaultKind.THROTTLE, FaultKind.SERVER_ERROR, FaultKind.ACCESS_DENIED, FaultKind.EXPIRED_TOKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the server does: wait, then reply, unless the connection is to hang or be cut (before or within the reply).

    ``poll_seconds`` is how long to ask again for something to answer: a long poll.
    """

    reply: Reply
    wait_seconds: float = 0.0
    hang_seconds: float | None = None
    refuse: bool = False
    cut: bool = False
    poll_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    service: Service
    operation: str
    payload: dict[str, Any]
    caller: Caller
    region: str


class Gateway:
    """Answer AWS calls about a world."""

    def __init__(self, world: World, faults: Faults, journal: Journal) -> None:
        self.world = world
        self.faults = faults
        self.journal = journal
        self.identities = Identities(world)

    def answer(self, raw: Raw, base_url: str, *, again: bool = False) -> Outcome:
        """Answer one request; every failure is an answer too. ``again`` is one more look of a long poll, which is no call."""
        scope = credential_scope(raw.headers.get("Authorization", ""))
        service = SERVICES.get(scope[2]) if scope else SERVICES["sts"]
        if service is None:
            error = AwsError("UnknownService", f"no such simulated service: {scope[2] if scope else ''}", 404)
            return Outcome(reply=SERVICES["ecr"].wire.fail(error))
        try:
            call = self._parse(service, raw, scope)
        except AwsError as error:
            return Outcome(reply=service.wire.fail(error))
        faults = [] if again else self._struck(call, raw.body)
        reply = self._reply(call, faults, base_url)
        outcome = _outcome(reply, faults)
        waits = call.operation == "ReceiveMessage" and not faults and reply.body == b"{}"
        return replace(outcome, poll_seconds=call.payload.get("WaitTimeSeconds", 0.0)) if waits else outcome

    def layer(self, raw: Raw) -> Outcome:
        """Serve the blob that GetDownloadUrlForLayer pointed to, without credentials, as S3 serves a signed URL.

        Faults and the journal know it as s3 GetObject.
        """
        account, region, *name, digest = raw.path.partition("?")[0].removeprefix("/_layers/").split("/")
        where = {"service": "s3", "operation": "GetObject", "account": account, "region": region}
        self.journal.add(Call(**where, ids=1, at=time.monotonic()))
        faults = self.faults.striking(**where, body=raw.path.encode())
        return _outcome(self._layer_reply("/".join(name), digest, where, faults), faults)

    def _layer_reply(self, name: str, digest: str, where: dict[str, str], faults: list[Fault]) -> Reply:
        if (ordered := _ordered_status(faults)) is not None:
            return Reply(status=ordered, body=b"<Error/>", content_type="application/xml")
        with self.world.lock, contextlib.suppress(KeyError):
            holder = self.world.repository(name, account=where["account"], region=where["region"])
            blob = holder.blobs[digest]
            if any(fault.kind is FaultKind.WRONG_BYTES for fault in faults):
                blob = bytes([blob[0] ^ 1]) + blob[1:]
            return Reply(status=200, body=_other_body(blob, faults), content_type="application/octet-stream")
        return Reply(status=404, body=b"<Error/>", content_type="application/xml")

    def _parse(self, service: Service, raw: Raw, scope: tuple[str, str, str] | None) -> _Parsed:
        operation, payload = service.wire.read(raw)
        if operation not in service.operations:
            raise AwsError("UnknownOperationException", f"{service.name} {operation!r} is not simulated", 404)
        if scope is None:
            if operation not in service.anonymous:
                raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
            caller = Caller(account=self.world.account, arn="anonymous", user_id="anonymous", access_key="")
            return _Parsed(
                service=service, operation=operation, payload=payload, caller=caller, region=self.world.region
            )
        caller = self.identities.caller(scope[0], raw.headers.get("X-Amz-Security-Token"))
        return _Parsed(service=service, operation=operation, payload=payload, caller=caller, region=scope[1])

    def _struck(self, call: _Parsed, body: bytes) -> list[Fault]:
        where = {
            "service": call.service.name,
            "operation": call.operation,
            "account": call.service.account(call.payload, call.caller),
            "region": call.region,
        }
        self.journal.add(Call(**where, ids=call.service.ids(call.payload), at=time.monotonic()))
        return self.faults.striking(**where, body=body)

    def _reply(self, call: _Parsed, faults: list[Fault], base_url: str) -> Reply:
        wire = call.service.wire
        if (ordered := _ordered_error(call.service, faults)) is not None:
            return wire.fail(ordered)
        try:
            with self.world.lock:
                result = call.service.operations[call.operation](self._request(call, base_url))
        except AwsError as error:
            return wire.fail(error)
        for fault in faults:
            result = _distorted(result, fault)
        reply = wire.write(call.operation, result)
        if any(fault.kind is FaultKind.MALFORMED_JSON for fault in faults):
            return replace(reply, body=reply.body[: len(reply.body) // 2] + b'"\x00')
        return replace(reply, body=_other_body(reply.body, faults))

    def _request(self, call: _Parsed, base_url: str) -> Request:
        return Request(
            world=self.world,
            identities=self.identities,
            caller=call.caller,
            region=call.region,
            operation=call.operation,
            payload=call.payload,
            base_url=base_url,
        )


def _ordered_error(service: Service, faults: list[Fault]) -> AwsError | None:
    for fault in faults:
        if fault.kind in _WORDED:
            return service.errors[fault.kind]
        if fault.kind is FaultKind.ERROR:
            return AwsError(fault.code, fault.message, fault.status)
    return None


def _ordered_status(faults: list[Fault]) -> int | None:
    """Give the HTTP status with which a fault has S3 answer."""
    words = {FaultKind.THROTTLE: 503, FaultKind.SERVER_ERROR: 500, FaultKind.ACCESS_DENIED: 403}
    for fault in faults:
        if fault.kind is FaultKind.ERROR:
            return fault.status
        if fault.kind in words:
            return words[fault.kind]
    return None


def _other_body(body: bytes, faults: list[Fault]) -> bytes:
    for fault in faults:
        if fault.kind is FaultKind.BODY:
            return str(fault.value).encode()
        if fault.kind is FaultKind.HALF:
            return body[: len(body) // 2]
    return body


def _outcome(reply: Reply, faults: list[Fault]) -> Outcome:
    kinds = {fault.kind for fault in faults}
    hangs = [fault.seconds for fault in faults if fault.kind is FaultKind.HANG]
    return Outcome(
        reply=reply,
        wait_seconds=sum(fault.seconds for fault in faults if fault.kind is FaultKind.LATENCY),
        hang_seconds=max(hangs, default=None),
        refuse=FaultKind.DOWN in kinds,
        cut=FaultKind.DROP in kinds,
    )


def _distorted(result: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """Give a result as a fault falsifies it."""
    if fault.kind is FaultKind.UNKNOWN_ENUM:
        result = copy.deepcopy(result)
        _replace(result, fault.field, fault.value)
    elif fault.kind is FaultKind.WRONG_BYTES:
        result = _with_manifests(result, lambda text: text.replace("{", "{ ", 1))
    elif fault.kind is FaultKind.HUGE_INDEX:
        huge = manifests.huge_index(fault.count).data.decode()
        result = _with_manifests(result, lambda _: huge)
    elif fault.kind is FaultKind.ONE_ANSWER:
        by_digest = {each["imageId"]["imageDigest"]: each for each in result["images"]}
        result = result | {"images": list(by_digest.values())}
    elif fault.kind in _CHANGES:
        result = copy.deepcopy(result)
        _change(result, fault)
    elif fault.kind is FaultKind.SAME_PAGE:
        result = result | {"nextToken": "page-0" if fault.value == UNKNOWN else fault.value}
    elif fault.kind is FaultKind.ENDLESS:
        result = result | {"nextToken": f"page-{_BEYOND + fault.hits}"}
    return result


_BEYOND = 1_000_000
_CHANGES = frozenset({FaultKind.MEMBER, FaultKind.MISSING, FaultKind.TWICE})


def _change(value: Any, fault: Fault) -> None:
    """Change every member of the fault's name, at any depth."""
    if isinstance(value, list):
        for inner in value:
            _change(inner, fault)
    elif isinstance(value, dict):
        for name, inner in list(value.items()):
            if name != fault.field:
                _change(inner, fault)
            elif fault.kind is FaultKind.MISSING:
                del value[name]
            elif fault.kind is FaultKind.TWICE:
                value[name] = [*inner, *inner]
            else:
                value[name] = fault.value


def _replace(value: Any, field: str, text: str) -> None:
    """Replace every string member of a name, at any depth."""
    if isinstance(value, list):
        for inner in value:
            _replace(inner, field, text)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == field and isinstance(inner, str):
                value[name] = text
            else:
                _replace(inner, field, text)


def _with_manifests(result: dict[str, Any], change: Any) -> dict[str, Any]:
    images = [each | {"imageManifest": change(each["imageManifest"])} for each in result.get("images", ())]
    return result | {"images": images} if "images" in result else result
