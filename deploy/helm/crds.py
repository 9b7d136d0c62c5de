"""Render the CRDs from the shapes that read policies, exceptions and trust stores, in ``tidegate.policy``, and ImageVerdicts.

The spec is the shapes': names, words, limits, patterns, defaults, rules and descriptions. What no shape reads stands
here: the names of the kinds, the columns of ``kubectl get`` and the status, which the controller writes. An ImageVerdict,
which the controller writes as a whole, is made from its classes in ``tidegate.verdicts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from tidegate.policy import exception_object, parse, trust_store_object
from tidegate.policy.objects import GROUP, VERSION
from tidegate.policy.shape import Choice, Constraint, Flag, ListOf, MapOf, Number, Section, Text
from tidegate.verdicts import shape as verdict

Schema = dict[str, Any]
"""An OpenAPI schema of apiextensions.k8s.io/v1."""

READY = '.status.conditions[?(@.type=="Ready")].status'
WIDTH = 120


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


def schema(shape: object, description: str = "", default: object = None) -> Schema:
    """Return the schema of a shape; keys without a value are left out."""
    match shape:
        case Section():
            found = _section(shape)
        case ListOf():
            found = _list(shape)
        case MapOf():
            found = _map(shape)
        case Text():
            found = _text(shape)
        case Choice():
            found = {"type": "string", "enum": [word.value for word in shape.words]}
        case Number():
            kind = "integer" if shape.whole else "number"
            found = {"type": kind, "minimum": shape.minimum, "maximum": shape.maximum}
        case Flag():
            found = {"type": "boolean", **_rules([("self", shape)] if shape.only_true else [])}
        case _:
            raise TypeError(f"{type(shape).__name__} is no shape that a CRD can state")
    head = {"type": found["type"], "description": description or found.get("description"), "default": default}
    return {name: value for name, value in (head | found | head).items() if value not in (None, "", [])}


def _section(shape: Section[Any]) -> Schema:
    return {
        "type": "object",
        "description": shape.description,
        "required": [field.name for field in shape.fields if field.required],
        "minProperties": shape.minimum or None,
        **_checks(shape.checks),
        "properties": {field.name: schema(field.shape, field.description, field.default) for field in shape.fields},
    }


def _list(shape: ListOf[Any]) -> Schema:
    return {
        "type": "array",
        "minItems": shape.minimum or None,
        "maxItems": shape.maximum,
        "x-kubernetes-list-type": "map" if shape.key else "set" if shape.unique else "atomic",
        "x-kubernetes-list-map-keys": [shape.key] if shape.key else None,
        **_checks(shape.checks),
        "items": schema(shape.item),
    }


def _map(shape: MapOf[Any]) -> Schema:
    key = shape.key
    assert isinstance(key, Text)
    rule = f"self.all(key, key.size() <= {key.maximum} && key.matches(r'{key.pattern}'))"
    return {
        "type": "object",
        "maxProperties": shape.maximum,
        **_rules([(rule, key)]),
        "additionalProperties": schema(shape.value),
    }


def _text(shape: Text[Any]) -> Schema:
    rules = [f"self.matches(r'{shape.pattern}')"] if shape.by_rule else []
    rules += [shape.rule] if shape.rule else []
    return {
        "type": "string",
        "format": shape.wire_format,
        "minLength": shape.minimum or None,
        "maxLength": shape.maximum,
        "pattern": None if shape.by_rule else shape.pattern,
        **_rules([(rule, shape) for rule in rules]),
    }


def _checks(checks: Sequence[Constraint]) -> Schema:
    return _rules([(check.rule, check) for check in checks if check.rule])


def _rules(rules: Sequence[tuple[str, Constraint | Text[Any] | Flag]]) -> Schema:
    """Return the rules with what the API server answers where one is false: what the parser says as well."""
    stated = [{"rule": rule, "message": f"expected {of.expected}; {of.do}"} for rule, of in rules]
    return {"x-kubernetes-validations": stated} if stated else {}


def _object(description: str, required: Sequence[str] = (), /, **properties: Schema) -> Schema:
    listed = {"required": list(required)} if required else {}
    return {"type": "object", "description": description, **listed, "properties": properties}


def _string(description: str, **limits: Any) -> Schema:
    return {"type": "string", "description": description, **limits}


def _count(description: str, kind: str = "int32", **limits: Any) -> Schema:
    return {"type": "integer", "format": kind, "description": description, **limits}


def _time(description: str) -> Schema:
    return _string(description, format="date-time")


def _status(what: str, ready: str, **fields: Schema) -> Schema:
    """Return the status of a kind: the generation that it is about, its own fields, and conditions."""
    condition = _object(
        "One condition, as in every Kubernetes API.",
        ["type", "status", "reason", "message", "lastTransitionTime"],
        type=_string("What the condition is about, such as Ready.", maxLength=316),
        status=_string("Whether the condition holds.", enum=["True", "False", "Unknown"]),
        reason=_string("The reason in one word, for programs.", maxLength=1024),
        message=_string("The reason in a sentence, for people.", maxLength=32_768),
        lastTransitionTime=_time("When the status last changed."),
        observedGeneration=_count("The generation of the spec that the condition is about.", "int64", minimum=0),
    )
    return _object(
        f"What tidegate found when it read the {what}. Only tidegate writes it.",
        observedGeneration=_count("The generation of the spec that this status is about.", "int64"),
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


_PLAIN: dict[type[inspect.Type], Schema] = {
    inspect.BoolType: {"type": "boolean"},
    inspect.DateTimeType: {"type": "string", "format": "date-time"},
}


def struct_schema(struct: type[msgspec.Struct]) -> Schema:
    """Return the schema of the objects that msgspec decodes into a class."""
    return _of_type(inspect.type_info(struct), {})


def _of_type(found: inspect.Type, stated: Schema) -> Schema:
    """Return the schema of a type, with what was stated of it, such as its description."""
    match found:
        case inspect.Metadata():
            return _of_type(found.type, stated | (found.extra_json_schema or {}))
        case inspect.UnionType():
            (present,) = [one for one in found.types if not isinstance(one, inspect.NoneType)]
            return _of_type(present, stated)
        case inspect.StructType():
            required = [field.encode_name for field in found.fields if field.required]
            fields = {field.encode_name: _of_type(field.type, {}) for field in found.fields}
            made = _object((found.cls.__doc__ or "").strip(), required, **fields)
        case inspect.VarTupleType():
            items = _of_type(found.item_type, {})
            made = {"type": "array", "maxItems": found.max_length, "x-kubernetes-list-type": "atomic", "items": items}
        case inspect.DictType():
            values = _of_type(found.value_type, {})
            made = {"type": "object", "maxProperties": found.max_length, "additionalProperties": values}
        case inspect.StrType():
            limits = {"minLength": found.min_length, "maxLength": found.max_length, "pattern": found.pattern}
            made = {"type": "string"} | {name: limit for name, limit in limits.items() if limit is not None}
        case inspect.EnumType():
            made = {"type": "string", "enum": [word.value for word in found.cls]}
        case inspect.IntType():
            made = {"type": "integer", "format": "int64", "minimum": found.ge}
        case _:
            made = _PLAIN[type(found)]
    return {"type": made["type"]} | made | stated


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
        certificateCount=_count("How many certificates it holds, each counted once.", minimum=0),
        certificates={
            "type": "array",
            "description": "The first of its certificates.",
            "maxItems": 32,
            "x-kubernetes-list-type": "atomic",
            "items": _object(
                "One certificate.",
                ["subject", "fingerprint", "notAfter"],
                subject=_string("The subject of the certificate.", maxLength=1024),
                fingerprint=_string("The SHA-256 of its DER, in hexadecimal digits.", maxLength=64),
                notAfter=_time("The end of its validity."),
            ),
        },
        trustedRoot=_object(
            "What its trusted root of Sigstore holds.",
            sha256=_string("The SHA-256 of the document, in hexadecimal digits.", maxLength=64),
            certificateAuthorities=_count("Certificate authorities that issue to signers."),
            certificateLogs=_count("Logs of the certificates that they issue."),
            transparencyLogs=_count("Transparency logs of signatures."),
            timestampAuthorities=_count("Timestamp authorities."),
        ),
        refreshedTime=_time("When the trusted root was last fetched, to the hour; only for one that is fetched."),
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

EXCEPTION_COLUMNS = (
    _column("Policies", ".spec.policies", "The policies that the exception is from."),
    _column("Checks", ".spec.checks", "The checks that are excepted as a whole."),
    _column("Vulnerabilities", ".spec.vulnerabilities", "The vulnerabilities that do not count."),
    _column("Expires", ".spec.expiresAt", "When the exception ends, in UTC."),
    _column("State", '.status.conditions[?(@.type=="Ready")].reason', "Whether the exception is in force, or why not."),
    _column("Requested by", ".spec.requestedBy", "Who answers for the exception."),
    AGE,
)
EXCEPTION_STATUS = _status(
    "exception",
    "Ready is True while the exception is in force. It is False when the exception has ended, is invalid, is not permitted"
    " by any of its policies, or is one too many: the reason is one of Expired, Invalid, NotPermitted and TooMany, and the"
    " message says more.",
)

POLICY_EXCEPTION = Kind(
    name=exception_object.KIND,
    plural=exception_object.PLURAL,
    short_name="ipolx",
    description="An exception from image policies that the platform team grants, for images in some namespaces and until a"
    " given time.",
    spec=schema(exception_object.SPEC),
    columns=EXCEPTION_COLUMNS,
    status=EXCEPTION_STATUS,
    source=exception_object.__name__,
)

NAMESPACED_POLICY_EXCEPTION = Kind(
    name=exception_object.NAMESPACED_KIND,
    plural=exception_object.NAMESPACED_PLURAL,
    short_name="nipolx",
    description="An exception from image policies within its own namespace, until a given time. A policy permits it with"
    " namespacedExceptions; without, it has no effect.",
    spec=schema(exception_object.NAMESPACED_SPEC),
    columns=EXCEPTION_COLUMNS,
    status=EXCEPTION_STATUS,
    source=exception_object.__name__,
    scope="Namespaced",
    page=exception_object.KIND.lower(),
)


def crd(kind: Kind) -> dict[str, Any]:
    """Return the whole CustomResourceDefinition of a kind."""
    plain = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    whole = _object(kind.description, ["spec"], **plain, spec=kind.spec, status=kind.status)
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        **({"subresources": {"status": {}}} if kind.subresource else {}),
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": whole},
    }
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short_name],
        "categories": ["tidegate"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": kind.scope, "names": names, "versions": [version]},
    }


class _BlockStyle(yaml.SafeDumper):
    """YAML as people write it: no anchors, lists indented, long texts folded."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the name is PyYAML's
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = ">" if len(text) > WIDTH // 2 and " " in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BlockStyle.add_representer(str, _BlockStyle.represent_text)


def crd_texts() -> dict[str, str]:
    """Return what each file of the chart's ``crds`` folder has to say, by its name."""
    texts = {}
    for kind in (IMAGE_POLICY, TRUST_STORE, POLICY_EXCEPTION, NAMESPACED_POLICY_EXCEPTION, IMAGE_VERDICT):
        source = f"controller/{kind.source.replace('.', '/')}.py"
        head = (
            f"# Generated by deploy/helm/generate.py from {source}. Do not edit.\n"
            f"# docs/reference/{kind.page or kind.name.lower()}.md explains every field, with examples.\n"
        )
        body = yaml.dump(crd(kind), Dumper=_BlockStyle, sort_keys=False, width=WIDTH, allow_unicode=True)
        texts[f"{kind.plural}.{GROUP}.yaml"] = head + body
    return texts
