"""Structured logs on standard output, written by a separate thread, so that no response waits for a slow pipe.

If the queue is full, lines are dropped. The next line that fits has their number in ``dropped_lines_before``.
"""

import logging
import logging.handlers
import queue
import sys
from collections import deque
from collections.abc import Mapping
from typing import TextIO

import structlog

MAX_QUEUED_LINES = 10_000
MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""Memory of all queued lines together."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Lines(queue.Queue[logging.LogRecord]):
    """A queue of log records that is bounded in bytes: each counts with its texts, and with a minimum."""

    def __init__(self) -> None:
        super().__init__(MAX_QUEUED_BYTES)

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: logging.LogRecord) -> None:
        size = MAX_QUEUED_BYTES // MAX_QUEUED_LINES + _size(getattr(item, "msg", None))
        super()._put(item)
        self._sizes.append(size)
        self._bytes += size

    def _get(self) -> logging.LogRecord:
        self._bytes -= self._sizes.popleft()
        return super()._get()


def _size(value: object) -> int:
    """Return the approximate size of a line's texts in bytes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(name) + _size(each) for name, each in value.items())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0


class DroppingQueueHandler(logging.handlers.QueueHandler):
    """Passes records to the writing thread and counts those that were dropped."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record unchanged: the writing thread renders it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue the record, or drop and count it."""
        if self.dropped and isinstance(record.msg, dict):
            record.msg["dropped_lines_before"] = self.dropped
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
        else:
            self.dropped = 0


def configure_logging(*, level: str, form: str, stream: TextIO | None = None) -> logging.handlers.QueueListener:
    """Send structlog's and the libraries' logs to the stream. Return the listener, which the caller stops at exit."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Formatted in the logging thread: the writing thread has no current exception.
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    writer = logging.StreamHandler(stream or sys.stdout)
    writer.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    lines = Lines()
    root = logging.getLogger()
    root.handlers[:] = [DroppingQueueHandler(lines)]
    root.setLevel(_LEVELS[level])
    for noisy in ("botocore", "boto3", "urllib3", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listener = logging.handlers.QueueListener(lines, writer)
    listener.start()
    return listener
