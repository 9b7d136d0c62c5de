"""The page about scale is as it would be written, and says which aims are missed."""

from pathlib import Path

import pytest

from tests.bench.scale import BARE
from tests.bench.scale_page import AIMS, WRITTEN, read, render

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


def test_the_part_of_the_api_server_is_said_where_it_was_measured() -> None:
    page = render({name: value for name, value in FIGURES.items() if name != BARE} | {WRITTEN: 60.0})
    assert "A bare client" not in page
    page = render(FIGURES | {WRITTEN: 60.0, BARE: 45.0})
    assert f"| {BARE} | 45 |  |" in page
    assert "takes 45 s" in page
    assert "of the 60 s, 75%" in page
