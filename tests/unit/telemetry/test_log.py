"""Logs: one line an event, with the cause of an exception, written by a thread of its own that never makes anybody wait."""

import io
import json
import logging
import queue

import pytest
import structlog

from tidegate.telemetry import log as log_module
from tidegate.telemetry.log import DroppingQueueHandler, configure_logging


@pytest.fixture
def written():
    """Configure logging as asked; return a function that stops it and returns what was written."""
    started = []

    def start(level="info", form="json"):
        stream = io.StringIO()
        listener = configure_logging(level=level, form=form, stream=stream)
        started.append(listener)

        def stop():
            started.remove(listener)
            listener.stop()
            return stream.getvalue()

        return stop

    yield start
    for listener in started:
        listener.stop()


def test_a_line_is_an_object_with_time_level_logger_and_what_was_said(written):
    stop = written()
    structlog.get_logger("tidegate.test").info("something happened", image="app:v1", count=2)
    line = json.loads(stop())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "something happened",
        "level": "info",
        "logger": "tidegate.test",
        "image": "app:v1",
        "count": 2,
    }


def test_lines_of_libraries_look_the_same(written):
    stop = written()
    logging.getLogger("aiohttp.test").warning("odd %s", "thing")
    line = json.loads(stop())
    assert (line["event"], line["level"], line["logger"]) == ("odd thing", "warning", "aiohttp.test")


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_exception_that_is_being_handled_is_written_plainly(written, form):
    stop = written(form=form)
    try:
        dict[str, str]()["the cause"]
    except KeyError:
        structlog.get_logger("tidegate.test").exception("failed")
    text = stop()
    assert "Traceback (most recent call last)" in text
    assert "KeyError: 'the cause'" in text
    # Boxes are for terminals; a log is read by programs and through kubectl.
    assert text.isascii()


def test_an_exception_that_is_handed_over_is_written_too(written):
    stop = written()
    structlog.get_logger("tidegate.test").error("failed", exc_info=ValueError("the cause"))
    structlog.get_logger("tidegate.test").error("failed", exc_info=None)
    with_cause, without = map(json.loads, stop().splitlines())
    assert "ValueError: the cause" in with_cause["exception"]
    assert "exception" not in without


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)], ids=str)
def test_what_is_below_the_level_is_not_written(written, level, lines):
    stop = written(level=level)
    logger = structlog.get_logger("tidegate.test")
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("said")
    assert len(stop().splitlines()) == lines


def test_chatty_libraries_are_heard_from_warnings_on(written):
    stop = written(level="debug")
    for name in ("botocore", "boto3.resources", "urllib3.connectionpool", "kubernetes.client"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    assert [json.loads(line)["event"] for line in stop().splitlines()] == ["trouble"] * 4


def test_where_there_is_no_room_lines_are_dropped_and_the_next_one_says_how_many():
    lines: queue.Queue[logging.LogRecord] = queue.Queue(1)
    handler = DroppingQueueHandler(lines)

    def said(text):
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "", (), None)
        record.msg = {"event": text}  # as structlog hands its lines over
        handler.handle(record)

    for text in ("first", "lost", "lost too"):
        said(text)
    assert handler.dropped == 2
    assert lines.get_nowait().msg == {"event": "first"}
    said("second")
    assert lines.get_nowait().msg == {"event": "second", "dropped_lines_before": 2}
    said("third")
    assert lines.get_nowait().msg == {"event": "third"}


def test_the_queue_is_bounded(written):
    written()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, DroppingQueueHandler)
    assert isinstance(handler.queue, queue.Queue)
    assert isinstance(handler.queue, log_module.Lines)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        pytest.param("short", log_module.MAX_QUEUED_LINES, id="in lines"),
        pytest.param("x" * (1 << 20), log_module.MAX_QUEUED_BYTES >> 20, id="in bytes"),
    ],
)
def test_lines_that_wait_are_bounded(text, most):
    lines = log_module.Lines()
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "", (), None)
    record.msg = {"event": "e", "images": [text], "more": {"of": (text[:1],)}}
    while not lines.full():
        lines.put_nowait(record)
    assert most // 2 <= len(lines.queue) <= most
    with pytest.raises(queue.Full):
        lines.put_nowait(record)
    while not lines.empty():
        assert lines.get_nowait() is record
    lines.put_nowait(record)
