"""The walk over the API server's schema misses no image and notices a place that tidegate does not list."""

import pytest

from tests.e2e.openapi_images import image_places, uncovered

GVK = "x-kubernetes-group-version-kind"
TEXT = {"type": "string"}


def schema(kind: str, properties: dict, group: str = "") -> dict:
    return {"properties": properties, GVK: [{"group": group, "version": "v1", "kind": kind}]}


def v2(**definitions: dict) -> dict:
    return {"definitions": definitions}


def pod(**spec: dict) -> dict:
    containers = {"type": "array", "items": {"$ref": "#/definitions/Container"}}
    return v2(
        Pod=schema("Pod", {"spec": {"$ref": "#/definitions/PodSpec"}}),
        PodSpec={"properties": {"containers": containers, **spec}},
        Container={"properties": {"name": TEXT, "image": TEXT}},
    )


def test_an_image_behind_references_and_lists_is_found():
    assert image_places(pod()) == {("Pod", "spec.containers[].image")}


def test_the_third_version_of_the_document_is_read_alike():
    document = pod()["definitions"]
    document["Pod"]["properties"]["spec"] = {"allOf": [{"$ref": "#/components/schemas/PodSpec"}], "default": {}}
    assert image_places({"components": {"schemas": document}}) == {("Pod", "spec.containers[].image")}


SMELLS: dict[str, tuple[dict, str]] = {
    "by its name": ({"sidecarImage": TEXT}, "spec.sidecarImage"),
    "by its description": ({"payload": TEXT | {"description": "An OCI artifact to mount."}}, "spec.payload"),
    "by the name of what holds it": ({"modelImage": {"properties": {"uri": TEXT}}}, "spec.modelImage.uri"),
    "in a list of texts": ({"images": {"type": "array", "items": TEXT}}, "spec.images[]"),
    "in a map": ({"images": {"type": "object", "additionalProperties": TEXT}}, "spec.images{}"),
    "in a map of objects": (
        {"by": {"type": "object", "additionalProperties": {"properties": {"image": TEXT}}}},
        "spec.by{}.image",
    ),
    "like a container's, in a new list": (
        {"helpers": {"type": "array", "items": {"$ref": "#/definitions/Container"}}},
        "spec.helpers[].image",
    ),
}


@pytest.mark.parametrize("case", SMELLS, ids=str)
def test_a_new_place_for_an_image_is_noticed(case):
    properties, path = SMELLS[case]
    assert uncovered(pod(**properties)) == {("Pod", path)}


def test_a_known_kind_is_covered():
    assert uncovered(pod()) == set()
    assert uncovered(pod(imagePullSecrets={"type": "array", "items": {"properties": {"name": TEXT}}})) == set()


@pytest.mark.parametrize("group", ["", "apps", "resource.k8s.io"])
def test_a_new_kind_with_an_image_is_noticed(group):
    document = v2(Robot=schema("Robot", {"image": TEXT}, group))
    assert uncovered(document) == {("Robot", "image")}


NOT_PLACES = {
    "a custom resource": v2(ImagePolicy=schema("ImagePolicy", {"image": TEXT}, "tidegate.dev")),
    "a list of objects": v2(PodList=schema("PodList", {"image": TEXT})),
    "a schema of no kind": v2(ImageVolumeSource={"properties": {"reference": TEXT | {"description": "An image."}}}),
    "a time": v2(Pod=schema("Pod", {"imagePulledAt": TEXT | {"format": "date-time"}})),
    "one of a few words": v2(Pod=schema("Pod", {"imagePullPolicy": TEXT | {"enum": ["Always"]}})),
    "a number": v2(Pod=schema("Pod", {"imageSize": {"type": "integer"}})),
}


@pytest.mark.parametrize("case", NOT_PLACES, ids=str)
def test_what_cannot_be_an_image_is_no_place(case):
    assert image_places(NOT_PLACES[case]) == set()


def test_a_schema_within_itself_ends():
    node = {"properties": {"image": TEXT, "inner": {"$ref": "#/definitions/Node"}}}
    document = v2(Robot=schema("Robot", {"root": {"$ref": "#/definitions/Node"}}), Node=node)
    assert image_places(document) == {("Robot", "root.image")}
