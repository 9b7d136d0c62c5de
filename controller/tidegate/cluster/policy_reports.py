"""Keeps the PolicyReports of the cluster as the leader's entries say: written on change, deleted where nothing is left to say.

Only reports with tidegate's label are touched. An API of reports that is not installed is looked for again each round, and a
report that someone edited or deleted is written anew. Each write has the resourceVersion that was read, so that two
leaders cannot overwrite each other.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi, ObjectMetadata
from tidegate.reports.policy_report import (
    NAME,
    OWNER_LABEL,
    REPORT_KINDS,
    SOURCE,
    PolicyReportKind,
    is_own,
    merged,
)
from tidegate.reports.report_book import ReportBook

ROUND_SECONDS: Final = 10.0
"""Wait between two rounds: changes of that time are written together."""
RESYNC_SECONDS: Final = 300.0
"""Longest time until a report that was edited or deleted by hand is written anew, and until an API that is installed later
has its reports."""
WRITES_AT_ONCE: Final = 4

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class WriteCounts:
    """What was done since the process started."""

    written: int = 0
    deleted: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Written:
    """What is known of one API of reports: the resourceVersion of each report that is up to date."""

    versions: dict[str, str] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    missing: bool = False


class PolicyReportWriter:
    """Writes the reports of a book; run by the leader alone.

    Nothing is written before ``is_complete`` was true once: until every running image was judged, a namespace would seem to
    have less to report than it has.
    """

    def __init__(
        self,
        api: KubernetesApi,
        book: ReportBook,
        *,
        is_complete: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._book = book
        self._is_complete = is_complete
        self._now = now
        self._kinds = {kind: _Written() for kind in REPORT_KINDS}
        self._places = asyncio.Semaphore(WRITES_AT_ONCE)
        self.counts = WriteCounts()

    async def run(self) -> None:
        """Write until cancelled."""
        self._kinds = {kind: _Written() for kind in REPORT_KINDS}
        loop = asyncio.get_running_loop()
        resync = loop.time()
        complete = False
        while True:
            complete = complete or self._is_complete()
            if complete and (self._is_due() or loop.time() >= resync):
                await self.write()
                resync = loop.time() + RESYNC_SECONDS
            await asyncio.sleep(ROUND_SECONDS)

    async def write(self) -> None:
        """Make one round: bring every report up to date that differs. Failed writes are tried again in the next one."""
        self._note_changes()
        for kind, known in self._kinds.items():
            try:
                await self._write_kind(kind, known)
            except ApiError as problem:
                self.counts.failed += 1
                _log.warning("cannot read policy reports", reports=kind.api_version, error=str(problem))

    def _is_due(self) -> bool:
        self._note_changes()
        return any(known.pending and not known.missing for known in self._kinds.values())

    def _note_changes(self) -> None:
        changed = self._book.take_changed()
        for known in self._kinds.values():
            known.pending |= changed

    async def _write_kind(self, kind: PolicyReportKind, known: _Written) -> None:
        try:
            label = f"{OWNER_LABEL}={SOURCE}"
            listed = await self._api.list_metadata(kind.path, label_selector=label)
        except ApiError as problem:
            if problem.status != NOT_FOUND:
                raise
            # Not installed, or deleted since: everything is to be written once it is.
            known.versions.clear()
            known.missing = True
            return
        known.missing = False
        stored = {one.namespace: one for one in listed if one.name == NAME}
        namespaces = self._book.namespaces | stored.keys()
        due = {name for name in namespaces if name in known.pending or not _is_known(stored.get(name), name, known)}
        known.versions = {name: version for name, version in known.versions.items() if name in namespaces}
        known.pending &= due
        async with asyncio.TaskGroup() as group:
            for namespace in sorted(due):
                group.create_task(self._write_one(kind, known, namespace, stored.get(namespace)))

    async def _write_one(
        self, kind: PolicyReportKind, known: _Written, namespace: str, stored: ObjectMetadata | None
    ) -> None:
        async with self._places:
            # A change from here on is for the next round.
            known.pending.discard(namespace)
            try:
                version = await self._replace(kind, namespace, stored)
            except ApiError as problem:
                known.versions.pop(namespace, None)
                known.pending.add(namespace)
                self._failed(kind, known, namespace, stored, problem)
                return
        known.foreign.discard(namespace)
        if version:
            known.versions[namespace] = version
        else:
            known.versions.pop(namespace, None)

    async def _replace(self, kind: PolicyReportKind, namespace: str, stored: ObjectMetadata | None) -> str:
        """Bring one report up to date; return its resourceVersion, or an empty text where there is none."""
        wanted = self._book.report(namespace, kind)
        path = kind.path_in(namespace)
        if wanted is None:
            if stored is not None:
                await self._api.delete(f"{path}/{NAME}", uid=stored.uid, resource_version=stored.resource_version)
                self.counts.deleted += 1
            return ""
        before = None if stored is None else await self._api.get(f"{path}/{NAME}")
        if before is not None and not is_own(before):
            raise ApiError(f"{path}/{NAME} lost tidegate's label meanwhile", status=CONFLICT)
        new = merged(wanted, before, now=self._now())
        if new is not None:
            before = await (self._api.create(path, new) if before is None else self._api.replace(f"{path}/{NAME}", new))
            self.counts.written += 1
        assert before is not None
        return str(before["metadata"]["resourceVersion"])

    def _failed(
        self,
        kind: PolicyReportKind,
        known: _Written,
        namespace: str,
        stored: ObjectMetadata | None,
        problem: ApiError,
    ) -> None:
        """Take note of a failed write. A namespace or an API that is gone is no failure: the next list shows it."""
        if problem.status == NOT_FOUND:
            known.pending.discard(namespace)
        elif problem.status == CONFLICT and stored is None:
            # Tried again with the next resync, in case that its owner deletes it.
            known.pending.discard(namespace)
            if namespace not in known.foreign:
                known.foreign.add(namespace)
                _log.warning(
                    "a policy report of this name exists without tidegate's label and is left as it is",
                    reports=kind.api_version,
                    namespace=namespace,
                    name=NAME,
                )
        elif problem.status != CONFLICT:
            self.counts.failed += 1
            _log.warning(
                "cannot write a policy report", reports=kind.api_version, namespace=namespace, error=str(problem)
            )


def _is_known(stored: ObjectMetadata | None, namespace: str, known: _Written) -> bool:
    """Tell whether a report is as it was after the last write or comparison."""
    return stored is not None and known.versions.get(namespace) == stored.resource_version
