"""The page of a report as text: escaped, closed by its policy, bounded; tests/integration/reports opens it in a browser."""

import hashlib
import re
from base64 import b64encode

import pytest

from tests.report_picture import PICTURE, note, page
from tests.verdict_objects import NOW, ago, crowd, hostile, policy, result, runs, shop, verdict
from tidegate.reports.html_page import PageLimits, content_security_policy, render_page
from tidegate.reports.read import read_inventory
from tidegate.reports.selection import Selection
from tidegate.reports.summary import summarize


def rendered(objects, *, limits=None, selection=None):
    inventory = read_inventory(objects)
    summary = summarize(inventory, selection)
    return render_page(summary, inventory, now=NOW, selection=selection, limits=limits)


def test_the_picture_of_the_guide_shows_the_present_page():
    assert note(page()) in PICTURE.read_bytes(), "run: make report-picture"


def test_the_policy_allows_the_style_of_the_page_and_nothing_else():
    text = rendered(shop())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    expected = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert content_security_policy() == expected
    policies = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', text)
    assert [one.replace("&#39;", "'") for one in policies] == [expected]
    # The policy comes before anything that it could refuse.
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_the_page_has_no_script_and_loads_nothing():
    for objects in (shop(), hostile()):
        text = rendered(objects)
        assert not re.search(r"<(script|img|link|iframe|object|embed|form|base)\b", text)
        assert not re.search(r"<[^>]*\s(on\w+|style|src|action)=", text)
        assert all(target.startswith("#") for target in re.findall(r'href="(.*?)"', text))


def test_what_cannot_be_seen_is_shown_as_question_marks():
    text = rendered(hostile())
    assert not {"\u202e", "\u202c", "\x1b", "\x00"} & set(text)
    assert "?gnp.exe?" in text


def test_numbers_are_those_of_the_summary():
    text = rendered(shop())
    assert '<dd class="refused">6<small>workloads, 4 images</small>' in text
    assert '<dd class="unchecked">1<small>workload, 1 image</small>' in text
    assert '<dd class="fine">2<small>workloads, 1 although a check does not pass</small>' in text
    assert text.count("<details>") == 7


@pytest.mark.parametrize(("days", "bars"), [(0, 1), (29, 1), (30, 0), (45, 0)])
def test_the_chart_has_the_days_that_it_says(days, bars):
    failing = policy("p", ["a"], result("VulnerabilitiesFound", "x"))
    one = verdict("a/b", 1, policies=[failing], where=[runs("a", "Job/x", since=ago(days=60))], since=ago(days=days))
    text = rendered([one])
    assert text.count('width="0.7"') == 30
    assert text.count('width="0.7" height="10.0"') == bars
    assert '<strong class="refused">VulnerabilitiesFound</strong>' in text


def test_policies_with_the_same_result_share_a_line():
    text = rendered(shop())
    assert '<bdi>baseline</bdi>, <bdi>production</bdi> <span class="quiet">(denies)</span>' in text


def test_a_page_says_what_it_leaves_out():
    limits = PageLimits(groups=3, rows=5, images=4)
    text = rendered(crowd(12), limits=limits)
    assert "Workloads by image; 9 more are not shown" in text
    assert "What would be refused or could not be checked; 7 more are not shown" in text
    assert "8 more images are not shown" in text
    assert text.count("<details>") == 4
    assert "not shown" not in rendered(crowd(3), limits=limits)


def test_the_largest_page_is_bounded():
    limits = PageLimits()
    assert len(rendered(crowd(limits.rows + 50)).encode()) < 16 * 1024 * 1024


def test_a_page_names_its_selection():
    text = rendered(shop(), selection=Selection(namespaces=frozenset({"shop", "<b>"})))
    assert "Only namespace <bdi>&lt;b&gt;, shop</bdi>." in text


def test_an_empty_cluster_has_a_page():
    text = rendered([])
    assert "Nothing that runs would be refused." in text
    assert "No image that runs has turned bad since it was started." in text


def test_objects_that_are_not_valid_are_listed():
    assert '<h2 id="unreadable">' in rendered([*shop(), {"kind": "ImageVerdict", "metadata": {"name": "x"}}])
    assert "unreadable" not in rendered(shop())


@pytest.mark.parametrize("outcome", ["turned-bad", "refused", "images", "exempt", "by-namespace"])
def test_sections_can_be_linked_to(outcome):
    assert f'id="{outcome}"' in rendered(shop())
