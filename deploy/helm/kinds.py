"""The kinds that tidegate defines: names, columns of ``kubectl get``, spec and status.

The spec of a policy, an exception or a trust store is made from the shapes that read it, in ``tidegate.policy``: names,
limits, patterns, defaults, rules and descriptions. Their status, which the controller writes, is stated here. An
ImageVerdict, which the controller writes as a whole, is made from its classes in ``tidegate.verdicts``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas import Schema, count_schema, object_schema, schema, string_schema, struct_schema, time_schema
from tidegate.policy import exception_object, parse, trust_store_object
from tidegate.reports import repository_posture
from tidegate.verdicts import shape as verdict

READY = '.status.conditions[?(@.type=="Ready")].status'


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One CRD; ``source`` is the module that has its spec, and ``subresource`` whether its status is written by itself."""

    name: str
    plural: str
    short_name: str
    description: str
    spec: Schema
    columns: tuple[Schema, ...]
    status: Schema
    source: str
    subresource: bool = True
    scope: str = "Cluster"
    page: str = ""


def _status(what: str, ready: str, **fields: Schema) -> Schema:
    """Return the status of a kind: the generation that it is about, its own fields, and conditions."""
    condition = object_schema(
        "One condition, as in every Kubernetes API.",
        ["type", "status", "reason", "message", "lastTransitionTime"],
        type=string_schema("What the condition is about, such as Ready.", maxLength=316),
        status=string_schema("Whether the condition holds.", enum=["True", "False", "Unknown"]),
        reason=string_schema("The reason in one word, for programs.", maxLength=1024),
        message=string_schema("The reason in a sentence, for people.", maxLength=32_768),
        lastTransitionTime=time_schema("When the status last changed."),
        observedGeneration=count_schema("The generation of the spec that the condition is about.", "int64", minimum=0),
    )
    return object_schema(
        f"What tidegate found when it read the {what}. Only tidegate writes it.",
        observedGeneration=count_schema("The generation of the spec that this status is about.", "int64"),
        **fields,
        conditions={
            "type": "array",
            "description": ready,
            "maxItems": 8,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": condition,
        },
    )


def _column(name: str, path: str, description: str = "", kind: str = "string", *, wide: bool = False) -> Schema:
    shown = {"name": name, "type": kind, "jsonPath": path} | ({"description": description} if description else {})
    return shown | ({"priority": 1} if wide else {})


AGE = _column("Age", ".metadata.creationTimestamp", kind="date")

IMAGE_POLICY = Kind(
    name=parse.KIND,
    plural=parse.PLURAL,
    short_name="ipol",
    description="What is required of the container images of a cluster. An object is allowed when each of its images meets"
    " every policy that applies to the image.",
    spec=schema(parse.SPEC),
    columns=(
        _column("Actions", ".spec.validationActions", "What happens when an image does not meet the policy."),
        _column("Ready", READY, "Whether tidegate could read the policy and applies it."),
        AGE,
    ),
    status=_status(
        "policy",
        "Ready is True when tidegate could read the policy and applies it. It is False when the policy is broken: the message"
        " names every problem, and the policy counts as undetermined wherever it may apply.",
    ),
    source=parse.__name__,
)

TRUST_STORE = Kind(
    name=trust_store_object.KIND,
    plural=trust_store_object.PLURAL,
    short_name="tst",
    description="What signatures are verified by: the certificates that a signer's chain must lead to, or a trusted root of"
    " Sigstore. A policy names it; by itself it requires nothing.",
    spec=schema(trust_store_object.SPEC),
    columns=(
        _column("Type", ".spec.type", "What the trust store is trusted for."),
        _column("Ready", READY, "Whether tidegate could read the trust store and verifies signatures by it."),
        _column("Certificates", ".status.certificateCount", "How many certificates it holds.", "integer"),
        _column("Refreshed", ".status.refreshedTime", "When its trusted root was last fetched.", "date"),
        AGE,
    ),
    status=_status(
        "trust store",
        "Ready is True when signatures are verified by the trust store. It is False when the trust store is broken: the"
        " message names every problem, and every verification that needs it is undetermined.",
        certificateCount=count_schema("How many certificates it holds, each counted once.", minimum=0),
        certificates={
            "type": "array",
            "description": "The first of its certificates.",
            "maxItems": 32,
            "x-kubernetes-list-type": "atomic",
            "items": object_schema(
                "One certificate.",
                ["subject", "fingerprint", "notAfter"],
                subject=string_schema("The subject of the certificate.", maxLength=1024),
                fingerprint=string_schema("The SHA-256 of its DER, in hexadecimal digits.", maxLength=64),
                notAfter=time_schema("The end of its validity."),
            ),
        },
        trustedRoot=object_schema(
            "What its trusted root of Sigstore holds.",
            sha256=string_schema("The SHA-256 of the document, in hexadecimal digits.", maxLength=64),
            certificateAuthorities=count_schema("Certificate authorities that issue to signers."),
            certificateLogs=count_schema("Logs of the certificates that they issue."),
            transparencyLogs=count_schema("Transparency logs of signatures."),
            timestampAuthorities=count_schema("Timestamp authorities."),
        ),
        refreshedTime=time_schema("When the trusted root was last fetched, to the hour; only for one that is fetched."),
    ),
    source=trust_store_object.__name__,
)


