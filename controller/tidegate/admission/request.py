"""AdmissionReviews of the API server, decoded in one pass into the fields that a decision needs.

Nothing is decided here. An object that cannot be read, or is of an unsupported kind, is an error and never an object
without images; the size of the body is bounded by the server that received it.
"""

import re
from enum import StrEnum

import msgspec

from tidegate.admission.workload import (
    WORKLOAD_KINDS,
    ImageUse,
    InvalidWorkloadError,
    PodSpecField,
    Workload,
    WorkloadKind,
    images_of,
)
from tidegate.errors import Error

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
MAX_NAME_LENGTH = 253
"""Characters of an object's name or namespace."""
MAX_IMAGES = 256
"""New images of one object: more are refused unread rather than looked up."""
MAX_JSON_OBJECTS = 200_000
"""JSON objects in one review. Decoding so many containers takes about 25 ms and 31 MiB; old and new object of a workload as
large as etcd takes (1.5 MiB), made of nothing but environment variables and their managedFields, have fewer."""

_UID = re.compile(r"[A-Za-z0-9\-]{1,64}", re.ASCII)
_REASON_LENGTH = 200


class BadReviewError(Error):
    """A request that cannot be judged. ``uid`` is the request's where it could be read, to answer with, else None."""

    def __init__(self, text: str, *, uid: str | None = None) -> None:
        super().__init__(text)
        self.uid = uid


class Operation(StrEnum):
    """The operation of an admission request."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


class GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    """The kind of an object; ``group`` is empty for the core group."""

    version: str
    kind: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.group}/{self.version} {self.kind}" if self.group else f"{self.version} {self.kind}"


class GroupVersionResource(msgspec.Struct, frozen=True, gc=False):
    """The resource that a request goes to, such as ``pods``."""

    version: str
    resource: str
    group: str = ""


class _User(msgspec.Struct, frozen=True, gc=False):
    username: str = ""


class _Head(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of a request that every operation has."""

    uid: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    operation: str
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: _User = _User()
    dry_run: bool | None = None


class _Request(_Head, frozen=True, gc=False, rename="camel"):
    object: Workload | None = None
    old_object: Workload | None = None


