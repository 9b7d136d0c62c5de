"""Answers must be whole before they are believed.

The SDK takes a body that is cut short, empty or no JSON at all for an answer without members, and says so to nobody:
"no findings" would be what it reads out of half a list of them, or of a text where the list should be. Every client
checks here what it received.
"""

from typing import Any

import msgspec
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.model import OperationModel

from tidegate.aws.errors import unexpected
from tidegate.evidence.fact import Cause
from tidegate.evidence.unavailable import AwsUnavailableError

_JSON = frozenset({"json", "rest-json"})
_FIRST_ERROR_STATUS = 300
_LIST_OR_NULL = frozenset({b"[", b"n"})
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def require_whole_bodies(client: BaseClient) -> None:
    """Make a client raise AwsUnavailableError for a successful answer whose body is not whole."""
    client.meta.events.register("after-call", _check)


def _check(http_response: AWSResponse, model: OperationModel, **_: Any) -> None:
    if http_response.status_code >= _FIRST_ERROR_STATUS:
        return
    source = f"{model.service_model.signing_name}:{model.name}"
    body, length = http_response.content, http_response.headers.get("content-length")
    if length is not None and str(len(body)) != length:
        problem = f"the connection ended after {len(body)} of {length[:20]} bytes"
        raise AwsUnavailableError(Cause.UNREACHABLE, source, problem)
    if model.service_model.protocol in _JSON:
        try:
            members = _MEMBERS.decode(body)
        except msgspec.MsgspecError as exc:
            raise unexpected(source, f"the body is not a JSON object: {exc}") from exc
        _check_lists(members, model, source)


def _check_lists(members: dict[str, msgspec.Raw], model: OperationModel, source: str) -> None:
    if model.output_shape is None:
        return
    for name, shape in model.output_shape.members.items():
        if shape.type_name == "list" and name in members and bytes(memoryview(members[name])[:1]) not in _LIST_OR_NULL:
            raise unexpected(source, f"{name}: expected a list")
