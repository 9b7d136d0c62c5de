"""The counters of the HTTP servers as Prometheus metrics: connections, responses, and what was closed and why."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.webhook.server import Ended, Listener

_LABELS = ("listener",)


class ServerMetrics(Collector):
    """Exports the counters of the listeners that have started."""

    def __init__(self, listeners: Callable[[], Sequence[Listener]]) -> None:
        self._listeners = listeners

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield every metric. A reason that never occurred has a series with 0, so that its rate is known."""
        opened = GaugeMetricFamily(
            "tidegate_server_connections", "Open connections, with those in the TLS handshake.", labels=_LABELS
        )
        held = GaugeMetricFamily(
            "tidegate_server_body_bytes", "Approximate memory of incomplete requests, in bytes.", labels=_LABELS
        )
        accepted = CounterMetricFamily("tidegate_server_accepted", "Connections accepted.", labels=_LABELS)
        waits = CounterMetricFamily(
            "tidegate_server_accept_waits",
            "Times that connections had to wait in the kernel's queue, because the server was full.",
            labels=_LABELS,
        )
        answers = CounterMetricFamily(
            "tidegate_server_answers",
            "Responses by HTTP status; 503 means that the server had no room for the request.",
            labels=(*_LABELS, "status"),
        )
        ended = CounterMetricFamily(
            "tidegate_server_ended",
            "Connections or requests that the server closed.",
            labels=(*_LABELS, "reason"),
        )
        for listener in self._listeners():
            table, name = listener.table, listener.table.name
            opened.add_metric([name], len(table.connections))
            held.add_metric([name], table.buffered_bytes)
            accepted.add_metric([name], table.accepted)
            waits.add_metric([name], table.waits)
            for status, count in sorted(table.answers.items()):
                answers.add_metric([name, str(status)], count)
            for reason in Ended:
                ended.add_metric([name, reason.value], table.ended[reason])
        yield from (opened, held, accepted, waits, answers, ended)
