"""A registry in a process of its own, so that it is fast: each image has a manifest of nearly 4 MiB, as JSON may be padded.

``python -m tests.attack.large_manifests FOLDER COUNT`` serves HTTPS with the certificate that it puts into the folder, until
its standard input ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.simulator.manifests import OCI_MANIFEST, image
from tests.simulator.pki.certificates import issue
from tests.simulator.pki.tls import server_context
from tidegate.images.digest import digest_of

BYTES = 4 * 1024 * 1024 - 64 * 1024
HOST = "localhost"
AUTHORITY = "ca.pem"


def padded(count: int) -> Mapping[str, bytes]:
    """Return so many manifests by digest."""
    manifests = (image(f"large {number}").data.ljust(BYTES) for number in range(count))
    return {digest_of(data): data for data in manifests}


@contextmanager
def serving(folder: Path, count: int) -> Iterator[str]:
    """Serve so many manifests, and give the registry's host with its port."""
    command = [sys.executable, "-m", "tests.attack.large_manifests", str(folder), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"{HOST}:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def _handler(manifests: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = manifests.get(self.path.rpartition("/")[2]) if "/manifests/" in self.path else None
            self.send_response(404 if found is None else 200)
            body = b"{}" if found is None else found
            self.send_header("Content-Type", OCI_MANIFEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def main(folder: Path, count: int) -> None:
    """Serve until the standard input ends."""
    authority = issue("Registry CA", ca=True)
    (folder / AUTHORITY).write_bytes(authority.root.pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(padded(count)))
    server.daemon_threads = True
    server.socket = server_context(authority, HOST, folder=folder).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
