"""Digest pinning: which images of a Pod get a digest, and that nothing else is changed."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.admission.fakes import (
    body,
)
from tests.unit.admission.pinned import PINNED_TAG, world
from tests.unit.builders import (
    DIGEST,
    HOST,
    IMAGE,
    PINNED,
    ecr,
    host,
    policy,
)
from tidegate.admission.request import MAX_IMAGES, BadReviewError
from tidegate.policy.model import ScanRules


async def test_a_tag_gets_the_digest_of_its_evidence_and_each_change_is_tested_first():
    assert await world().patch(body(IMAGE)) == [
        {"op": "test", "path": "/spec/containers/0/image", "value": IMAGE},
        {"op": "replace", "path": "/spec/containers/0/image", "value": PINNED_TAG},
    ]


async def test_the_audit_log_names_what_was_pinned():
    response = await world().response(body(IMAGE))
    assert response["auditAnnotations"] == {"pinned": PINNED_TAG}


@pytest.mark.parametrize("image", [PINNED, PINNED_TAG])
async def test_an_image_with_a_digest_is_untouched_and_not_looked_up(image):
    one = world()
    assert await one.patch(body(image)) == []
    assert one.evidence.looked_up == []


async def test_every_place_of_an_image_is_pinned():
    pod = {
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "a", "image": PINNED}, {"name": "b", "image": IMAGE}],
            "initContainers": [{"name": "c", "image": IMAGE}],
            "volumes": [{"name": "v"}, {"name": "w", "image": {"reference": IMAGE}}],
        },
    }
    spec = (await world().mutated(pod))["spec"]
    assert [one["image"] for one in spec["containers"]] == [PINNED, PINNED_TAG]
    assert spec["initContainers"][0]["image"] == PINNED_TAG
    assert spec["volumes"][1]["image"]["reference"] == PINNED_TAG


async def test_an_added_ephemeral_container_is_pinned_and_those_that_are_stored_are_not():
    """The API server refuses a change of a stored one."""
    stored = {"containers": [{"name": "a", "image": IMAGE}], "ephemeralContainers": [{"name": "old", "image": IMAGE}]}
    added = copy.deepcopy(stored)
    added["ephemeralContainers"].append({"name": "new", "image": IMAGE})
    changes = {"operation": "UPDATE", "subResource": "ephemeralcontainers", "oldObject": {"spec": stored}}
    spec = (await world().mutated({"spec": added}, **changes))["spec"]
    assert spec["containers"] == stored["containers"]
    assert [one["image"] for one in spec["ephemeralContainers"]] == [IMAGE, PINNED_TAG]


async def test_an_update_leaves_the_images_that_the_pod_has():
    """A container would be restarted."""
    other = f"{HOST}/team/other:v1"
    patch = await world().patch(body(IMAGE, other, operation="UPDATE", old=[IMAGE, "old:1"]))
    assert [one["path"] for one in patch] == ["/spec/containers/1/image"] * 2


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
async def test_other_operations_are_answered_without_work(operation):
    one = world()
    assert await one.patch(body(operation=operation)) == []


async def test_a_workload_keeps_its_tags():
    template = {"spec": {"containers": [{"name": "a", "image": IMAGE}]}}
    request = body(
        kind={"group": "apps", "version": "v1", "kind": "Deployment"},
        resource={"group": "apps", "version": "v1", "resource": "deployments"},
        object={"spec": {"template": template}},
    )
    assert await world().patch(request) == []


async def test_the_mirror_of_a_static_pod_keeps_its_tags():
    """The kubelet runs what its file says."""
    assert await world().patch(body(IMAGE, userInfo={"username": "system:node:worker-1"})) == []


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(body(IMAGE, object={"spec": {"containers": 1}}), id="unreadable object"),
        pytest.param(body(*[f"{HOST}/a{one}:v1" for one in range(MAX_IMAGES + 1)]), id="too many images"),
        pytest.param(body(IMAGE, kind={"group": "x", "version": "v1", "kind": "Y"}), id="unknown kind"),
    ],
)
async def test_what_cannot_be_read_is_left_to_the_validating_webhook(request_body):
    assert await world().patch(request_body) == []


async def test_a_request_without_a_uid_is_a_bad_one():
    with pytest.raises(BadReviewError):
        await world().response(b"{}")


LISTS = {"containers": "image", "initContainers": "image", "ephemeralContainers": "image"}
IMAGES = st.sampled_from(
    [
        IMAGE,
        PINNED,
        PINNED_TAG,
        f"{HOST}/team/b",
        f"{HOST}:443/c/d:v1",
        "nginx",
        "ghcr.io/a/b:1",
        "",
        "Not/valid",
        "a@b",
    ]
)
OTHER = st.dictionaries(st.sampled_from(["name", "env", "command"]), st.text(max_size=3))


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"nodeName": draw(st.text(max_size=3))}
    for name in LISTS:
        images = draw(st.lists(IMAGES, min_size=int(name == "containers"), max_size=4))
        spec[name] = [{**draw(OTHER), "image": image} for image in images]
    volumes = draw(st.lists(st.one_of(st.none(), IMAGES), max_size=3))
    spec["volumes"] = [{"name": "v"} | ({} if one is None else {"image": {"reference": one}}) for one in volumes]
    return {"metadata": {"name": "web", "labels": draw(OTHER)}, "spec": spec}


def texts_of(pod: dict[str, Any]) -> list[str]:
    spec = pod["spec"]
    images = [one["image"] for name in LISTS for one in spec[name]]
    return images + [one["image"]["reference"] for one in spec["volumes"] if "image" in one]


def emptied(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the Pod without its images."""
    result: dict[str, Any] = copy.deepcopy(pod)
    for name in LISTS:
        for one in result["spec"][name]:
            one["image"] = None
    for one in result["spec"]["volumes"]:
        if "image" in one:
            one["image"] = None
    return result


@given(pod=pods())
async def test_exactly_the_tags_that_are_looked_up_are_pinned_and_all_else_is_unchanged(pod):
    one = world(policy(registries=(ecr(), host("ghcr.io")), scan=ScanRules()))
    after = await one.mutated(pod)
    expected = {IMAGE: PINNED_TAG, f"{HOST}/team/b": f"{HOST}/team/b:latest@{DIGEST}"}
    expected[f"{HOST}:443/c/d:v1"] = f"{HOST}:443/c/d:v1@{DIGEST}"
    assert texts_of(after) == [expected.get(text, text) for text in texts_of(pod)]
    assert emptied(after) == emptied(pod)
    assert await one.patch(body(object=after)) == [], "the second time changes nothing"
