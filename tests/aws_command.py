"""The part of the AWS command line that guides use: it checks a call against the SDK's model, notes it, and sends nothing.

Run as ``aws SERVICE OPERATION --option VALUE ...``. The calls are lines of JSON in the file that AWS_COMMAND_CALLS names. ``--query
QueueUrl`` prints the URL that Amazon SQS would give.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.session import Session
from botocore.validate import ParamValidator

OF_THE_COMMAND = frozenset({"region", "query", "output"})


def main(arguments: list[str]) -> int:
    service, command, *rest = arguments
    options = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    model = Session().get_service_model(service)
    operation = next(each for each in model.operation_names if xform_name(each, "-") == command)
    shape: Any = model.operation_model(operation).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    parameters = {
        members[name]: _value(value, shape.members[members[name]])
        for name, value in options.items()
        if name not in OF_THE_COMMAND
    }
    if (report := ParamValidator().validate(parameters, shape)).has_errors():
        print(report.generate_report(), file=sys.stderr)
        return 2
    with Path(os.environ["AWS_COMMAND_CALLS"]).open("a") as calls:
        calls.write(json.dumps({"call": f"{service}:{operation}", **parameters}) + "\n")
    if options.get("query") == "QueueUrl":
        print(f"https://sqs.{options['region']}.amazonaws.com/{os.environ['ACCOUNT']}/{parameters['QueueName']}")
    return 0


def _value(text: str, shape: Any) -> Any:
    """Read a value: a file, JSON, or the short form ``name=value,name=value``."""
    text = Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text
    if shape.type_name == "string":
        return text
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text)
    if shape.type_name == "list" and shape.member.type_name == "string":
        return text.split()
    short = dict(each.split("=", 1) for each in text.split(","))
    return [short] if shape.type_name == "list" else short


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
