"""The line of the AWS CLI that makes the same call, so that an operator can try it with other credentials."""

import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tidegate.evidence.fact import Cause
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry

Options = tuple[str, ...]


def _repository(reference: ImageReference) -> Options:
    return "--repository-name", reference.path


def _image(reference: ImageReference) -> str:
    return f"imageDigest={reference.digest}" if reference.digest is not None else f"imageTag={reference.tag}"


def _only(field: str) -> Callable[[ImageReference], Options]:
    """Return the filter of Amazon Inspector for one repository."""

    def options(reference: ImageReference) -> Options:
        wanted = {field: [{"comparison": "EQUALS", "value": reference.path}]}
        return "--filter-criteria", json.dumps(wanted, separators=(",", ":"))

    return options


_OF_AN_IMAGE: Mapping[str, Callable[[ImageReference], Options]] = MappingProxyType(
    {
        "ecr:DescribeImages": lambda one: (*_repository(one), "--image-ids", _image(one)),
        "ecr:BatchGetImage": lambda one: (*_repository(one), "--image-ids", _image(one)),
        "ecr:DescribeRepositories": lambda one: ("--repository-names", one.path),
        "ecr:DescribeImageScanFindings": lambda one: (*_repository(one), "--image-id", _image(one)),
        "ecr:DescribeImageSigningStatus": lambda one: (*_repository(one), "--image-id", _image(one)),
        "inspector2:ListCoverage": _only("ecrRepositoryName"),
        "inspector2:ListFindings": _only("ecrImageRepositoryName"),
    }
)
_OF_A_REGISTRY = frozenset({"ecr:GetRegistryScanningConfiguration", "ecr:DescribePullThroughCacheRules"})


def aws_line(source: str, cause: Cause, registry: EcrRegistry, example: ImageReference | None, role: str | None) -> str:
    """Return the line for an API such as ``ecr:DescribeImages``, about an example image; empty where there is none."""
    if cause is Cause.CREDENTIALS:
        return "aws sts get-caller-identity"
    if source == "sts:AssumeRole":
        return "" if role is None else _line("sts assume-role", "--role-arn", role, "--role-session-name", "tidegate")
    service, _, operation = source.partition(":")
    command = f"{service} {_kebab(operation)}"
    region = ("--region", registry.region)
    if source in _OF_A_REGISTRY:
        return _line(command, *region)
    if source not in _OF_AN_IMAGE or example is None:
        return ""
    owner = ("--registry-id", registry.account) if service == "ecr" and "Signing" not in operation else ()
    return _line(command, *owner, *_OF_AN_IMAGE[source](example), *region)


def _kebab(operation: str) -> str:
    return "".join(f"-{one.lower()}" if one.isupper() else one for one in operation).lstrip("-")


def _line(command: str, *options: str) -> str:
    return f"aws {command} {shlex.join(options)}"
