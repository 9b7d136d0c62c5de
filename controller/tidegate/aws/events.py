"""Events of EventBridge in a queue, read strictly into changes to look up. Nothing that an event says is believed.

Everyone who may send to the queue can write a body. The worst that a forged event does is one more look-up: its registry has to
be one in use, and ``gather.changes`` bounds repeats. Sources of the shapes: the pages "Amazon EventBridge event schema for Amazon
Inspector events" and "Amazon ECR events and EventBridge" of the user guides. An event may come through a topic of Amazon SNS.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tidegate.errors import InvalidEventError, VerificationError
from tidegate.evidence.change import Change, ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.evidence.message import AwsEvent
from tidegate.images.arn import is_repository_name, parse_image_arn, parse_repository_arn
from tidegate.images.digest import Digest, parse_digest
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.policy.scopes import partition_of
from tidegate.strict.json_text import strict_object

MAX_BODY_BYTES: Final = 1024 * 1024
"""Bytes of a message; Amazon SQS takes no more."""
MAX_VALUES: Final = 100_000
"""Values of a body: a finding names each copy of each vulnerable package."""
MAX_RESOURCES: Final = 100
"""Resources of one event; more are one change of their registry."""
OTHER: Final = "other"

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,10}(?:-[a-z0-9]{1,20}){2,4}")
_TAG = re.compile(r"\w[\w.\-]{0,127}", re.ASCII)
_OF_SUBJECT = re.compile(r"(?P<digest>sha256-[0-9a-f]{64})(?:\.[a-z]{1,20})?")
"""A tag under which a signature lies beside its subject."""
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
)
_OF_ECR = re.compile(r"arn:[a-z-]+:ecr:")
_OF_A_REPOSITORY = frozenset(
    {
        "DeleteLifecyclePolicy",
        "DeleteRepository",
        "DeleteRepositoryPolicy",
        "PutImageTagMutability",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
    }
)
_OF_A_REGISTRY = frozenset(
    {
        "CreatePullThroughCacheRule",
        "DeletePullThroughCacheRule",
        "DeleteRegistryPolicy",
        "PutAccountSetting",
        "PutRegistryPolicy",
        "PutRegistryScanningConfiguration",
    }
)
"""Calls to ECR, as AWS CloudTrail records them, after which settings that are judged may differ."""

_Object = Mapping[str, Any]


def parse_event(body: str) -> AwsEvent:
    """Return what a message says; raise InvalidEventError for a body that is no event, or not one that AWS sends."""
    event = _object_of(body)
    if event.get("Type") == "Notification" and "detail-type" not in event:
        event = _object_of(_text(event, "Message", MAX_BODY_BYTES))
    kind = _text(event, "detail-type")
    read = _KINDS.get((_text(event, "source"), kind))
    if read is None:
        return AwsEvent(kind=OTHER)
    changes = list(read(_EventBridgeEvent(event)))
    if len(changes) > MAX_RESOURCES:
        changes = [RegistryChange(registry) for registry in {each.registry for each in changes}]
    return AwsEvent(kind=kind, changes=frozenset(changes))


class _EventBridgeEvent:
    """The fields that every event of EventBridge has, with the registry of its account and region."""

    def __init__(self, event: _Object) -> None:
        account, region = _text(event, "account"), _text(event, "region")
        if not _ACCOUNT.fullmatch(account) or not _REGION.fullmatch(region):
            raise InvalidEventError("account or region: not one of AWS")
        self.registry = EcrRegistry(partition_of(region), account, region)
        self.resources = _list(event, "resources")
        self.detail = _object(event, "detail")

    def repository(self, holder: _Object) -> EcrRepository:
        """Return the repository that ``repository-name`` names, by its name in the event's registry or by its ARN."""
        name = _text(holder, "repository-name")
        if found := parse_repository_arn(name):
            return found
        if not is_repository_name(name):
            raise InvalidEventError("repository-name: not a repository of Amazon ECR")
        return EcrRepository(self.registry, name)


def _finding(event: _EventBridgeEvent) -> Iterator[Change]:
    yield from _of_arns(event.resources, ScanChange)
    yield from _of_arns((_object_in(each).get("id") for each in _list(event.detail, "resources")), ScanChange)


def _coverage(event: _EventBridgeEvent) -> Iterator[Change]:
    yield from _of_arns(event.resources)


def _scan(event: _EventBridgeEvent) -> Iterator[Change]:
    """Read the end of the first scan, of an image by Amazon Inspector or of any by ECR; other resources have no image."""
    if "image-digest" in event.detail:
        yield ImageChange(event.repository(event.detail), _digest(event.detail))


