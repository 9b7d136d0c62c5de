"""The end of a process of either role."""

import subprocess
import sys

STUCK = """
import time
from concurrent.futures import ThreadPoolExecutor
from tidegate.app.process import end_soon

ThreadPoolExecutor(1).submit(time.sleep, 600)
end_soon()
"""


def test_a_call_without_an_answer_does_not_hold_up_the_end() -> None:
    """Python alone would wait for the ten minutes."""
    assert subprocess.run([sys.executable, "-c", STUCK], timeout=60, check=False).returncode == 0
