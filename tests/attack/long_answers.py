"""An AWS whose answers are long: every image is there and has a thousand tags, and any answer can be padded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PIECE_BYTES = 64 * 1024
TAGS = [f"{number:04}-" + "t" * 245 for number in range(1_000)]
_TAGS = json.dumps(TAGS).strip("[]")
"""As JSON, written once: to write them for each image would take longer than tidegate takes to read them."""


class LongAnswers:
    """Serves ``ecr:DescribeImages`` and ``ecr:DescribeRepositories``; ``padding`` is added to each answer, in bytes.

    With a pause, an answer comes in pieces of 64 KiB with so many seconds between them.
    """

    def __init__(self) -> None:
        self.padding = 0
        self.pause_seconds = 0.0
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
                fields = [_ANSWERS[operation](asked)] if operation in _ANSWERS else []
                if outer.padding:
                    fields.append(f'"padding": "{"p" * outer.padding}"')
                body = f"{{{', '.join(fields)}}}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for at in range(0, len(body), PIECE_BYTES):
                    self.wfile.write(body[at : at + PIECE_BYTES])
                    time.sleep(outer.pause_seconds)

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def _images(asked: dict[str, Any]) -> str:
    return f'"imageDetails": [{", ".join(_image(asked, one["imageTag"]) for one in asked["imageIds"])}]'


def _image(asked: dict[str, Any], tag: str) -> str:
    detail = {
        "registryId": asked["registryId"],
        "repositoryName": asked["repositoryName"],
        "imageDigest": f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}",
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "imagePushedAt": 1_700_000_000.0,
    }
    return f'{json.dumps(detail)[:-1]}, "imageTags": [{json.dumps(tag)}, {_TAGS}]}}'


def _repositories(asked: dict[str, Any]) -> str:
    described = [
        {"registryId": asked["registryId"], "repositoryName": name, "imageTagMutability": "IMMUTABLE"}
        for name in asked["repositoryNames"]
    ]
    return f'"repositories": {json.dumps(described)}'


_ANSWERS = {"DescribeImages": _images, "DescribeRepositories": _repositories}
