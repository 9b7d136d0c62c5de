"""Test cases of policies, for tests: an image in a repository that meets its policy, and the files of one case."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import objects
from tests.unit.cli.commands import Ended, run

PASSED, FAILED, ERROR = 0, 1, 2
REPOSITORY = f"{objects.ECR}/team/app"
SCANNED: dict[str, Any] = {
    "coverage": {"status": "ACTIVE", "reason": "SUCCESSFUL", "lastScannedAt": "-1h"},
    "findings": [],
    "pushedAt": "-30d",
}
CRITICAL = {"id": "CVE-2024-3094", "severity": "CRITICAL", "packages": [{"name": "xz", "installed": "5.6.1"}]}
CaseWriter = Callable[..., Ended]
CI = "arn:aws:iam::111122223333:role/ci-push"
ONLY_CI: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": CI}},
        }
    ],
}
REGISTRY: dict[str, Any] = {
    "name": objects.ECR,
    "policy": None,
    "policyScope": "V2",
    "scanning": {"type": "ENHANCED", "rules": [{"frequency": "CONTINUOUS_SCAN", "filters": ["team/*"]}]},
    "pullThrough": [],
    "replication": [],
}
CONFIGURED: dict[str, Any] = {
    "policy": ONLY_CI,
    "lifecyclePolicy": None,
    "encryption": {"type": "KMS"},
    "scanning": {"frequency": "CONTINUOUS_SCAN", "filters": ["team/*"]},
}


def case(image: str = f"{REPOSITORY}:v1", decision: str = "Allowed", **expect: Any) -> dict[str, Any]:
    return {"name": "the case", "object": objects.pod(image), "expect": {"decision": decision, **expect}}


def image(**more: Any) -> dict[str, Any]:
    """An image that meets a policy on tags and vulnerabilities; what is None is left out."""
    return {name: value for name, value in ({"tags": ["v1"]} | SCANNED | more).items() if value is not None}


def case_writer(folder: Path) -> CaseWriter:
    """Return what writes a file with one case and its policies into a folder, and runs it."""

    def write(
        images: list[dict[str, Any]] | None = None,
        *,
        one: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
        repository: dict[str, Any] | None = None,
        arguments: tuple[object, ...] = (),
        also: tuple[dict[str, Any], ...] = (),
        **content: Any,
    ) -> Ended:
        policy = objects.image_policy("production", objects.POLICY if spec is None else spec)
        (folder / "policies.yaml").write_text(yaml.safe_dump_all([policy, *also]))
        evidence = {
            "repositories": [
                {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": images or [image()]} | (repository or {})
            ]
        }
        document = {
            "apiVersion": "cli.tidegate.dev/v1alpha1",
            "kind": "Test",
            "metadata": {"name": "suite"},
            "policies": ["policies.yaml"],
            "now": "2026-11-28T12:00:00Z",
            "evidence": evidence,
            "cases": [one or case()],
        } | content
        file = folder / "cases.yaml"
        file.write_text(yaml.safe_dump(document))
        return run("test", file, *arguments)

    return write


def refuse_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections and look-ups of names; the event loop has a pair of sockets of its own."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