def _action(event: _EventBridgeEvent) -> Iterator[Change]:
    """Read that an image was pushed, replicated, imported, archived or deleted."""
    detail = event.detail
    if any(detail.get(name, "SUCCESS") != "SUCCESS" for name in ("result", "sync-status")):
        return
    repository = event.repository(detail)
    digest = _digest(detail) if detail.get("image-digest") else None
    tag = _text(detail, "image-tag") if detail.get("image-tag") else None
    if digest is not None:
        yield ImageChange(repository, digest)
    if tag is not None:
        if not _TAG.fullmatch(tag):
            raise InvalidEventError("image-tag: not a tag")
        yield TagChange(repository, tag)
        if found := _OF_SUBJECT.fullmatch(tag):
            yield ImageChange(repository, Digest(found["digest"].replace("-", ":")))
    artifact = _text(detail, "artifact-media-type") if detail.get("artifact-media-type") else None
    if (digest is None and tag is None) or (artifact is not None and artifact not in _IMAGE_CONFIGS):
        # Of a signature, the event does not name the subject.
        yield RepositoryChange(repository)


def _referrer(event: _EventBridgeEvent) -> Iterator[Change]:
    yield RepositoryChange(event.repository(event.detail))


def _scan_settings(event: _EventBridgeEvent) -> Iterator[Change]:
    for each in _list(event.detail, "repositories"):
        yield RepositoryChange(event.repository(_object_in(each)))


def _call(event: _EventBridgeEvent) -> Iterator[Change]:
    """Read a call to ECR that succeeded."""
    detail, name = event.detail, _text(event.detail, "eventName")
    if detail.get("eventSource") != "ecr.amazonaws.com" or detail.get("errorCode"):
        return
    if name in _OF_A_REGISTRY:
        yield RegistryChange(event.registry)
    elif name in _OF_A_REPOSITORY:
        named = _text(_object(detail, "requestParameters"), "repositoryName")
        yield RepositoryChange(event.repository({"repository-name": named}))


_KINDS: Final[Mapping[tuple[str, str], Callable[[_EventBridgeEvent], Iterable[Change]]]] = {
    ("aws.inspector2", "Inspector2 Finding"): _finding,
    ("aws.inspector2", "Inspector2 Coverage"): _coverage,
    ("aws.inspector2", "Inspector2 Scan"): _scan,
    ("aws.ecr", "ECR Image Action"): _action,
    ("aws.ecr", "ECR Image Scan"): _scan,
    ("aws.ecr", "ECR Replication Action"): _action,
    ("aws.ecr", "ECR Pull Through Cache Action"): _action,
    ("aws.ecr", "ECR Referrer Action"): _referrer,
    ("aws.ecr", "ECR Scan Resource Change"): _scan_settings,
    ("aws.ecr", "AWS API Call via CloudTrail"): _call,
}
KINDS: Final = frozenset(kind for _, kind in _KINDS)
"""The types of events that are read."""


def _of_arns(arns: Iterable[object], kind: type[ImageChange] = ImageChange) -> Iterator[Change]:
    """Give a change for each ARN of ECR; those of other services are none of ours."""
    for arn in arns:
        if not isinstance(arn, str):
            raise InvalidEventError("resources: expected texts")
        if image := parse_image_arn(arn):
            yield kind(*image)
        elif repository := parse_repository_arn(arn):
            yield RepositoryChange(repository)
        elif _OF_ECR.match(arn):
            raise InvalidEventError("resources: neither an image nor a repository of Amazon ECR")


def _object_of(body: str) -> _Object:
    try:
        encoded = body.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise InvalidEventError("not UTF-8") from problem
    if len(encoded) > MAX_BODY_BYTES:
        raise InvalidEventError(f"{len(encoded)} bytes, more than {MAX_BODY_BYTES}")
    try:
        return strict_object(encoded, "event", max_values=MAX_VALUES)
    except VerificationError as problem:
        raise InvalidEventError(str(problem)) from problem


def _text(holder: _Object, name: str, most: int = 1024) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise InvalidEventError(f"{name}: expected a text of at most {most} characters")
    return value


def _list(holder: _Object, name: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidEventError(f"{name}: expected a list")
    return value


def _object(holder: _Object, name: str) -> _Object:
    return _object_in(holder.get(name))


def _object_in(value: object) -> _Object:
    if not isinstance(value, dict):
        raise InvalidEventError("expected an object")
    return value


def _digest(holder: _Object) -> Digest:
    found = parse_digest(_text(holder, "image-digest"))
    if found is None:
        raise InvalidEventError("image-digest: not a digest")
    return found
