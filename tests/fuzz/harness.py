"""How the fuzz tests run: a few examples with all other tests, or as long as FUZZ_SECONDS says.

A target is a function of one ``Random``, from which it draws whatever it mutates; it fails by an assertion or by letting an
exception through. With ``CI`` set the short run draws the same numbers every time. Keys are made anew in every process,
so that bytes differ between runs: what failed is printed with the failure (``shown``), in base64.
"""

import base64
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long all targets together run; 0 is the short run."""
ROUND = 100
"""Examples between two looks at the clock."""
MAX_SHOWN = 200_000

Target = Callable[[Random], None]
_targets: list[str] = []


def fuzzed(*, examples: int = 100) -> Callable[[Target], Callable[[], None]]:
    """Make a target a test: of so many examples, or in the long run of its share of the seconds."""

    def decorate(target: Target) -> Callable[[], None]:
        _targets.append(target.__name__)
        test = _long(target) if SECONDS else _short(target, examples)
        # Looked at by pytest, which would take the target's own argument for a fixture.
        test.__name__, test.__doc__, test.__module__ = target.__name__, target.__doc__, target.__module__
        # Elsewhere warnings are errors; here they would hide what happens where they are none.
        return pytest.mark.filterwarnings("ignore")(test)

    return decorate


@contextmanager
def shown(content: bytes):
    """Print the bytes when what is done with them fails."""
    try:
        yield
    except BaseException:
        note(f"input: {base64.b64encode(content[:MAX_SHOWN]).decode()}")
        raise


def _short(target: Target, examples: int) -> Callable[[], None]:
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.generate],
    )

    def test() -> None:
        chosen(given(st.randoms(use_true_random=True))(target))()

    return test


def _long(target: Target) -> Callable[[], None]:
    chosen = settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )

    @pytest.mark.timeout(0)
    def test() -> None:
        end = time.monotonic() + SECONDS / len(_targets)
        rounds, slowest = 0, 0.0

        def timed(rng: Random) -> None:
            nonlocal slowest
            start = time.thread_time()
            target(rng)
            slowest = max(slowest, time.thread_time() - start)

        while time.monotonic() < end:
            chosen(given(st.randoms(use_true_random=True))(timed))()
            rounds += 1
        print(f"\n{target.__name__}: {rounds * ROUND} examples, the slowest {slowest * 1000:.1f} ms of CPU")

    return test
