"""A report as one HTML page: no script, nothing from elsewhere, and a Content Security Policy that allows nothing else.

Every text is escaped by jinja2, shown without characters that cannot be seen, and isolated from the direction of the
text around it. The charts are rectangles in SVG, drawn by the template.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tidegate.checks.messages import age, plural
from tidegate.checks.result import Outcome
from tidegate.reports.as_json import time_text
from tidegate.reports.model import Inventory, ReportedImage, ReportRow
from tidegate.reports.selection import Selection
from tidegate.reports.summary import Summary, TurnedBad
from tidegate.strict.quotation import printable
from tidegate.verdicts.shape import StoredResult

DAYS: Final = 30
"""Days of the chart of images that turned bad."""
_SHORT_DIGEST: Final = len("sha256:") + 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """What a page shows at most; it says how much more there is."""

    groups: int = 50
    rows: int = 5_000
    images: int = 500
    names: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy:
    """A policy of a line, and whether it denies."""

    name: str
    denies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Rows of one workload and image that differ in their policies alone."""

    row: ReportRow
    policies: tuple[NamedPolicy, ...]


def render_page(
    summary: Summary,
    inventory: Inventory,
    *,
    now: datetime,
    selection: Selection | None = None,
    images: Sequence[ReportedImage] | None = None,
    limits: PageLimits | None = None,
) -> str:
    """Return the page; ``images`` are those to show from all sides, by default the refused ones before the others."""
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            summary=summary,
            inventory=inventory,
            images=_worst_first(summary, inventory) if images is None else list(images),
            lines=_lines(summary.rows),
            exempt_lines=_lines(summary.exempt_rows),
            now=now,
            chosen=_chosen(selection or Selection()),
            days=_days(summary.turned_bad, now),
            limits=limits or PageLimits(),
            policy=content_security_policy(),
            style=page_style(),
        )
    )


@cache
def content_security_policy() -> str:
    """Return the policy of the page: its own style, by its hash, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(page_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def page_style() -> Markup:
    """Return the style sheet of every page."""
    templates = environment()
    assert templates.loader is not None
    return Markup(templates.loader.get_source(templates, "page.css")[0])  # noqa: S704 - a file of this package


@cache
def environment() -> Environment:
    """Return what renders the templates of pages: it escapes every text."""
    made = Environment(
        loader=PackageLoader("tidegate.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
    )
    made.globals |= {"share": _share, "count": plural, "age": age}
    filters: dict[str, Callable[..., Any]] = {
        "time": time_text,
        "short_digest": lambda digest: digest[:_SHORT_DIGEST],
        "short_repository": _short_repository,
        "short_image": _short_image,
        "outcome_class": _outcome_class,
    }
    made.filters |= filters
    return made


def _visible(value: Any) -> Any:
    """Return a text without what cannot be seen, such as marks that turn the direction of the text after them."""
    return printable(value) if type(value) is str else value


def _share(count: int, of: int) -> float:
    return round(100 * count / of, 2) if of else 0.0


def _short_repository(repository: str) -> str:
    """Return the repository without the host of its registry."""
    return repository.partition("/")[2] or repository


def _short_image(name: str) -> str:
    """Return an image without the host of its registry, and with a short digest."""
    repository, _, digest = name.rpartition("@")
    return f"{_short_repository(repository)} {digest[:_SHORT_DIGEST]}"


def _outcome_class(outcome: Outcome) -> str:
    return {Outcome.FAIL: "refused", Outcome.UNDETERMINED: "unchecked"}.get(outcome, "fine")


def _worst_first(summary: Summary, inventory: Inventory) -> list[ReportedImage]:
    rank = {group.name: number for number, group in enumerate(summary.by_image)}
    return sorted(inventory.images, key=lambda one: (rank.get(one.name, len(rank)), one.name))


def _lines(rows: Sequence[ReportRow]) -> list[Line]:
    found: dict[tuple[str, str, str, StoredResult], dict[NamedPolicy, ReportRow]] = {}
    for row in rows:
        same = found.setdefault((row.namespace, row.workload_name, row.image.name, row.result), {})
        same.setdefault(NamedPolicy(name=row.policy.name, denies=row.is_enforced), row)
    return [Line(row=next(iter(same.values())), policies=tuple(same)) for same in found.values()]


def _chosen(selection: Selection) -> list[tuple[str, str]]:
    words = (("namespace", selection.namespaces), ("policy", selection.policies), ("reason", selection.reasons))
    return [(word, ", ".join(sorted(names))) for word, names in words if names]


def _days(turned: Sequence[TurnedBad], now: datetime) -> list[int]:
    """Return how many images turned bad on each of the last days, the present one last."""
    days = [0] * DAYS
    for one in turned:
        if timedelta(0) <= (passed := now - one.since) < timedelta(days=DAYS):
            days[DAYS - 1 - passed.days] += 1
    return days
