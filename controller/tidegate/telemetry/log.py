"""Structured logs on standard output. Lines are written by a thread of their own, so that no answer waits for a pipe.

A full queue drops lines rather than memory; how many were dropped is said in the next line that fits.
"""

import logging
import logging.handlers
import queue
import sys
from typing import TextIO

import structlog

MAX_QUEUED_LINES = 10_000

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class DroppingQueueHandler(logging.handlers.QueueHandler):
    """Hands records to the writing thread and counts those that found no room."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record as it is: it goes to a thread of this process, which renders it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue the record, or count it when there is no room."""
        if self.dropped and isinstance(record.msg, dict):
            record.msg["dropped_lines_before"] = self.dropped
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
        else:
            self.dropped = 0


def configure_logging(*, level: str, form: str, stream: TextIO | None = None) -> logging.handlers.QueueListener:
    """Send structlog's and the libraries' logs to the stream; return the listener, to be stopped at exit."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # In the thread that logs: in the one that writes, the exception that is being handled is not known any more.
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
    lines: queue.Queue[logging.LogRecord] = queue.Queue(MAX_QUEUED_LINES)
    root = logging.getLogger()
    root.handlers[:] = [DroppingQueueHandler(lines)]
    root.setLevel(_LEVELS[level])
    for noisy in ("botocore", "boto3", "urllib3", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listener = logging.handlers.QueueListener(lines, writer)
    listener.start()
    return listener
