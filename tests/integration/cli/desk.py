"""What a person at a terminal has: policies in a file, a configuration that leads to the simulated AWS, and commands."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests import objects
from tests.integration.gather.gate import REGION
from tests.simulator import Simulator
from tests.unit.cli.commands import Ended, run


class Desk:
    """The files of one case, and the commands that are given them."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.folder = folder
        self.endpoints = dict.fromkeys(("ecr", "inspector2", "kms", "signer", "sqs", "sts"), sim.url)
        self.configure()

    def configure(self, *, aws: dict[str, Any] | None = None, **more: Any) -> None:
        """Write the controller's configuration file."""
        access = {"region": REGION, "endpoints": self.endpoints, **(aws or {})}
        self.config = self.write("tidegate.yaml", {"aws": access} | more)

    def write(self, name: str, *objects: Any) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump_all(objects))
        return path

    def verify(self, *arguments: object) -> Ended:
        return run("verify", *arguments, "--config", self.config)

    def verify_json(self, *arguments: object) -> Ended:
        return self.verify(*arguments, "-o", "json")

    def check(self, *arguments: object) -> Ended:
        return run("check", *arguments, "--config", self.config)

    def preflight(self, *arguments: object) -> Ended:
        return run("preflight", *arguments, "--config", self.config)

    def record(self, *arguments: object) -> Ended:
        return run("record", *arguments, "--config", self.config)

    def posture(self, *arguments: object, stdin: str | None = None) -> Ended:
        return run("posture", *arguments, "--config", self.config, stdin=stdin)

    def explain(self, *arguments: object) -> Ended:
        return run("explain", *arguments, "--config", self.config)


def policy(name: str = "signed", **spec: Any) -> dict[str, Any]:
    return objects.image_policy(name, spec)


def trust_store(name: str, kind: str, **source: Any) -> dict[str, Any]:
    return objects.trust_store(name, {"type": kind} | source)


def config_map(name: str, namespace: str | None = None, **content: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata} | content


def results(ended: Ended) -> list[tuple[str, str, str]]:
    """The results of the one image of a JSON output: check, outcome, reason."""
    (image,) = json.loads(ended.out)
    return [(one["check"], one["outcome"], one["reason"]) for policy in image["policies"] for one in policy["results"]]
