"""A loop whose callbacks have no memory ends the process with a reason; other problems are reported as ever."""

import subprocess
import sys

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
