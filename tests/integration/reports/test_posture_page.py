"""The page of ``tidegate posture`` in a real Chromium: it fits, fetches nothing, and shows texts of others as texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.integration.reports.test_page_in_browser import CONTRASTS, WIDTHS, check
from tests.posture_lines import HOSTILE, crowd, estate, hostile
from tests.verdict_objects import NOW
from tidegate.reports.posture_lines import PostureReport
from tidegate.reports.posture_page import render_posture

PAGES = {"estate": estate, "hostile": hostile, "crowd": lambda: crowd(2_500), "empty": PostureReport}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    files = {name: folder / f"{name}.html" for name in PAGES}
    for name, file in files.items():
        file.write_text(render_posture(PAGES[name](), now=NOW), encoding="utf-8")
    return files


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_window_and_violates_no_policy(
    browser: Browser, pages: dict[str, Path], name: str, width: str
) -> None:
    wide, high = WIDTHS[width]
    with browser.page(pages[name].as_uri(), width=wide, height=high) as page:
        page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        check(page, pages[name])


def test_texts_of_others_stay_texts(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.page(pages["hostile"].as_uri(), width=1280, height=900) as page:
        assert page.run("document.querySelectorAll('script, img, iframe, object, form').length") == 0
        shown = page.run("document.body.textContent")
        assert HOSTILE.partition("\u202e")[0] in shown
        assert "{{ 7 * 7 }}" in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_have_contrast(browser: Browser, pages: dict[str, Path], dark: bool) -> None:
    with browser.page(pages["estate"].as_uri(), width=1280, height=900, dark=dark) as page:
        contrasts = page.run(CONTRASTS)
        assert {pair: ratio for pair, ratio in contrasts.items() if ratio < 4.5} == {}


def test_assistive_technology_sees_headings_and_charts(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.page(pages["estate"].as_uri(), width=1280, height=900) as page:
        seen = page.accessibility()
        assert ("heading", "Open repositories") in seen
        assert ("columnheader", "Check") in seen
        assert [name for role, name in seen if role == "image" and name.startswith("Of 4 repositories, 2 fail")]
