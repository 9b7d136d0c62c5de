"""What reports are made of: images with their verdicts, and a row for each workload, policy and check that does not pass.

An attacker may have chosen any text: names of images, tags, packages, signers. What shows a text must escape it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.checks.result import Outcome
from tidegate.evidence.scan import Severity
from tidegate.policy.model import Action
from tidegate.verdicts.shape import NamespaceRuns, StoredJudgement, StoredResult, StoredWorkload, VerdictStatus

REFUSING: Final = (Outcome.FAIL, Outcome.UNDETERMINED)
"""The outcomes that do not let an image through, worst first."""
NOT_LISTED: Final = "NotListed"
"""The policy or the reason of a refusal whose verdict was too large to list it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedImage:
    """One image in use, by repository with its host and digest, and its verdict."""

    repository: str
    digest: str
    status: VerdictStatus

    @property
    def name(self) -> str:
        """Return ``repository@digest``."""
        return f"{self.repository}@{self.digest}"

    @property
    def severity(self) -> str:
        """Return the worst severity of its findings that are not suppressed, or an empty text."""
        return next((one.value for one in Severity if self.status.severities.get(one.value)), "")

    @property
    def exceptions(self) -> tuple[str, ...]:
        """Return the names of the exceptions that let it through somewhere."""
        named = (result.exception for policy in self.status.policies for result in policy.results)
        return tuple(sorted({name for name in named if name}))

    @property
    def is_incomplete(self) -> bool:
        """Tell whether it has namespaces, workloads, policies or results that its verdict does not list."""
        status = self.status
        return bool(
            status.omitted_policies
            or status.runs.omitted_namespaces
            or any(use.omitted_workloads for use in status.runs.namespaces)
            or any(one.omitted_namespaces or one.omitted_results for one in status.policies)
        )

    def rows(self) -> Iterator["ReportRow"]:
        """Yield a row for each namespace and workload where it runs, policy, and result that does not pass.

        A refusal is never lost: a policy without results, or a verdict without policies, has a row that says so.
        """
        status = self.status
        uses = {use.name: use for use in status.runs.namespaces}
        listed = False
        for policy in status.policies:
            if policy.outcome is Outcome.PASS:
                continue
            for namespace in policy.namespaces:
                listed = listed or policy.outcome in REFUSING
                yield from self._rows_of(policy, namespace, uses.get(namespace))
        if status.outcome in REFUSING and not listed:
            unlisted = StoredJudgement(name=NOT_LISTED, outcome=status.outcome)
            for namespace in uses or ("",):
                yield from self._rows_of(unlisted, namespace, uses.get(namespace))

    def _rows_of(self, policy: StoredJudgement, namespace: str, use: NamespaceRuns | None) -> Iterator["ReportRow"]:
        unlisted = StoredResult(check="policy", outcome=policy.outcome, reason=NOT_LISTED, message=self.status.message)
        workloads: tuple[StoredWorkload | None, ...] = (use.workloads if use else ()) or (None,)
        for workload in workloads:
            for result in policy.results or (unlisted,):
                yield ReportRow(image=self, policy=policy, result=result, namespace=namespace, workload=workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One result for one workload; ``workload`` is None where it is not known."""

    image: ReportedImage
    policy: StoredJudgement
    result: StoredResult
    namespace: str
    workload: StoredWorkload | None

    @property
    def workload_name(self) -> str:
        """Return ``kind/name``, or the image where the workload is not known."""
        return f"{self.workload.kind}/{self.workload.name}" if self.workload is not None else self.image.name

    @property
    def is_enforced(self) -> bool:
        """Tell whether the policy denies."""
        return Action.DENY in self.policy.actions


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unreadable:
    """An object that is no valid ImageVerdict: its name, and the first problem."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Every image in use that is known, and the objects that could not be read."""

    images: tuple[ReportedImage, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
