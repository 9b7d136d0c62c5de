"""Counters and histograms that are cheap to update: one thread adds to plain numbers, and a scrape renders them."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

MAX_SERIES = 2_000
"""Label combinations of a metric. Further ones are counted together as ``other``."""


class Counter(Collector):
    """A counter with labels. Without any, it is 0 from the start: Prometheus sees no increase of what was not there."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name, self._text, self.labels = name, text, labels
        self._counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def add(self, *labels: str, amount: int = 1) -> None:
        """Add to the series with these label values."""
        count = self._counts.get(labels)
        if count is None and len(self._counts) >= MAX_SERIES:
            labels = ("other",) * len(labels)
            count = self._counts.get(labels)
        self._counts[labels] = (count or 0) + amount

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metric for a scrape."""
        family = CounterMetricFamily(self.name, self._text, labels=self.labels)
        for labels, count in list(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class Histogram(Collector):
    """A histogram of seconds with labels."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> None:
        self.name, self._text, self.labels, self._bounds = name, text, labels, bounds
        self._series: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """Add one duration to the series with these label values."""
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= MAX_SERIES:
                labels = ("other",) * len(labels)
            series = self._series.setdefault(labels, ([0] * (len(self._bounds) + 1), [0.0]))
        series[0][bisect_left(self._bounds, seconds)] += 1
        series[1][0] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the metric for a scrape."""
        family = HistogramMetricFamily(self.name, self._text, labels=self.labels)
        for labels, (counts, total) in list(self._series.items()):
            buckets, running = [], 0
            for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
                running += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(running)))
            family.add_metric(labels, buckets, sum_value=total[0])
        yield family
