"""STS: AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity.

A role may be assumed when its account lists it, with its external id where it has one. Web identity tokens are not
verified; they need to be there.
"""

from datetime import UTC, datetime
from typing import Any

from tests.simulator.identity import Session
from tests.simulator.service import Request, Service
from tests.simulator.wire import AwsError, Query

_DEFAULT_SECONDS = 3600
_LEAST_SECONDS = 900
# The base credentials are a role's, and a role assumed by a role lasts an hour at most.
_MOST_SECONDS = {"AssumeRole": 3600, "AssumeRoleWithWebIdentity": 43200}


def _assume_role(request: Request) -> dict[str, Any]:
    form, arn = request.payload, request.payload.get("RoleArn", "")
    needed = _external_id(request, arn)
    if needed is not None and form.get("ExternalId") != needed:
        raise _refused(request.caller.arn, "sts:AssumeRole", arn)
    return _issued(request)


def _assume_role_with_web_identity(request: Request) -> dict[str, Any]:
    if not request.payload.get("WebIdentityToken"):
        raise AwsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    _external_id(request, request.payload.get("RoleArn", ""))
    return _issued(request) | {"SubjectFromWebIdentityToken": "system:serviceaccount:tidegate:tidegate"}


def _external_id(request: Request, arn: str) -> str | None:
    parts = arn.split(":")
    if len(parts) != 6 or not parts[5].startswith("role/"):
        raise AwsError("ValidationError", f"{arn} is invalid")
    account = request.world.accounts.get(parts[4])
    name = parts[5].rsplit("/", 1)[-1]
    if account is None or name not in account.roles:
        raise _refused(request.caller.arn, f"sts:{request.operation}", arn)
    return account.roles[name]


def _refused(caller: str, action: str, arn: str) -> AwsError:
    return AwsError("AccessDenied", f"User: {caller} is not authorized to perform: {action} on resource: {arn}", 403)


def _issued(request: Request) -> dict[str, Any]:
    form = request.payload
    seconds = int(form.get("DurationSeconds", _DEFAULT_SECONDS))
    most = _MOST_SECONDS[request.operation]
    if not _LEAST_SECONDS <= seconds <= most:
        raise AwsError("ValidationError", f"DurationSeconds {seconds} must be {_LEAST_SECONDS} to {most}")
    session: Session = request.identities.issue(
        role_arn=form["RoleArn"], session_name=form["RoleSessionName"], seconds=seconds
    )
    expires = datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Credentials": {
            "AccessKeyId": session.caller.access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn},
    }


def _get_caller_identity(request: Request) -> dict[str, Any]:
    caller = request.caller
    return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}


def _account(form: dict[str, Any], default: str) -> str:
    parts = str(form.get("RoleArn", "")).split(":")
    return parts[4] if len(parts) > 4 else default


SERVICE = Service(
    name="sts",
    wire=Query(namespace="https://sts.amazonaws.com/doc/2011-06-15/"),
    operations={
        "AssumeRole": _assume_role,
        "AssumeRoleWithWebIdentity": _assume_role_with_web_identity,
        "GetCallerIdentity": _get_caller_identity,
    },
    errors={
        "throttle": AwsError("Throttling", "Rate exceeded"),
        "server_error": AwsError("InternalFailure", "Service unavailable.", 500),
        "access_denied": AwsError("AccessDenied", "Access denied", 403),
        "expired_token": AwsError("ExpiredToken", "The security token included in the request is expired", 403),
    },
    account=lambda form, caller: _account(form, caller.account),
    anonymous=frozenset({"AssumeRoleWithWebIdentity"}),
)
