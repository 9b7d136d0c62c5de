"""The CRD and the parser are one definition: the same fields, words, limits, patterns, required fields and defaults."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import pytest

from tests.unit.policy import schema
from tests.unit.policy.examples import ACCEPTED, FULL, REFUSED, with_spec
from tidegate.policy import attestations, authorities, parse, scopes, sections
from tidegate.policy.durations import DURATION_PATTERN
from tidegate.policy.model import (
    BrokenPolicy,
    EcrScope,
    HostScope,
    ImagePolicy,
    Match,
    ScanRules,
    SelectorOperator,
    TagRules,
    VulnerabilityRules,
)
from tidegate.policy.shape import Choice, Flag, ListOf, MapOf, Number, Section, Text
from tidegate.policy.signatures import (
    AttestationRules,
    KeyedAuthority,
    KmsKey,
    NotationAuthority,
    PemKey,
    SignatureRules,
)

RULES = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"


def rules_of(crd: dict[str, Any]) -> str:
    return " ".join(entry["rule"] for entry in crd.get(RULES, ()))


def differences(shape: Any, crd: dict[str, Any], path: str) -> list[str]:
    """Return where a shape of the parser and a schema of the CRD do not say the same."""
    compared, children = COMPARE[type(shape) if type(shape) in COMPARE else Text](shape, crd)
    found = [f"{path}: {name}: parser {ours!r}, CRD {theirs!r}" for name, ours, theirs in compared if ours != theirs]
    for name, below, crd_below in children:
        found += differences(below, crd_below, f"{path}{name}")
    return found


Compared = tuple[list[tuple[str, Any, Any]], list[tuple[str, Any, dict[str, Any]]]]


def compare_section(shape: Section[Any], crd: dict[str, Any]) -> Compared:
    names = {field.name: field for field in shape.fields}
    known = crd.get("properties", {})
    return (
        [
            ("type", "object", crd["type"]),
            ("fields", sorted(names), sorted(known)),
            ("required", sorted(name for name in names if names[name].required), sorted(crd.get("required", ()))),
        ],
        [(f".{name}", names[name].shape, known[name]) for name in names if name in known],
    )


def compare_list(shape: ListOf[Any], crd: dict[str, Any]) -> Compared:
    return (
        [
            ("type", "array", crd["type"]),
            ("most items", shape.maximum, crd.get("maxItems")),
            ("fewest items", shape.minimum, crd.get("minItems", 0)),
            ("each once", shape.unique is not None, crd[LIST_TYPE] in ("set", "map")),
        ],
        [("[]", shape.item, crd["items"])],
    )


def compare_map(shape: MapOf[Any], crd: dict[str, Any]) -> Compared:
    assert isinstance(shape.key, Text)
    return (
        [
            ("type", "object", crd["type"]),
            ("most entries", shape.maximum, crd.get("maxProperties")),
            ("key pattern", True, f"key.matches( r'{shape.key.pattern}')" in rules_of(crd)),
            ("key length", True, f"key.size() <= {shape.key.maximum}" in rules_of(crd)),
        ],
        [("{}", shape.value, crd["additionalProperties"])],
    )


def compare_text(shape: Text[Any], crd: dict[str, Any]) -> Compared:
    stated = f"self.matches(r'{shape.pattern}')" in rules_of(crd) if shape.by_rule else crd.get("pattern")
    return (
        [
            ("type", "string", crd["type"]),
            ("pattern", True if shape.by_rule else shape.pattern, stated),
            ("longest", shape.maximum, crd.get("maxLength")),
            ("shortest", shape.minimum, crd.get("minLength", 0)),
            ("format", shape.wire_format, crd.get("format")),
        ],
        [],
    )


COMPARE: dict[type, Callable[[Any, dict[str, Any]], Compared]] = {
    Section: compare_section,
    ListOf: compare_list,
    MapOf: compare_map,
    Text: compare_text,
    Flag: lambda _, crd: ([("type", "boolean", crd["type"])], []),
    Choice: lambda shape, crd: (
        [("type", "string", crd["type"]), ("words", [word.value for word in shape.words], crd.get("enum"))],
        [],
    ),
    Number: lambda shape, crd: (
        [
            ("type", "integer" if shape.whole else "number", crd["type"]),
            ("least", shape.minimum, crd.get("minimum")),
            ("most", shape.maximum, crd.get("maximum")),
        ],
        [],
    ),
}


def test_every_field_has_the_same_name_type_words_and_limits():
    assert differences(parse.SPEC, schema.SPEC, "spec") == []


def test_a_difference_would_be_seen():
    """The comparison itself: each kind of change to the CRD is told with its path."""
    changes: dict[str, dict[str, Any]] = {
        "spec.tags.forbidden": {"maxItems": 51},
        "spec.scan.whenPending": {"enum": ["Deny"]},
        "spec.vulnerabilities.epssThreshold": {"maximum": 2},
        "spec.maxStale": {RULES: []},
        "spec.registries[].account": {"pattern": "^.*$"},
        "spec.vulnerabilities.ignore[]": {"required": ["id"]},
        "spec.match.namespaceSelector": {"properties": {}},
    }
    for path, change in changes.items():
        place = dict(schema.walk(schema.SPEC, "spec"))[path]
        before = dict(place)
        place.update(change)
        try:
            assert any(one.startswith(f"{path}: ") for one in differences(parse.SPEC, schema.SPEC, "spec")), path
        finally:
            place.clear()
            place.update(before)


def test_the_object_is_the_one_that_the_parser_expects():
    assert schema.CRD["spec"]["group"] == parse.GROUP
    assert schema.CRD["spec"]["names"]["kind"] == parse.KIND
    assert schema.CRD["spec"]["names"]["plural"] == parse.PLURAL
    assert schema.CRD["metadata"]["name"] == f"{parse.PLURAL}.{parse.GROUP}"
    assert [version["name"] for version in schema.CRD["spec"]["versions"]] == [parse.VERSION]
    assert schema.OBJECT["required"] == ["spec"]


def default_of(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


SECTIONS: dict[str, tuple[Section[Any], str, tuple[type, ...]]] = {
    "spec": (parse.SPEC, "spec", (ImagePolicy,)),
    "match": (sections.MATCH, "spec.match", (Match,)),
    "tags": (sections.TAGS, "spec.tags", (TagRules,)),
    "scan": (sections.SCAN, "spec.scan", (ScanRules,)),
    "vulnerabilities": (sections.VULNERABILITIES, "spec.vulnerabilities", (VulnerabilityRules,)),
    "registries": (scopes.REGISTRY_SCOPE, "spec.registries[]", (EcrScope, HostScope)),
    "images": (scopes.REGISTRY_SCOPE, "spec.match.images[]", (EcrScope, HostScope)),
    "signatures": (authorities.SIGNATURES, "spec.signatures", (SignatureRules,)),
    "notation": (authorities.NOTATION, "spec.signatures.anyOf[].notation", (NotationAuthority,)),
    "sigstore": (authorities.SIGSTORE, "spec.signatures.anyOf[].sigstore", (KeyedAuthority,)),
    "key": (authorities.KEY, "spec.signatures.anyOf[].sigstore.key", (PemKey, KmsKey)),
    "attestations": (attestations.ATTESTATION, "spec.attestations[]", (AttestationRules,)),
    "own": (authorities.SIGSTORE, "spec.attestations[].anyOf[].sigstore", (KeyedAuthority,)),
}


@pytest.mark.parametrize("case", SECTIONS, ids=str)
def test_what_has_a_default_has_the_same_default(case):
    """A default that says something stands in the CRD, reads as the value's own; where nothing is said, in neither."""
    section, path, values = SECTIONS[case]
    found = dict(schema.walk(schema.SPEC, "spec"))
    for field in section.fields:
        crd = found[f"{path}.{field.name}"]
        for value in values:
            own = {known.name: default_of(known) for known in fields(value)}.get(field.into, MISSING)
            says_something = own is not MISSING and own is not None and own not in ((), Match()) and bool(own != {})
            assert ("default" in crd) is says_something, f"{path}.{field.name}"
            if says_something:
                read = field.shape.read(crd["default"], path)
                assert (frozenset(read) if isinstance(own, frozenset) else read) == own, f"{path}.{field.name}"


