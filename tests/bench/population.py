"""A cluster of many images and Pods, as objects: Pods with statuses as a kubelet writes them, owned by ReplicaSets of Deployments.

Nothing runs: without controllers the ReplicaSets and Pods stay as they are.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from tests.chart import render as chart
from tests.cluster import ControlPlane
from tests.cluster.kubeconfig import client_tls
from tests.objects import ECR
from tests.simulator import World
from tests.simulator.scans import Finding, Package

IMAGES_OF_A_REPOSITORY = 50
REPOSITORIES_OF_A_NAMESPACE = 2
FINDINGS = 10
"""Of each image, out of five hundred vulnerabilities, as images of one organisation share them."""
VULNERABILITIES = 500
DAY = 86_400.0
CLIENTS = 8
STARTED = "2026-01-02T03:04:05Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedImage:
    """One image: where it lies at AWS, and where it runs."""

    repository: str
    tag: str
    digest: str
    namespace: str


def push(world: World, images: int) -> list[ServedImage]:
    """Push so many images with findings of medium severity, a day old."""
    seen = world.clock.now() - 30 * DAY
    known = [
        Finding(
            id=f"CVE-2025-{10_000 + number}",
            severity="MEDIUM",
            packages=(Package(name=f"package-{number}", installed="1.2.3-4", fixed="1.2.3-5"),),
            first_observed_at=seen,
            last_observed_at=seen,
        )
        for number in range(VULNERABILITIES)
    ]
    pushed = []
    for start in range(0, images, IMAGES_OF_A_REPOSITORY):
        number = start // IMAGES_OF_A_REPOSITORY
        repository, namespace = f"team/app-{number}", f"team-{number // REPOSITORIES_OF_A_NAMESPACE}"
        for tag, digest in world.add_scanned_images(repository, min(IMAGES_OF_A_REPOSITORY, images - start)):
            first = int(digest[7:15], 16)
            found = [known[(first + shift) % VULNERABILITIES] for shift in range(FINDINGS)]
            world.set_findings(repository, digest, found, at=-DAY)
            pushed.append(ServedImage(repository=repository, tag=tag, digest=digest, namespace=namespace))
    return pushed


def populate(cluster: ControlPlane, images: list[ServedImage], each: int) -> None:
    """Create so many Pods of each image, each image in a Deployment of its own, with what a kubelet says of them."""
    client = ApiClient(cluster)
    names = dict.fromkeys(image.namespace for image in images)
    client.send(("POST", "/api/v1/namespaces", {"metadata": {"name": name}}) for name in names)
    sets = client.send(
        (
            "POST",
            f"/apis/apps/v1/namespaces/{image.namespace}/replicasets",
            _replica_set(image, each),
        )
        for image in images
    )
    uids = {(one["metadata"]["namespace"], one["metadata"]["name"]): one["metadata"]["uid"] for one in sets}
    made = client.send(
        (
            "POST",
            f"/api/v1/namespaces/{image.namespace}/pods",
            _pod(image, number, uids[image.namespace, _name(image)]),
        )
        for image in images
        for number in range(each)
    )
    digests = {_reference(image): image.digest for image in images}
    client.send(
        ("PUT", f"/api/v1/namespaces/{one['metadata']['namespace']}/pods/{one['metadata']['name']}/status", one)
        for one in (_started(pod, digests) for pod in made)
    )


class ApiClient:
    """A bare client of the API server with a few kept-alive connections, as the administrator or a ServiceAccount."""

    def __init__(self, cluster: ControlPlane, *, account: str = "", connections: int = CLIENTS) -> None:
        path = cluster.token_kubeconfig(chart.NAMESPACE, account) if account else cluster.admin_kubeconfig
        token = json.loads(path.read_text())["users"][0]["user"].get("token")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connections = connections
        self._host, self._context = client_tls(path)

    def send(self, requests: Iterable[tuple[str, str, Any]]) -> list[dict[str, Any]]:
        """Send requests of (method, path, body), several at once, and return the answers in any order."""
        waiting: SimpleQueue[tuple[str, str, Any]] = SimpleQueue()
        for request in requests:
            waiting.put(request)
        answers: list[dict[str, Any]] = []
        problems: list[str] = []

        def work() -> None:
            connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=60)
            while not problems:
                try:
                    method, path, body = waiting.get_nowait()
                except Empty:
                    break
                status, answer = _ask(connection, method, path, body, self._headers)
                if status >= http.client.BAD_REQUEST:
                    problems.append(f"{method} {path}: {status} {json.dumps(answer)[:500]}")
                answers.append(answer)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(self._connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise SystemExit(f"the API server refused an object: {problems[0]}")
        return answers

    def list(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield every object of a list, page by page."""
        more = ""
        while True:
            (page,) = self.send([("GET", f"{path}?limit=500{more}", None)])
            yield from page["items"]
            if not (token := page["metadata"].get("continue")):
                return
            more = f"&continue={token}"


def _ask(
    connection: http.client.HTTPSConnection, method: str, path: str, body: Any, more: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", **more}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    found: dict[str, Any] = json.loads(answer.read())
    return answer.status, found


def _name(image: ServedImage) -> str:
    return f"{image.repository.rpartition('/')[2]}-{image.tag}"


def _reference(image: ServedImage) -> str:
    return f"{ECR}/{image.repository}:{image.tag}"


def _replica_set(image: ServedImage, replicas: int) -> dict[str, Any]:
    name = _name(image)
    labels = {"app": name}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": name,
        "uid": f"deployment-{name}",
        "controller": True,
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": _reference(image)}]},
    }
    return {
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _pod(image: ServedImage, number: int, uid: str) -> dict[str, Any]:
    name = _name(image)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid, "controller": True}
    settings = [{"name": f"SETTING_{each}", "value": f"value {each} of the application"} for each in range(20)]
    container = {"name": "app", "image": _reference(image), "env": settings}
    return {
        "metadata": {"name": f"{name}-{number}", "labels": {"app": name}, "ownerReferences": [owner]},
        "spec": {"containers": [container]},
    }


def _started(pod: dict[str, Any], digests: dict[str, str]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    reference = container["image"]
    state = {"running": {"startedAt": STARTED}}
    status = {
        "name": "app",
        "image": reference,
        "imageID": f"{reference.rpartition(':')[0]}@{digests[reference]}",
        "ready": True,
        "restartCount": 0,
        "state": state,
    }
    return pod | {"status": {"phase": "Running", "startTime": STARTED, "containerStatuses": [status]}}
