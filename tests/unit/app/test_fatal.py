"""A loop whose callbacks have no memory ends the process with a reason; other problems are reported as ever."""

import os
import subprocess
import sys

import pytest

from tidegate.app.fatal import OUT_OF_MEMORY, clear_end

PROGRAM = """
import asyncio
from tidegate.app.fatal import end_clearly

def fail():
    raise ERROR

async def main():
    end_clearly(asyncio.get_running_loop())
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0.1)
    print("went on")

asyncio.run(main())
"""


def run(error: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.replace("ERROR", error)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_without_memory_it_ends_and_says_so():
    done = run("MemoryError")
    assert (done.returncode, done.stdout) == (71, "")
    assert "out of memory" in done.stderr


def test_another_error_ends_nothing():
    done = run("ValueError('x')")
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "ValueError: x" in done.stderr


@pytest.mark.parametrize("error", [MemoryError(), BaseExceptionGroup("tasks", [ValueError(), MemoryError()])], ids=repr)
def test_a_memory_error_that_leaves_everything_ends_with_a_reason(error, monkeypatch, capfd):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with pytest.raises(type(error)), clear_end():
        raise error
    assert ended == [OUT_OF_MEMORY]
    assert "out of memory" in capfd.readouterr().err


def test_another_error_is_raised_as_it_is(monkeypatch):
    monkeypatch.setattr(os, "_exit", lambda _: pytest.fail("ended"))
    with pytest.raises(ValueError, match="another"), clear_end():
        raise ValueError("another")
