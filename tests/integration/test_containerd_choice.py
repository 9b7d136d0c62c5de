"""No image of an index runs unjudged: compared with containerd's own code, 1.7 and 2, on indexes by chance."""

from random import Random

import pytest

from tests.containerd.choice import Comparison, compare
from tests.containerd.indexes import Images, hostile, ordinary

SEED = 20_261_128
HOSTILE, ORDINARY = 20_000, 4_000


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    chance, images = Random(SEED), Images.stock()
    return compare([hostile(chance, images) for _ in range(HOSTILE)], images, chance)


def test_what_a_node_may_run_is_judged(comparisons):
    """Whatever the variant of its processor and its containerd; a refused index runs nowhere."""
    for one in comparisons:
        assert one.judged is None or one.run <= one.judged, one.shown()


def test_the_indexes_prove_something(comparisons):
    """Most are read, nodes run an image of many, not all nodes the same one, and an index within them is common."""
    read = [one for one in comparisons if one.judged is not None]
    run = [one for one in read if one.run]
    assert len(read) > 0.9 * HOSTILE
    assert len(run) > 0.4 * HOSTILE
    assert sum(len(one.run) > 1 for one in run) > 0.05 * HOSTILE
    assert sum(len(one.index.indexes) > 1 for one in run) > 0.15 * HOSTILE


def test_not_everything_is_judged(comparisons):
    """Hostile indexes have much that cannot be told, and still less than half of what a node leaves is judged."""
    run = [one for one in comparisons if one.run and one.judged is not None]
    left = sum(len(one.index.images - one.run) for one in run)
    judged = sum(len((one.judged or frozenset()) - one.run) for one in run)
    assert judged < 0.5 * left


def test_of_an_ordinary_index_no_more_is_judged_than_some_node_runs():
    chance, images = Random(SEED), Images.stock()
    for one in compare([ordinary(chance, images) for _ in range(ORDINARY)], images, chance):
        assert one.judged == one.run, one.shown()
