"""Every attack stays within its bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.product import end_control_plane
from tests.attack.scenario import Scenario, all_scenarios

TRIES = 3


@pytest.fixture(scope="module", autouse=True)
def control_plane() -> Iterator[None]:
    """End the control plane that the scenarios share."""
    yield
    end_control_plane()


# uvloop keeps the socket of a client whose TLS handshake was cut off, as the server under attack does to some.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_the_bound_holds(scenario: Scenario):
    """What is only late is tried again: a fault of the product is late each time."""
    for _ in range(TRIES):
        outcome = scenario.run()
        assert outcome.held, f"{scenario.attack}: measured {outcome.measured}, bound {outcome.bound}"
        if outcome.in_time:
            return
    pytest.fail(f"{scenario.attack}: late {TRIES} times, measured {outcome.measured}, bound {outcome.bound}")


def test_each_scenario_has_a_name_of_its_own():
    names = [scenario.name for scenario in all_scenarios()]
    assert len(names) == len(set(names))
