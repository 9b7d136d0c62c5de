"""A request that must always be refused, the built-in policy that refuses it, and the check of the answer.

The namespace's name is none that Kubernetes allows, so no request of a cluster ever meets the policy, and the image's
registry does not exist and is never contacted. It takes the whole path of a real request: decoded, matched, judged.
"""

import json
from typing import Any, Final

import msgspec

from tidegate.admission.decision import FORBIDDEN, Mark
from tidegate.policy.model import Action, Glob, HostScope, ImagePolicy, Match

NAMESPACE: Final = "tidegate:self-check"
IMAGE: Final = "self-check.invalid/known-bad:1"
POLICY: Final = ImagePolicy(
    name=NAMESPACE,
    uid=NAMESPACE,
    generation=1,
    actions=frozenset({Action.DENY}),
    match=Match(namespaces=(Glob(text=NAMESPACE),)),
    registries=(HostScope(host="self-check.invalid", repositories=(Glob(text="known-good"),)),),
)


class _Status(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Response(msgspec.Struct, frozen=True, rename="camel"):
    uid: str
    allowed: bool
    status: _Status = _Status()
    audit_annotations: dict[str, str] = {}


class _ReviewResponse(msgspec.Struct, frozen=True):
    response: _Response


def known_bad_review(uid: str) -> bytes:
    """Return the AdmissionReview that creates a Pod of the known-bad image."""
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "known-bad", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "known-bad", "image": IMAGE}]},
    }
    request = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "name": "known-bad",
        "namespace": NAMESPACE,
        "userInfo": {"username": NAMESPACE},
        "dryRun": True,
        "object": pod,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def problem_of(body: bytes, uid: str, *, audit_only: bool) -> str:
    """Return what is wrong with the answer to the known-bad review; an empty text when it was refused by the built-in policy.

    Where nothing is enforced, it must be allowed with a finding that names the built-in policy.
    """
    try:
        response = msgspec.json.decode(body, type=_ReviewResponse).response
    except msgspec.MsgspecError:
        return "the answer to the known-bad request is not an AdmissionReview"
    if response.uid != uid:
        return "the answer to the known-bad request has the uid of another request"
    if response.audit_annotations.get("decision") == Mark.UNSYNCED:
        return "the running server has not read the policies yet"
    if response.allowed is not audit_only:
        return "the known-bad request was allowed" if response.allowed else "the known-bad request was enforced"
    text = response.audit_annotations.get("findings", "") if audit_only else response.status.message
    if NAMESPACE not in text or (not audit_only and response.status.code != FORBIDDEN):
        return "the known-bad request was not judged by the policy that refuses it"
    return ""
