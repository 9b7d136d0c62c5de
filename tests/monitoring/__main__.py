"""``make dashboard``: draw the panels of the chart's dashboard on the metrics of a running tidegate, for the docs.

What Grafana does is imitated, not run: each panel's queries go to a real Prometheus, and title, unit and legend are the
dashboard's own. matplotlib is in the dependency group ``drawing``, which nothing else needs.
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path
from typing import Any

from tests.monitoring.board import RATE_SECONDS, Panel, panels
from tests.monitoring.prometheus import Prometheus
from tests.monitoring.traffic import scraped

PICTURE = Path(__file__).parents[2] / "docs" / "operations" / "dashboard.svg"
LOAD_SECONDS = 90.0
COLUMNS = 24
INCHES_A_COLUMN, INCHES_A_ROW = 0.5, 0.3
LEFT, RIGHT, TOP, BOTTOM = 0.55, 0.1, 0.3, 0.25
"""The inches around the drawing within its panel, for the title and the numbers at the axes."""


def in_unit(value: float, _position: int | None = None, *, unit: str) -> str:
    """Return a value as Grafana writes it in one of the units that the dashboard uses."""
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.3g}{ {'reqps': ' req/s', 'ops': ' ops/s'}.get(unit, '') }"


def draw_numbers(axes: Any, panel: Panel, prometheus: Prometheus) -> None:
    """Write the values of a panel of numbers."""
    axes.axis("off")
    found = [
        f"{query.name(labels)} {in_unit(value, unit=panel.unit)}".strip()
        for query in panel.queries
        for labels, value in prometheus.value(query.expression)
    ]
    axes.text(0.5, 0.4, "\n".join(found), ha="center", va="center", fontsize=14 if len(found) == 1 else 11)


def draw_curves(axes: Any, panel: Panel, prometheus: Prometheus, start: float, end: float) -> None:
    """Draw the series of a panel of curves over the seconds since the start."""
    for query in panel.queries:
        for labels, points in prometheus.series(query.expression, start=start, end=end):
            axes.plot(*zip(*points, strict=True), label=query.name(labels), linewidth=1)
    axes.set_xlim(0, end - start)
    axes.margins(y=0.3)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(functools.partial(in_unit, unit=panel.unit))
    axes.grid(visible=True, linewidth=0.3)
    axes.tick_params(labelsize=6)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=5.5, loc="upper left", ncols=2, framealpha=0.6)


def draw(plt: Any, prometheus: Prometheus, start: float, end: float) -> Any:
    """Return a figure with every panel at its place on the board."""
    board = panels()
    rows = max(panel.place["y"] + panel.place["h"] for panel in board)
    width, height = COLUMNS * INCHES_A_COLUMN, rows * INCHES_A_ROW
    figure = plt.figure(figsize=(width, height))
    for panel in board:
        x, y = panel.place["x"] * INCHES_A_COLUMN + LEFT, panel.place["y"] * INCHES_A_ROW + TOP
        wide = panel.place["w"] * INCHES_A_COLUMN - LEFT - RIGHT
        high = panel.place["h"] * INCHES_A_ROW - TOP - BOTTOM
        axes = figure.add_axes((x / width, 1 - (y + high) / height, wide / width, high / height))
        axes.set_title(panel.title, fontsize=8, loc="left")
        if panel.kind == "stat":
            draw_numbers(axes, panel, prometheus)
        else:
            draw_curves(axes, panel, prometheus, start, end)
    return figure


def main() -> int:
    """Run tidegate under load, and write the picture."""
    try:
        import matplotlib as mpl
        from matplotlib import pyplot as plt
    except ModuleNotFoundError:
        print("matplotlib is missing: run make dashboard, which installs it", file=sys.stderr)
        return 2
    mpl.use("svg")
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "tidegate", "font.family": "sans-serif"}
    with scraped(LOAD_SECONDS) as (prometheus, start):
        end = time.time()
        figure = draw(plt, prometheus, start + RATE_SECONDS, end)
    figure.savefig(PICTURE, metadata={"Date": None})
    print(f"wrote {PICTURE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
