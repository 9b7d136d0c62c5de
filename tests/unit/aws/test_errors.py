"""Every code and exception of the SDK has one cause, and nothing that went wrong reads as an answer."""

from typing import Any

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError, create_parser

from tidegate.aws.errors import MAX_DETAIL, THROTTLE_CODES, classify
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, again

SOURCE = "ecr:DescribeImages"


def answered(code, *, status=400, operation="DescribeImages", message="why", headers=None, **members):
    metadata = {"HTTPStatusCode": status, "RequestId": "req-1", "HTTPHeaders": headers or {}}
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **members}
    return sdk.ClientError(response, operation)


CODES = [
    *(pytest.param(code, 400, Cause.THROTTLED, id=f"{code} is throttling") for code in sorted(THROTTLE_CODES)),
    pytest.param("AccessDenied", 403, Cause.ACCESS_DENIED, id="a denied action of the query protocol"),
    pytest.param("AccessDeniedException", 400, Cause.ACCESS_DENIED, id="a denied action of the JSON protocols"),
    pytest.param("UnauthorizedOperation", 403, Cause.ACCESS_DENIED, id="an unauthorized operation"),
    pytest.param("OptInRequired", 403, Cause.ACCESS_DENIED, id="a region that the account did not opt in to"),
    pytest.param("ExpiredToken", 403, Cause.CREDENTIALS, id="an expired token of the query protocol"),
    pytest.param("ExpiredTokenException", 400, Cause.CREDENTIALS, id="an expired token of the JSON protocols"),
    pytest.param("UnrecognizedClientException", 400, Cause.CREDENTIALS, id="a key that nobody issued"),
    pytest.param("InvalidSignatureException", 403, Cause.CREDENTIALS, id="a wrong signature"),
    pytest.param("InvalidClientTokenId", 403, Cause.CREDENTIALS, id="an unknown key at STS"),
    pytest.param("RequestTimeTooSkewed", 403, Cause.CREDENTIALS, id="a clock that is wrong"),
    pytest.param("InvalidIdentityToken", 400, Cause.CREDENTIALS, id="a web identity that STS does not accept"),
    pytest.param("ServerException", 500, Cause.SERVER_ERROR, id="a server error of ECR"),
    pytest.param("InternalServerException", 500, Cause.SERVER_ERROR, id="a server error of Inspector"),
    pytest.param("UnableToGetUpstreamImageException", 400, Cause.SERVER_ERROR, id="an upstream that does not answer"),
    pytest.param("503", 503, Cause.SERVER_ERROR, id="a load balancer's page instead of an answer"),
    pytest.param("SomethingNew", 500, Cause.SERVER_ERROR, id="an unknown code beside status 500"),
    pytest.param("SomethingNew", 429, Cause.THROTTLED, id="an unknown code beside status 429"),
    pytest.param("SomethingNew", 403, Cause.ACCESS_DENIED, id="an unknown code beside status 403"),
    pytest.param("SomethingNew", 401, Cause.ACCESS_DENIED, id="an unknown code beside status 401"),
    pytest.param("SomethingNew", 499, Cause.UNEXPECTED_ANSWER, id="an unknown code beside any other status"),
    pytest.param("ImageNotFoundException", 400, Cause.UNEXPECTED_ANSWER, id="an answer that nobody asked for"),
    pytest.param("InvalidParameterException", 400, Cause.INTERNAL, id="a question that ECR refuses"),
    pytest.param("ValidationException", 400, Cause.INTERNAL, id="a question that Inspector refuses"),
]


@pytest.mark.parametrize(("code", "status", "cause"), CODES)
def test_an_error_code_has_a_cause(code, status, cause):
    error = classify(answered(code, status=status), SOURCE)
    assert (error.cause, error.source) == (cause, SOURCE)


