"""Admission requests at a steady rate through the API server, each counted: for tests and figures of what a cluster loses.

    with Load(cluster, namespace, admitted=GOOD, refused=BAD) as load:
        disturb()
    assert load.wrong == [] and load.failed == []

A request creates a Pod as a dry run, in turns one that has to be admitted and one that has to be refused. It fails when the
API server could not ask tidegate or gave no answer, and is wrong when the answer is another than it has to be.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import Self

from tests.cluster import ControlPlane
from tests.cluster.kubeconfig import client_tls

PER_SECOND = 200
CONNECTIONS = 16
"""Of the client to the API server; more requests than this are never on their way at once."""
CLIENT_SECONDS = 30.0
DENIED = 'admission webhook "enforce.tidegate.dev" denied the request'


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one request: when it began, in seconds of the run; how long it took; what was said, if not right."""

    began: float
    seconds: float
    text: str = ""
    wrong: bool = False


class Load:
    """Sends requests from `__enter__` to `__exit__`, which waits for the last."""

    def __init__(
        self, cluster: ControlPlane, namespace: str, *, admitted: str, refused: str, per_second: int = PER_SECOND
    ) -> None:
        self._cluster = cluster
        self._path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
        self._bodies = [_pod(image) for image in (admitted, refused)]
        self._interval = 1 / per_second
        self._ending = threading.Event()
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self._next = 0
        self._host, self._context = client_tls(cluster.admin_kubeconfig)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        with self._cluster.network():
            self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)]
            for thread in self._threads:
                thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(2 * CLIENT_SECONDS)
        # pytest shows it with -rP.
        print(f"{len(self.outcomes)} requests, {len(self.failed)} failed, {len(self.wrong)} wrong", file=sys.stderr)

    @property
    def now(self) -> float:
        """The seconds of the run."""
        return time.monotonic() - self._began

    @property
    def outcomes(self) -> list[Outcome]:
        """Every request that has ended, by its beginning."""
        return sorted(self._outcomes, key=lambda each: each.began)

    @property
    def wrong(self) -> list[Outcome]:
        """The requests with another answer than they have to have."""
        return [each for each in self.outcomes if each.wrong]

    @property
    def failed(self) -> list[Outcome]:
        """The requests that tidegate did not decide."""
        return [each for each in self.outcomes if each.text and not each.wrong]

    def _work(self) -> None:
        connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=CLIENT_SECONDS)
        while not self._ending.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            # What is late is sent at once, so that the rate holds over a pause.
            if self._ending.wait(number * self._interval - self.now):
                break
            began = self.now
            try:
                text, wrong = self._ask(connection, refused=bool(number % 2))
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                text, wrong = f"no answer of the API server: {problem!r}", False
            self._outcomes.append(Outcome(began=began, seconds=self.now - began, text=text, wrong=wrong))
        connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, *, refused: bool) -> tuple[str, bool]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", self._path, self._bodies[refused], headers)
        answer = connection.getresponse()
        text = str(json.loads(answer.read()).get("message", ""))
        if answer.status == http.client.CREATED:
            return ("admitted", True) if refused else ("", False)
        if DENIED in text and "CouldNot" not in text:
            return ("", False) if refused else (text, True)
        return text, False


def _pod(image: str) -> bytes:
    spec = {"containers": [{"name": "app", "image": image}]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "load-"}, "spec": spec}).encode()
