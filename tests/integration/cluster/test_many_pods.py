"""The Pods of a large cluster in a process of the background role: all of them are known, and the memory is bounded."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.bench.http_layer import review_of_seven_kilobytes
from tests.bench.reviews import ECR

PODS, IMAGES, PAGE = 20_000, 10_000, 500
MAX_MEBIBYTES = 300
CHILD = """
import asyncio, sys
from pathlib import Path
from kubernetes.client import Configuration
import tidegate.app.background  # its imports are part of the process
from tidegate.background.pods import PODS_PATH, decode_pod
from tidegate.background.running import PodTable
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.reflector import Reflector

async def main():
    pods = PodTable()
    api = KubernetesApi(Configuration(host=sys.argv[1]))
    task = asyncio.create_task(Reflector("Pods", api, PODS_PATH, decode=decode_pod, sink=pods).run())
    while not pods.is_listed:
        await asyncio.sleep(0.05)
    # Not ru_maxrss: a child inherits the peak of the process that started it.
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    print("measured", len(pods), len(pods._by_image), int(peak.split()[1]) // 1024)
    task.cancel()

asyncio.run(main())
"""


def template() -> bytes:
    """Return a Pod of 7 KB with the words that differ between Pods."""
    obj: dict[str, Any] = json.loads(review_of_seven_kilobytes())["request"]["object"]
    obj["metadata"] |= {
        "name": "NAME",
        "namespace": "NAMESPACE",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "OWNER", "uid": "OWNER", "controller": True}
        ],
    }
    obj["spec"].pop("initContainers", None)
    container = obj["spec"]["containers"][0]
    obj["spec"]["containers"] = [
        {**container, "name": "app", "image": f"{ECR}/team/IMAGE:v1"},
        {**container, "name": "proxy", "image": f"{ECR}/team/proxy:v1"},
    ]
    state = {"running": {"startedAt": "2026-11-01T00:00:00Z"}}
    obj["status"] = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "app", "imageID": f"{ECR}/team/IMAGE@DIGEST", "state": state},
            {"name": "proxy", "imageID": f"{ECR}/team/proxy@sha256:{'0' * 64}", "state": state},
        ],
    }
    return json.dumps(obj).encode()


def page(start: int, pod: bytes) -> bytes:
    """Return the Pods from one number on, as a list of the API server."""
    items = []
    for number in range(start, start + PAGE):
        image = number % IMAGES
        digest = f"sha256:{hashlib.sha256(str(image).encode()).hexdigest()}"
        words = {
            b"NAMESPACE": f"ns-{image % 200}",
            b"NAME": f"app-{image}-{number}",
            b"OWNER": f"app-{image}-7d4b9c8f6d",
            b"IMAGE": f"app-{image}",
            b"DIGEST": digest,
        }
        item = pod
        for word, text in words.items():
            item = item.replace(b'"' + word, b'"' + text.encode()).replace(b"/" + word, b"/" + text.encode())
            item = item.replace(b"@" + word, b"@" + text.encode())
        items.append(item)
    more = start + PAGE
    metadata = {"resourceVersion": "1", **({"continue": str(more)} if more < PODS else {})}
    return b'{"metadata":' + json.dumps(metadata).encode() + b',"items":[' + b",".join(items) + b"]}"


@pytest.fixture
def server() -> Iterator[str]:
    pod = template()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            body = b"" if "watch" in query else page(int(query.get("continue", ["0"])[0]), pod)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join(10)


def test_twenty_thousand_pods_take_less_than_300_mebibytes(server: str):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, server], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    # The reflector may log beside it: this server ends each watch at once.
    found = re.search(r"measured (\d+) (\d+) (\d+)", done.stdout)
    assert found is not None, done.stdout[-2_000:]
    pods, images, mebibytes = map(int, found.groups())
    assert (pods, images) == (PODS, IMAGES + 1)
    assert mebibytes < MAX_MEBIBYTES
