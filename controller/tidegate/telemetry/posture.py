"""Metrics of the posture of repositories: how many of each registry pass each check, and which do not pass."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.checks.result import Outcome
from tidegate.reports.posture_lines import PostureReport, by_check

MAX_SHOWN: Final = 2_000
"""Series of single repositories: the worst lines of all."""

_OUTCOMES: Final = (Outcome.PASS, Outcome.FAIL, Outcome.UNDETERMINED)
_REPOSITORIES: Final = "Repositories by their worst outcome."
_CHECKS: Final = "Repositories by check and outcome."
_OPEN: Final = f"1 for each check that a repository does not pass; the worst {MAX_SHOWN:,} of them."
_OMITTED: Final = "Checks that repositories do not pass and that have no series."
_UNREAD: Final = "1 if the repositories of a registry could not be listed, otherwise 0."


class PostureMetrics(Collector):
    """Reads a report at every scrape. With ``names`` False, no series names a repository."""

    def __init__(self, report: Callable[[], PostureReport], *, names: bool) -> None:
        self._report = report
        self._names = names

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics for a scrape."""
        registry = ["account", "region"]
        repositories = GaugeMetricFamily("tidegate_posture_repositories", _REPOSITORIES, labels=[*registry, "outcome"])
        checks = GaugeMetricFamily("tidegate_posture_checks", _CHECKS, labels=[*registry, "check", "outcome"])
        unread = GaugeMetricFamily("tidegate_posture_registry_unread", _UNREAD, labels=registry)
        report = self._report()
        for one in report.registries:
            where = [one.registry.account, one.registry.region]
            counts = Counter(each.outcome for each in one.repositories)
            for outcome in _OUTCOMES:
                repositories.add_metric([*where, outcome.value], counts[outcome])
            for check in by_check(one.repositories):
                for outcome, count in zip(_OUTCOMES, (check.passed, check.failed, check.undetermined), strict=True):
                    checks.add_metric([*where, check.name, outcome.value], count)
            unread.add_metric(where, float(bool(one.problem)))
        yield from (repositories, checks)
        if self._names:
            yield unread
            yield from _by_name(report)


def _by_name(report: PostureReport) -> Iterator[GaugeMetricFamily]:
    """Yield a series for each of the worst lines."""
    labels = ["account", "region", "repository", "check", "reason", "outcome", "severity"]
    shown = GaugeMetricFamily("tidegate_posture_open", _OPEN, labels=labels)
    lines = {
        (
            line.repository.registry.account,
            line.repository.registry.region,
            line.repository.name,
            line.check,
            line.reason,
            line.outcome.value,
            line.severity,
        ): None
        for line in report.lines()
    }
    for values in islice(lines, MAX_SHOWN):
        shown.add_metric(values, 1)
    yield shown
    yield GaugeMetricFamily("tidegate_posture_open_omitted", _OMITTED, value=max(0, len(lines) - MAX_SHOWN))


def posture_as_metrics(report: PostureReport) -> str:
    """Return a report in Prometheus' text format, for a Pushgateway or the textfile collector of a node exporter."""
    registry = CollectorRegistry()
    registry.register(PostureMetrics(lambda: report, names=True))
    return generate_latest(registry).decode()
