"""kubectl, run as a person runs it, with none of this machine's own configuration."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.processes import OF_GO

KUBECTL_TIMEOUT_SECONDS = 60

Manifest = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class KubectlError(RuntimeError):
    """kubectl ended with an error; ``result`` is the finished process, the text its standard error."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        self.result = result
        words = " ".join(str(argument) for argument in result.args)
        super().__init__(f"{words} ended with status {result.returncode}: {result.stderr.strip()}")


class Kubectl:
    """kubectl with a home of its own (discovery cache, preferences) in the run's folder.

    ``reach`` makes a command line into one that is run where the API server can be reached.
    """

    def __init__(self, program: Path, *, home: Path, reach: Callable[[Sequence[str]], list[str]] = list) -> None:
        self.program = program
        self._home = home
        self._reach = reach

    def run(
        self,
        arguments: Sequence[str],
        *,
        kubeconfig: Path,
        stdin: str | None = None,
        check: bool = True,
        timeout_seconds: float = KUBECTL_TIMEOUT_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl and return what it printed; raise KubectlError where it failed and ``check`` is set."""
        result = subprocess.run(
            self._reach([str(self.program), *arguments]),
            env=OF_GO
            | {"HOME": str(self._home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "KUBECONFIG": str(kubeconfig)},
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if check and result.returncode != 0:
            raise KubectlError(result)
        return result


def manifest_input(manifest: Manifest) -> tuple[str, str | None]:
    """Return what follows ``-f`` and the standard input for a manifest: YAML text, a path, one object or several."""
    if isinstance(manifest, Path):
        return str(manifest), None
    if isinstance(manifest, str):
        return "-", manifest
    if isinstance(manifest, Mapping):
        return "-", json.dumps(manifest)
    return "-", json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifest)})
