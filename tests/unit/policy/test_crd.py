"""The CRDs, which are generated from the parser's shapes: closed, bounded, explained, and the API server answers well."""

from dataclasses import MISSING, Field, fields
from typing import Any

import pytest

import crds
import schemas
from tests.unit.policy import exception_examples, refused_examples, schema, trust_store_examples
from tests.unit.policy.examples import ACCEPTED, FULL, with_spec
from tidegate.policy import parse
from tidegate.policy.model import BrokenPolicy, ImagePolicy, SelectorOperator, Tolerance
from tidegate.policy.shape import Choice, Constraint, Flag, ListOf, MapOf, Number, Section, Text
from tidegate.policy.shape import Field as ShapeField

RULES = "x-kubernetes-validations"
OBJECTS = {
    "ImagePolicy": schema.OBJECT,
    "ImagePolicyException": schema.EXCEPTION,
    "NamespacedImagePolicyException": schema.NAMESPACED_EXCEPTION,
    "TrustStore": schema.TRUST_STORE,
}
WRITTEN = OBJECTS | {"ImageVerdict": schema.IMAGE_VERDICT}
REFUSED = {
    "ImagePolicy": refused_examples.REFUSED,
    "ImagePolicyException": refused_examples.REFUSED
    | exception_examples.REFUSED
    | exception_examples.REFUSED_OF_CLUSTER,
    "NamespacedImagePolicyException": refused_examples.REFUSED | exception_examples.REFUSED,
    "TrustStore": trust_store_examples.REFUSED,
}
"""The registry scopes of exceptions are those of policies, so that their rules have examples there."""

WORD = Text(expected="a word", do="write one", make=str, maximum=9, pattern="^[a-z]+$")
SENTENCE = "expected a word; write one"
BY_RULE = Text(expected="a word", do="write one", make=str, maximum=9, minimum=0, pattern="^[a-z]+$", by_rule=True)
BY_RULE_SCHEMA = {
    "type": "string",
    "maxLength": 9,
    RULES: [{"rule": "self.matches(r'^[a-z]+$')", "message": SENTENCE}],
}
SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a text": (WORD, {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$"}),
    "a text by rule": (BY_RULE, BY_RULE_SCHEMA),
    "a text with a rule beside its pattern": (
        Text(
            expected="a day", do="write one", make=str, maximum=9, pattern="p", rule="self != 'a'", wire_format="date"
        ),
        {
            "type": "string",
            "format": "date",
            "minLength": 1,
            "maxLength": 9,
            "pattern": "p",
            RULES: [{"rule": "self != 'a'", "message": "expected a day; write one"}],
        },
    ),
    "a choice": (Choice(words=Tolerance), {"type": "string", "enum": ["Deny", "Allow"]}),
    "a whole number": (Number(minimum=0, maximum=7, whole=True), {"type": "integer", "minimum": 0, "maximum": 7}),
    "a number": (Number(minimum=0, maximum=1, whole=False), {"type": "number", "minimum": 0, "maximum": 1}),
    "a flag": (Flag(), {"type": "boolean"}),
    "a flag that is only true": (
        Flag(only_true=True),
        {
            "type": "boolean",
            RULES: [{"rule": "self", "message": "expected true; write true without quotes, or remove it"}],
        },
    ),
    "a list": (
        ListOf(item=BY_RULE, maximum=3),
        {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "atomic", "items": BY_RULE_SCHEMA},
    ),
    "a set with a check": (
        ListOf(
            item=BY_RULE,
            minimum=1,
            maximum=3,
            unique=True,
            checks=(
                Constraint(expected="a", do="b", rule="true"),
                Constraint(expected="c", do="d", got=lambda _: None),
            ),
        ),
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "x-kubernetes-list-type": "set",
            RULES: [{"rule": "true", "message": "expected a; b"}],
            "items": BY_RULE_SCHEMA,
        },
    ),
    "a list by key": (
        ListOf(item=BY_RULE, maximum=3, key="name"),
        {
            "type": "array",
            "maxItems": 3,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": BY_RULE_SCHEMA,
        },
    ),
    "a mapping with free keys": (
        MapOf(key=WORD, value=BY_RULE, maximum=3),
        {
            "type": "object",
            "maxProperties": 3,
            RULES: [{"rule": "self.all(key, key.size() <= 9 && key.matches(r'^[a-z]+$'))", "message": SENTENCE}],
            "additionalProperties": BY_RULE_SCHEMA,
        },
    ),
    "a section": (
        Section(
            build=dict,
            description="Some.",
            minimum=1,
            checks=(Constraint(expected="a", do="b", rule="true"),),
            fields=(
                ShapeField("needed", BY_RULE, "Needed.", required=True),
                ShapeField("given", Flag(), "Given.", default=False),
            ),
        ),
        {
            "type": "object",
            "description": "Some.",
            "required": ["needed"],
            "minProperties": 1,
            RULES: [{"rule": "true", "message": "expected a; b"}],
            "properties": {
                "needed": BY_RULE_SCHEMA | {"description": "Needed."},
                "given": {"type": "boolean", "description": "Given.", "default": False},
            },
        },
    ),
}


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_the_schema_of(case):
    shape, expected = SHAPES[case]
    assert schemas.schema(shape) == expected