def test_no_default_stands_elsewhere():
    section_paths = tuple(path for _, path, _ in SECTIONS.values())
    for path, crd in schema.walk(schema.SPEC, "spec"):
        if "default" in crd:
            assert path.rpartition(".")[0] in section_paths, path


def content(policy: ImagePolicy) -> dict[str, Any]:
    assert is_dataclass(policy)
    return {field.name: getattr(policy, field.name) for field in fields(policy)}


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_api_servers_defaults_change_nothing(case):
    """What kubectl wrote and what the API server stored after filling in its defaults mean the same policy."""
    stored = schema.filled(ACCEPTED[case])
    written_policy = content(parse.parse_policy(with_spec(ACCEPTED[case])))
    assert content(parse.parse_policy(with_spec(stored))) == written_policy


def test_a_broken_policy_has_the_defaults_of_a_whole_one():
    whole = {field.name: default_of(field) for field in fields(ImagePolicy)}
    broken = {field.name: default_of(field) for field in fields(BrokenPolicy)}
    for name in ("actions", "match", "on_undetermined"):
        assert broken[name] == whole[name]


def test_the_schema_is_closed():
    for path, crd in schema.walk(schema.OBJECT, "object"):
        assert "x-kubernetes-preserve-unknown-fields" not in crd, path
        if crd["type"] == "object" and path != "object.metadata":
            assert crd.get("properties") or crd.get("additionalProperties"), path


