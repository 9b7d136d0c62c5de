"""Pods as they are decoded, and the images that they run."""

import json

import pytest

from tests.unit.background.cluster import ECR, pod, pod_json
from tests.unit.gather.fakes import APP, IMAGE
from tidegate.background.pods import decode_pod, pods_query
from tidegate.background.running import ImageInUse, PodTable, identify
from tidegate.images.digest import Digest
from tidegate.images.repository import OciRegistry, OciRepository
from tidegate.verdicts.usage import OwningWorkload, RunningPod

OTHER = Digest("sha256:" + "1" * 64)
TAG, DIGEST = f"{ECR}/team/app:v1", f"{ECR}/team/app@{IMAGE}"


def table(*pods: tuple[str, RunningPod]) -> tuple[PodTable, list[ImageInUse]]:
    touched: list[ImageInUse] = []
    made = PodTable()
    made.on_touch = touched.append
    for one in pods:
        made.put(*one)
    return made, touched


def same(workload: OwningWorkload) -> OwningWorkload:
    return workload


def test_every_list_of_containers_and_image_volumes_count():
    spec = {
        "initContainers": [{"name": "i", "image": "init:1"}],
        "ephemeralContainers": [{"name": "e", "image": "debug:1"}],
        "volumes": [{"name": "v", "image": {"reference": "data:1"}}, {"name": "w", "emptyDir": {}}],
    }
    _, found = pod("a", "app:1", **spec)
    assert [(one.path, one.image) for one in found.containers] == [
        ("spec.containers[0].image", "app:1"),
        ("spec.initContainers[0].image", "init:1"),
        ("spec.ephemeralContainers[0].image", "debug:1"),
        ("spec.volumes[0].image.reference", "data:1"),
    ]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_runs_nothing(phase: str):
    assert pod("a", TAG, ran=(DIGEST,), phase=phase)[1].containers == ()
    made, _ = table(pod("a", TAG, ran=(DIGEST,)))
    made.put(*pod("a", TAG, ran=(DIGEST,), phase=phase))
    assert (len(made), made._by_image) == (0, {})


def test_a_pod_without_a_controller_is_its_own_workload():
    assert pod("a", TAG, owner=None)[1].workload == OwningWorkload(kind="Pod", name="a", api_version="v1", uid="pod-a")


@pytest.mark.parametrize(
    "owner",
    [
        ("apps/v1", "ReplicaSet", "../../../../api/v1/secrets/x"),
        ("apps/v1", "ReplicaSet", "a" * 254),
        ("apps/v1", "K" * 64, "web"),
        ("apps/v1", "Kind\n", "web"),
        ("v" * 321, "ReplicaSet", "web"),
    ],
)
def test_an_owner_that_no_object_can_be_is_none(owner: tuple[str, str, str]):
    """It would make the verdict an object that the API server refuses, and so hide the image."""
    assert pod("a", TAG, owner=owner)[1].workload.kind == "Pod"


def test_null_lists_as_go_writes_them_are_empty():
    obj = pod_json("a", TAG)
    obj["spec"] |= {"initContainers": None, "volumes": None}
    obj["status"] = {"phase": "Pending", "containerStatuses": None}
    assert len(decode_pod(json.dumps(obj).encode()).containers) == 1


def test_exempt_namespaces_and_ended_pods_are_not_asked_for():
    assert pods_query(("kube-system",)) == {
        "fieldSelector": "status.phase!=Failed,status.phase!=Succeeded,metadata.namespace!=kube-system"
    }


@pytest.mark.parametrize(
    ("image", "image_id", "digest", "ran"),
    [
        pytest.param(TAG, DIGEST, IMAGE, IMAGE, id="by tag"),
        pytest.param(TAG, f"docker-pullable://{DIGEST}", IMAGE, IMAGE, id="with a prefix"),
        pytest.param(f"{ECR}/team/app@{OTHER}", DIGEST, IMAGE, IMAGE, id="what runs counts"),
        pytest.param(TAG, "", None, None, id="not started"),
        pytest.param(DIGEST, "", IMAGE, None, id="not started, by digest"),
        pytest.param(TAG, str(IMAGE), None, None, id="the id of a loaded image"),
        pytest.param(TAG, f"{ECR}/team/copy@{IMAGE}", None, None, id="another repository of the same image"),
        pytest.param(
            f"{ECR}/team/app@{OTHER}", f"{ECR}/team/copy@{IMAGE}", OTHER, None, id="another repository, by digest"
        ),
        pytest.param(TAG, "sha512:abc", None, None, id="nonsense"),
    ],
)
def test_the_digest_is_what_the_kubelet_reports_of_the_same_repository(image, image_id, digest, ran):
    found = identify(image, image_id)
    assert found is not None
    assert (found.repository, found.digest, found.ran) == (APP, digest, ran)


def test_an_image_that_is_no_reference_is_left_out():
    made, touched = table(pod("a", "Not A Reference"))
    assert touched == []
    made.drop("shop/a")
    assert len(made) == 0


def test_images_of_other_registries_count_too():
    made, _ = table(pod("a", "ghcr.io/x/y:1", ran=(f"ghcr.io/x/y@{IMAGE}",)))
    assert list(made.all_images()) == [(OciRepository(OciRegistry("ghcr.io"), "x/y"), IMAGE)]


