"""A real Prometheus that scrapes its targets every second; Debian's package of it is unpacked into the cache, not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from tests.cluster import wait_for
from tests.cluster.ports import free_ports
from tests.cluster.toolchain.build import ToolchainError, cache_home, locked

SCRAPE_SECONDS = 1
START_SECONDS = 60
DOWNLOAD = ("apt-get", "--quiet", "--quiet", "download", "prometheus")


def program(name: str) -> Path:
    """Return prometheus or promtool: the one on ``PATH``, else that of Debian's package."""
    if on_path := shutil.which(name):
        return Path(on_path)
    folder = cache_home() / "prometheus"
    with locked(folder, "unpacking prometheus"):
        found = folder / "usr" / "bin" / name
        if not found.is_file():
            _unpack(folder)
    return found


def _unpack(folder: Path) -> None:
    try:
        if subprocess.run(DOWNLOAD, cwd=folder, check=False, capture_output=True).returncode != 0:
            subprocess.run(["apt-get", "--quiet", "--quiet", "update"], check=True)
            subprocess.run(DOWNLOAD, cwd=folder, check=True)
        (package,) = folder.glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as problem:
        raise ToolchainError(f"prometheus can't be had from apt-get ({problem}); put it on PATH") from None


class Prometheus:
    """A server with targets, whose samples have the labels beside them, and with one group of rules."""

    def __init__(self, targets: Mapping[str, Mapping[str, str]], *, rules: Sequence[Mapping[str, Any]]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-prometheus-")
        folder = Path(self._folder.name)
        (self._port,) = free_ports(1)
        self.rules = folder / "rules.yaml"
        self.rules.write_text(
            yaml.safe_dump({"groups": [{"name": "tidegate", "interval": "1s", "rules": list(rules)}]})
        )
        jobs = [
            {
                "job_name": labels["job"],
                "static_configs": [{"targets": [target], "labels": {k: v for k, v in labels.items() if k != "job"}}],
            }
            for target, labels in targets.items()
        ]
        configuration = folder / "prometheus.yaml"
        configuration.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
                    "rule_files": [str(self.rules)],
                    "scrape_configs": jobs,
                }
            )
        )
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        wait_for(self._is_ready, what="Prometheus to start", timeout_seconds=START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            self._log.seek(0)
            raise RuntimeError(f"Prometheus ended: {self._log.read()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def api(self, path: str, **parameters: object) -> Any:
        """Return the data of an answer of the HTTP API; raise an HTTPError for an expression that is none."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each series now."""
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]

    def series(
        self, expression: str, *, start: float, end: float | None = None
    ) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        """Return the labels and the points (seconds since ``start``, value) of each series."""
        end = time.time() if end is None else end
        found = self.api("query_range", query=expression, start=start, end=end, step=SCRAPE_SECONDS)["result"]
        return [(one["metric"], [(at - start, float(value)) for at, value in one["values"]]) for one in found]
