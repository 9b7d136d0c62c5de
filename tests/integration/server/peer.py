"""A client that can misbehave: it sends raw bytes over a real TLS connection and reads what comes back."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

WAIT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        said = self.headers.get("connection", "").lower()
        return said == "close" or (self.version == "HTTP/1.0" and said != "keep-alive")


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def post(body: bytes = b"{}", *lines: str, target: str = "/validate", media_type: str = "application/json") -> bytes:
    """Return a POST with a right Content-Length and further header lines."""
    head = [f"POST {target} HTTP/1.1", "Host: tidegate", f"Content-Length: {len(body)}"]
    if media_type:
        head.append(f"Content-Type: {media_type}")
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: tidegate", *lines, "", ""]).encode()


async def first_answer(peers: "Sequence[Peer]") -> Answer:
    """Return the answer of the first one that gets any."""
    answers = [asyncio.create_task(peer.answer()) for peer in peers]
    done, others = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    return done.pop().result()


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls,
        port: int,
        *,
        tls: bool = True,
        context: ssl.SSLContext | None = None,
        receive_bytes: int | None = None,
        source: str = "127.0.0.1",
    ) -> "Peer":
        """Connect from a loopback address; with ``receive_bytes`` the kernel takes about that much that is not read."""
        context = (context or client_context()) if tls else None
        plain = socket.socket()
        if receive_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.setblocking(False)
        plain.bind((source, 0))
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
            name = "127.0.0.1" if tls else None
            return cls(*await asyncio.open_connection(sock=plain, ssl=context, server_hostname=name))

    @property
    def certificate_name(self) -> str:
        tls = self.writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        return str(certificate.subject.rfc4514_string().removeprefix("CN="))

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; an interim 100 is an answer of its own."""
        async with asyncio.timeout(WAIT_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status_line, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        version, status, *_ = status_line.split()
        return Answer(version=version, status=int(status), headers=headers, body=body)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """Read to the end of the connection, which may also be a reset."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self.reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()