def test_everything_is_bounded():
    """Unbounded lists, maps and texts would make the rules too costly for the API server, and us."""
    bounds = {"array": "maxItems", "string": "maxLength"}
    for path, crd in schema.walk(schema.OBJECT["properties"]["spec"], "spec"):
        if crd["type"] in bounds and "enum" not in crd:
            assert bounds[crd["type"]] in crd, path
        if "additionalProperties" in crd:
            assert "maxProperties" in crd, path


def test_every_field_is_explained():
    undescribed = [
        path
        for path, crd in schema.walk(schema.OBJECT, "object")
        if not path.endswith(("[]", "{}", ".apiVersion", ".kind", ".metadata"))
        and not crd.get("description", "").strip().endswith(".")
    ]
    assert undescribed == []


def test_every_rule_says_what_it_wants():
    for path, crd in schema.walk(schema.OBJECT, "object"):
        for rule in crd.get(RULES, ()):
            assert rule.get("message", "").strip(), path


def test_the_rules_know_the_parsers_partitions_and_hosts():
    scope = dict(schema.walk(schema.SPEC, "spec"))["spec.registries[]"]
    for prefix, partition in scopes._PARTITION_OF_PREFIX.items():
        assert f"self.region.startsWith('{prefix}') ? '{partition}'" in rules_of(scope)
    assert rules_of(scope).count("startsWith") == len(scopes._PARTITION_OF_PREFIX)
    stated = rules_of(scope["properties"]["host"]).replace("\\\\", "\\")
    assert stated == f"!self.matches(r'{scopes.ECR_HOST_PATTERN}')".replace("\\\\", "\\")


def test_durations_are_one_pattern():
    texts = [crd for _, crd in schema.walk(schema.SPEC, "spec") if DURATION_PATTERN in rules_of(crd)]
    assert len(texts) == 4


def test_the_operator_can_follow_a_policy_with_kubectl():
    columns = {column["name"]: column["jsonPath"] for column in schema.VERSION["additionalPrinterColumns"]}
    assert list(columns) == ["Actions", "Ready", "Age"]
    assert schema.VERSION["subresources"] == {"status": {}}
    conditions = schema.OBJECT["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_examples_use_every_field():
    """``FULL`` is what other tests change field by field; a field that it lacks would be tested by none of them."""

    def paths(value: Any, path: str) -> set[str]:
        if isinstance(value, dict):
            names = {f"{path}.{name}" for name in value} if not path.endswith("matchLabels") else set()
            return names.union(*(paths(below, f"{path}.{name}") for name, below in value.items()))
        if isinstance(value, list):
            return set().union(*(paths(below, f"{path}[]") for below in value))
        return set()

    reached = paths(FULL, "spec")
    assert {path for path in schema.fields() if ".match.images[]" not in path} <= reached
    assert "spec.match.images[].account" in reached


def test_selectors_have_kubernetes_operators():
    operator = dict(schema.walk(schema.SPEC, "spec"))["spec.match.namespaceSelector.matchExpressions[].operator"]
    assert operator["enum"] == ["In", "NotIn", "Exists", "DoesNotExist"]
    assert set(SelectorOperator) == set(operator["enum"])


def test_every_rule_and_closed_set_is_refused_by_an_example():
    """Each sentence of the CRD appears in the answer that an example expects of the API server."""
    answers = [refused.answer for refused in REFUSED.values()]
    for path, crd in schema.walk(schema.SPEC, "spec"):
        for rule in crd.get(RULES, ()):
            sentence = rule["message"]
            assert any(sentence[:20] in answer or answer[:20] in sentence for answer in answers), f"{path}: {sentence}"
