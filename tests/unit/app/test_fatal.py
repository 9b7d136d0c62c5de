"""A loop whose callbacks have no memory ends the process with a reason; other problems are reported as ever."""

import subprocess
import sys

import pytest

from tidegate.app.fatal import OUT_OF_MEMORY

CALLBACK = """
import asyncio
from tidegate.app.fatal import clear_end

def fail():
    raise ERROR

async def main():
    with clear_end():
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.1)
        print("went on")

asyncio.run(main())
"""
MAIN = """
import asyncio
from tidegate.app.fatal import clear_end

async def other():
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

async def main():
    with clear_end():
        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        raise ERROR

asyncio.run(main())
"""


def run(program: str, error: str) -> subprocess.CompletedProcess[str]:
    program = program.replace("ERROR", error)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_without_memory_it_ends_and_says_so():
    done = run(CALLBACK, "MemoryError")
    assert (done.returncode, done.stdout) == (71, "")
    assert "out of memory" in done.stderr


def test_another_error_ends_nothing():
    done = run(CALLBACK, "ValueError('x')")
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "ValueError: x" in done.stderr


ERRORS = ["MemoryError", "BaseExceptionGroup('tasks', [ValueError(), MemoryError()])"]


@pytest.mark.parametrize("error", ERRORS)
def test_a_memory_error_that_leaves_the_block_ends_before_any_clean_up(error):
    """What asyncio cleans up behind it needs memory, and can crash without."""
    done = run(MAIN, error)
    assert (done.returncode, done.stdout) == (OUT_OF_MEMORY, "")
    assert "out of memory" in done.stderr


def test_another_error_is_raised_as_it_is():
    done = run(MAIN, "ValueError('another')")
    assert (done.returncode, done.stdout) == (1, "cleaned up\n")
    assert "ValueError: another" in done.stderr
