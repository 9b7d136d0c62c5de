"""The posture of repositories as one HTML page, as closed as the page of ``tidegate report``: no script, nothing fetched."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.checks.result import Outcome
from tidegate.reports.html_page import content_security_policy, environment, page_style
from tidegate.reports.posture_lines import PostureReport, by_check, worst_first


@dataclass(frozen=True, slots=True, kw_only=True)
class PosturePageLimits:
    """What a page shows at most; it says how much more there is."""

    registries: int = 200
    repositories: int = 2_000
    passed: int = 5_000


def render_posture(report: PostureReport, *, now: datetime, limits: PosturePageLimits | None = None) -> str:
    """Return the page."""
    counts = report.counts()
    return (
        environment()
        .get_template("posture.html.jinja")
        .render(
            report=report,
            passed=counts[Outcome.PASS],
            failed=counts[Outcome.FAIL],
            undetermined=counts[Outcome.UNDETERMINED],
            checks=by_check(report.repositories),
            registries=[
                (
                    one,
                    sum(each.outcome is Outcome.FAIL for each in one.repositories),
                    sum(each.outcome is Outcome.UNDETERMINED for each in one.repositories),
                )
                for one in report.registries
            ],
            open_ones=worst_first(report.repositories),
            fine=[one for one in report.repositories if one.outcome is Outcome.PASS],
            now=now,
            limits=limits or PosturePageLimits(),
            policy=content_security_policy(),
            style=page_style(),
        )
    )
