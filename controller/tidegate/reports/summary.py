"""What a report counts: workloads and images that would be refused, by namespace, reason, policy, image and workload."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.checks.result import Outcome
from tidegate.reports.model import REFUSING, Inventory, ReportedImage, ReportRow
from tidegate.reports.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows with one value in common: how many workloads, images and namespaces would be refused, or were not checked.

    A workload with both counts as refused. ``enforced`` tells whether a policy that denies is among the rows.
    """

    name: str
    refused_workloads: int
    unchecked_workloads: int
    images: int
    namespaces: int
    enforced: bool

    @property
    def workloads(self) -> int:
        """Return how many workloads have such a row."""
        return self.refused_workloads + self.unchecked_workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedBad:
    """An image that ran before its verdict turned bad, since ``since`` (UTC), and the rows of its refusal."""

    image: ReportedImage
    since: datetime
    namespaces: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The answers of a report, worst first; ``rows`` are all that would be refused or could not be checked."""

    images: int
    pods: int
    namespaces: int
    workloads: int
    refused_images: int
    refused_workloads: int
    unchecked_images: int
    unchecked_workloads: int
    exempt_workloads: int
    by_namespace: tuple[Group, ...] = ()
    by_reason: tuple[Group, ...] = ()
    by_policy: tuple[Group, ...] = ()
    by_image: tuple[Group, ...] = ()
    by_workload: tuple[Group, ...] = ()
    turned_bad: tuple[TurnedBad, ...] = ()
    rows: tuple[ReportRow, ...] = ()
    exempt_rows: tuple[ReportRow, ...] = ()
    incomplete: int = 0
    """Images that run in more namespaces, under more policies or in more workloads than their verdicts list."""


@dataclass(slots=True)
class _Tally:
    """One group while it is counted."""

    refused: set[str] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    enforced: bool = False

    def add(self, row: ReportRow) -> None:
        into = self.refused if row.result.outcome is Outcome.FAIL else self.unchecked
        into.add(f"{row.namespace}/{row.workload_name}")
        self.images.add(row.image.name)
        self.namespaces.add(row.namespace)
        self.enforced = self.enforced or row.is_enforced

    def close(self, name: str) -> Group:
        return Group(
            name=name,
            refused_workloads=len(self.refused),
            unchecked_workloads=len(self.unchecked - self.refused),
            images=len(self.images),
            namespaces=len(self.namespaces),
            enforced=self.enforced,
        )


def summarize(inventory: Inventory, selection: Selection | None = None) -> Summary:
    """Return the summary of the images that the selection takes."""
    chosen = selection or Selection()
    images = [one for one in inventory.images if chosen.takes_image(one)]
    taken = [row for image in images for row in image.rows() if chosen.takes(row)]
    rows = sorted((row for row in taken if row.result.outcome in REFUSING), key=_order)
    exempt = sorted((row for row in taken if row.result.outcome is Outcome.EXEMPT), key=_order)
    uses = [use for one in images for use in one.status.runs.namespaces if chosen.takes_namespace(use.name)]
    workloads = {(use.name, one.kind, one.name) for use in uses for one in use.workloads}
    total = _Tally()
    for row in rows:
        total.add(row)
    refusing = total.refused | total.unchecked
    passed = {name for row in exempt if (name := f"{row.namespace}/{row.workload_name}") not in refusing}
    failing = {row.image.name for row in rows if row.result.outcome is Outcome.FAIL}
    return Summary(
        images=len(images),
        pods=sum(use.pods for use in uses),
        namespaces=len({use.name for use in uses}),
        workloads=len(workloads),
        refused_images=len(failing),
        refused_workloads=len(total.refused),
        unchecked_images=len(total.images - failing),
        unchecked_workloads=len(total.unchecked - total.refused),
        exempt_workloads=len(passed),
        by_namespace=_groups(rows, lambda row: row.namespace),
        by_reason=_groups(rows, lambda row: row.result.reason),
        by_policy=_groups(rows, lambda row: row.policy.name),
        by_image=_groups(rows, lambda row: row.image.name),
        by_workload=_groups(rows, lambda row: f"{row.namespace}/{row.workload_name}"),
        turned_bad=_turned_bad(images, rows),
        rows=tuple(rows),
        exempt_rows=tuple(exempt),
        incomplete=sum(one.is_incomplete for one in images),
    )


def _order(row: ReportRow) -> tuple[int, str, str, str, str, str]:
    """Return the order of rows: refused before not checked, then by name."""
    rank = REFUSING.index(row.result.outcome) if row.result.outcome in REFUSING else len(REFUSING)
    return (rank, row.namespace, row.workload_name, row.image.name, row.policy.name, row.result.check)


def _groups(rows: Iterable[ReportRow], name_of: Callable[[ReportRow], str]) -> tuple[Group, ...]:
    tallies: dict[str, _Tally] = {}
    for row in rows:
        tallies.setdefault(name_of(row), _Tally()).add(row)
    groups = [tally.close(name) for name, tally in tallies.items()]
    return tuple(sorted(groups, key=lambda one: (-one.refused_workloads, -one.unchecked_workloads, one.name)))


def _turned_bad(images: Sequence[ReportedImage], rows: Sequence[ReportRow]) -> tuple[TurnedBad, ...]:
    """Return the images that ran in a namespace before their verdict failed, the latest first.

    What could not be checked has not turned bad.
    """
    bad: dict[str, list[ReportRow]] = {}
    for row in rows:
        if row.result.outcome is Outcome.FAIL:
            bad.setdefault(row.image.name, []).append(row)
    found = []
    for image in images:
        since = image.status.since
        uses = image.status.runs.namespaces
        before = {use.name for use in uses if use.since is not None and use.since < since}
        refused = [row for row in bad.get(image.name, ()) if row.namespace in before]
        if refused:
            reasons = dict.fromkeys(row.result.reason for row in refused)
            namespaces = sorted({row.namespace for row in refused})
            found.append(TurnedBad(image=image, since=since, namespaces=tuple(namespaces), reasons=tuple(reasons)))
    found.sort(key=lambda one: one.image.name)
    return tuple(sorted(found, key=lambda one: one.since, reverse=True))