EXCEPTIONS = [
    pytest.param(sdk.NoCredentialsError(), Cause.CREDENTIALS, id="no credentials"),
    pytest.param(sdk.PartialCredentialsError(provider="env", cred_var="x"), Cause.CREDENTIALS, id="half a key"),
    pytest.param(
        sdk.CredentialRetrievalError(provider="container", error_msg="x"), Cause.CREDENTIALS, id="no Pod Identity agent"
    ),
    pytest.param(sdk.UnauthorizedSSOTokenError(), Cause.CREDENTIALS, id="a login that ended"),
    pytest.param(sdk.ProfileNotFound(profile="x"), Cause.CREDENTIALS, id="a profile that is not there"),
    pytest.param(sdk.ConnectTimeoutError(endpoint_url="x"), Cause.UNREACHABLE, id="no connection in time"),
    pytest.param(sdk.ReadTimeoutError(endpoint_url="x"), Cause.UNREACHABLE, id="no answer in time"),
    pytest.param(sdk.EndpointConnectionError(endpoint_url="x"), Cause.UNREACHABLE, id="no connection"),
    pytest.param(sdk.ConnectionClosedError(endpoint_url="x"), Cause.UNREACHABLE, id="a connection that was cut"),
    pytest.param(
        sdk.SSLError(endpoint_url="x", error=OSError()), Cause.UNREACHABLE, id="a certificate that is not trusted"
    ),
    pytest.param(sdk.ProxyConnectionError(proxy_url="x"), Cause.UNREACHABLE, id="a proxy that does not answer"),
    pytest.param(
        sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), Cause.UNREACHABLE, id="half an answer, counted"
    ),
    pytest.param(ResponseParserError("x"), Cause.UNEXPECTED_ANSWER, id="an answer that is no JSON"),
    pytest.param(sdk.ParamValidationError(report="x"), Cause.INTERNAL, id="a question that the SDK refuses"),
    pytest.param(ZeroDivisionError("x"), Cause.INTERNAL, id="a mistake of our own"),
]


@pytest.mark.parametrize(("exc", "cause"), EXCEPTIONS)
def test_an_exception_has_a_cause(exc, cause):
    error = classify(exc, SOURCE)
    assert (error.cause, error.source) == (cause, SOURCE)
    assert type(exc).__name__ in error.detail


def test_what_python_raises_inside_the_parsers_is_an_unexpected_answer():
    parser = create_parser("json")
    shape = type("Shape", (), {"type_name": "structure"})()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it raises is what is tested
        parser.parse({"body": b"{}", "headers": None, "status_code": 200}, shape)
    assert classify(raised.value, SOURCE).cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("operation", ["AssumeRole", "AssumeRoleWithWebIdentity"])
def test_a_denied_role_is_told_from_a_denied_action(operation):
    error = classify(answered("AccessDenied", status=403, operation=operation), SOURCE)
    assert (error.cause, error.source) == (Cause.ROLE_DENIED, f"sts:{operation}")


def test_a_throttled_role_is_throttling_of_sts():
    error = classify(answered("Throttling", operation="AssumeRole"), SOURCE)
    assert (error.cause, error.source) == (Cause.THROTTLED, "sts:AssumeRole")


def test_the_detail_names_code_request_and_message_and_is_bounded():
    error = classify(answered("AccessDeniedException", message="User: arn:aws:sts::1:assumed-role/x/y"), SOURCE)
    assert "AccessDeniedException" in error.detail
    assert "req-1" in error.detail
    assert "User: arn:aws:sts::1:assumed-role/x/y" in error.detail
    assert len(classify(answered("X", message="y" * 10_000), SOURCE).detail) == MAX_DETAIL


@pytest.mark.parametrize(
    ("members", "headers", "seconds"),
    [
        pytest.param({"retryAfterSeconds": 7}, {}, 7.0, id="modelled by Inspector"),
        pytest.param({}, {"retry-after": "3"}, 3.0, id="a plain header"),
        pytest.param({}, {"retry-after": "0"}, 0.0, id="at once"),
        pytest.param({}, {}, None, id="not said"),
        pytest.param({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, id="a date is not used"),
        pytest.param({"retryAfterSeconds": -1}, {}, None, id="less than nothing is not used"),
        pytest.param({}, {"retry-after": "inf"}, None, id="for ever is not used"),
        pytest.param({}, {"retry-after": "nan"}, None, id="not a number is not used"),
        pytest.param({"retryAfterSeconds": ["7"]}, {}, None, id="a list is not used"),
    ],
)
def test_the_wait_that_a_service_asks_for_is_kept(members, headers, seconds):
    error = classify(answered("ThrottlingException", status=429, headers=headers, **members), SOURCE)
    assert error.retry_after_seconds == seconds


def test_an_answer_without_the_usual_members_still_has_a_cause():
    without: Any
    for without in ({}, {"Error": {"Code": 7}}):
        assert classify(sdk.ClientError(without, "DescribeImages"), SOURCE).cause is Cause.UNEXPECTED_ANSWER


def test_an_error_of_ours_passes_through():
    error = SourceUnavailableError(Cause.ROLE_DENIED, "sts:AssumeRole")
    assert classify(error, SOURCE) is error


def test_an_error_raised_again_is_equal_and_another_object():
    error = SourceUnavailableError(Cause.THROTTLED, SOURCE, "slow down", retry_after_seconds=2.0)
    copy = again(error)
    assert copy is not error
    assert (copy.cause, copy.source, copy.detail, copy.retry_after_seconds) == (
        Cause.THROTTLED,
        SOURCE,
        "slow down",
        2.0,
    )
