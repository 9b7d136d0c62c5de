"""OpenAPI schemas of apiextensions.k8s.io/v1: of the shapes in ``tidegate.policy``, of classes that msgspec decodes, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from tidegate.policy.shape import Choice, Constraint, Flag, ListOf, MapOf, Number, Section, Text

Schema = dict[str, Any]
"""An OpenAPI schema of apiextensions.k8s.io/v1."""


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
            made = object_schema((found.cls.__doc__ or "").strip(), required, **fields)
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


def object_schema(description: str, required: Sequence[str] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object; ``required`` names properties."""
    listed = {"required": list(required)} if required else {}
    return {"type": "object", "description": description, **listed, "properties": properties}


def string_schema(description: str, **limits: Any) -> Schema:
    """Return the schema of a string."""
    return {"type": "string", "description": description, **limits}


def count_schema(description: str, kind: str = "int32", **limits: Any) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "format": kind, "description": description, **limits}


def time_schema(description: str) -> Schema:
    """Return the schema of a time, as RFC 3339 writes it."""
    return string_schema(description, format="date-time")
