"""Durations are days alone, or hours, minutes and seconds in their order."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.durations import format_duration, parse_duration

DURATIONS = {
    "0s": timedelta(0),
    "0d": timedelta(0),
    "59s": timedelta(seconds=59),
    "90m": timedelta(minutes=90),
    "1h30m": timedelta(minutes=90),
    "1h0m1s": timedelta(hours=1, seconds=1),
    "36h": timedelta(hours=36),
    "7d": timedelta(days=7),
    "9999d": timedelta(days=9999),
    "99999h": timedelta(hours=99999),
}
NO_DURATIONS = [
    "", "1", "d", "h1", "1w", "1ms", "-1s", "+1s", "1.5h", "1 h", " 1h", "1h ", "1h\n", "1H", "1d1h", "1h1d", "1m1h",
    "1h1h", "10000d", "100000h", "\u0661d", "P1D", "inf",
]  # fmt: skip


@pytest.mark.parametrize("text", DURATIONS, ids=str)
def test_a_duration_is_read(text):
    assert parse_duration(text) == DURATIONS[text]


@pytest.mark.parametrize("text", NO_DURATIONS, ids=repr)
def test_anything_else_is_none(text):
    assert parse_duration(text) is None


@given(
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365)).map(
        lambda one: one - timedelta(microseconds=one.microseconds)
    )
)
def test_a_formatted_duration_reads_back(duration):
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(("duration", "text"), [
    (timedelta(0), "0s"), (timedelta(days=7), "7d"), (timedelta(hours=25), "25h"), (timedelta(seconds=5400), "1h30m"),
    (timedelta(seconds=61), "1m1s"), (timedelta(hours=1, seconds=1), "1h1s"),
])  # fmt: skip
def test_a_duration_is_written_as_short_as_it_can_be(duration, text):
    assert format_duration(duration) == text


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_none(text):
    parsed = parse_duration(text)
    assert parsed is None or parsed >= timedelta(0)
