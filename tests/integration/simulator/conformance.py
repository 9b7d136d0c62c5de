"""Hold raw responses against botocore's output shapes: nothing missing, nothing unknown, every value as modelled.

botocore itself drops unknown members and passes any enum value, so parsing alone would not notice a drift.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import botocore.exceptions
import msgspec
import pytest

# Where the model says otherwise than AWS does, and the simulator follows AWS.
_WRONG_BOUNDS = {"FindingList"}  # at most 25 says the model, but maxResults of ListFindings goes to 100
_ABSENT_WHEN_FINE = {"errorCode", "errorMessage"}
_SCALARS: dict[str, Any] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "blob": (str,),
}


def violations(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Give each place at which a raw JSON value is not of its shape."""
    if shape.type_name == "structure":
        yield from _structure(value, shape, path)
    elif shape.type_name == "list":
        if shape.name not in _WRONG_BOUNDS:
            yield from _bounds(len(value), shape, f"{path}: {len(value)} members")
        for number, member in enumerate(value):
            yield from violations(member, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from violations(key, shape.key, f"{path}.{key}")
            yield from violations(member, shape.value, f"{path}.{key}")
    else:
        yield from _scalar(value, shape, path)


def _structure(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is not a structure"
        return
    for name in shape.required_members:
        # BatchGetAccountStatus: AWS has no error to tell of an account that is enabled, whatever the model requires.
        if name not in value and not (name in _ABSENT_WHEN_FINE and "status" in value):
            yield f"{path}.{name}: required, but absent"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{path}.{name}: unknown"
        else:
            yield from violations(member, shape.members[name], f"{path}.{name}")


def _scalar(value: Any, shape: Any, path: str) -> Iterator[str]:
    boolean = isinstance(value, bool)
    if boolean != (shape.type_name == "boolean") or not (boolean or isinstance(value, _SCALARS[shape.type_name])):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    enum, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
    if enum and value not in enum:
        yield f"{path}: {value!r} is none of the modelled values"
    if pattern and not _fits(pattern, value):
        yield f"{path}: {value!r} does not fit {pattern}"
    if shape.type_name == "blob":
        yield from _bounds(len(b64decode(value, validate=True)), shape, f"{path}: the decoded bytes")
    elif shape.type_name == "string":
        yield from _bounds(len(value), shape, f"{path}: {len(value)} characters")
    elif shape.type_name != "boolean":
        yield from _bounds(value, shape, f"{path}: {value}")


def _fits(pattern: str, value: str) -> bool:
    try:
        return bool(re.search(pattern, value) if "^" in pattern else re.fullmatch(pattern, value))
    except re.error:
        return True  # written in another dialect


def _bounds(size: float, shape: Any, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{what}, at least {least}"
    if most is not None and size > most:
        yield f"{what}, at most {most}"


class Watch:
    """Check every response that a client gets, and keep what was wrong and what was seen."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seen: set[tuple[str, str]] = set()

    def over(self, client: Any) -> Any:
        """Watch a client's raw responses; give the client."""
        model = client.meta.service_model

        def check(operation_model: Any, response_dict: Any, **_: Any) -> None:
            name = operation_model.name
            self.seen.add((model.signing_name, name))
            place = f"{model.signing_name} {name}"
            if model.protocol == "query":
                self.wrong += [f"{place}{each}" for each in _xml_violations(operation_model, response_dict)]
            else:
                self.wrong += [f"{place}{each}" for each in _json_violations(operation_model, response_dict)]

        client.meta.events.register("before-parse.*.*", check)
        return client


def _json_violations(operation: Any, response: Any) -> Iterator[str]:
    value = msgspec.json.decode(response["body"])
    if response["status_code"] < 300:
        yield from violations(value, operation.output_shape)
        return
    code = response["headers"].get("x-amzn-ErrorType") or value.pop("__type")
    modelled = {shape.error_code: shape for shape in operation.error_shapes}
    if code in modelled:
        in_headers = {n for n, m in modelled[code].members.items() if m.serialization.get("location") == "header"}
        assert in_headers <= {"retryAfterSeconds"}
        yield from violations(value, modelled[code], f" {code}")
        status = modelled[code].metadata.get("error", {}).get("httpStatusCode", response["status_code"])
        if status != response["status_code"]:
            yield f" {code}: HTTP status {response['status_code']}, modelled {status}"


def _xml_violations(operation: Any, response: Any) -> Iterator[str]:
    root = ET.fromstring(response["body"])
    if response["status_code"] >= 300:
        return
    result = next(each for each in root if each.tag.endswith("Result"))
    yield from violations(_plain(result, operation.output_shape), operation.output_shape)


def _plain(element: Any, shape: Any) -> Any:
    if shape is None or shape.type_name != "structure":
        return 0.0 if shape is not None and shape.type_name == "timestamp" else element.text
    names = [each.tag.rpartition("}")[2] for each in element]
    return {name: _plain(each, shape.members.get(name)) for name, each in zip(names, element, strict=True)}


def code_of(call: Any, **arguments: Any) -> str:
    """Give the code of the error that a call has to end in."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])