def test_uses_are_by_namespace_reference_and_workload():
    made, _ = table(
        pod("a", TAG, DIGEST, ran=(DIGEST, DIGEST)),
        pod("b", TAG, ran=(DIGEST,), since="2026-02-01T00:00:00Z"),
        pod("c", f"{ECR}/team/app:v2", namespace="bank", ran=(DIGEST,), owner=None),
        pod("d", f"{ECR}/team/app:v3", ran=(f"{ECR}/team/app@{OTHER}",)),
    )
    uses = made.uses((APP, IMAGE), same)
    assert {name: one.pods for name, one in uses.usage.namespaces.items()} == {"shop": 2, "bank": 1}
    assert uses.usage.tags == ("v1", "v2")
    since = uses.usage.namespaces["shop"].since
    assert since is not None
    assert since.isoformat() == "2026-02-01T00:00:00+00:00"
    assert {place: [one.kind for one in those] for place, those in uses.texts.items()} == {
        ("shop", TAG): ["ReplicaSet"],
        ("shop", DIGEST): ["ReplicaSet"],
        ("bank", f"{ECR}/team/app:v2"): ["Pod"],
    }


def test_a_container_that_failed_to_start_never_ran():
    """containerd and the kubelet report it as terminated, started in 1970."""
    obj = pod_json("a", TAG, DIGEST, ran=(DIGEST, DIGEST))
    failed = {"reason": "StartError", "exitCode": 128, "startedAt": "1970-01-01T00:00:00Z"}
    obj["status"]["containerStatuses"][0]["state"] = {"terminated": failed}
    obj["status"]["containerStatuses"][1]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = decode_pod(json.dumps(obj).encode())
    assert [one.since for one in found.containers] == [None, None]
    obj["status"]["containerStatuses"][1]["state"] = {"terminated": {"startedAt": "2026-02-01T00:00:00Z"}}
    made, _ = table(("shop/a", decode_pod(json.dumps(obj).encode())))
    since = made.uses((APP, IMAGE), same).usage.namespaces["shop"].since
    assert since is not None
    assert since.isoformat() == "2026-02-01T00:00:00+00:00"


def test_what_a_tag_means_now_does_not_run_since_a_container_started_by_it():
    """The kubelet reports the digest in another repository: the container may run what the tag meant before."""
    made, _ = table(pod("a", TAG, ran=(f"{ECR}/team/copy@{OTHER}",), since="2026-02-01T00:00:00Z"))
    made.resolve((APP, "v1"), IMAGE)
    used = made.uses((APP, IMAGE), same).usage.namespaces["shop"]
    assert (used.pods, used.since) == (1, None)


def test_a_change_that_is_none_touches_nothing():
    made, touched = table(pod("a", TAG, ran=(DIGEST,)))
    touched.clear()
    made.put(*pod("a", TAG, ran=(DIGEST,)))
    assert touched == []


def test_a_pod_made_anew_by_the_same_name_replaces_the_other():
    made, touched = table(pod("a", TAG, ran=(DIGEST,)))
    touched.clear()
    made.put(*pod("a", TAG, ran=(f"{ECR}/team/app@{OTHER}",)))
    assert set(touched) == {(APP, IMAGE), (APP, OTHER)}
    assert not made.runs((APP, IMAGE))
    assert made.runs((APP, OTHER))


def test_a_tag_that_is_resolved_counts_until_the_last_pod_that_names_it_is_gone():
    made, touched = table(pod("a", TAG), pod("b", TAG))
    assert [named for named, *_ in made.unresolved()] == [(APP, "v1")]
    made.resolve((APP, "v1"), IMAGE)
    assert touched == [(APP, IMAGE)]
    assert made.uses((APP, IMAGE), same).usage.pods == 2
    assert list(made.images_in({"shop"})) == [(APP, IMAGE)] * 2
    made.resolve((APP, "v1"), OTHER)
    assert touched[1:] == [(APP, OTHER), (APP, IMAGE)]
    assert list(made.all_images()) == [(APP, OTHER)]
    made.drop("shop/a")
    assert made.runs((APP, OTHER))
    made.drop("shop/b")
    assert not made.runs((APP, OTHER))
    assert list(made.unresolved()) == []


def test_differences_are_containers_that_run_another_digest_than_named():
    named = f"{ECR}/team/app@{OTHER}"
    made, _ = table(pod("a", named, TAG, ran=(DIGEST, DIGEST)), pod("b", named, ran=(named,)))
    assert made.differences == 1
    (found,) = made.different()
    assert (found.named, found.runs, found.path) == (OTHER, IMAGE, "spec.containers[0].image")
    made.drop("shop/a")
    assert made.differences == 0


def test_a_tag_that_meant_another_digest_before_the_container_started_is_a_difference_too():
    """What the tag means later does not count, and neither does what it meant for an earlier image of the container."""
    made = PodTable()
    waiting, started = pod("web", TAG), pod("web", TAG, ran=(f"{ECR}/team/app@{OTHER}",))
    made.put(*waiting)
    made.resolve((APP, "v1"), IMAGE)
    made.put(*started)
    assert made.differences == 1
    (found,) = made.different()
    assert (found.named, found.runs, found.by_tag) == (IMAGE, OTHER, True)
    again = pod("web", TAG, ran=(f"{ECR}/team/app@{OTHER}",), since="2026-03-01T12:00:00Z")
    made.put(*again)
    assert made.differences == 1
    other = pod("web", f"{ECR}/team/app:v2", ran=(f"{ECR}/team/app@{OTHER}",))
    made.put(*other)
    assert made.differences == 0
    made.put(*waiting)
    made.resolve((APP, "v1"), OTHER)
    made.put(*started)
    assert made.differences == 0
    made.drop(started[0])
    made.put(*started)
    assert made.differences == 0, "the tag was never asked for"
    assert not made._admitted
