"""The CustomResourceDefinitions of reports as their projects publish them, from Go modules at pinned versions and hashes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.toolchain.build import ToolchainError, find_go

DOWNLOAD_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One definition: its module with version and hash, as in a go.sum, and its file there."""

    module: str
    version: str
    sum: str
    file: str


WG_POLICY = Definition(
    module="github.com/kyverno/kyverno",
    version="v1.19.1",
    sum="h1:/MkgFii3/VlQfKR1JpC9tVwNNVNQTt2S4U6qCsafsTU=",
    file="config/crds/policyreport/wgpolicyk8s.io_policyreports.yaml",
)
OPEN_REPORTS = Definition(
    module="github.com/openreports/reports-api",
    version="v0.2.1",
    sum="h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680=",
    file="config/crd/openreports.io_reports.yaml",
)


@functools.cache
def read_definition(definition: Definition) -> str:
    """Return the YAML of a definition; raise ToolchainError where its module cannot be had, or is not the pinned one."""
    command = [find_go(), "mod", "download", "-json", f"{definition.module}@{definition.version}"]
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as problem:
            raise ToolchainError(f"{definition.module} could not be downloaded in {DOWNLOAD_SECONDS} s") from problem
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {}
    if done.returncode != 0 or found.get("Sum") != definition.sum:
        problem_text = found.get("Error") or done.stderr.strip() or f"its hash is {found.get('Sum')}"
        raise ToolchainError(f"{definition.module} {definition.version} could not be had: {problem_text}")
    return (Path(found["Dir"]) / definition.file).read_text(encoding="utf-8")
