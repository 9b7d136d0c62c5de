"""Values that docs/guides show are accepted by the chart: helm renders every object with them."""

import pytest
import yaml

from tests.chart.render import find, render
from tests.guides import blocks_of


def test_values_of_the_guides_render(request: pytest.FixtureRequest) -> None:
    for block in blocks_of(request):
        objects = render(yaml.safe_load(block.text))
        assert find(objects, "Deployment")
