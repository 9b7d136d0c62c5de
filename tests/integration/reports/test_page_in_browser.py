"""The report's page in a real Chromium, at the width of a desktop and of a phone, with data that an attacker chose."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, Page
from tests.verdict_objects import HOSTILE, NOW, crowd, hostile, shop
from tidegate.reports.html_page import render_page
from tidegate.reports.model import Inventory, Unreadable
from tidegate.reports.read import read_inventory
from tidegate.reports.summary import summarize

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
ROWS = 5_000
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest('.skip, thead');
}).map(one => one.outerHTML.slice(0, 200))
"""
CONTRASTS = """
(() => {
  const light = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(one => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = one => {
    for (let each = one; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!colour.startsWith('rgba(0, 0, 0, 0')) return colour;
    }
  };
  const found = {};
  for (const one of document.querySelectorAll('body, body *')) {
    if (![...one.childNodes].some(each => each.nodeType === 3 && each.data.trim())) continue;
    const [text, back] = [getComputedStyle(one).color, behind(one)];
    const [high, low] = [light(text), light(back)].sort((a, b) => b - a);
    found[text + ' on ' + back] = (high + 0.05) / (low + 0.05);
  }
  return found;
})()
"""
"""The contrast of each pair of colours of text and background (WCAG 2.2, relative luminance)."""


def read(objects: Sequence[Any]) -> Inventory:
    inventory = read_inventory(objects)
    assert not inventory.unreadable
    return inventory


def owned() -> Inventory:
    """Return images whose every text is of an attacker, also those that reading refuses."""
    images = [replace(one, repository=f"x/{text}") for one, text in zip(read(hostile()).images, HOSTILE, strict=True)]
    unreadable = [Unreadable(name=text, problem=text) for text in HOSTILE]
    return Inventory(images=tuple(images), unreadable=tuple(unreadable))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give the files of the pages."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    inventories = {"shop": shop(), "crowd": crowd(ROWS), "empty": []}
    for name, inventory in {**{name: read(one) for name, one in inventories.items()}, "hostile": owned()}.items():
        files[name] = folder / f"{name}.html"
        files[name].write_text(render_page(summarize(inventory), inventory, now=NOW), encoding="utf-8")
    return files


def check(page: Page, file: Path) -> None:
    """Check what holds for every page: nothing was refused, nothing was fetched, and nothing is cut at the side."""
    assert page.violations() == []
    assert page.messages == []
    assert page.requests == [file.as_uri()]
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run(OVERFLOWING) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["shop", "hostile", "crowd", "empty"])
def test_a_page_fits_the_window_and_violates_no_policy(
    browser: Browser, pages: dict[str, Path], name: str, width: str
) -> None:
    wide, high = WIDTHS[width]
    with browser.page(pages[name].as_uri(), width=wide, height=high) as page:
        page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        check(page, pages[name])


def test_texts_of_an_attacker_stay_texts(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.page(pages["hostile"].as_uri(), width=1280, height=900) as page:
        assert page.run("document.title").startswith("tidegate report:")
        assert (
            page.run("document.querySelectorAll('script, img, iframe, object, form, a[href^=javascript]').length") == 0
        )
        assert page.run("document.querySelectorAll('h1').length") == 1
        shown = page.run("document.body.textContent")
        for text in HOSTILE:
            if text.isprintable():
                assert text in shown
        assert "{{ 7 * 7 }}" in shown
        assert not [one for one in shown if one in "\u202e\u202c\x1b\x00"]


def test_a_script_that_did_get_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The policy holds where the escaping fails, and the test of the violations sees it."""
    inventory = read_inventory(shop())
    text = render_page(summarize(inventory), inventory, now=NOW)
    injected = "<script>document.title='owned'</script><style>body{color:red}</style><img src='data:,' onerror='document.title=1'>"
    file = tmp_path / "injected.html"
    file.write_text(text.replace("<main", f"{injected}<main"), encoding="utf-8")
    with browser.page(file.as_uri(), width=1280, height=900) as page:
        assert page.run("document.title").startswith("tidegate report:")
        assert {one.split()[0] for one in page.violations()} >= {"script-src-elem", "style-src-elem", "img-src"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_have_contrast(browser: Browser, pages: dict[str, Path], dark: bool) -> None:
    """WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1."""
    with browser.page(pages["shop"].as_uri(), width=1280, height=900, dark=dark) as page:
        contrasts = page.run(CONTRASTS)
        assert len(contrasts) > 3
        assert {pair: ratio for pair, ratio in contrasts.items() if ratio < 4.5} == {}
        back = page.run("getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(255, 255, 255)") is not dark


@pytest.mark.parametrize("width", WIDTHS)
def test_assistive_technology_sees_headings_and_tables(browser: Browser, pages: dict[str, Path], width: str) -> None:
    wide, high = WIDTHS[width]
    with browser.page(pages["shop"].as_uri(), width=wide, height=high) as page:
        seen = page.accessibility()
        assert ("heading", "If everything were enforced today") in seen
        assert ("heading", "What runs now and has turned bad") in seen
        assert ("columnheader", "Namespace") in seen
        assert ("rowheader", "shop-staging") in seen
        assert ("main", "") in seen
        assert ("navigation", "Sections") in seen
        assert [
            name for role, name in seen if role == "image" and name.startswith("Of 9 workloads, 6 would be refused")
        ]
        levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])")
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_keyboard_reaches_links_and_images(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.page(pages["shop"].as_uri(), width=1280, height=900) as page:
        reached = []
        for _ in range(8):
            for kind in ("keyDown", "keyUp"):
                key = {"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
                browser.call("Input.dispatchKeyEvent", key, session=page.session)
            reached.append(page.run("document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()"))
        assert reached[0] == "A Skip to the report"
        assert "A Turned bad" in reached
        assert any(one.startswith("SUMMARY Fail") for one in reached)
