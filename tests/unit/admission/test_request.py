"""An AdmissionReview is read whole or refused in clear words; unchanged images are told from changed ones."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.admission.request import (
    MAX_IMAGES,
    MAX_JSON_OBJECTS,
    MAX_NAME_LENGTH,
    AdmissionRequest,
    BadReviewError,
    Operation,
    changed_images,
    decode_review,
)
from tidegate.admission.workload import MAX_LISTED, WORKLOAD_KINDS

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def pod(
    *images: str, init: tuple[str, ...] = (), ephemeral: tuple[str, ...] = (), volumes: tuple[str, ...] = ()
) -> dict:
    def containers(texts, kind):
        return [{"name": f"{kind}{index}", "image": text} for index, text in enumerate(texts)]

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "generateName": "web-"},
        "spec": {
            "containers": containers(images, "c"),
            "initContainers": containers(init, "i"),
            "ephemeralContainers": containers(ephemeral, "e"),
            "volumes": [{"name": f"v{index}", "image": {"reference": text}} for index, text in enumerate(volumes)],
        },
    }


def review(operation: str = "CREATE", new: object = None, old: object = None, **changes: object) -> dict:
    request = {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "name": "web-1",
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    } | changes
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def decode(document: object) -> AdmissionRequest:
    return decode_review(json.dumps(document).encode())


def changed(new: dict, old: dict | None, operation: str = "UPDATE") -> list[str]:
    return [use.path for use in changed_images(decode(review(operation, new, old)))]


def test_a_request_is_read_into_what_a_decision_needs():
    request = decode(review("UPDATE", pod("a:2"), pod("a:1"), subResource="status", dryRun=True))
    assert (request.uid, request.namespace, request.name, request.user) == (UID, "shop", "web-1", "ann")
    assert str(request.kind) == "v1 Pod"
    assert (request.resource.resource, request.sub_resource) == ("pods", "status")
    assert (request.operation, request.dry_run) == (Operation.UPDATE, True)
    assert [use.text for use in request.images] == ["a:2"]
    assert [use.text for use in request.old_images] == ["a:1"]


def test_what_the_api_server_may_leave_out_is_empty():
    document = review(new=pod("a"))
    for key in ("namespace", "name", "userInfo", "dryRun", "oldObject"):
        del document["request"][key]
    del document["request"]["kind"]["group"]
    request = decode(document)
    assert (request.namespace, request.user, request.dry_run, request.old_images) == ("", "", False, ())


NAMES = {
    "the request's name": ("asked", {"name": "own", "generateName": "gen-"}, "asked"),
    "else the object's name": ("", {"name": "own", "generateName": "gen-"}, "own"),
    "else what the name is made from": ("", {"generateName": "gen-"}, "gen-"),
    "else none": ("", {}, ""),
    "else none without metadata": ("", None, ""),
}


@pytest.mark.parametrize("case", NAMES, ids=str)
def test_an_object_is_named(case):
    name, metadata, expected = NAMES[case]
    assert decode(review(new={**pod("a"), "metadata": metadata}, name=name)).name == expected


def template(kind: str) -> dict:
    inner: dict = {"spec": {"containers": [{"name": "c", "image": "a"}]}}
    if kind == "Pod":
        return inner
    if kind == "PodTemplate":
        return {"template": inner}
    spec = {"template": inner}
    return {"spec": {"jobTemplate": {"spec": spec}} if kind == "CronJob" else spec}


@pytest.mark.parametrize(("group", "version", "kind"), WORKLOAD_KINDS, ids=str)
def test_every_known_kind_is_read(group, version, kind):
    document = review(
        new=template(kind),
        kind={"group": group, "version": version, "kind": kind},
        resource={"group": group, "version": version, "resource": f"{kind.lower()}s"},
    )
    assert [use.text for use in decode(document).images] == ["a"]


UNCHANGED = {
    "the same object": (pod("a", init=("b",)), pod("a", init=("b",))),
    "a label": ({**pod("a"), "metadata": {"labels": {"x": "y"}}}, pod("a")),
    "an image that moved between containers": (pod("a", "b"), pod("b", "a")),
    "a container that was removed": (pod("a"), pod("a", "b")),
    "an ephemeral container that was there": (pod("a", ephemeral=("d",)), pod("a", ephemeral=("d",))),
    "an image volume that was there": (pod("a", volumes=("m",)), pod("a", volumes=("m",))),
}


@pytest.mark.parametrize("case", UNCHANGED, ids=str)
def test_an_update_without_a_new_image_changes_nothing(case):
    new, old = UNCHANGED[case]
    assert changed(new, old) == []


CHANGED: dict[str, tuple[dict, dict | None, list[str]]] = {
    "another tag": (pod("a:2"), pod("a:1"), ["spec.containers[0].image"]),
    "one of two": (pod("a", "c"), pod("a", "b"), ["spec.containers[1].image"]),
    "the old image behind a digest": (pod("a@sha256:0"), pod("a"), ["spec.containers[0].image"]),
    "an image from another list": (pod("a", "b"), pod("a", init=("b",)), ["spec.containers[1].image"]),
    "a new init container": (pod("a", init=("a",)), pod("a"), ["spec.initContainers[0].image"]),
    "a new image volume": (pod("a", volumes=("a",)), pod("a"), ["spec.volumes[0].image.reference"]),
    "an ephemeral container with the Pod's own image": (
        pod("a", ephemeral=("a",)),
        pod("a"),
        ["spec.ephemeralContainers[0].image"],
    ),
    "an ephemeral container with an earlier one's image": (
        pod("a", ephemeral=("d", "d")),
        pod("a", ephemeral=("d",)),
        ["spec.ephemeralContainers[1].image"],
    ),
    "no stored object": (pod("a"), None, ["spec.containers[0].image"]),
    "a stored object that is no workload": (pod("a"), {"spec": {}}, ["spec.containers[0].image"]),
}


@pytest.mark.parametrize("case", CHANGED, ids=str)
def test_an_update_with_new_images_names_them(case):
    new, old, paths = CHANGED[case]
    assert changed(new, old) == paths


def test_a_creation_is_judged_whatever_it_says_was_stored():
    assert changed(pod("a"), pod("a"), "CREATE") == ["spec.containers[0].image"]
    request = decode(review("CREATE", pod("a"), pod("a")))
    assert request.old_images == ()
    assert changed_images(msgspec.structs.replace(request, old_images=request.images)) == request.images


NO_IMAGES_NEEDED = {
    "a deletion": review("DELETE", None, pod("a")),
    "a deletion without any object": review("DELETE"),
    "a deletion of an unreadable object": review("DELETE", None, {"spec": {"containers": "x"}}),
    "a deletion of a kind without rules": review("DELETE", kind={"group": "x", "version": "v1", "kind": "Y"}),
    "a connection": review("CONNECT", {"kind": "PodExecOptions", "stdin": True}, subResource="exec"),
    "a connection with an unreadable object": review("CONNECT", {"spec": 1}),
}


@pytest.mark.parametrize("case", NO_IMAGES_NEEDED, ids=str)
def test_a_request_that_runs_nothing_needs_no_object(case):
    request = decode(NO_IMAGES_NEEDED[case])
    assert request.operation in {Operation.DELETE, Operation.CONNECT}
    assert request.images == request.old_images == changed_images(request) == ()


def without(document: dict, key: str) -> dict:
    document = copy.deepcopy(document)
    del document["request"][key]
    return document


GOOD = review(new=pod("a"))
BAD = {
    "a list": ([], "not a readable AdmissionReview"),
    "nothing": ({}, "not a readable AdmissionReview"),
    "no request": ({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}, "not a readable"),
    "a null request": (GOOD | {"request": None}, "not a readable"),
    "another version": (GOOD | {"apiVersion": "admission.k8s.io/v1beta1"}, "not an AdmissionReview of admission"),
    "another kind": (GOOD | {"kind": "Pod"}, "not an AdmissionReview of admission"),
    "no uid": (without(GOOD, "uid"), "not a readable AdmissionReview"),
    "an empty uid": (review(new=pod("a"), uid=""), "request.uid must be"),
    "a uid of 65 characters": (review(new=pod("a"), uid="a" * 65), "request.uid must be"),
    "a uid with a quote": (review(new=pod("a"), uid='a"b'), "request.uid must be"),
    "a uid with a newline": (review(new=pod("a"), uid="a\n"), "request.uid must be"),
    "a name of 254 characters": (review(new=pod("a"), name="a" * 254), "is longer than 253"),
    "a namespace of 254 characters": (review(new=pod("a"), namespace="a" * 254), "is longer than 253"),
    "an unknown operation": (review("PATCH", pod("a")), "request.operation must be one of CREATE"),
    "an operation in lower case": (review("create", pod("a")), "request.operation must be one of CREATE"),
    "no kind": (without(GOOD, "kind"), "not a readable AdmissionReview"),
    "a kind without rules": (
        review(new=pod("a"), kind={"group": "", "version": "v1", "kind": "Service"}),
        "'v1 Service' is not supported",
    ),
    "a subresource's own kind": (
        review(new={}, kind={"group": "autoscaling", "version": "v1", "kind": "Scale"}),
        "'autoscaling/v1 Scale' is not supported",
    ),
    "a hostile kind": (
        review(new=pod("a"), kind={"group": "", "version": "v1", "kind": "\x1b[31m\u202e" + "k" * 999}),
        r"'v1 \\x1b\[31m\\u202ekkk",
    ),
    "a resource of another kind": (
        review(new=pod("a"), resource={"group": "", "version": "v1", "resource": "services"}),
        "'services' is not that of a Pod",
    ),
    "a resource of another group": (
        review(new=pod("a"), resource={"group": "x", "version": "v1", "resource": "pods"}),
        "is not that of a Pod",
    ),
    "a creation without an object": (review("CREATE"), "CREATE a Pod without an object"),
    "an update without an object": (review("UPDATE", None, pod("a")), "UPDATE a Pod without an object"),
    "a Pod without containers": (review(new={"spec": {}}), "without containers"),
    "an unreadable object": (review(new={"spec": {"containers": 1}}), r"\$.request.object.spec.containers"),
    "an image that is null": (review(new=pod(None)), r"\$.request.object.spec.containers\[0\].image"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_review_that_cannot_be_judged_is_refused_and_said(case):
    document, words = BAD[case]
    with pytest.raises(BadReviewError, match=words) as refused:
        decode(document)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"kind: AdmissionReview",
    "half of a review": json.dumps(GOOD).encode()[:-20],
    "a review and a half": json.dumps(GOOD).encode() * 2,
    "another encoding": json.dumps(GOOD).encode("utf-16"),
    "a name that is no UTF-8": json.dumps(GOOD).encode().replace(b"web-1", b"web\xff"),
    "arrays without end in a field that is not read": b'{"x":' + b"[" * 100_000,
    "arrays without end": b'{"request":' + b"[" * 100_000,
    "objects without end": b'{"kind":' * 100_000,
}


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_bytes_that_are_no_review_are_refused(case):
    with pytest.raises(BadReviewError, match="not a readable AdmissionReview") as refused:
        decode_review(UNREADABLE[case])
    assert refused.value.uid is None


ANSWERABLE = {
    "an unreadable object": (review(new={"spec": 1}), UID),
    "a kind without rules": (review(new={}, kind={"group": "", "version": "v1", "kind": "Service"}), UID),
    "another version": (GOOD | {"apiVersion": "admission.k8s.io/v2"}, UID),
    "a uid that must not be echoed": (review(new={"spec": 1}, uid='"'), None),
}


@pytest.mark.parametrize("case", ANSWERABLE, ids=str)
def test_a_refusal_carries_the_uid_that_it_can_be_answered_with(case):
    document, uid = ANSWERABLE[case]
    with pytest.raises(BadReviewError) as refused:
        decode(document)
    assert refused.value.uid == uid


def test_the_bounds_of_uid_and_names_are_exact():
    request = decode(review(new=pod("a"), uid="a" * 64, name="n" * MAX_NAME_LENGTH, namespace="s" * MAX_NAME_LENGTH))
    assert (len(request.uid), len(request.name), len(request.namespace)) == (64, 253, 253)


def test_new_images_are_bounded():
    many = [f"a:{index}" for index in range(MAX_IMAGES + 1)]
    assert len(decode(review(new=pod(*many[:-1]))).images) == MAX_IMAGES
    with pytest.raises(BadReviewError, match="more than 256 new images"):
        decode(review(new=pod(*many)))


def with_objects(operation: str, count: int) -> bytes:
    """Return a review with this many JSON objects in it, most of them containers without anything."""
    body = json.dumps(review(operation, pod("a"))).encode()
    missing = count - body.count(b"{")
    return body.replace(b'"initContainers": []', b'"initContainers": [' + b",".join([b"{}"] * missing) + b"]", 1)


def test_json_objects_are_bounded_before_anything_is_decoded():
    """2.7 million empty containers fit into the 8 MiB of a body, and would be decoded into 500 MiB."""
    assert decode_review(with_objects("DELETE", MAX_JSON_OBJECTS + 1)).uid == UID, "a deletion needs no object"
    with pytest.raises(BadReviewError, match="more than 200,000 JSON objects") as refused:
        decode_review(with_objects("CREATE", MAX_JSON_OBJECTS + 1))
    assert refused.value.uid == UID
    with pytest.raises(BadReviewError, match="containers and volumes"):
        decode_review(with_objects("CREATE", MAX_JSON_OBJECTS))


def test_too_many_json_objects_are_never_decoded(monkeypatch):
    monkeypatch.setattr("tidegate.admission.request._decode", None)
    with pytest.raises(BadReviewError, match="more than 200,000 JSON objects"):
        decode_review(with_objects("CREATE", MAX_JSON_OBJECTS + 1))


def test_containers_and_volumes_of_one_object_are_bounded():
    many = pod("a", volumes=("b",))
    many["spec"]["initContainers"] = [{}] * (MAX_LISTED - 2)
    assert decode(review("UPDATE", many, many)).images
    assert changed_images(decode(review("UPDATE", many, many))) == ()
    many["spec"]["volumes"] *= 2
    with pytest.raises(BadReviewError, match="a Pod with more than 10,000 containers and volumes") as refused:
        decode(review(new=many))
    assert refused.value.uid == UID


def test_a_review_of_three_mebibytes_is_judged():
    """Old and new object as large as etcd takes, of nothing but environment variables with their managedFields."""
    variables = [{"name": f"VARIABLE_{index}", "value": "v"} for index in range(16_000)]
    fields: dict[str, Any] = {
        f'k:{{"name":"VARIABLE_{index}"}}': {".": {}, "f:name": {}, "f:value": {}} for index in range(16_000)
    }
    old, new = pod("a:1"), pod("a:2")
    for one in (old, new):
        one["spec"]["containers"][0]["env"] = variables
        one["metadata"]["managedFields"] = [{"manager": "kubectl", "fieldsV1": {"f:spec": fields}}]
    body = json.dumps(review("UPDATE", new, old), separators=(",", ":")).encode()
    assert len(body) > 3 * 1024 * 1024
    assert [use.text for use in decode_review(body).images] == ["a:2"]


def test_an_object_with_more_images_than_that_can_still_be_labelled():
    many = [f"a:{index}" for index in range(MAX_IMAGES + 1)]
    assert changed(pod(*many), pod(*many)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def judged_or_refused(body: bytes) -> None:
    try:
        request = decode_review(body)
    except BadReviewError:
        return
    assert bool(request.images) == (request.operation in {Operation.CREATE, Operation.UPDATE})


@given(st.data())
def test_any_value_in_any_field_is_judged_or_refused(data):
    """One field of a sound review replaced by anything: an image to judge, or BadReviewError; nothing else."""
    document = copy.deepcopy(review(data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE"])), pod("a"), pod("a")))
    spec_field: dict = document
    while True:
        key = data.draw(st.sampled_from(sorted(spec_field)))
        if not isinstance(spec_field[key], dict) or data.draw(st.booleans()):
            break
        spec_field = spec_field[key]
        if not spec_field:
            return
    spec_field[key] = data.draw(JSON)
    judged_or_refused(json.dumps(document).encode())


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused(body):
    judged_or_refused(body)


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_review_with_one_byte_wrong_is_judged_or_refused(position, value):
    body = bytearray(json.dumps(GOOD).encode())
    body[position % len(body)] = value
    judged_or_refused(bytes(body))
