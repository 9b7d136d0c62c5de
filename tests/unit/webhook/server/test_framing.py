"""Where headers and bodies end."""

import pytest

from tidegate.webhook.server.framing import (
    CHUNKS_AT_ONCE_BYTES,
    MAX_EMPTY_LINES,
    BodyInChunks,
    BodyOfLength,
    end_of_head,
    length_of_body,
)

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n\r\n", b"\n\r\n\r\n"])
def test_empty_lines_before_a_request_end_no_headers(before):
    assert end_of_head(before) == 0
    assert end_of_head(before + HEAD[:-1]) == 0
    assert end_of_head(before + HEAD + b"body\r\n\r\n") == len(before + HEAD)


@pytest.mark.parametrize(
    ("line", "length"),
    [
        (b"Content-Length: 5", 5),
        (b"content-length:5", 5),
        (b"CONTENT-LENGTH: \t5 ", 5),
        (b"X-Content-Length: 5", None),
        (b"X: Content-Length: 5", None),
        (b"Content-Length: 5, 5", None),
        (b"Content-Length: -5", None),
        (b"Content-Length: " + b"5" * 20, None),
        (b"Transfer-Encoding: chunked", None),
    ],
)
def test_the_length_is_that_of_the_header(line, length):
    head = HEAD[:-2] + line + b"\r\n\r\n"
    assert length_of_body(head, len(head)) == length


def test_a_length_in_the_body_is_none():
    assert length_of_body(HEAD + b"\r\nContent-Length: 5\r\n", len(HEAD)) is None


def test_nothing_behind_a_body_with_a_length_is_taken():
    body = BodyOfLength(5)
    assert [body.take(bytearray(b"ab")), body.take(bytearray(b"cdefgh")), body.take(bytearray(b"fgh"))] == [2, 3, 0]


def taken(stream: bytes, *, arriving: int) -> list[bytes]:
    body, waiting, pieces = BodyInChunks(), bytearray(), []
    for at in range(0, len(stream), arriving):
        waiting += stream[at : at + arriving]
        while waiting and (size := body.take(waiting)):
            pieces.append(bytes(waiting[:size]))
            del waiting[:size]
    return pieces


@pytest.mark.parametrize("arriving", [1, 2, 3, 5, 100])
def test_a_piece_of_a_chunked_body_ends_with_an_empty_line(arriving):
    stream = b"2\r\n{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n"
    pieces = taken(stream, arriving=arriving)
    assert b"".join(pieces) == stream
    ends = {sum(map(len, pieces[: number + 1])) for number in range(len(pieces))}
    assert {at + 4 for at in range(len(stream)) if stream[at : at + 4] == b"\r\n\r\n"} <= ends | {len(stream)} | {
        len(stream) - 2
    }


def test_chunks_are_taken_a_little_at_a_time():
    assert max(map(len, taken(b"1\r\nx\r\n" * 5_000, arriving=30_000))) == CHUNKS_AT_ONCE_BYTES


@pytest.mark.parametrize("arriving", [1, 3, 5, 50_000])
def test_nothing_is_taken_behind_too_many_empty_lines(arriving):
    lines = b"\r\n\r\na" * MAX_EMPTY_LINES
    pieces = taken(lines + b"\r\n\r\na" * 10_000, arriving=arriving)
    assert 0 <= len(b"".join(pieces)) - len(lines) + 1 <= len(b"\r\n\r\n")
    assert b"".join(taken(lines, arriving=arriving)) == lines
