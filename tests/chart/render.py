"""Render the chart with the real helm and read what came out: for the chart's own tests and for end-to-end tests.

    from tests.chart.render import ENFORCING, controller_config, render, webhooks_by_url

    objects = render(ENFORCING | {"aws": {"region": "eu-west-1"}})
    config = controller_config(objects)            # what /etc/tidegate/config.yaml holds, as a mapping
    arguments = container_args(objects)            # ["admission", "--config", "/etc/tidegate/config.yaml"]
    rights = rbac(objects)                         # roles, bindings and the ServiceAccount, ready for apply
    hooks = webhooks_by_url(objects, "https://127.0.0.1:9443", ca_pem)

``render`` runs ``helm template`` and needs no cluster. Without ``aws.endpoints``, ``namespace`` and so on the values are
the chart's defaults, and the default is audit only: ``ENFORCING`` turns refusals on.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import ControlPlane
from tests.cluster.processes import OF_GO
from tests.cluster.toolchain import build

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "tidegate"
RELEASE = "tidegate"
NAMESPACE = "tidegate"
HELM_TIMEOUT_SECONDS = 60
ENFORCING: Mapping[str, Any] = {"auditOnly": False}
WEBHOOK_KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
RBAC_KINDS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")

ADMISSION, BACKGROUND = "admission", "background"

Object = dict[str, Any]


class HelmError(RuntimeError):
    """helm ended with an error; the text is what it wrote for the person."""


def run_helm(
    *arguments: str,
    values: Mapping[str, Any] | None = None,
    cluster: ControlPlane | None = None,
    check: bool = True,
    timeout_seconds: float = HELM_TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run helm with a home of its own; ``values`` are handed over as ``--values -``. Raise HelmError where it failed."""
    command = [str(_helm()), *arguments]
    if values is not None:
        command += ["--values", "-"]
    with tempfile.TemporaryDirectory(prefix="tidegate-helm-") as home:
        done = subprocess.run(
            cluster.reach(command) if cluster else command,
            input=json.dumps(values) if values is not None else "",
            env={
                **OF_GO,
                "HOME": home,
                "PATH": os.environ.get("PATH", ""),
                "KUBECONFIG": str(cluster.admin_kubeconfig if cluster else Path(home) / "none"),
            },
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    if check and done.returncode != 0:
        raise HelmError(done.stderr.strip())
    return done


@functools.cache
def _helm() -> Path:
    return build.ready(["helm"])["helm"]


def render(
    values: Mapping[str, Any] | None = None, *, namespace: str = NAMESPACE, release: str = RELEASE
) -> list[Object]:
    """Return every object that ``helm install`` would create, CRDs apart; raise HelmError with helm's own text."""
    return [item for item in _render_all(values, namespace, release) if not _hook_of(item)]


def render_hook(hook: str, values: Mapping[str, Any] | None = None) -> list[Object]:
    """Return the objects of a helm hook, such as ``pre-upgrade``."""
    return [item for item in _render_all(values, NAMESPACE, RELEASE) if _hook_of(item) == hook]


def _render_all(values: Mapping[str, Any] | None, namespace: str, release: str) -> list[Object]:
    done = run_helm("template", release, str(CHART), "--namespace", namespace, values=values or {})
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def _hook_of(item: Object) -> str:
    hook: str = item["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return hook


def custom_resource_definitions() -> list[Object]:
    """Return the CRDs that helm installs before everything else."""
    return [yaml.safe_load(path.read_text()) for path in sorted((CHART / "crds").glob("*.yaml"))]


def find(objects: Sequence[Object], kind: str, name: str | None = None, *, role: str = ADMISSION) -> Object:
    """Return a role's one object of a kind (and name); raise LookupError where there is none or more than one."""
    found = [
        item for item in find_all(objects, kind, name) if name or (role_of(item) == BACKGROUND) == (role == BACKGROUND)
    ]
    if len(found) != 1:
        raise LookupError(f"got {len(found)} objects of kind {kind} named {name or 'anything'}, expected 1")
    return found[0]


def find_all(objects: Sequence[Object], kind: str, name: str | None = None) -> list[Object]:
    """Return the objects of a kind (and name)."""
    return [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]


def role_of(item: Object) -> str:
    """Return the role that an object belongs to."""
    role: str = item["metadata"].get("labels", {}).get("app.kubernetes.io/component", ADMISSION)
    return role


def pod_spec(objects: Sequence[Object], *, role: str = ADMISSION) -> Object:
    """Return the spec of a role's Pods."""
    spec: Object = find(objects, "Deployment", role=role)["spec"]["template"]["spec"]
    return spec


def container(objects: Sequence[Object], *, role: str = ADMISSION) -> Object:
    """Return a role's container."""
    (only,) = pod_spec(objects, role=role)["containers"]
    result: Object = only
    return result


def container_args(objects: Sequence[Object], *, role: str = ADMISSION) -> list[str]:
    """Return the container's arguments, after the image's entry point."""
    return list(container(objects, role=role)["args"])


def container_env(
    objects: Sequence[Object], *, namespace: str = NAMESPACE, pod: str = "tidegate-0", role: str = ADMISSION
) -> dict[str, str]:
    """Return the container's environment, with what the kubelet would fill in from the Pod."""
    fields = {"metadata.namespace": namespace, "metadata.name": pod}
    return {
        item["name"]: item["value"] if "value" in item else fields[item["valueFrom"]["fieldRef"]["fieldPath"]]
        for item in container(objects, role=role)["env"]
    }


def config_text(objects: Sequence[Object]) -> str:
    """Return the controller's configuration file as the Pods mount it."""
    text: str = find(objects, "ConfigMap")["data"]["config.yaml"]
    return text


def controller_config(objects: Sequence[Object]) -> Object:
    """Return the controller's configuration."""
    config: Object = yaml.safe_load(config_text(objects))
    return config


def rbac(objects: Sequence[Object]) -> list[Object]:
    """Return the ServiceAccount, the roles and their bindings."""
    return [item for item in objects if item["kind"] in RBAC_KINDS]


def role_rules(objects: Sequence[Object], kind: str = "ClusterRole", *, role: str = ADMISSION) -> list[Object]:
    """Return the rules of a role's ClusterRole or Role."""
    return list(find(objects, kind, role=role)["rules"])


def webhook_configuration(objects: Sequence[Object]) -> Object:
    """Return the webhook configuration."""
    return find(objects, WEBHOOK_KINDS[0])


def webhooks(objects: Sequence[Object]) -> dict[str, Object]:
    """Return the webhook entries by name, ``enforce.tidegate.dev`` and ``audit.tidegate.dev`` where there is one."""
    return {hook["name"]: hook for hook in webhook_configuration(objects)["webhooks"]}


def webhooks_by_url(
    objects: Sequence[Object], base_url: str, authority: bytes, *, kind: str = WEBHOOK_KINDS[0]
) -> Object:
    """Return a webhook configuration with its Service replaced by a URL, for a controller that runs beside.

    ``base_url`` has no path, the chart's is added; ``authority`` is the PEM certificate to trust.
    """
    configuration = copy.deepcopy(find(objects, kind))
    for hook in configuration["webhooks"]:
        path = hook["clientConfig"]["service"]["path"]
        hook["clientConfig"] = {
            "url": base_url.rstrip("/") + path,
            "caBundle": base64.b64encode(authority).decode(),
        }
    return configuration
