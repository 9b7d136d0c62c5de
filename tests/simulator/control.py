"""The HTTP control API under /_control/, by which another process sets faults, latency and clock, and reads counters.

GET    /_control/health            {"ok": true, "now": EPOCH}
GET    /_control/counters          {"calls": [{service, operation, account, region, calls}]}
DELETE /_control/counters
GET    /_control/faults            the orders with their hits
POST   /_control/faults            {"kind": "throttle", "service": "ecr", "times": 3, ...} as for Simulator.inject
DELETE /_control/faults
POST   /_control/latency           {"ms": 30}
POST   /_control/clock             {"advance": 60} | {"freeze": "2025-01-01T00:00:00Z"} | {"freeze": null} | {"run": true}
POST   /_control/world/add_finding {"repository": "team/good", "name": "v1", "severity": "CRITICAL", ...}
                                   any method of World that adds, sets, moves, removes or archives
POST   /_control/signing/sign_with_aws_signer {"repository": "team/good", "image": "v1", "profile": "release", ...}
                                   any method of Signing that signs; gives the digest of the signature
GET    /_control/trust-stores      a List of TrustStore objects by which what was signed verifies, for kubectl apply -f -
GET    /_control/public-keys       {name: PEM} of the keys that cosign has signed with
GET    /_control/images            [{uri, digest, tags, status}]
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from tests.simulator.faults import FaultKind
from tests.simulator.wire import Raw, Reply

if TYPE_CHECKING:
    from tests.simulator.server import Simulator

_CHANGES = ("add_", "set_", "move_", "remove_", "archive_")


def answer(simulator: Simulator, raw: Raw) -> Reply:
    """Carry out a control request; mistakes are answered 400 with what was wrong."""
    try:
        body = msgspec.json.decode(raw.body or b"{}", type=dict[str, Any])
        result = _carry_out(simulator, raw.method, raw.path.removeprefix("/_control/"), body)
    except (TypeError, ValueError, KeyError, msgspec.MsgspecError) as error:
        return _reply(400, {"error": f"{type(error).__name__}: {error}"})
    if result is None:
        return _reply(404, {"error": f"no control at {raw.method} {raw.path}"})
    return _reply(200, result)


def _carry_out(simulator: Simulator, method: str, path: str, body: dict[str, Any]) -> Any:
    done = {"ok": True}
    match method, path.split("/"):
        case "GET", ["health"]:
            return done | {"now": simulator.clock.now()}
        case "GET", ["counters"]:
            return {"calls": simulator.journal.table()}
        case "DELETE", ["counters"]:
            simulator.reset_counters()
            return done
        case "GET", ["faults"]:
            return {"faults": [fault.as_dict() for fault in simulator.faults.orders]}
        case "POST", ["faults"]:
            return simulator.inject(FaultKind(body.pop("kind")), **body).as_dict()
        case "DELETE", ["faults"]:
            simulator.clear()
            return done
        case "POST", ["latency"]:
            simulator.latency_seconds = float(body["ms"]) / 1000
            return done
        case "POST", ["clock"]:
            return {"now": _move_clock(simulator, body)}
        case "POST", ["world", name] if name.startswith(_CHANGES) and hasattr(simulator.world, name):
            return {"result": _plain(getattr(simulator.world, name)(**body))}
        case "POST", ["signing", name] if name.startswith("sign_") and hasattr(simulator.world.signing, name):
            return {"result": getattr(simulator.world.signing, name)(**body)}
        case "GET", ["trust-stores"]:
            return {"apiVersion": "v1", "kind": "List", "items": simulator.world.authorities.trust_stores()}
        case "GET", ["public-keys"]:
            return simulator.world.authorities.public_keys()
        case "GET", ["images"]:
            return _images(simulator)
    return None


def _move_clock(simulator: Simulator, body: dict[str, Any]) -> float:
    if "advance" in body:
        simulator.clock.advance(float(body["advance"]))
    if "freeze" in body:
        simulator.clock.freeze(body["freeze"])
    if body.get("run"):
        simulator.clock.run()
    return simulator.clock.now()


def _images(simulator: Simulator) -> list[dict[str, Any]]:
    world = simulator.world
    with world.lock:
        return [
            {"uri": repository.uri, "digest": image.digest, "tags": list(image.tags), "status": image.status}
            for repository in world.all_repositories()
            for image in repository.images.values()
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, str | list | tuple) or value is None:
        return value
    if dataclasses.is_dataclass(value) and hasattr(value, "severity"):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    return "ok"


def _reply(status: int, body: Any) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(body), content_type="application/json")
