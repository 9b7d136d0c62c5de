"""No image of an index runs unjudged, compared with containerd's own code for as long as there is time."""

from random import Random

from tests.containerd.choice import compare
from tests.containerd.indexes import Images, hostile
from tests.fuzz.harness import fuzzed

INDEXES = 100


@fuzzed(examples=5)
def test_what_a_node_may_run_is_judged(rng: Random) -> None:
    images = Images.stock()
    for one in compare([hostile(rng, images) for _ in range(INDEXES)], images, rng):
        assert one.judged is None or one.run <= one.judged, one.shown()
