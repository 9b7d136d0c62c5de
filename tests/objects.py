"""Objects that tests apply: every kind of workload that can carry images, policies and trust stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cluster import ControlPlane

API_VERSION = "tidegate.dev/v1alpha1"
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
GOOD = f"{ECR}/team/good:v1"
CRITICAL = f"{ECR}/team/critical:v1"
POLICY: dict[str, Any] = {
    "registries": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/**"]}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}


def pod_spec(*images: str, **more: Any) -> dict[str, Any]:
    """Return a Pod's spec with a container of each image, the first of which is ``app``."""
    return {"containers": [{"name": f"app{index or ''}", "image": image} for index, image in enumerate(images)], **more}


def pod(image: str, *, name: str = "app", spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a Pod."""
    return _object("v1", "Pod", name, spec or pod_spec(image))


def workload(kind: str, image: str, *, name: str = "app", replicas: int = 1) -> dict[str, Any]:
    """Return a workload of the kind with one container."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(image)}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    match kind:
        case "Pod":
            return pod(image, name=name)
        case "Job":
            template["spec"] = pod_spec(image, restartPolicy="Never")
            return _object("batch/v1", kind, name, {"template": template})
        case "CronJob":
            template["spec"] = pod_spec(image, restartPolicy="Never")
            job = {"spec": {"template": template}}
            return _object("batch/v1", kind, name, {"schedule": "0 3 * * *", "jobTemplate": job})
        case "ReplicationController":
            return _object("v1", kind, name, {"selector": labels, "replicas": replicas, "template": template})
        case "DaemonSet":
            return _object("apps/v1", kind, name, spec)
        case "StatefulSet":
            return _object("apps/v1", kind, name, spec | {"replicas": replicas, "serviceName": name})
    return _object("apps/v1", kind, name, spec | {"replicas": replicas})


def image_policy(name: str, spec: Mapping[str, Any], **identity: Any) -> dict[str, Any]:
    """Return an ImagePolicy; with uid and generation, as the API server returns it."""
    made = _object(API_VERSION, "ImagePolicy", name, spec)
    return made | {"metadata": {"name": name, **identity}}


def trust_store(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a TrustStore."""
    return _object(API_VERSION, "TrustStore", name, spec)


def policy_exception(name: str, *, namespace: str = "", **changes: Any) -> dict[str, Any]:
    """Return an exception from the check vulnerabilities of ``production`` for CRITICAL; of a namespace where one is named.

    A change to None leaves the field out.
    """
    spec: dict[str, Any] = {
        "policies": ["production"],
        "checks": ["vulnerabilities"],
        "images": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/critical"]}],
        "reason": "INC-4711",
        "requestedBy": "ann@example.com",
    } | changes
    spec = {field: value for field, value in spec.items() if value is not None}
    if not namespace:
        return _object(API_VERSION, "ImagePolicyException", name, spec)
    made = _object(API_VERSION, "NamespacedImagePolicyException", name, spec)
    return made | {"metadata": {"name": name, "namespace": namespace}}


def apply(cluster: ControlPlane, namespace: str, manifest: Mapping[str, Any], *arguments: str) -> tuple[bool, str]:
    """Apply as a person would; return whether it was admitted and everything that kubectl printed."""
    done = cluster.kubectl(
        "apply", "--namespace", namespace, "-f", "-", *arguments, stdin=json.dumps(manifest), check=False
    )
    return done.returncode == 0, done.stderr + done.stdout


def _object(api_version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
