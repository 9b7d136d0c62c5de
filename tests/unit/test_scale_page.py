"""The page about scale is as it would be written, and says which aims are missed."""

from pathlib import Path

import pytest

from tests.bench.scale_page import AIMS, read, render

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/scale.md").read_text()
FIGURES = read(PAGE)


def test_the_page_is_what_its_figures_render_to() -> None:
    assert render(FIGURES) == PAGE


def test_every_aim_is_about_a_figure_of_the_page() -> None:
    assert AIMS.keys() <= FIGURES.keys()


@pytest.mark.parametrize(("value", "shown"), [(5.0, "at most 5"), (5.1, "at most 5 (missed)")])
def test_a_figure_above_its_aim_is_missed(value: float, shown: str) -> None:
    name = "a changed policy: s until all are judged"
    assert f"| {name} | {value:.4g} | {shown} |" in render(FIGURES | {name: value})
