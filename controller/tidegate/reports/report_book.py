"""The entries of all running images, kept for the reports of their namespaces."""

from collections.abc import Iterable, Sequence

from tidegate.images.digest import Digest
from tidegate.images.repository import Repository, repository_text
from tidegate.reports.policy_report import Json, PolicyReportKind, build_report
from tidegate.reports.report_entry import ReportEntry, entries_of_verdicts
from tidegate.verdicts.verdict_input import NamespaceVerdict


class ReportBook:
    """Holds the entries of each image and knows which namespaces changed since they were last taken."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, dict[str, tuple[ReportEntry, ...]]] = {}
        self._namespaces_of: dict[str, frozenset[str]] = {}
        self._changed: set[str] = set()

    @property
    def namespaces(self) -> frozenset[str]:
        """Return the namespaces with something to report."""
        return frozenset(self._by_namespace)

    def judged(self, image: tuple[Repository, Digest], verdicts: Sequence[NamespaceVerdict]) -> None:
        """Take all verdicts on an image; none where it does not run any more."""
        name = f"{repository_text(image[0])}@{image[1]}"
        self.put(name, entries_of_verdicts(name, verdicts))

    def put(self, image: str, entries: Iterable[ReportEntry]) -> None:
        """Replace the entries of an image."""
        new: dict[str, list[ReportEntry]] = {}
        for one in entries:
            new.setdefault(one.namespace, []).append(one)
        for namespace in self._namespaces_of.get(image, frozenset()) | new.keys():
            page = self._by_namespace.setdefault(namespace, {})
            entered = tuple(new.get(namespace, ()))
            if page.get(image, ()) != entered:
                self._changed.add(namespace)
            if entered:
                page[image] = entered
            else:
                page.pop(image, None)
            if not page:
                del self._by_namespace[namespace]
        if new:
            self._namespaces_of[image] = frozenset(new)
        else:
            self._namespaces_of.pop(image, None)

    def clear(self) -> None:
        """Forget everything, for a process that begins to lead: it does not know what happened since it led last."""
        self._by_namespace.clear()
        self._namespaces_of.clear()
        self._changed.clear()

    def take_changed(self) -> frozenset[str]:
        """Return the namespaces that changed since the last call."""
        taken = frozenset(self._changed)
        self._changed.clear()
        return taken

    def report(self, namespace: str, kind: PolicyReportKind) -> Json | None:
        """Return the report of a namespace, or None where there is nothing to say."""
        page = self._by_namespace.get(namespace, {})
        return build_report(namespace, (one for entries in page.values() for one in entries), kind)
