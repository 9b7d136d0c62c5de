"""The background role as Prometheus metrics: what runs, what its verdicts are, and how fresh all of it is."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.background.running import PodTable
from tidegate.background.stored import VerdictHeads
from tidegate.background.work import Work
from tidegate.checks.result import Outcome
from tidegate.cluster.reflector import Reflector
from tidegate.telemetry.metrics import Metrics


class BackgroundMetrics(Collector):
    """Gauges of one replica. Those about verdicts are the same on every replica; ``watches`` are by name."""

    def __init__(
        self,
        *,
        pods: PodTable,
        stored: VerdictHeads,
        work: Work,
        leads: Callable[[], bool],
        watches: Mapping[str, Reflector[Any]],
        lag: Callable[[], float],
    ) -> None:
        self._pods = pods
        self._stored = stored
        self._work = work
        self._leads = leads
        self._watches = watches
        self._lag = lag

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge."""
        yield _gauge("tidegate_background_leader", "1 if this replica leads.", float(self._leads()))
        yield _gauge(
            "tidegate_running_pods", "Pods that have not ended, outside of exempt namespaces.", len(self._pods)
        )
        verdicts = GaugeMetricFamily(
            "tidegate_running_images",
            'Images that run, by the outcome of their verdicts; refused="yes" if a policy with the action Deny refuses one.',
            labels=("outcome", "refused"),
        )
        outcomes = self._stored.outcomes()
        for outcome in Outcome:
            for refused in (True, False):
                labels = [outcome.value, "yes" if refused else "no"]
                verdicts.add_metric(labels, outcomes.get((outcome.value, refused), 0))
        yield verdicts
        text = "Containers that run another digest than the admitted one."
        yield _gauge("tidegate_running_image_differences", text, self._pods.differences)
        text = "ImageVerdict objects that are not as this version writes them."
        yield _gauge("tidegate_image_verdicts_invalid", text, self._stored.invalid)
        text = "Running images of which the last look-up failed. Only the leader looks up."
        yield _gauge("tidegate_running_images_unanswered", text, self._work.unanswered)
        text = "Seconds that it took to judge all images after the last change of policies. Only the leader judges."
        yield _gauge("tidegate_background_rejudged_seconds", text, self._work.rejudged_seconds)
        text = "Seconds since all changes at AWS were known. Only the leader follows them."
        yield _gauge("tidegate_change_feed_lag_seconds", text, self._lag())
        ages = GaugeMetricFamily(
            "tidegate_watch_age_seconds",
            "Seconds since the API server last sent something for a watch; +Inf before its first complete list.",
            labels=("watch",),
        )
        for name, watch in self._watches.items():
            ages.add_metric([name], watch.age_seconds)
        yield ages


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def watch_left_out(metrics: Metrics, left_out: Callable[[], float]) -> None:
    """Add the gauge of the repositories that have no RepositoryPosture because there are too many."""
    metrics.watch(
        "tidegate_posture_left_out", "Repositories in use beyond the 2,000 that have a RepositoryPosture.", left_out
    )
