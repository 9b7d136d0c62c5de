"""moto, an independent simulation of AWS, as a process; and the same content in it and in our simulator."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.simulator import Simulator

ACCOUNT, REGION = "111122223333", "eu-west-1"
BASIC_FINDING = "CVE-9999-9999"
"""What moto finds in every image that it scans."""


class OtherAws:
    """A running moto."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str) -> Any:
        """Return a client of boto3."""
        make: Any = boto3.session.Session().client
        return make(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="AKIAMOTO0000000000001",
            aws_secret_access_key="simulated",
            config=Config(retries={"total_max_attempts": 1}),
        )


@contextmanager
def running() -> Iterator[OtherAws]:
    """Run moto's server."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"MOTO_ACCOUNT_ID": ACCOUNT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError("moto ended")
        try:
            with urllib.request.urlopen(f"{url}/moto-api/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_for(answers, what="moto to start", timeout_seconds=60)
        yield OtherAws(url)
    finally:
        process.terminate()
        process.wait()


def fill(other: OtherAws, sim: Simulator) -> None:
    """Make the same repositories and images in both, with basic scanning; moto takes the digest of a manifest as given."""
    world, ecr = sim.world, other.client("ecr")
    world.set_scanning("BASIC")
    for name, mutability in (("team/fixed", "IMMUTABLE"), ("team/movable", "MUTABLE"), ("team/empty", "MUTABLE")):
        world.add_repository(name, mutability=mutability)
        ecr.create_repository(repositoryName=name, imageTagMutability=mutability)
    for name in ("team/fixed", "team/movable"):
        digest = world.add_image(name, "v1", content=name, scanned=name == "team/fixed")
        image = {"imageDigest": digest}
        (found,) = sim.client("ecr").batch_get_image(repositoryName=name, imageIds=[image])["images"]
        ecr.put_image(
            repositoryName=name,
            imageManifest=found["imageManifest"],
            imageManifestMediaType=found["imageManifestMediaType"],
            imageTag="v1",
            imageDigest=digest,
        )
        if name == "team/fixed":
            world.add_finding(name, digest, severity="HIGH", id=BASIC_FINDING, package="package1", installed="1.0")
            world.set_basic_scan(name, digest, "COMPLETE")
            ecr.start_image_scan(repositoryName=name, imageId=image)
