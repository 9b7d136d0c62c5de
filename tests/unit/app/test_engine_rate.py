"""The rate of each API where calls to an account are paced: ids have to wait where they fill batches."""

import pytest

from tidegate.app.engine import api_rate
from tidegate.settings import Aws


@pytest.mark.parametrize(
    ("paced", "per_second", "burst"),
    [
        pytest.param(None, 20.0, 40, id="not paced"),
        pytest.param(2.0, 2.0, 2, id="paced slower than each API"),
        pytest.param(0.5, 0.5, 1, id="paced below one call a second"),
        pytest.param(100.0, 20.0, 40, id="paced faster than each API"),
    ],
)
def test_no_api_is_called_more_often_than_its_account(paced: float | None, per_second: float, burst: int) -> None:
    found = api_rate(Aws(rate_per_second=20, burst=40), paced)
    assert (found.per_second, found.burst) == (per_second, burst)
