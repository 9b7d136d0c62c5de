"""Prometheus metrics: decisions, check results, calls to AWS and registries, and caches.

Image names are never labels: names would leak, and their number is unlimited.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector, generate_latest

from tidegate import __version__
from tidegate.telemetry.counters import Counter, Histogram

_ANSWER_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CALL_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = self._counter(
            "tidegate_admission_decisions", "Responses to the API server.", "decision", "operation"
        )
        self.answer_seconds = self._histogram(
            "tidegate_admission_seconds",
            'Seconds to respond; `waited="yes"` if evidence had to be looked up first.',
            "waited",
            bounds=_ANSWER_BOUNDS,
        )
        self.results = self._counter(
            "tidegate_check_results",
            "Results that did not pass: denied, warned, only audited, or excepted.",
            *("policy", "check", "outcome", "reason"),
        )
        self.stale = self._counter(
            "tidegate_stale_evidence",
            "Responses that used evidence past its time to live, because it could not be refreshed.",
        )
        source = ("api", "registry", "cause")
        self.calls = self._counter(
            "tidegate_source_calls",
            'Calls to AWS, registries and revocation services; `cause="ok"` for successful ones.',
            *source,
        )
        self.unanswered = self._counter(
            "tidegate_source_unanswered_ids",
            "Images or repositories without an answer in a call that answered for others.",
            *source,
        )
        self.call_seconds = self._histogram(
            "tidegate_source_call_seconds", "Seconds that such a call took.", "api", bounds=_CALL_BOUNDS
        )
        self.events = self._counter(
            "tidegate_aws_events",
            "Events of AWS from the queue; `outcome` is `used`, `ignored` (about nothing in use) or `malformed`.",
            *("kind", "outcome"),
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        info = Gauge("tidegate_build_info", "1, with the version of the process.", ("version",), registry=self.registry)
        info.labels(__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        counter = Counter(name, text, labels)
        self.registry.register(counter)
        return counter

    def _histogram(self, name: str, text: str, *labels: str, bounds: tuple[float, ...]) -> Histogram:
        histogram = Histogram(name, text, labels, bounds)
        self.registry.register(histogram)
        return histogram

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read at every scrape."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
