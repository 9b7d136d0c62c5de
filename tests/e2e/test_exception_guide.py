"""The commands of docs/guides/exceptions.md, run word for word against a tidegate that enforces."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cluster import program
from tests.e2e.conftest import Installation
from tests.guides import Shell, blocks_of
from tests.objects import CRITICAL, POLICY


def test_exceptions_are_granted_and_taken_back(
    installation: Installation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cluster = installation.cluster
    cluster.kubectl("create", "namespace", "payments")
    installation.gate.apply_policy("production", POLICY, match={"namespaces": ["payments"]})
    shell = Shell(tmp_path, cluster, installation.aws.environment() | {"IMAGE": CRITICAL, "USER": "ann"})
    shell.put("kubectl", str(program("kubectl")))
    shell.put("tidegate", sys.executable, "-m", "tidegate")
    try:
        for block in blocks_of(request):
            shell.run(block)
    finally:
        kinds = "imagepolicyexceptions,namespacedimagepolicyexceptions"
        cluster.kubectl("delete", kinds, "--all", "--all-namespaces", check=False)
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", "image-exceptions", "--ignore-not-found")
        cluster.kubectl("delete", "namespace", "payments", "--wait=false")
