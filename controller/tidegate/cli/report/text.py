"""The report as text: what would be refused first, then what turned bad, then the rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console

from tidegate.checks.messages import age, plural
from tidegate.checks.result import Outcome
from tidegate.cli.lines import console, print_line, print_table
from tidegate.images.digest import Digest, short
from tidegate.reports.as_json import time_text
from tidegate.reports.model import Inventory, ReportedImage, ReportRow
from tidegate.reports.summary import Group, Summary
from tidegate.verdicts.shape import Runs, VerdictStatus

MAX_NAMES: Final = 5
_STYLES: Final = {Outcome.FAIL: "bold red", Outcome.UNDETERMINED: "magenta"}


def print_report(summary: Summary, inventory: Inventory, *, by: str, now: datetime) -> None:
    """Print the answers in order; ``by`` is the grouping of the last table."""
    to = console()
    _print_totals(to, summary)
    if summary.rows:
        to.print()
        _print_groups(to, "NAMESPACE", summary.by_namespace)
        to.print()
        _print_groups(to, "REASON", summary.by_reason)
    to.print()
    _print_turned_bad(to, summary, now)
    if summary.rows and by == "workload":
        to.print()
        _print_rows(to, summary.rows)
    elif summary.rows and by in {"policy", "image"}:
        to.print()
        _print_groups(to, by.upper(), summary.by_policy if by == "policy" else summary.by_image)
    if summary.incomplete:
        print_line(
            to,
            f"incomplete verdicts: {summary.incomplete}, too large to list every namespace, workload, policy and result",
        )
    for one in inventory.unreadable:
        print_line(to, f"not valid, left out: {one.name}: {one.problem}", style="magenta")


def print_image(image: ReportedImage, now: datetime) -> None:
    """Print all that the verdict about an image says."""
    to, status = console(), image.status
    print_line(to, f"{status.outcome.value.upper()}  {image.name}", style=_STYLES.get(status.outcome, "green"))
    facts = {
        "tags": ", ".join(status.runs.tags) or "none in use",
        "since": f"{time_text(status.since)} ({age(now - status.since)} ago)",
        "written": f"{time_text(status.written_at)} ({age(now - status.written_at)} ago)",
        "refused": "by a policy that denies" if status.refused else "by no policy that denies",
        "message": status.message,
        "signed by": ", ".join(status.signers) or "no signer that a policy asks for",
        "exceptions": ", ".join(image.exceptions) or "none",
    }
    for name, text in facts.items():
        print_line(to, f"{name + ':':<12}{text}", indent=2, hanging=14)
    for policy in status.policies:
        actions = ", ".join(action.value for action in policy.actions) or "Deny"
        print_line(
            to, f"policy {policy.name} ({actions}): {policy.outcome.value} in {_names(policy.namespaces)}", indent=2
        )
        for one in policy.results:
            exception = f" [exception {one.exception}]" if one.exception else ""
            print_line(to, f"{one.check} {one.reason}: {one.message}{exception}", indent=4)
            if one.remedy:
                print_line(to, f"To fix: {one.remedy}", indent=6)
    _print_scans(to, status)
    _print_runs(to, status.runs)
    to.print()


def _print_scans(to: Console, status: VerdictStatus) -> None:
    for finding in status.findings:
        fix = f"fixed in {finding.fixed_in}" if finding.fixed_in else "no fixed version"
        seen = f", first seen {time_text(finding.first_observed_at)}" if finding.first_observed_at else ""
        about = f"{finding.id} {finding.severity} in {finding.package} {finding.installed}, {fix}{seen}"
        print_line(to, about, indent=2)
    if status.omitted_findings:
        print_line(to, f"and {plural(status.omitted_findings, 'more finding')}", indent=2)
    for child in status.images:
        scanned = f", last scanned {time_text(child.last_scanned_at)}" if child.last_scanned_at else ""
        about = f"{child.platform or 'image'} {child.digest}: {child.scan or 'scan not looked up'}{scanned}"
        print_line(to, f"{about}, {plural(child.findings, 'finding')}", indent=2)


def _print_runs(to: Console, runs: Runs) -> None:
    for use in runs.namespaces:
        if not use.pods:
            print_line(to, f"ended in {use.name} less than five minutes ago", indent=2)
            continue
        named = _names([f"{one.kind}/{one.name}" for one in use.workloads], use.omitted_workloads)
        since = f" since {time_text(use.since)}" if use.since else ""
        print_line(to, f"runs in {use.name}: {plural(use.pods, 'Pod')}{since}, {named}", indent=2)
    if runs.omitted_namespaces:
        print_line(to, f"and in {plural(runs.omitted_namespaces, 'more namespace')}", indent=2)
    if not runs.pods and runs.last_seen:
        print_line(to, f"has not run since {time_text(runs.last_seen)}", indent=2)


def _print_totals(to: Console, summary: Summary) -> None:
    seen = f"{plural(summary.images, 'image')} in {plural(summary.pods, 'Pod')} of {plural(summary.namespaces, 'namespace')}"
    print_line(to, f"If everything were enforced today ({seen}):", style="bold")
    refused = f"{plural(summary.refused_workloads, 'workload')} would be refused"
    print_line(to, f"{refused} ({plural(summary.refused_images, 'image')})", indent=2)
    unchecked = f"{plural(summary.unchecked_workloads, 'workload')} could not be checked"
    print_line(to, f"{unchecked} ({plural(summary.unchecked_images, 'image')})", indent=2)
    if summary.exempt_workloads:
        print_line(
            to,
            f"{plural(summary.exempt_workloads, 'workload')} would be admitted although a check does not pass",
            indent=2,
        )


def _print_groups(to: Console, title: str, groups: Sequence[Group]) -> None:
    lines = [
        (one.name or "not listed", str(one.refused_workloads), str(one.unchecked_workloads), str(one.images))
        for one in groups
    ]
    print_table(to, (title, "REFUSED", "NOT CHECKED", "IMAGES"), lines)


def _print_turned_bad(to: Console, summary: Summary, now: datetime) -> None:
    if not summary.turned_bad:
        print_line(to, "Nothing that runs has turned bad since it was started.")
        return
    print_line(to, "Turned bad while it ran:", style="bold")
    lines = [
        (
            f"{time_text(one.since)} ({age(now - one.since)} ago)",
            _image(one.image),
            _names(one.namespaces),
            ", ".join(one.reasons),
        )
        for one in summary.turned_bad
    ]
    print_table(to, ("SINCE", "IMAGE", "NAMESPACES", "REASONS"), lines)


def _print_rows(to: Console, rows: Iterable[ReportRow]) -> None:
    """Print each workload once, with a line for each result and the policies that have it."""
    found: dict[tuple[str, str], dict[tuple[str, str, str, str, str], dict[str, None]]] = {}
    for row in rows:
        result = row.result
        line = (_image(row.image), result.check, result.reason, result.message, result.remedy)
        where = (row.namespace or "not listed", row.workload_name)
        found.setdefault(where, {}).setdefault(line, {})[row.policy.name] = None
    for (namespace, workload), lines in found.items():
        print_line(to, f"{namespace}/{workload}", style="bold")
        for (image, check, reason, message, remedy), policies in lines.items():
            print_line(to, f"{image}: {check} {reason}: {message} [{_names(list(policies))}]", indent=2)
            if remedy:
                print_line(to, f"To fix: {remedy}", indent=4)


def _image(image: ReportedImage) -> str:
    tag = f":{image.status.runs.tags[0]}" if image.status.runs.tags else ""
    return f"{image.repository.partition('/')[2] or image.repository}{tag}@{short(Digest(image.digest))}"


def _names(names: Sequence[str], omitted: int = 0) -> str:
    more = len(names) - MAX_NAMES + omitted if len(names) > MAX_NAMES else omitted
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more else "")