IMAGE_VERDICT = Kind(
    name=verdict.KIND,
    plural=verdict.PLURAL,
    short_name=verdict.SHORT_NAME,
    description="What is known of one image in use: the verdict by every policy, its findings, and where it runs. Only"
    " tidegate writes it.",
    spec=struct_schema(verdict.VerdictSpec)
    | {
        "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "expected the same image; make another object"}
        ]
    },
    columns=(
        _column("Repository", ".spec.repository", "The repository of the image."),
        _column("Outcome", ".status.outcome", "The worst outcome of all policies."),
        _column("Refused", ".status.refused", "Whether a policy with the action Deny refuses the image.", "boolean"),
        _column("Reason", ".status.reasons[0]", "The worst reason code."),
        _column("Pods", ".status.runs.pods", "How many Pods run the image.", "integer"),
        _column("Namespaces", ".status.runs.where", "Where the image runs."),
        _column("Since", ".status.since", "Since when the outcome is what it is.", "date"),
        _column("Digest", ".spec.digest", "The digest of the image.", wide=True),
        _column("Tag", ".status.runs.tags[0]", "A tag by which Pods name the image.", wide=True),
        _column("Critical", ".status.severities.CRITICAL", "How many CRITICAL findings it has.", "integer", wide=True),
        _column("High", ".status.severities.HIGH", "How many HIGH findings it has.", "integer", wide=True),
        _column("Message", ".status.message", "The worst result.", wide=True),
    ),
    status=struct_schema(verdict.VerdictStatus),
    source=verdict.__name__,
    subresource=False,
)

POLICY_EXCEPTION = Kind(
    name=exception_object.KIND,
    plural=exception_object.PLURAL,
    short_name="ipolx",
    description="An exception from image policies that the platform team grants, for images in some namespaces and until a"
    " given time.",
    spec=schema(exception_object.SPEC),
    columns=(
        _column("Policies", ".spec.policies", "The policies that the exception is from."),
        _column("Checks", ".spec.checks", "The checks that are excepted as a whole."),
        _column("Vulnerabilities", ".spec.vulnerabilities", "The vulnerabilities that do not count."),
        _column("Expires", ".spec.expiresAt", "When the exception ends, in UTC."),
        _column(
            "State", '.status.conditions[?(@.type=="Ready")].reason', "Whether the exception is in force, or why not."
        ),
        _column("Requested by", ".spec.requestedBy", "Who answers for the exception."),
        AGE,
    ),
    status=_status(
        "exception",
        "Ready is True while the exception is in force. It is False when the exception has ended, is invalid, is not permitted"
        " by any of its policies, or is one too many: the reason is one of Expired, Invalid, NotPermitted and TooMany, and the"
        " message says more.",
    ),
    source=exception_object.__name__,
)

NAMESPACED_POLICY_EXCEPTION = replace(
    POLICY_EXCEPTION,
    name=exception_object.NAMESPACED_KIND,
    plural=exception_object.NAMESPACED_PLURAL,
    short_name="nipolx",
    description="An exception from image policies within its own namespace, until a given time. A policy permits it with"
    " namespacedExceptions; without, it has no effect.",
    spec=schema(exception_object.NAMESPACED_SPEC),
    scope="Namespaced",
    page=exception_object.KIND.lower(),
)

REPOSITORY_POSTURE = Kind(
    name=repository_posture.KIND,
    plural=repository_posture.PLURAL,
    short_name=repository_posture.SHORT_NAME,
    description="The configuration of one Amazon ECR repository with a running image: the checks that do not pass. Only"
    " tidegate writes it.",
    spec=struct_schema(repository_posture.PostureSpec)
    | {
        "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "expected the same repository; make another object"}
        ]
    },
    columns=(
        _column("Repository", ".spec.repository", "The repository."),
        _column("Outcome", ".status.outcome", "The worst outcome of all checks."),
        _column("Severity", ".status.severity", "The severity of the worst failure."),
        _column("Failed", ".status.failed", "How many checks fail.", "integer"),
        _column("Unknown", ".status.undetermined", "How many checks could not be determined.", "integer"),
        _column("Reason", ".status.results[0].reason", "The worst reason code."),
        _column("Images", ".status.runningImages", "How many images of the repository run.", "integer"),
        _column("Since", ".status.since", "Since when the outcome is what it is.", "date"),
        _column("Message", ".status.message", "The worst result.", wide=True),
    ),
    status=struct_schema(repository_posture.PostureStatusShape),
    source=repository_posture.__name__,
    subresource=False,
)

KINDS = (
    IMAGE_POLICY,
    TRUST_STORE,
    POLICY_EXCEPTION,
    NAMESPACED_POLICY_EXCEPTION,
    IMAGE_VERDICT,
    REPOSITORY_POSTURE,
)
