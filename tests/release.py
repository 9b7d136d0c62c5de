"""What administrators and users do in a cluster whose API server calls tidegate, however tidegate runs there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.cluster import ControlPlane, wait_for
from tests.objects import image_policy, pod

IN_FORCE_SECONDS = 60.0
CLOSED_CONNECTION = (
    "EOF",
    "connection reset by peer",
    "broken pipe",
    "use of closed network connection",
)
"""What the API server says of a connection that the webhook closes: it depends on who writes or reads first."""


class Release:
    """An installed chart: policies that are applied to it, and images that are tried."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self._policies: dict[str, None] = {}

    def wait_until_called(self) -> None:
        """Wait until the API server calls tidegate and it answers: a policy that no image meets refuses."""
        self.apply_policy("arming", {"registries": [{"host": "arming.invalid"}]}, match={"namespaces": ["default"]})
        wait_for(
            lambda: "policy arming" in self.try_image("arming.example/x:1"),
            what="a refusal by tidegate",
            timeout_seconds=IN_FORCE_SECONDS,
        )
        self.delete_policy("arming")

    def apply_policy(
        self,
        name: str,
        requirements: Mapping[str, Any],
        *,
        actions: tuple[str, ...] = ("Deny",),
        match: Mapping[str, Any] | None = None,
    ) -> None:
        """Apply an ImagePolicy and wait until its status says that it is in force."""
        spec = {"validationActions": list(actions), **requirements} | ({"match": dict(match)} if match else {})
        self.cluster.apply(image_policy(name, spec))
        self._policies[name] = None
        wait_for(
            lambda: self._is_in_force(name), what=f"policy {name} to be in force", timeout_seconds=IN_FORCE_SECONDS
        )

    def delete_policy(self, name: str) -> None:
        """Delete a policy."""
        self.cluster.kubectl("delete", "imagepolicy", name, "--ignore-not-found")
        self._policies.pop(name, None)

    def delete_policies(self) -> None:
        """Delete every policy that was made here."""
        for policy in list(self._policies):
            self.delete_policy(policy)

    def try_image(self, image: str, *, namespace: str = "default") -> str:
        """Return what kubectl prints when a Pod with the image is created as a dry run."""
        create = ("create", "--dry-run=server", f"--namespace={namespace}", "-f", "-")
        done = self.cluster.kubectl(*create, stdin=json.dumps(pod(image, name="try")), check=False)
        return done.stdout + done.stderr

    def _is_in_force(self, name: str) -> bool:
        policy = self.cluster.get("imagepolicy", name)
        return bool(policy.get("status", {}).get("observedGeneration") == policy["metadata"]["generation"])
