"""The CRDs' schemas as tests read them: loaded once, walked field by field, defaults filled in as the API server does."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CRDS = Path(__file__).parents[3] / "deploy/helm/tidegate/crds"
CRD_FILE = CRDS / "imagepolicies.tidegate.dev.yaml"
TRUST_STORE_FILE = CRDS / "truststores.tidegate.dev.yaml"


def schema_of(file: Path) -> dict[str, Any]:
    """Return the schema of the objects of a CRD."""
    schema: dict[str, Any] = yaml.safe_load(file.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


OBJECT = schema_of(CRD_FILE)
SPEC: dict[str, Any] = OBJECT["properties"]["spec"]
EXCEPTION_FILE = CRDS / "imagepolicyexceptions.tidegate.dev.yaml"
NAMESPACED_EXCEPTION_FILE = CRDS / "namespacedimagepolicyexceptions.tidegate.dev.yaml"
EXCEPTION = schema_of(EXCEPTION_FILE)
NAMESPACED_EXCEPTION = schema_of(NAMESPACED_EXCEPTION_FILE)
TRUST_STORE = schema_of(TRUST_STORE_FILE)
IMAGE_VERDICT = schema_of(CRDS / "imageverdicts.tidegate.dev.yaml")
TRUST_STORE_SPEC: dict[str, Any] = TRUST_STORE["properties"]["spec"]


def walk(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each schema with its path: items as ``[]``, free keys as ``{}``."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from walk(below, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def fields() -> dict[str, dict[str, Any]]:
    """Return the schema of every field of the spec by its path, without the items of lists and maps themselves."""
    return {path: schema for path, schema in walk(SPEC, "spec") if path != "spec" and not path.endswith(("[]", "{}"))}


def filled(value: Any, schema: dict[str, Any] = SPEC) -> Any:
    """Return a copy of the value with the schema's defaults, as structural defaulting fills them in."""
    if isinstance(value, dict) and "properties" in schema:
        present = {name: below["default"] for name, below in schema["properties"].items() if "default" in below} | value
        return {name: filled(content, schema["properties"][name]) for name, content in present.items()}
    if isinstance(value, list):
        return [filled(entry, schema["items"]) for entry in value]
    return copy.deepcopy(value)
