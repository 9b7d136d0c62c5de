"""Digest pinning: a Pod's images that are named by tag alone get the digest that was judged, as a JSON patch.

Nothing is decided here. The answer always allows, since the validating webhook sees the patched Pod and decides. An image
is pinned only if no policy that denies refuses it, neither by its tag nor by its digest: pinning then neither lets in what
the tag rules of a policy refuse, nor has an image refused that is admitted by its tag. Everything else stays as it is.
"""

import base64
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from tidegate.admission.decision import MAX_ANNOTATION_CHARACTERS
from tidegate.admission.request import AdmissionRequest, BadReviewError, changed_images, decode_review
from tidegate.admission.reviewer import (
    DEFAULT_TIMEOUT_SECONDS,
    NamespaceSource,
    PolicySource,
    inner_timeout,
)
from tidegate.admission.verdict import ImageVerdict, effective_actions
from tidegate.admission.verdicts import Verdicts
from tidegate.admission.workload import ImageUse
from tidegate.checks.messages import harmless
from tidegate.checks.result import Outcome
from tidegate.errors import InvalidReferenceError
from tidegate.evidence.clock import Clock
from tidegate.images.digest import Digest
from tidegate.images.reference import ImageReference, parse_reference
from tidegate.policy.model import Action

_POD: Final = ("", "v1", "Pod")
_KUBELET: Final = "system:node:"
"""How the user names of kubelets start."""
_INDEX: Final = re.compile(r"\[([0-9]+)\]")


class PatchOperation(msgspec.Struct, frozen=True, gc=False):
    """One operation of a JSON patch (RFC 6902)."""

    op: str
    path: str
    value: str


class MutatingResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The answer to one request; ``patch`` is a JSON patch in base64, and ``patch_type`` its type where there is one."""

    uid: str
    allowed: bool
    patch_type: str = ""
    patch: str = ""
    audit_annotations: dict[str, str] = {}


class MutatingReview(msgspec.Struct, frozen=True, gc=False):
    """The AdmissionReview that is sent back."""

    response: MutatingResponse
    apiVersion: str = "admission.k8s.io/v1"  # noqa: N815 - the wire's name
    kind: str = "AdmissionReview"


class Pinner:
    """Answers the mutating webhook. It shares the verdicts, the deadline and the shares of the validating one."""

    def __init__(
        self,
        *,
        policies: PolicySource,
        namespaces: NamespaceSource,
        verdicts: Verdicts,
        clock: Clock,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        self._policies = policies
        self._namespaces = namespaces
        self._verdicts = verdicts
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    def review(self, body: bytes, deadline_seconds: float | None) -> bytes | Awaitable[bytes]:
        """Return the answer, or an awaitable of it; raise BadReviewError when the request has no uid to answer with."""
        timeout_seconds = self._timeout_seconds if deadline_seconds is None else deadline_seconds
        deadline = self._clock.monotonic() + inner_timeout(timeout_seconds)
        try:
            request = decode_review(body)
        except BadReviewError as problem:
            if problem.uid is None:
                raise
            return encode(problem.uid, {}, ())
        uses = tagged_images(request)
        if not uses or not self._policies.current().synced:
            return encode(request.uid, {}, ())
        return self._pin(request, uses, deadline)

    async def _pin(self, request: AdmissionRequest, uses: Sequence[ImageUse], deadline: float) -> bytes:
        """Judge in numbered steps."""
        # 1. The policies of the namespace. Where its labels are unknown, every selector counts as matching.
        snapshot, namespace = self._policies.current(), request.namespace
        labels = self._namespaces.labels(namespace)
        if labels is None and snapshot.needs_labels:
            labels = await self._namespaces.fetch_labels(namespace, deadline=deadline)
        self._verdicts.follow(snapshot)
        judge = partial(
            self._verdicts.judge_all,
            policies=snapshot.for_namespace(namespace, labels),
            deadline=deadline,
            share=namespace,
        )
        # 2. The digest of each image that is admitted by its tag.
        references = {
            reference: verdict
            for verdict in await judge(sorted({use.text for use in uses}))
            if verdict.digest is not None
            and _is_admitted(verdict)
            and (reference := pinned_reference(verdict.text, verdict.digest)) is not None
        }
        # 3. Those of them that are admitted by this digest too.
        pinned = {
            references[confirmed.text].text: confirmed.text
            for confirmed in await judge(sorted(references))
            if confirmed.digest == references[confirmed.text].digest and _is_admitted(confirmed)
        }
        return encode(request.uid, pinned, uses)


def _is_admitted(verdict: ImageVerdict) -> bool:
    """Tell whether a policy judged the image and none refuses it. Evidence past its time to live must pass every check."""
    results = [result for one in verdict.judgements for result in one.results]
    is_usable = not verdict.stale or all(result.outcome is Outcome.PASS for result in results)
    # The verdict itself denies nothing where nothing is enforced.
    is_refused = any(
        not one.allowed and Action.DENY in effective_actions(one, audit_only=False) for one in verdict.judgements
    )
    return bool(results) and not is_refused and is_usable


def tagged_images(request: AdmissionRequest) -> tuple[ImageUse, ...]:
    """Return the new images of a Pod that are named by tag alone; none of any other object.

    An image that the stored Pod has already is left: its container would be restarted, and an ephemeral container or an
    image volume cannot be changed. A Pod of a kubelet mirrors a static one, which runs whatever is stored.
    """
    kind = request.kind
    if (kind.group, kind.version, kind.kind) != _POD or request.user.startswith(_KUBELET):
        return ()
    return tuple(use for use in changed_images(request) if _is_tagged(use.text))


def _is_tagged(text: str) -> bool:
    reference = _parsed(text)
    return reference is not None and reference.digest is None


def pinned_reference(text: str, digest: Digest) -> str | None:
    """Return the reference with its tag and the digest, or None if that is no reference to the same repository and tag."""
    before = _parsed(text)
    if before is None or before.digest is not None:
        return None
    written = text if ":" in text.rpartition("/")[2] else f"{text}:{before.tag}"
    pinned = f"{written}@{digest}"
    after = _parsed(pinned)
    if after is None or after.digest != digest:
        return None
    same = (after.domain, after.path, after.tag) == (before.domain, before.path, before.tag)
    return pinned if same else None


def _parsed(text: str) -> ImageReference | None:
    try:
        return parse_reference(text)
    except InvalidReferenceError:
        return None


def pin_patch(pinned: Mapping[str, str], uses: Iterable[ImageUse]) -> list[PatchOperation]:
    """Return the JSON patch that replaces each use of a pinned image; each is tested first to be what was judged."""
    return [
        PatchOperation(operation, _pointer(use.path), value)
        for use in uses
        if use.text in pinned
        for operation, value in (("test", use.text), ("replace", pinned[use.text]))
    ]


def _pointer(path: str) -> str:
    """Return the JSON pointer of a field path such as ``spec.containers[0].image``."""
    return "/" + _INDEX.sub(r"/\1", path).replace(".", "/")


def encode(uid: str, pinned: Mapping[str, str], uses: Iterable[ImageUse]) -> bytes:
    """Return the JSON body of the AdmissionReview that answers the request: allowed, with a patch where there is one."""
    operations = pin_patch(pinned, uses)
    if not operations:
        return msgspec.json.encode(MutatingReview(MutatingResponse(uid=uid, allowed=True)))
    named = ", ".join(harmless(pinned[text], 400) for text in sorted(pinned))
    response = MutatingResponse(
        uid=uid,
        allowed=True,
        patch_type="JSONPatch",
        patch=base64.b64encode(msgspec.json.encode(operations)).decode("ascii"),
        audit_annotations={"pinned": named[:MAX_ANNOTATION_CHARACTERS]},
    )
    return msgspec.json.encode(MutatingReview(response))
