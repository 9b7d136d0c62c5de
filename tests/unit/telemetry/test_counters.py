"""Counters and histograms that are fed plain numbers and read by Prometheus, with a bound on their series."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tidegate.telemetry import counters
from tidegate.telemetry.counters import Counter, Histogram


def scraped(*metrics):
    """What Prometheus reads, by sample."""
    registry = CollectorRegistry()
    for metric in metrics:
        registry.register(metric)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_a_counter_counts_each_combination_of_labels():
    counter = Counter("calls", "Calls.", ("api", "cause"))
    counter.add("a", "ok")
    counter.add("a", "ok", amount=2)
    counter.add("b", "Throttled")
    assert scraped(counter) == {
        'calls_total{api="a",cause="ok"}': "3.0",
        'calls_total{api="b",cause="Throttled"}': "1.0",
    }


def test_a_counter_without_labels_is_one_series():
    counter = Counter("stale", "Stale.", ())
    counter.add()
    assert scraped(counter) == {"stale_total": "1.0"}


@pytest.mark.parametrize(
    ("seconds", "buckets"),
    [
        pytest.param(0.05, ["1.0", "1.0", "1.0"], id="below the first bound"),
        pytest.param(0.1, ["1.0", "1.0", "1.0"], id="on it: a bound belongs to its bucket"),
        pytest.param(0.5, ["0.0", "1.0", "1.0"], id="between"),
        pytest.param(2.0, ["0.0", "0.0", "1.0"], id="beyond the last"),
    ],
)
def test_a_duration_is_in_every_bucket_that_holds_it(seconds, buckets):
    histogram = Histogram("wait", "Wait.", ("waited",), (0.1, 1.0))
    histogram.observe(seconds, "yes")
    found = scraped(histogram)
    assert [found[f'wait_bucket{{le="{bound}",waited="yes"}}'] for bound in ("0.1", "1.0", "+Inf")] == buckets
    assert found['wait_count{waited="yes"}'] == "1.0"
    assert float(found['wait_sum{waited="yes"}']) == seconds


def test_a_histogram_adds_up_each_series_for_itself():
    histogram = Histogram("wait", "Wait.", ("waited",), (1.0,))
    for seconds, waited in ((0.5, "no"), (0.25, "no"), (3.0, "yes")):
        histogram.observe(seconds, waited)
    found = scraped(histogram)
    assert found['wait_sum{waited="no"}'] == "0.75"
    assert found['wait_count{waited="yes"}'] == "1.0"


def test_series_are_bounded_and_what_is_beyond_is_counted_together(monkeypatch):
    monkeypatch.setattr(counters, "MAX_SERIES", 2)
    counter, histogram = Counter("c", "C.", ("name", "kind")), Histogram("h", "H.", ("name",), (1.0,))
    for name in "abcda":
        counter.add(name, "x")
        histogram.observe(0.5, name)
    found = scraped(counter, histogram)
    assert found['c_total{kind="x",name="a"}'] == "2.0"
    assert found['c_total{kind="other",name="other"}'] == "2.0"
    assert found['h_count{name="a"}'] == "2.0"
    assert found['h_count{name="other"}'] == "2.0"
    assert len([name for name in found if name.startswith("c_total")]) == 3