class _Review(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    api_version: str
    kind: str
    request: _Request


class _HeadReview(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    api_version: str
    kind: str
    request: _Head


class AdmissionRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request. ``images`` is never empty for CREATE and UPDATE, and always for DELETE and CONNECT.

    ``name`` is the object's, or its ``generateName``, or empty; ``user`` is the user name of the client.
    ``old_images`` are those of the object as stored, for UPDATE only.
    """

    uid: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    sub_resource: str
    namespace: str
    name: str
    operation: Operation
    user: str
    dry_run: bool
    images: tuple[ImageUse, ...]
    old_images: tuple[ImageUse, ...]


_decode = msgspec.json.Decoder(_Review).decode
_decode_head = msgspec.json.Decoder(_HeadReview).decode
_OPERATIONS = {operation.value: operation for operation in Operation}
_RUNNING = frozenset({Operation.CREATE, Operation.UPDATE})


def decode_review(body: bytes) -> AdmissionRequest:
    """Return the request of an AdmissionReview (JSON); raise BadReviewError for anything that cannot be judged.

    Source: k8s.io/api/admission/v1. A deletion needs no readable object, so that it is never blocked.
    """
    # An object takes at least two bytes, so that a short body need not be counted.
    if len(body) > 2 * MAX_JSON_OBJECTS and body.count(b"{") > MAX_JSON_OBJECTS:
        return _without_objects(body, f"an {KIND} with more than {MAX_JSON_OBJECTS:,} JSON objects in it")
    try:
        review = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        return _without_objects(body, f"not a readable {KIND}: {ascii(str(exc)[:_REASON_LENGTH])[1:-1]}")
    head = review.request
    operation = _checked_operation(review.api_version, review.kind, head)
    if operation not in _RUNNING:
        return _request(head, operation, head.name)
    workload_kind = _workload_kind(head)
    if head.object is None:
        raise BadReviewError(f"a request to {operation.value} a {workload_kind.kind} without an object", uid=head.uid)
    try:
        images = images_of(head.object, workload_kind)
    except InvalidWorkloadError as exc:
        raise BadReviewError(str(exc), uid=head.uid) from exc
    metadata = head.object.metadata
    name = head.name or (metadata.name or metadata.generate_name if metadata else "")
    old_images = _old_images(head, workload_kind) if operation is Operation.UPDATE else ()
    request = _request(head, operation, name, images, old_images)
    if len(images) > MAX_IMAGES and len(changed_images(request)) > MAX_IMAGES:
        raise BadReviewError(f"a {workload_kind.kind} with more than {MAX_IMAGES} new images", uid=head.uid)
    return request


def changed_images(request: AdmissionRequest) -> tuple[ImageUse, ...]:
    """Return the images to judge: all of a new object; of a changed one those that its list did not hold before.

    An image that moves between containers of one list is no change. An added ephemeral container always is, even with
    an image that the Pod has: it is pulled anew, and a tag may have moved since the Pod was judged. The stored object
    counts for UPDATE only, where the API server fills it in.
    """
    if request.operation is not Operation.UPDATE:
        return request.images
    if request.images == request.old_images:
        return ()
    known = {_change_key(use) for use in request.old_images}
    return tuple(use for use in request.images if _change_key(use) not in known)


def _change_key(use: ImageUse) -> tuple[PodSpecField, str, str]:
    """Return what a changed image differs in; ephemeral containers cannot be changed, so the name of a new one counts."""
    return use.spec_field, use.text, use.name if use.spec_field is PodSpecField.EPHEMERAL_CONTAINERS else ""


def _checked_operation(api_version: str, kind: str, head: _Head) -> Operation:
    """Return the operation of a review whose head is sound."""
    uid = head.uid if _UID.fullmatch(head.uid) else None
    if api_version != API_VERSION or kind != KIND:
        raise BadReviewError(f"not an {KIND} of {API_VERSION}", uid=uid)
    if uid is None:
        raise BadReviewError("request.uid must be 1 to 64 letters, digits or dashes")
    operation = _OPERATIONS.get(head.operation)
    if operation is None:
        raise BadReviewError(f"request.operation must be one of {', '.join(_OPERATIONS)}", uid=uid)
    if len(head.name) > MAX_NAME_LENGTH or len(head.namespace) > MAX_NAME_LENGTH:
        raise BadReviewError(f"request.name or request.namespace is longer than {MAX_NAME_LENGTH}", uid=uid)
    return operation


def _workload_kind(head: _Head) -> WorkloadKind:
    """Return the workload kind of the request. The resource, by which the webhook's rules select, must agree."""
    kind, resource = head.kind, head.resource
    workload_kind = WORKLOAD_KINDS.get((kind.group, kind.version, kind.kind))
    if workload_kind is None:
        raise BadReviewError(
            f"the kind {str(kind)[:80]!a} is not supported; remove it from the webhook's rules", uid=head.uid
        )
    if (resource.group, resource.version, resource.resource) != (kind.group, kind.version, workload_kind.resource):
        raise BadReviewError(
            f"request.resource {resource.resource[:80]!a} is not that of a {workload_kind.kind}", uid=head.uid
        )
    return workload_kind


def _old_images(head: _Request, workload_kind: WorkloadKind) -> tuple[ImageUse, ...]:
    """Return the images of the stored object; none where it cannot be read, so that all of the new one are judged."""
    if head.old_object is None:
        return ()
    try:
        return images_of(head.old_object, workload_kind)
    except InvalidWorkloadError:
        return ()


def _without_objects(body: bytes, problem: str) -> AdmissionRequest:
    """Return a DELETE or CONNECT request without its object; raise the problem for others."""
    try:
        review = _decode_head(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadReviewError(problem) from exc
    operation = _checked_operation(review.api_version, review.kind, review.request)
    if operation in _RUNNING:
        raise BadReviewError(problem, uid=review.request.uid)
    return _request(review.request, operation, review.request.name)


def _request(
    head: _Head,
    operation: Operation,
    name: str,
    images: tuple[ImageUse, ...] = (),
    old_images: tuple[ImageUse, ...] = (),
) -> AdmissionRequest:
    return AdmissionRequest(
        uid=head.uid,
        kind=head.kind,
        resource=head.resource,
        sub_resource=head.sub_resource,
        namespace=head.namespace,
        name=name,
        operation=operation,
        user=head.user_info.username,
        dry_run=bool(head.dry_run),
        images=images,
        old_images=old_images,
    )
