"""The causes of failures at a registry. A failure never becomes an answer."""

import json
from http import HTTPStatus

from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.exchange import HttpResponse
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

MAX_DETAIL = 300

_PROBLEMS = {
    Problem.BAD_URL: Cause.NOT_ASKED,
    Problem.FORBIDDEN_ADDRESS: Cause.NOT_ASKED,
    Problem.NO_ADDRESS: Cause.UNREACHABLE,
    Problem.UNREACHABLE: Cause.UNREACHABLE,
    Problem.CERTIFICATE: Cause.UNREACHABLE,
    Problem.DEADLINE: Cause.DEADLINE,
    Problem.TOO_LARGE: Cause.UNEXPECTED_ANSWER,
    Problem.BAD_ANSWER: Cause.UNEXPECTED_ANSWER,
}


def of_egress(exc: EgressError, source: str) -> SourceUnavailableError:
    """Return the error for an exchange without an answer."""
    return SourceUnavailableError(_PROBLEMS[exc.problem], source, str(exc))


def of_status(reply: HttpResponse, host: str, source: str) -> SourceUnavailableError:
    """Return the error for a status that is no answer."""
    detail = f"{host} answered with HTTP {reply.status} {' '.join(error_codes(reply))}".strip()[:MAX_DETAIL]
    return SourceUnavailableError(_cause(reply.status), source, detail, retry_after_seconds=retry_after(reply))


def unexpected(source: str, problem: str) -> SourceUnavailableError:
    """Return the error for an answer that violates the protocol."""
    return SourceUnavailableError(Cause.UNEXPECTED_ANSWER, source, problem[:MAX_DETAIL])


def error_codes(reply: HttpResponse) -> tuple[str, ...]:
    """Return the codes of an error's body. Source: OCI distribution specification, "error codes"."""
    try:
        errors = json.loads(reply.body)["errors"]
        return tuple(str(each["code"])[:40] for each in errors[:4])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def retry_after(reply: HttpResponse) -> float | None:
    """Return the seconds of Retry-After; None for a date or an invalid value."""
    text = reply.header("retry-after")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None  # noqa: PLR2004 - eleven days


def _cause(status: int) -> Cause:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Cause.ACCESS_DENIED
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Cause.THROTTLED
    return Cause.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Cause.UNEXPECTED_ANSWER


def is_too_large(exc: SourceUnavailableError, source: str) -> bool:
    """Tell whether this API's answer has more bytes than are read: the pusher's choice, and no failure."""
    cause = exc.__cause__
    return exc.source == source and isinstance(cause, EgressError) and cause.problem is Problem.TOO_LARGE
