"""A response as aiohttp's protocol sends it, which calls `prepare` and `write_eof`, and reads `status` and `keep_alive`.

aiohttp's own Response takes a third of the server's processor time for a request: it keeps headers in a dictionary that
anything may still change, and can compress, send in chunks and set cookies. This one has all of its bytes at once. aiohttp's
writer sends them: it counts them, refuses to write on a lost connection, and waits for a peer that reads slowly.
"""

from aiohttp import web

from tidegate.webhook.server.reply import ServerResponse, render_head


class RenderedResponse:
    """The answer to one request. ``keep_alive`` tells whether the connection goes on; the request may say that it ends."""

    __slots__ = ("_reply", "_request", "keep_alive", "status")

    def __init__(self, reply: ServerResponse, request: web.BaseRequest, *, keep_alive: bool) -> None:
        self._reply = reply
        self._request = request
        self.status = reply.status
        self.keep_alive = keep_alive and request.keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing: all is sent at once."""

    async def write_eof(self) -> None:
        """Send head and body; a HEAD request gets no body. Raises ConnectionError where the connection is lost."""
        reply, request = self._reply, self._request
        head = render_head(reply, version=request.version, keep_alive=self.keep_alive)
        await request.writer.write_eof(head if request.method == "HEAD" else head + reply.body)
