"""Go durations, as https://pkg.go.dev/time#ParseDuration defines them and the API server writes them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.webhook.server.duration import parse_duration, timeout_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("10s", 10, id="what the API server sends"),
        pytest.param("1m30s", 90, id="two terms"),
        pytest.param("1h", 3600, id="hour"),
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("1.5s", 1.5, id="fraction"),
        pytest.param(".5s", 0.5, id="fraction without a leading digit"),
        pytest.param("2.s", 2, id="point without a fraction"),
        pytest.param("3us", 3e-6, id="microseconds"),
        pytest.param("3µs", 3e-6, id="microseconds with the micro sign"),
        pytest.param("3μs", 3e-6, id="microseconds with the Greek letter"),
        pytest.param("7ns", 7e-9, id="nanoseconds"),
        pytest.param("0s", 0, id="zero"),
        pytest.param("0" * 63 + "s", 0, id="longest text"),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "s",
        ".s",
        "-1s",
        "+1s",
        "1 s",
        "1s ",
        " 1s",
        "1S",
        "1d",
        "1s2",
        "1e3s",
        "0x1s",
        "1,5s",
        "٣s",
        "0" * 64 + "s",
    ],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="got"):
        parse_duration(text)


@given(st.text())
def test_nothing_but_value_errors_comes_out(text):
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        pytest.param("", None, id="no query"),
        pytest.param("a=b", None, id="another parameter"),
        pytest.param("xtimeout=1s", None, id="a longer name"),
        pytest.param("timeout=29s", 29, id="below the bound"),
        pytest.param("timeout=30s", 30, id="at the bound"),
        pytest.param("timeout=31s", 30, id="above the bound"),
        pytest.param("a=b&timeout=5s&c", 5, id="among others"),
    ],
)
def test_timeouts_of_a_query(query, seconds):
    assert timeout_of(query, 30.0) == seconds


@pytest.mark.parametrize(
    "query", ["timeout", "timeout=", "timeout=0s", "timeout=1s&timeout=1s", "timeout=%31s", "timeout=1s;a"]
)
def test_a_timeout_is_never_guessed(query):
    with pytest.raises(ValueError, match="got"):
        timeout_of(query, 30.0)
