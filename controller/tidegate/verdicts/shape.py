"""The shape of ImageVerdict objects: what the API server stores. The CRD is generated from it (deploy/helm/schemas.py).

An object is decoded strictly by it: a field that is not here, a value of another type or beyond a bound makes it invalid.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tidegate.checks.result import Outcome
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository, repository_text
from tidegate.policy.model import Action
from tidegate.policy.objects import API_VERSION

KIND: Final = "ImageVerdict"
PLURAL: Final = "imageverdicts"
VERDICTS_PATH: Final = f"/apis/{API_VERSION}/{PLURAL}"
SHORT_NAME: Final = "iv"
REFUSED_LABEL: Final = "tidegate.dev/refused"

MAX_BYTES: Final = 64 * 1024
"""Bytes of one object as JSON."""
MAX_POLICIES, MAX_RESULTS, MAX_NAMESPACES, MAX_WORKLOADS = 50, 10, 100, 10
MAX_TAGS, MAX_REASONS, MAX_SIGNERS, MAX_SHOWN_FINDINGS, MAX_SHOWN_IMAGES = 16, 10, 10, 3, 16
MAX_MESSAGE, MAX_REMEDY, MAX_SHORT_TEXT, MAX_FINDING_TEXT, MAX_SIGNER = 300, 300, 128, 64, 256
MAX_NAME_START: Final = 40
_NAME_DIGITS: Final = 16
_MAX_COUNT: Final = 2**31 - 1

Time = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(max_length=253)]
NamespaceName = Annotated[str, Meta(max_length=63)]
Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
ShortText = Annotated[str, Meta(max_length=MAX_SHORT_TEXT)]
FindingText = Annotated[str, Meta(max_length=MAX_FINDING_TEXT)]
ImageDigest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$", max_length=71)]


class _Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """Closed, and written without what says nothing."""


class VerdictSpec(_Shape, frozen=True, kw_only=True):
    """Which image the verdict is about."""

    repository: Annotated[
        str, Meta(min_length=1, max_length=512, description="The repository, with its registry's host.")
    ]
    digest: Annotated[ImageDigest, Meta(description="The digest of the image, or of the index.")]


class StoredResult(_Shape, frozen=True, kw_only=True):
    """The result of one check that did not pass."""

    check: Annotated[str, Meta(max_length=64, description="The check, named as the section of the policy.")]
    outcome: Annotated[Outcome, Meta(description="The outcome of the check.")]
    reason: Annotated[str, Meta(max_length=64, description="The reason code.")]
    message: Annotated[str, Meta(max_length=MAX_MESSAGE, description="What was found.")] = ""
    remedy: Annotated[str, Meta(max_length=MAX_REMEDY, description="How to fix it.")] = ""
    exception: Annotated[Name, Meta(description="The exceptions that the result rests on.")] = ""


class StoredJudgement(_Shape, frozen=True, kw_only=True):
    """What one policy says of the image in the namespaces that are listed."""

    name: Annotated[Name, Meta(description="The name of the ImagePolicy.")]
    generation: Annotated[int, Meta(ge=0, description="The generation of the ImagePolicy that was judged by.")] = 0
    actions: Annotated[
        tuple[Action, ...], Meta(max_length=3, description="What the policy does with an image that does not meet it.")
    ] = ()
    outcome: Annotated[Outcome, Meta(description="The worst outcome of the policy's checks.")]
    namespaces: Annotated[
        tuple[NamespaceName, ...],
        Meta(max_length=MAX_NAMESPACES, description="Where the image runs and the policy has this outcome."),
    ] = ()
    omitted_namespaces: Annotated[Count, Meta(description="How many namespaces are not listed.")] = 0
    results: Annotated[
        tuple[StoredResult, ...], Meta(max_length=MAX_RESULTS, description="The checks that did not pass.")
    ] = ()
    omitted_results: Annotated[Count, Meta(description="How many results are not listed.")] = 0


class StoredWorkload(_Shape, frozen=True, kw_only=True):
    """One workload."""

    kind: Annotated[str, Meta(max_length=63, description="The kind of the workload, such as Deployment.")]
    name: Annotated[Name, Meta(description="The name of the workload.")]


class NamespaceRuns(_Shape, frozen=True, kw_only=True):
    """Where the image runs in one namespace."""

    name: Annotated[NamespaceName, Meta(description="The namespace.")]
    pods: Annotated[
        Count, Meta(description="How many Pods run the image; 0 for up to five minutes after the last of them ended.")
    ]
    since: Annotated[
        Time | None, Meta(description="Since when Pods have run it, with no break of five minutes or more.")
    ] = None
    workloads: Annotated[
        tuple[StoredWorkload, ...], Meta(max_length=MAX_WORKLOADS, description="The workloads that the Pods belong to.")
    ] = ()
    omitted_workloads: Annotated[Count, Meta(description="How many workloads are not listed.")] = 0


class Runs(_Shape, frozen=True, kw_only=True):
    """Where the image runs."""

    pods: Annotated[Count, Meta(description="How many Pods of the cluster run the image.")] = 0
    where: Annotated[str, Meta(max_length=256, description="The namespaces in a few words.")] = ""
    namespaces: Annotated[
        tuple[NamespaceRuns, ...],
        Meta(max_length=MAX_NAMESPACES, description="The namespaces where it runs, those with most Pods first."),
    ] = ()
    omitted_namespaces: Annotated[Count, Meta(description="How many namespaces are not listed.")] = 0
    tags: Annotated[
        tuple[ShortText, ...], Meta(max_length=MAX_TAGS, description="Tags by which Pods name the image.")
    ] = ()
    last_seen: Annotated[
        Time | None, Meta(description="When the image was last seen running, where it does not run any more.")
    ] = None


class ShownFinding(_Shape, frozen=True, kw_only=True):
    """One finding."""

    id: Annotated[FindingText, Meta(description="The id of the vulnerability.")]
    severity: Annotated[str, Meta(max_length=32, description="The severity that the scanner gives it.")]
    package: Annotated[FindingText, Meta(description="The first package that has it.")] = ""
    installed: Annotated[FindingText, Meta(description="The version of the package in the image.")] = ""
    fixed_in: Annotated[FindingText, Meta(description="The version of the package that fixes it.")] = ""
    first_observed_at: Annotated[Time | None, Meta(description="When the scanner first saw it.")] = None


class ScannedDigest(_Shape, frozen=True, kw_only=True):
    """One image that may run: the image itself, or one of an index."""

    digest: Annotated[ImageDigest, Meta(description="The digest of the image.")]
    platform: Annotated[ShortText, Meta(description="The platform of the image, where it is known.")] = ""
    scan: Annotated[str, Meta(max_length=32, description="The state of the scan.")] = ""
    last_scanned_at: Annotated[Time | None, Meta(description="When it was last scanned.")] = None
    findings: Annotated[Count, Meta(description="How many findings it has that are not suppressed.")] = 0


class StoredTag(_Shape, frozen=True, kw_only=True):
    """One tag that points to the image."""

    name: Annotated[ShortText, Meta(description="The tag.")]
    observed_at: Annotated[Time, Meta(description="When the registry last resolved the tag to this digest.")]


class StoredFacts(_Shape, frozen=True, kw_only=True):
    """What a replica needs to judge the image while AWS cannot be reached."""

    observed_at: Annotated[Time, Meta(description="When the oldest fact about the image and its scan was looked up.")]
    settings_observed_at: Annotated[
        Time | None, Meta(description="When the settings of the repository were looked up.")
    ] = None
    signatures_observed_at: Annotated[Time | None, Meta(description="When the signatures were looked for.")] = None
    tags: Annotated[
        tuple[StoredTag, ...], Meta(max_length=MAX_TAGS, description="The tags that point to the image.")
    ] = ()
    complete: Annotated[
        bool, Meta(description="False where the facts were cut to fit: then they never let the image through.")
    ] = True
    data: Annotated[
        str,
        Meta(max_length=MAX_BYTES, description="The facts: base64 of gzip of JSON. They may change with any version."),
    ]


class VerdictStatus(_Shape, frozen=True, kw_only=True):
    """What is known of the image, by every policy that applies where it runs."""

    written_at: Annotated[Time, Meta(description="When this was written.")]
    outcome: Annotated[Outcome, Meta(description="The worst outcome of all policies and namespaces.")]
    refused: Annotated[
        bool,
        Meta(
            description="Whether a policy with the action Deny would refuse the image in a namespace where it runs, also if"
            " nothing is enforced there."
        ),
    ]
    since: Annotated[Time, Meta(description="Since when outcome and refused are what they are.")]
    reasons: Annotated[
        tuple[Annotated[str, Meta(max_length=64)], ...],
        Meta(max_length=MAX_REASONS, description="The distinct reason codes, worst first."),
    ] = ()
    message: Annotated[str, Meta(max_length=MAX_MESSAGE, description="The worst result in one line.")] = ""
    policies: Annotated[
        tuple[StoredJudgement, ...],
        Meta(max_length=MAX_POLICIES, description="What each policy says, the worst first."),
    ] = ()
    omitted_policies: Annotated[Count, Meta(description="How many policies are not listed.")] = 0
    severities: Annotated[
        dict[Annotated[str, Meta(max_length=32)], Count],
        Meta(
            max_length=10,
            description="How many findings of each severity the worst image has, without suppressed ones.",
        ),
    ] = {}
    findings: Annotated[
        tuple[ShownFinding, ...],
        Meta(max_length=MAX_SHOWN_FINDINGS, description="The worst findings that are not suppressed."),
    ] = ()
    omitted_findings: Annotated[Count, Meta(description="How many findings are not listed.")] = 0
    images: Annotated[
        tuple[ScannedDigest, ...],
        Meta(
            max_length=MAX_SHOWN_IMAGES, description="The image itself, or the images of the index, with their scans."
        ),
    ] = ()
    omitted_images: Annotated[Count, Meta(description="How many images of the index are not listed.")] = 0
    runs: Annotated[Runs, Meta(description="Where the image runs.")] = Runs()
    signers: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_SIGNER)], ...],
        Meta(max_length=MAX_SIGNERS, description="Who signed the image, of those that a policy trusts."),
    ] = ()
    evidence: Annotated[
        StoredFacts | None, Meta(description="What a replica needs to judge the image while AWS cannot be reached.")
    ] = None


class VerdictMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is read of an object's metadata."""

    name: str
    uid: str = ""
    resource_version: str = ""


class VerdictObject(_Shape, frozen=True, kw_only=True):
    """A whole ImageVerdict."""

    api_version: str = ""
    kind: str = ""
    metadata: VerdictMetadata
    spec: VerdictSpec
    status: VerdictStatus | None = None


def object_name(repository: Repository, digest: Digest) -> str:
    """Return the name of an image's object: the last part of the repository's name, and a hash of all of it."""
    part = repository.name.rpartition("/")[2].lower()
    start = re.sub(r"[^a-z0-9]+", "-", part)[:MAX_NAME_START].strip("-") or "image"
    unique = hashlib.sha256(f"{repository_text(repository)}@{digest}".encode()).hexdigest()[:_NAME_DIGITS]
    return f"{start}-{unique}"
