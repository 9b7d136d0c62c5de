"""Metrics of the exceptions from policies: how many are in which state, and when the next of them end."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.policy.exceptions import AnyException, ExceptionState, ImagePolicyException

MAX_SHOWN: Final = 50
"""Exceptions with a series of their own: those that end next."""
_STATES = "Exceptions from policies by state; those that there is no room for count as `TooMany`."
_ENDS = f"Seconds until an exception in force ends, for the {MAX_SHOWN} that end next; `namespace` is empty for those of the cluster."


class ExceptionMetrics(Collector):
    """Reads the exceptions with their states at every scrape; ``left_out`` counts those that are not kept."""

    def __init__(
        self,
        states: Callable[[], Iterable[tuple[AnyException, ExceptionState]]],
        left_out: Callable[[], int],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._states, self._left_out, self._now = states, left_out, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics for a scrape."""
        states = list(self._states())
        counts = Counter(state for _, state in states)
        counts[ExceptionState.TOO_MANY] += self._left_out()
        family = GaugeMetricFamily("tidegate_policy_exceptions", _STATES, labels=["state"])
        for state in ExceptionState:
            family.add_metric([state.value], counts[state])
        yield family
        ends = GaugeMetricFamily("tidegate_policy_exception_ends_seconds", _ENDS, labels=["namespace", "exception"])
        now = self._now()
        active = [
            one for one, state in states if state is ExceptionState.ACTIVE and isinstance(one, ImagePolicyException)
        ]
        for one in sorted(active, key=lambda one: (one.expires_at, one.label))[:MAX_SHOWN]:
            ends.add_metric([one.namespace or "", one.name], max(0.0, (one.expires_at - now).total_seconds()))
        yield ends