def test_what_is_no_shape_is_not_left_out_of_the_schema():
    with pytest.raises(TypeError, match="str is no shape"):
        schemas.schema("text")


def test_the_chart_s_files_are_those_that_are_generated():
    assert {file.name: file.read_text() for file in schema.CRDS.iterdir()} == crds.crd_texts()


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_schema_is_closed(kind):
    for path, crd in schema.walk(WRITTEN[kind], "object"):
        assert "x-kubernetes-preserve-unknown-fields" not in crd, path
        if crd["type"] == "object" and path != "object.metadata":
            assert crd.get("properties") or crd.get("additionalProperties"), path


@pytest.mark.parametrize("kind", WRITTEN)
def test_everything_is_bounded(kind):
    """Unbounded lists, maps and texts would make the rules too costly for the API server, and us."""
    bounds = {"array": "maxItems", "string": "maxLength"}
    for path, crd in schema.walk(WRITTEN[kind], "object"):
        if (
            crd["type"] in bounds
            and crd.get("format") != "date-time"
            and path not in {"object.apiVersion", "object.kind"}
        ):
            assert bounds[crd["type"]] in crd or "enum" in crd, path
        if "additionalProperties" in crd:
            assert "maxProperties" in crd, path


@pytest.mark.parametrize("kind", WRITTEN)
def test_everything_is_explained(kind):
    """Also the sections in lists; texts and numbers in lists are explained by their list."""
    for path, crd in schema.walk(WRITTEN[kind], "object"):
        plain = path.endswith(("[]", "{}")) and crd["type"] != "object"
        if not plain and path not in {"object.apiVersion", "object.kind", "object.metadata"}:
            assert crd.get("description", "").endswith("."), path


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_rule_is_refused_by_an_example(kind):
    """Each sentence of the CRD appears in the answer that an example expects of the API server."""
    answers = [refused.answer for refused in REFUSED[kind].values()]
    for path, crd in schema.walk(WRITTEN[kind], "object"):
        for rule in crd.get(RULES, ()):
            assert any(rule["message"][:30] in answer or answer in rule["message"] for answer in answers), (path, rule)


def test_the_api_server_s_defaults_change_nothing():
    """What kubectl wrote and what the API server stored after filling in its defaults mean the same policy."""
    filled: set[str] = set()
    for case, spec in ACCEPTED.items():
        stored = schema.filled(spec)
        filled |= paths(stored, "spec") - paths(spec, "spec")
        assert content(parse.parse_policy(with_spec(stored))) == content(parse.parse_policy(with_spec(spec))), case
    assert {path for path, crd in schema.walk(schema.SPEC, "spec") if "default" in crd} <= filled


def content(policy: ImagePolicy) -> dict[str, Any]:
    return {field.name: getattr(policy, field.name) for field in fields(policy)}


def paths(value: Any, path: str) -> set[str]:
    """Return the path of every field that is written."""
    if isinstance(value, dict):
        names = {f"{path}.{name}" for name in value} if not path.endswith("matchLabels") else set()
        return names.union(*(paths(below, f"{path}.{name}") for name, below in value.items()))
    if isinstance(value, list):
        return set().union(*(paths(below, f"{path}[]") for below in value))
    return set()


def test_a_broken_policy_has_the_defaults_of_a_whole_one():
    def default_of(field: Field[Any]) -> Any:
        return field.default_factory() if field.default_factory is not MISSING else field.default

    whole = {field.name: default_of(field) for field in fields(ImagePolicy)}
    broken = {field.name: default_of(field) for field in fields(BrokenPolicy)}
    for name in ("actions", "match", "on_undetermined"):
        assert broken[name] == whole[name]


def test_the_examples_use_every_field():
    """``FULL`` is what other tests change field by field; a field that it lacks would be tested by none of them."""
    reached = paths(FULL, "spec")
    assert {path for path in schema.fields() if ".match.images[]" not in path} <= reached
    assert "spec.match.images[].account" in reached


def test_selectors_have_kubernetes_operators():
    assert list(SelectorOperator) == ["In", "NotIn", "Exists", "DoesNotExist"]
