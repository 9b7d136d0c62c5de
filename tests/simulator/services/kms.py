"""AWS KMS: GetPublicKey, by the key's ARN or id, for those whom the key's account or policy lets ask."""

import base64
from typing import Any

from tests.simulator.service import Request, Service
from tests.simulator.wire import AwsError, Caller, Json11

_ARN_PARTS = 6


def _get_public_key(request: Request) -> dict[str, Any]:
    asked = str(request.payload.get("KeyId", ""))
    arn = asked if asked.startswith("arn:") else f"arn:aws:kms:{request.region}:{request.caller.account}:key/{asked}"
    parts = arn.split(":")
    if len(parts) != _ARN_PARTS:
        raise AwsError("InvalidArnException", f"{asked} is not a valid ARN")
    key = request.world.kms_keys.get(arn)
    # A key of another region is not found, whatever the ARN says.
    if key is None or parts[3] != request.region:
        raise AwsError("NotFoundException", f"Key '{arn}' does not exist")
    if request.caller.account not in key.users | {parts[4]}:
        raise AwsError(
            "AccessDeniedException", f"User: {request.caller.arn} is not authorized to perform: kms:GetPublicKey"
        )
    if key.state == "Disabled":
        raise AwsError("DisabledException", f"{arn} is disabled.")
    if key.state != "Enabled":
        raise AwsError("KMSInvalidStateException", f"{arn} is pending deletion.")
    return {
        "KeyId": arn,
        "PublicKey": base64.b64encode(key.public_der).decode(),
        "KeySpec": key.spec,
        "CustomerMasterKeySpec": key.spec,
        "KeyUsage": key.usage,
        "SigningAlgorithms": ["ECDSA_SHA_256"],
    }


def _account(payload: dict[str, Any], caller: Caller) -> str:
    parts = str(payload.get("KeyId", "")).split(":")
    return parts[4] if len(parts) == _ARN_PARTS else caller.account


SERVICE = Service(
    name="kms",
    wire=Json11(target_prefix="TrentService"),
    operations={"GetPublicKey": _get_public_key},
    errors={
        "throttle": AwsError("ThrottlingException", "Rate exceeded"),
        "server_error": AwsError("KMSInternalException", "Internal error", 500),
        "access_denied": AwsError("AccessDeniedException", "not authorized to perform: kms:GetPublicKey"),
        "expired_token": AwsError("ExpiredTokenException", "The security token included in the request is expired"),
    },
    account=_account,
)
