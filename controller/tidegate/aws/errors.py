"""The causes of failed calls: a table of AWS's error codes and one of the SDK's exceptions.

The caller of an operation names the codes that are answers, such as "there is no such image". A failure never becomes
an answer. Sources of the codes: the SDK's retry tables and the services' models.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

TOO_LONG = "the answer is longer than"
"""Beginning of the detail of an error for an answer that is too long."""
MAX_DETAIL = 500
"""Characters kept of a text that AWS sent."""

THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
REJECTED_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""AWS rejects the credentials themselves: these are dropped, and the call is repeated once with new ones."""
_CREDENTIAL_CODES = REJECTED_CODES | {
    "IncompleteSignature",
    "InvalidIdentityToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestTimeTooSkewed",
}
_DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ForbiddenException",
        "KMS.AccessDeniedException",
        "KmsAccessDenied",
        "NotAuthorized",
        "OptInRequired",
        "RegionDisabledException",
        "SubscriptionRequiredException",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
_SERVER_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "UnableToGetUpstreamImageException",
        "UnableToGetUpstreamLayerException",
        "UnableToListUpstreamImageReferrersException",
    }
)
INVALID_CODES = frozenset({"InvalidParameterException", "ValidationError", "ValidationException"})
"""The request was invalid."""
_CAUSES: Mapping[str, Cause] = (
    dict.fromkeys(THROTTLE_CODES, Cause.THROTTLED)
    | dict.fromkeys(_CREDENTIAL_CODES, Cause.CREDENTIALS)
    | dict.fromkeys(_DENIED_CODES, Cause.ACCESS_DENIED)
    | dict.fromkeys(_SERVER_CODES, Cause.SERVER_ERROR)
    | dict.fromkeys(INVALID_CODES, Cause.INTERNAL)
)
_ROLE_OPERATIONS = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity"})
_EXCEPTIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Cause], ...] = (
    (
        (
            sdk.NoCredentialsError,
            sdk.PartialCredentialsError,
            sdk.CredentialRetrievalError,
            sdk.TokenRetrievalError,
            sdk.SSOError,
            sdk.NoAuthTokenError,
            sdk.ProfileNotFound,
            sdk.InvalidConfigError,
            sdk.MetadataRetrievalError,
            sdk.RefreshWithMFAUnsupportedError,
        ),
        Cause.CREDENTIALS,
    ),
    ((sdk.HTTPClientError, sdk.ConnectionError, sdk.IncompleteReadError), Cause.UNREACHABLE),
    (ResponseParserError, Cause.UNEXPECTED_ANSWER),
)
_CLIENTS_FAULT, _TOO_MANY_REQUESTS, _SERVER_STATUS = 400, 429, 500
_UNAUTHORIZED = frozenset({401, 403})


def classify(exc: Exception, source: str) -> SourceUnavailableError:
    """Return the error for an exception of the SDK; ``source`` is the API, such as ``ecr:DescribeImages``.

    An unknown exception is Cause.INTERNAL, or UNEXPECTED_ANSWER if it was raised while an answer was parsed.
    """
    if isinstance(exc, SourceUnavailableError):
        return exc
    if isinstance(exc, sdk.ClientError):
        return _classify_answer(exc, source)
    cause = next((cause for kinds, cause in _EXCEPTIONS if isinstance(exc, kinds)), None)
    if cause is None:
        cause = Cause.UNEXPECTED_ANSWER if _arose_in_parsing(exc.__traceback__) else Cause.INTERNAL
    return SourceUnavailableError(cause, source, f"{type(exc).__name__}: {exc}"[:MAX_DETAIL])


def is_too_long(exc: SourceUnavailableError) -> bool:
    """Tell whether an answer was too long. For a single manifest, the user who pushed it caused that."""
    return exc.cause is Cause.UNEXPECTED_ANSWER and exc.detail.startswith(TOO_LONG)


def error_code(exc: sdk.ClientError) -> str:
    """Return the error code of an answer, or the empty text where it has none."""
    code = _member(exc.response, "Error").get("Code")
    return code if isinstance(code, str) else ""


def error_message(exc: sdk.ClientError) -> str:
    """Return the message of an answer, or the empty text where it has none."""
    message = _member(exc.response, "Error").get("Message")
    return message if isinstance(message, str) else ""


def is_clients_fault(exc: sdk.ClientError) -> bool:
    """Tell whether the HTTP status is 4xx: the code of a failing server is no answer."""
    status = _member(exc.response, "ResponseMetadata").get("HTTPStatusCode")
    return isinstance(status, int) and _CLIENTS_FAULT <= status < _SERVER_STATUS


def unexpected(source: str, problem: str) -> SourceUnavailableError:
    """Return the error for an answer that violates the operation's model."""
    return SourceUnavailableError(Cause.UNEXPECTED_ANSWER, source, problem[:MAX_DETAIL])


def _classify_answer(exc: sdk.ClientError, source: str) -> SourceUnavailableError:
    code, metadata = error_code(exc), _member(exc.response, "ResponseMetadata")
    status = metadata.get("HTTPStatusCode")
    cause = _CAUSES.get(code) or _cause_of_status(status if isinstance(status, int) else 0)
    if exc.operation_name in _ROLE_OPERATIONS:
        source = f"sts:{exc.operation_name}"
        cause = Cause.ROLE_DENIED if cause is Cause.ACCESS_DENIED else cause
    detail = f"{code or 'no error code'} (HTTP {status}, request {metadata.get('RequestId', 'unknown')}): "
    detail = (detail + error_message(exc))[:MAX_DETAIL]
    return SourceUnavailableError(cause, source, detail, retry_after_seconds=_retry_after(exc.response, metadata))


def _cause_of_status(status: int) -> Cause:
    if status == _TOO_MANY_REQUESTS:
        return Cause.THROTTLED
    if status >= _SERVER_STATUS:
        return Cause.SERVER_ERROR
    return Cause.ACCESS_DENIED if status in _UNAUTHORIZED else Cause.UNEXPECTED_ANSWER


def _retry_after(response: Mapping[str, Any], metadata: Mapping[str, Any]) -> float | None:
    """Return how long to wait, from Inspector's member or the Retry-After header; None for a date or an invalid value."""
    stated = response.get("retryAfterSeconds", _member(metadata, "HTTPHeaders").get("retry-after"))
    try:
        seconds = float(stated) if isinstance(stated, int | float | str) else -1.0
    except ValueError:
        return None
    return seconds if 0.0 <= seconds < float("inf") else None


def _member(holder: Mapping[str, Any] | Any, name: str) -> Mapping[str, Any]:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _arose_in_parsing(trace: TracebackType | None) -> bool:
    """Tell whether the SDK was parsing an answer, when it raises any exception for a value of the wrong type."""
    module = ""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module == "botocore.parsers":
            return True
        trace = trace.tb_next
    return module == "botocore.endpoint"
