"""Every image of every kind of workload is listed with its path; an object without containers is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.admission.workload import (
    WORKLOAD_KINDS,
    ImageUse,
    InvalidWorkloadError,
    PodSpecField,
    images_of_manifest,
    workload_kind_of,
)

POD_SPEC = {
    "initContainers": [{"name": "setup", "image": "ghcr.io/a/setup:1"}],
    "containers": [{"name": "app", "image": "ghcr.io/a/app:1"}, {"name": "side", "image": "ghcr.io/a/side:1"}],
    "ephemeralContainers": [{"name": "debug", "image": "ghcr.io/a/debug:1", "targetContainerName": "app"}],
    "volumes": [
        {"name": "data", "emptyDir": {}},
        {"name": "model", "image": {"reference": "ghcr.io/a/model:1", "pullPolicy": "Always"}},
        {"name": "rbd", "rbd": {"image": "not-a-container-image"}},
    ],
    "imagePullSecrets": [{"name": "x"}],
}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}
SPECS: dict[str, tuple[str, dict, str]] = {
    "Pod": ("v1", {"spec": POD_SPEC}, "spec"),
    "PodTemplate": ("v1", {"template": TEMPLATE}, "template.spec"),
    "ReplicationController": ("v1", {"spec": {"replicas": 1, "template": TEMPLATE}}, "spec.template.spec"),
    "Deployment": ("apps/v1", {"spec": {"replicas": 0, "template": TEMPLATE}}, "spec.template.spec"),
    "ReplicaSet": ("apps/v1", {"spec": {"template": TEMPLATE}}, "spec.template.spec"),
    "StatefulSet": ("apps/v1", {"spec": {"volumeClaimTemplates": [{}], "template": TEMPLATE}}, "spec.template.spec"),
    "DaemonSet": ("apps/v1", {"spec": {"template": TEMPLATE}}, "spec.template.spec"),
    "Job": ("batch/v1", {"spec": {"template": TEMPLATE}}, "spec.template.spec"),
    "CronJob": (
        "batch/v1",
        {"spec": {"suspend": True, "jobTemplate": {"spec": {"template": TEMPLATE}}}},
        "spec.jobTemplate.spec.template.spec",
    ),
}


def manifest(kind: str) -> dict:
    api_version, content, _ = SPECS[kind]
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, **content}


def test_the_table_of_this_test_has_every_kind():
    assert {kind for _, _, kind in WORKLOAD_KINDS} == set(SPECS)


@pytest.mark.parametrize("kind", SPECS)
def test_every_image_of_the_kind_is_listed(kind):
    """Zero replicas and suspension change nothing: the images are listed before anything runs."""
    prefix = SPECS[kind][2]
    assert images_of_manifest(manifest(kind)) == (
        ImageUse(f"{prefix}.containers[0].image", "app", "ghcr.io/a/app:1", PodSpecField.CONTAINERS),
        ImageUse(f"{prefix}.containers[1].image", "side", "ghcr.io/a/side:1", PodSpecField.CONTAINERS),
        ImageUse(f"{prefix}.initContainers[0].image", "setup", "ghcr.io/a/setup:1", PodSpecField.INIT_CONTAINERS),
        ImageUse(
            f"{prefix}.ephemeralContainers[0].image", "debug", "ghcr.io/a/debug:1", PodSpecField.EPHEMERAL_CONTAINERS
        ),
        ImageUse(f"{prefix}.volumes[1].image.reference", "model", "ghcr.io/a/model:1", PodSpecField.VOLUMES),
    )


def pod(**spec: object) -> dict:
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


ONE = [{"name": "app", "image": "a"}]

EMPTY_TEXTS = {
    "a container without an image": (pod(containers=[{"name": "app"}]), "spec.containers[0].image"),
    "a container with an empty image": (pod(containers=[{"name": "app", "image": ""}]), "spec.containers[0].image"),
    "an init container without an image": (
        pod(containers=ONE, initContainers=[{"name": "i"}]),
        "spec.initContainers[0].image",
    ),
    "an image volume without a reference": (
        pod(containers=ONE, volumes=[{"name": "v", "image": {}}]),
        "spec.volumes[0].image.reference",
    ),
}


@pytest.mark.parametrize("case", EMPTY_TEXTS, ids=str)
def test_a_missing_image_is_listed_as_an_empty_text(case):
    """An absent text must be judged, and refused as no reference, not passed over."""
    document, path = EMPTY_TEXTS[case]
    assert [use.path for use in images_of_manifest(document) if not use.text] == [path]


def test_lists_that_go_writes_as_null_are_empty():
    document = pod(containers=ONE, initContainers=None, ephemeralContainers=None, volumes=None)
    assert [use.text for use in images_of_manifest(document)] == ["a"]


INVALID = {
    "no spec": ({"apiVersion": "v1", "kind": "Pod"}, "without spec"),
    "a null spec": ({"apiVersion": "v1", "kind": "Pod", "spec": None}, "without spec"),
    "no containers": (pod(), "without containers in spec.containers"),
    "null containers": (pod(containers=None), "without containers"),
    "empty containers": (pod(containers=[]), "without containers"),
    "only init containers": (pod(initContainers=ONE), "without containers"),
    "no template": ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}, "without spec.template.spec"),
    "no spec of a Deployment": ({"apiVersion": "apps/v1", "kind": "Deployment"}, "without spec.template.spec"),
    "a template without a spec": (
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {}}},
        "without spec.template.spec",
    ),
    "a PodTemplate without its template": ({"apiVersion": "v1", "kind": "PodTemplate"}, "without template.spec"),
    "a CronJob without a spec": ({"apiVersion": "batch/v1", "kind": "CronJob"}, "without spec.jobTemplate"),
    "a CronJob without its Job's spec": (
        {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {}}},
        "without spec.jobTemplate",
    ),
    "a CronJob without its Pod template": (
        {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {}}}},
        "without spec.jobTemplate",
    ),
    "the containers of a Pod in a Deployment": (
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"containers": ONE}},
        "without spec.template.spec",
    ),
    "containers that are no list": (pod(containers={"a": 1}), "not a Pod"),
    "an image that is a number": (pod(containers=[{"name": "app", "image": 1}]), "not a Pod"),
    "an image that is null": (pod(containers=[{"name": "app", "image": None}]), "not a Pod"),
    "a container that is null": (pod(containers=[None]), "not a Pod"),
    "another kind": ({"apiVersion": "v1", "kind": "Service", "spec": {}}, "not a supported kind"),
    "a kind in another group": ({**manifest("Deployment"), "apiVersion": "v1"}, "not a supported kind"),
    "a kind in another version": ({**manifest("CronJob"), "apiVersion": "batch/v1beta1"}, "not a supported kind"),
    "an empty group": ({**manifest("Pod"), "apiVersion": "/v1"}, "not a supported kind"),
    "no kind": ({"apiVersion": "v1"}, "not a supported kind"),
    "a kind that is a list": ({"apiVersion": "v1", "kind": ["Pod"]}, "not a supported kind"),
    "a version that is a number": ({"apiVersion": 1, "kind": "Pod"}, "not a supported kind"),
    "no object": ([], "not a supported kind"),
}


@pytest.mark.parametrize("case", INVALID, ids=str)
def test_what_is_no_workload_is_an_error_and_never_without_images(case):
    document, words = INVALID[case]
    with pytest.raises(InvalidWorkloadError, match=words):
        images_of_manifest(document)


@pytest.mark.parametrize("kind", SPECS)
def test_the_shape_of_a_kind_is_found_by_group_version_and_kind(kind):
    workload_kind = workload_kind_of(manifest(kind))
    assert workload_kind is not None
    assert (workload_kind.kind, workload_kind.resource) == (kind, f"{kind.lower()}s")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["spec", "template", "containers", "volumes", "image", "name", "jobTemplate"])
            | st.text(max_size=4)
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([(group, version, kind) for group, version, kind in WORKLOAD_KINDS]))
def test_any_document_has_images_or_is_an_invalid_workload(content, kind):
    """Whatever stands in a manifest: at least one image, or InvalidWorkloadError."""
    group, version, name = kind
    document = {"apiVersion": f"{group}/{version}" if group else version, "kind": name}
    if isinstance(content, dict):
        document |= content
    try:
        images = images_of_manifest(document)
    except InvalidWorkloadError:
        return
    assert images
