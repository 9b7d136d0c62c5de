"""AWS Signer's data plane: GetRevocationStatus, which says what of a signature is revoked.

A signature is asked about in the region of its profile. Which entities are revoked is the world's to say.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.simulator.service import Request, Service
from tests.simulator.wire import AwsError, Caller, RestJson

_REQUIRED = ("signatureTimestamp", "platformId", "profileVersionArn", "jobArn", "certificateHashes")
_ARN_PARTS = 6
INVALID = "ValidationException"


def _get_revocation_status(request: Request) -> dict[str, Any]:
    asked = request.payload
    for name in _REQUIRED:
        if not asked.get(name):
            raise AwsError(INVALID, f"1 validation error detected: {name} must not be null")
    profile = asked["profileVersionArn"].split(":")
    if len(profile) != _ARN_PARTS or profile[2] != "signer":
        raise AwsError(INVALID, "profileVersionArn is not an ARN of a signing profile version")
    if profile[3] != request.region:
        raise AwsError(INVALID, f"the signing profile is in {profile[3]}, not in {request.region}")
    signed_at = datetime.fromisoformat(asked["signatureTimestamp"]).timestamp()
    revoked = request.world.revocations
    found = [each for each in _entities(asked) if each in revoked and (revoked[each] or 0.0) <= signed_at]
    return {"revokedEntities": found}


def _entities(asked: dict[str, Any]) -> Iterator[str]:
    yield asked["profileVersionArn"].rpartition("/")[0]
    yield asked["profileVersionArn"]
    yield asked["jobArn"]
    yield from asked["certificateHashes"]


def _account(payload: dict[str, Any], caller: Caller) -> str:
    parts = str(payload.get("profileVersionArn", "")).split(":")
    return parts[4] if len(parts) == _ARN_PARTS else caller.account


SERVICE = Service(
    name="signer",
    wire=RestJson(
        routes={("GET", "/revocations"): "GetRevocationStatus"},
        lists=frozenset({"certificateHashes"}),
    ),
    operations={"GetRevocationStatus": _get_revocation_status},
    errors={
        "throttle": AwsError("TooManyRequestsException", "Too many requests", 429),
        "server_error": AwsError("InternalServiceErrorException", "Internal error", 500),
        "access_denied": AwsError(
            "AccessDeniedException", "not authorized to perform: signer:GetRevocationStatus", 403
        ),
        "expired_token": AwsError(
            "ExpiredTokenException", "The security token included in the request is expired", 403
        ),
    },
    account=_account,
)
