"""The page about mutation, its areas, and how results become scores."""

import pytest

from tests.mutation.__main__ import read_results, scores
from tests.mutation.areas import AREAS, PACKAGE, ROOT, chosen
from tests.mutation.page import HEADING, PAGE, read_rows, table

PRINTED = """\
    tidegate.checks.tag.x_check_tag__mutmut_1: survived
    tidegate.checks.tag.x__fail__mutmut_2: killed
    tidegate.checks.tag.x__fail__mutmut_3: timeout
    tidegate.policy.match.xǁMatchǁfits__mutmut_1: no tests
    tidegate.policy.match.x_scope__mutmut_9: not checked
"""


@pytest.mark.parametrize("area", AREAS)
def test_each_area_is_a_module_with_tests(area):
    assert (PACKAGE / area).is_file()
    assert AREAS[area]
    for path in AREAS[area]:
        assert (ROOT / path).exists(), path


def test_the_page_has_a_line_for_each_area_and_is_as_it_would_be_written():
    text = PAGE.read_text()
    assert HEADING in text
    assert table(read_rows(text)) in text


def test_areas_are_chosen_by_file_or_folder():
    assert list(chosen(["checks/tag.py"])) == ["checks/tag.py"]
    assert set(chosen(["checks"])) == {one for one in AREAS if one.startswith("checks/")}
    assert chosen([]) == AREAS
    with pytest.raises(ValueError, match="no area nowhere"):
        chosen(["nowhere"])


def test_what_no_test_reaches_has_survived_and_a_module_counts_once_it_was_tried_whole():
    results = read_results(PRINTED)
    assert len(results) == 5
    assert scores(results) == {"checks/tag.py": (2, 3)}
    tried = {name: status.replace("not checked", "killed") for name, status in results.items()}
    assert scores(tried) == {"checks/tag.py": (2, 3), "policy/match.py": (1, 2)}
