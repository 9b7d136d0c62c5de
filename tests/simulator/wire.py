"""AWS's wire formats: how a request names its operation, and how results and errors are written.

JSON 1.1, rest-json and query; a new service picks one of them. Nothing here knows an operation's meaning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec


class AwsError(Exception):
    """An error as AWS answers it: code, message, HTTP status, and further members of its shape."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """An HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who signed a request."""

    account: str
    arn: str
    user_id: str
    access_key: str


class Wire(Protocol):
    """Read the operation of a request and write its answer."""

    def read(self, raw: Raw) -> tuple[str, dict[str, Any]]: ...
    def write(self, operation: str, result: dict[str, Any]) -> Reply: ...
    def fail(self, error: AwsError) -> Reply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Json11:
    """JSON 1.1 (ECR, KMS): X-Amz-Target names the operation, `__type` the error."""

    target_prefix: str
    content_type: str = "application/x-amz-json-1.1"

    def read(self, raw: Raw) -> tuple[str, dict[str, Any]]:
        prefix, _, operation = raw.headers.get("X-Amz-Target", "").partition(".")
        if prefix != self.target_prefix:
            raise AwsError("UnknownOperationException", f"unknown target {prefix!r}")
        return operation, decode(raw.body)

    def write(self, operation: str, result: dict[str, Any]) -> Reply:
        return Reply(status=200, body=msgspec.json.encode(result), content_type=self.content_type)

    def fail(self, error: AwsError) -> Reply:
        body = {"__type": error.code, "message": error.message, **error.members}
        return Reply(status=error.status, body=msgspec.json.encode(body), content_type=self.content_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestJson:
    """rest-json (Inspector2, Signer): method and path name the operation, a header the error.

    `routes` maps (method, path pattern) to operations; named groups and query parameters join the payload, those named
    in `lists` as lists.
    """

    routes: Mapping[tuple[str, str], str]
    lists: frozenset[str] = frozenset()

    def read(self, raw: Raw) -> tuple[str, dict[str, Any]]:
        path, _, query = raw.path.partition("?")
        for (method, pattern), operation in self.routes.items():
            if method == raw.method and (match := re.fullmatch(pattern, path)):
                return operation, decode(raw.body) | self._query(query) | match.groupdict()
        raise AwsError("UnknownOperationException", f"no operation at {raw.method} {path}", 404)

    def _query(self, query: str) -> dict[str, Any]:
        pairs = parse_qsl(query)
        return dict(pairs) | {name: [value for key, value in pairs if key == name] for name in self.lists}

    def write(self, operation: str, result: dict[str, Any]) -> Reply:
        return Reply(status=200, body=msgspec.json.encode(result), content_type="application/json")

    def fail(self, error: AwsError) -> Reply:
        body = msgspec.json.encode({"message": error.message, **error.members})
        headers = {"x-amzn-ErrorType": error.code}
        if "retryAfterSeconds" in error.members:
            headers["Retry-After"] = str(error.members["retryAfterSeconds"])
        return Reply(status=error.status, body=body, content_type="application/json", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """query (STS): a form names the operation, XML answers."""

    namespace: str

    def read(self, raw: Raw) -> tuple[str, dict[str, Any]]:
        form = dict(parse_qsl(raw.body.decode()))
        return form.pop("Action", ""), form

    def write(self, operation: str, result: dict[str, Any]) -> Reply:
        body = (
            f'<{operation}Response xmlns="{self.namespace}"><{operation}Result>{_xml(result)}</{operation}Result>'
            f"<ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{operation}Response>"
        )
        return Reply(status=200, body=body.encode(), content_type="text/xml")

    def fail(self, error: AwsError) -> Reply:
        inner = {"Type": "Sender" if error.status < 500 else "Receiver", "Code": error.code, "Message": error.message}
        body = (
            f'<ErrorResponse xmlns="{self.namespace}"><Error>{_xml(inner)}</Error>'
            "<RequestId>simulated</RequestId></ErrorResponse>"
        )
        return Reply(status=error.status, body=body.encode(), content_type="text/xml")


def decode(body: bytes) -> dict[str, Any]:
    """Read a JSON object, an empty body being an empty one."""
    try:
        payload = msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise AwsError("SerializationException", str(exc)) from exc
    return payload


def without_nones(**members: Any) -> dict[str, Any]:
    """Give the members that have a value: AWS leaves the others out."""
    return {name: value for name, value in members.items() if value is not None}


def page(
    items: list[Any], payload: Mapping[str, Any], *, default: int, most: int, invalid: Callable[[str], AwsError]
) -> tuple[list[Any], str | None]:
    """Cut one page out of a list, with the token of the next; `invalid` words the error of a bad size or token."""
    size, token = payload.get("maxResults", default), payload.get("nextToken", "page-0")
    match = re.fullmatch(r"page-(\d+)", token)
    if not 1 <= size <= most or match is None:
        raise invalid(f"Invalid parameter: maxResults {size!r} (1 to {most}) or nextToken {token!r}")
    start = int(match[1])
    following = start + size
    return items[start:following], f"page-{following}" if following < len(items) else None


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(inner)}</member>" for inner in value)
    return escape(str(value))
