"""An HTTP server that stands for the storage behind a registry, or for any service that misbehaves as a test wants."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Notes each request, and answers as the test said."""

    server: "Storage"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.close_connection = True
        try:
            self.server.answer(self)
        except OSError:
            self.server.left.set()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def give(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """Answer with these headers and no others: a Content-Length is the test's to say."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Storage(ThreadingHTTPServer):
    """Serve while used as a context manager. ``left`` is set once a peer went away in the middle of an answer."""

    daemon_threads = True

    def __init__(self, answer: Answer, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), Handler)
        self.answer = answer
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.left = threading.Event()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of peers that hang up."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


def whole(body: bytes) -> Answer:
    """Answer with a body of a stated length."""
    return lambda handler: handler.give(200, body, content_length=str(len(body)))
