"""Runs the command as a program whose standard output nothing reads any more."""

import os
import subprocess
import sys


def run_unread(*arguments: object) -> tuple[int, str]:
    """Return the exit code and standard error; the reader of standard output has closed it."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tidegate", *map(str, arguments)]
    try:
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    finally:
        os.close(writer)
    return ended.returncode, ended.stderr
