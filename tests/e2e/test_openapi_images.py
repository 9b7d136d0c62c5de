"""Every place that the running API server has for an image is one that tidegate lists."""

import json

from tests.cluster import ControlPlane
from tests.e2e.openapi_images import image_places, uncovered
from tidegate.admission.workload import WORKLOAD_KINDS


def test_every_place_for_an_image_is_listed(control_plane: ControlPlane):
    """A Kubernetes version with a new place for an image fails here until the place is read or named as no pull."""
    openapi = json.loads(control_plane.kubectl("get", "--raw", "/openapi/v2").stdout)
    places = image_places(openapi)
    assert uncovered(openapi) == set()
    for workload_kind in WORKLOAD_KINDS.values():
        for place in ("containers[].image", "initContainers[].image", "volumes[].image.reference"):
            assert (workload_kind.kind, f"{workload_kind.prefix}.{place}") in places
    assert ("Pod", "spec.ephemeralContainers[].image") in places
