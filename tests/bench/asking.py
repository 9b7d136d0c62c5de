"""Single reviews over TLS, and the look-up of many images before they are measured."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.reviews import ECR, review_of

POD_IMAGES, TOGETHER = 20, 8
"""Images of one Pod, and Pods at once, when many images are looked up."""


def ask(port: int, bodies: Sequence[bytes]) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the response to each review, one after the other on one connection, and the seconds that each took."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context(), timeout=30)
    responses, seconds = [], []
    try:
        connection.connect()
        for body in bodies:
            began = time.perf_counter()
            connection.request("POST", "/validate?timeout=30s", body, {"Content-Type": "application/json"})
            answer = connection.getresponse().read()
            seconds.append(time.perf_counter() - began)
            responses.append(json.loads(answer)["response"])
    finally:
        connection.close()
    return responses, seconds


def fill(port: int, first: int, last: int) -> None:
    """Have the images ``bench/app:v FIRST`` to ``LAST``, without the last one, looked up; all have to be allowed."""

    def look_up(start: int) -> None:
        images = [f"{ECR}/bench/app:v{number}" for number in range(start, min(start + POD_IMAGES, last))]
        (response,), _ = ask(port, [review_of(*images)])
        if not response["allowed"]:
            raise SystemExit(f"expected the images to be allowed, got {response}")

    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in pool.map(look_up, range(first, last, POD_IMAGES)):
            pass
